package custos.standin.sidecar;

import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Answers over the JDK's own HTTP server. */
final class Answers {

    private Answers() {
    }

    static void json(HttpExchange exchange, int status, String message, String what, int grpcCode) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        String body = String.format("{\"standin\": true, \"code\": %d, \"message\": \"%s\", \"what\": \"%s\"}%n",
                grpcCode, escaped(message), escaped(what));
        bytes(exchange, status, body.getBytes(StandardCharsets.UTF_8));
    }

    static void text(HttpExchange exchange, int status, String body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/plain");
        bytes(exchange, status, (body + "\n").getBytes(StandardCharsets.UTF_8));
    }

    static void bytes(HttpExchange exchange, int status, byte[] body) throws IOException {
        boolean head = exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(status, head ? -1 : body.length);
        if (!head) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ");
    }
}
