package custos.standin;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import custos.standin.catalogue.Catalogue;
import custos.standin.catalogue.Service;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.springframework.context.ConfigurableApplicationContext;

/** One service that runs in the test's own process, on free ports of the loopback. */
public final class Playing implements AutoCloseable {

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    public final int httpPort = freePort();
    public final int grpcPort = freePort();
    private final ConfigurableApplicationContext context;

    /** @param settings {@code key=value}, as the environment would give them */
    public Playing(String application, String... settings) {
        List<String> args = new ArrayList<>(List.of("--server.port=" + httpPort, "--grpc.port=" + grpcPort,
                "--server.address=127.0.0.1", "--spring.zipkin.enabled=false"));
        Arrays.stream(settings).forEach(setting -> args.add("--" + setting));
        Service service = Catalogue.packed().byApplication(application);
        context = Standin.start(service, args.toArray(new String[0]));
    }

    public String property(String key) {
        return context.getEnvironment().getProperty(key);
    }

    public String url(String path) {
        return "http://127.0.0.1:" + httpPort + path;
    }

    /** Fetches a page of the service. */
    public Answer get(String path) throws IOException, InterruptedException {
        return fetch(HttpRequest.newBuilder(URI.create(url(path))).build());
    }

    /** Fetches any page. */
    public static Answer fetch(HttpRequest request) throws IOException, InterruptedException {
        HttpResponse<String> response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        return new Answer(response.statusCode(), response.body());
    }

    public static int freePort() {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        context.close();
    }

    /** Status and body of an answer. */
    public static final class Answer {
        public final int status;
        public final String body;

        Answer(int status, String body) {
            this.status = status;
            this.body = body;
        }

        public JsonNode json() throws IOException {
            return new ObjectMapper().readTree(body);
        }

        /** State and message of one edge of {@code /standin/reaches}; fails where there is no such edge. */
        public String edge(String name) throws IOException {
            for (JsonNode edge : json().get("edges")) {
                if (edge.get("edge").asText().equals(name)) {
                    return edge.get("state").asText() + " " + edge.get("message").asText();
                }
            }
            throw new AssertionError("no edge " + name + " in " + body);
        }
    }
}
