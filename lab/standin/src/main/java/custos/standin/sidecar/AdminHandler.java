package custos.standin.sidecar;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicBoolean;

/** The few admin pages of Envoy that an orchestrator uses. */
final class AdminHandler implements HttpHandler {

    private final AtomicBoolean failing = new AtomicBoolean();
    private final Runnable quit;

    /** @param quit ends the program */
    AdminHandler(Runnable quit) {
        this.quit = quit;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        exchange.getRequestBody().readAllBytes();
        String path = exchange.getRequestURI().getPath();
        boolean post = exchange.getRequestMethod().equals("POST");
        switch (path) {
            case "/ready":
                Answers.text(exchange, failing.get() ? 503 : 200, failing.get() ? "DRAINING" : "LIVE");
                break;
            case "/healthcheck/fail":
            case "/healthcheck/ok":
            case "/drain_listeners":
            case "/quitquitquit":
                if (post) {
                    change(path);
                }
                Answers.text(exchange, post ? 200 : 400, post ? "OK" : "Method " + exchange.getRequestMethod() + " not allowed, POST required.");
                if (post && path.equals("/quitquitquit")) {
                    quit.run();
                }
                break;
            default:
                Answers.text(exchange, 404, "this stand-in for Envoy has no admin page " + path);
        }
    }

    private void change(String path) {
        if (path.equals("/healthcheck/fail")) {
            failing.set(true);
        } else if (path.equals("/healthcheck/ok")) {
            failing.set(false);
        }
    }
}
