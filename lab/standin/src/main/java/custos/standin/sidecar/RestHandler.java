package custos.standin.sidecar;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import custos.standin.catalogue.Catalogue;
import custos.standin.catalogue.Service;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.Optional;

/**
 * REST in, gRPC out. The real sidecar knows each method's path; this one knows the services' path prefixes, and whatever is asked
 * below one becomes the stand-in's only method, {@code Check}.
 */
final class RestHandler implements HttpHandler {

    private final Catalogue catalogue;
    private final EnvoyConfig.Target target;
    private final Backend backend;

    RestHandler(Catalogue catalogue, EnvoyConfig.Target target, Backend backend) {
        this.catalogue = catalogue;
        this.target = target;
        this.backend = backend;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        exchange.getRequestBody().readAllBytes();
        String path = exchange.getRequestURI().getPath();
        Optional<Service> found = catalogue.services().stream().filter(service -> isBelow(path, service)).findFirst();
        if (found.isEmpty()) {
            Answers.json(exchange, 404, "no service has the path", path, Status.Code.NOT_FOUND.value());
            return;
        }
        for (String name : found.get().grpc()) {
            try {
                backend.call(target, name + "/Check", new byte[0]);
            } catch (StatusRuntimeException e) {
                Answers.json(exchange, httpStatus(e.getStatus()), e.getStatus().toString(), name, e.getStatus().getCode().value());
                return;
            }
        }
        Answers.json(exchange, 200, "SERVING", String.join(", ", found.get().grpc()), 0);
    }

    private static boolean isBelow(String path, Service service) {
        String rest = service.restPath();
        return rest != null && !service.grpc().isEmpty() && (path.equals(rest) || path.startsWith(rest + "/"));
    }

    /** As Envoy's transcoder maps them. */
    private static int httpStatus(Status status) {
        switch (status.getCode()) {
            case UNAVAILABLE:
                return 503;
            case UNIMPLEMENTED:
                return 501;
            case DEADLINE_EXCEEDED:
                return 504;
            case NOT_FOUND:
                return 404;
            default:
                return 500;
        }
    }
}
