package custos.standin.sidecar;

import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import custos.standin.catalogue.Catalogue;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Plays Envoy beside a service (REST to gRPC) or before them all (gRPC-web), without Spring and in little memory.
 *
 * <p>Command line as Envoy's: {@code -c FILE}; other options are taken and ignored. Without the option, or where the file is not
 * there, it is a service's sidecar with the ports of upstream's images.
 */
public final class Sidecar implements AutoCloseable {

    private static final int BACKLOG = 64;
    private static final int REST_PORT = 50000;
    private static final int ADMIN_PORT = 9901;
    private static final int GRPC_PORT = 7000;

    private final List<HttpServer> servers = new ArrayList<>();
    private final Backend backend = new Backend();
    private final ExecutorService workers = Executors.newCachedThreadPool();

    private Sidecar() {
    }

    public static void main(String[] args) {
        // One arena of buffers, not one for each core: the whole program has 32 MiB.
        System.setProperty("io.netty.allocator.type", "unpooled");
        System.setProperty("io.netty.eventLoopThreads", "1");
        if (List.of(args).contains("--version")) {
            System.out.println("custos-standin playing envoy 1.14.1");
            return;
        }
        try {
            EnvoyConfig config = config(args);
            start(config, () -> System.exit(0));
            for (EnvoyConfig.Listener listener : config.listeners) {
                System.out.printf("custos-standin plays envoy: %s on %d, %s; admin on %d%n",
                        listener.transcodes ? "REST" : "gRPC-web", listener.port,
                        listener.certificate == null ? "plaintext" : "TLS", config.adminPort);
            }
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            System.err.println("custos-standin playing envoy: " + e);
            System.exit(1);
        }
    }

    /** Listens; returns when every port is open. */
    static Sidecar start(EnvoyConfig config, Runnable quit) throws IOException, GeneralSecurityException {
        Sidecar sidecar = new Sidecar();
        try {
            Catalogue catalogue = Catalogue.packed();
            for (EnvoyConfig.Listener listener : config.listeners) {
                HttpHandler handler = listener.transcodes
                        ? new RestHandler(catalogue, listener.routes.values().iterator().next(), sidecar.backend)
                        : new GrpcWebHandler(listener.routes, sidecar.backend);
                sidecar.listen(listener, handler);
            }
            if (config.adminPort != 0) {
                sidecar.listen(new EnvoyConfig.Listener(config.adminPort), new AdminHandler(quit));
            }
            return sidecar;
        } catch (IOException | GeneralSecurityException | RuntimeException e) {
            sidecar.close();
            throw e;
        }
    }

    private void listen(EnvoyConfig.Listener listener, HttpHandler handler) throws IOException, GeneralSecurityException {
        InetSocketAddress address = new InetSocketAddress(listener.port);
        HttpServer server;
        if (listener.certificate == null) {
            server = HttpServer.create(address, BACKLOG);
        } else {
            HttpsServer https = HttpsServer.create(address, BACKLOG);
            https.setHttpsConfigurator(new HttpsConfigurator(Tls.context(listener.certificate, listener.key)));
            server = https;
        }
        server.createContext("/", handler);
        server.setExecutor(workers);
        server.start();
        servers.add(server);
    }

    static EnvoyConfig config(String... args) throws IOException {
        for (int i = 0; i < args.length - 1; i++) {
            Path file = Path.of(args[i + 1]);
            if ((args[i].equals("-c") || args[i].equals("--config-path")) && Files.exists(file)) {
                return EnvoyConfig.read(file);
            }
        }
        return EnvoyConfig.ofSidecar(port("STANDIN_REST_PORT", REST_PORT), port("STANDIN_ADMIN_PORT", ADMIN_PORT),
                port("GRPC_PORT", GRPC_PORT));
    }

    private static int port(String name, int otherwise) {
        String given = System.getenv(name);
        return given == null || given.isEmpty() ? otherwise : Integer.parseInt(given);
    }

    @Override
    public void close() {
        servers.forEach(server -> server.stop(0));
        workers.shutdownNow();
        backend.close();
    }
}
