package custos.standin.edge;

import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URL;

/** The config server, asked for this application's file. */
public class ConfigEdge implements Edge {

    private static final int TIMEOUT_MILLIS = 3000;

    private final String address;

    /** @param uri address of the config server, such as {@code http://host:9000} */
    public ConfigEdge(String uri, String application, String profile) {
        this.address = uri + "/" + application + "/" + profile;
    }

    @Override
    public String name() {
        return "config";
    }

    @Override
    public void use() throws IOException {
        HttpURLConnection connection = (HttpURLConnection) new URL(address).openConnection();
        connection.setConnectTimeout(TIMEOUT_MILLIS);
        connection.setReadTimeout(TIMEOUT_MILLIS);
        try {
            String body = new String(connection.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            if (!body.contains("\"source\"")) {
                throw new IOException(address + " answers, but has no file for this application and profile");
            }
        } finally {
            connection.disconnect();
        }
    }
}
