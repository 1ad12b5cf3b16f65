package custos.standin.sidecar;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;

/** gRPC-web over HTTP/1.1, unary calls, binary and text, as the browser clients of Custos make them. */
final class GrpcWebHandler implements HttpHandler {

    private static final int FRAME_HEADER = 5;
    private static final int TRAILERS = 0x80;

    private final Map<String, EnvoyConfig.Target> routes;
    private final Backend backend;

    GrpcWebHandler(Map<String, EnvoyConfig.Target> routes, Backend backend) {
        this.routes = routes;
        this.backend = backend;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        byte[] body = exchange.getRequestBody().readAllBytes();
        String type = String.valueOf(exchange.getRequestHeaders().getFirst("Content-Type"));
        EnvoyConfig.Target target = routes.entrySet().stream().filter(route -> path.startsWith(route.getKey()))
                .map(Map.Entry::getValue).findFirst().orElse(null);
        if (target == null) {
            Answers.json(exchange, 404, "no route", path, Status.Code.NOT_FOUND.value());
            return;
        }
        if (!type.startsWith("application/grpc-web")) {
            Answers.json(exchange, 415, "Content-Type must be application/grpc-web", type, Status.Code.INVALID_ARGUMENT.value());
            return;
        }
        boolean text = type.startsWith("application/grpc-web-text");
        byte[] answer = call(target, path.substring(1), text ? Base64.getMimeDecoder().decode(body) : body);
        exchange.getResponseHeaders().set("Content-Type", type);
        Answers.bytes(exchange, 200, text ? Base64.getEncoder().encode(answer) : answer);
    }

    private byte[] call(EnvoyConfig.Target target, String method, byte[] request) throws IOException {
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        Status status = Status.OK;
        try {
            frame(answer, 0, backend.call(target, method, message(request)));
        } catch (StatusRuntimeException e) {
            status = e.getStatus();
        } catch (IllegalArgumentException e) {
            status = Status.INVALID_ARGUMENT.withDescription(e.getMessage());
        }
        String description = status.getDescription() == null ? "" : "grpc-message:" + status.getDescription() + "\r\n";
        String trailers = "grpc-status:" + status.getCode().value() + "\r\n" + description;
        frame(answer, TRAILERS, trailers.getBytes(StandardCharsets.US_ASCII));
        return answer.toByteArray();
    }

    private static byte[] message(byte[] request) {
        if (request.length < FRAME_HEADER) {
            throw new IllegalArgumentException("a gRPC-web request has a header of five bytes; found " + request.length);
        }
        ByteBuffer buffer = ByteBuffer.wrap(request);
        buffer.get();
        int length = buffer.getInt();
        if (length != buffer.remaining()) {
            throw new IllegalArgumentException("the frame says " + length + " bytes; found " + buffer.remaining());
        }
        byte[] message = new byte[length];
        buffer.get(message);
        return message;
    }

    private static void frame(ByteArrayOutputStream out, int flags, byte[] payload) throws IOException {
        out.write(flags);
        out.write(ByteBuffer.allocate(Integer.BYTES).putInt(payload.length).array());
        out.write(payload);
    }
}
