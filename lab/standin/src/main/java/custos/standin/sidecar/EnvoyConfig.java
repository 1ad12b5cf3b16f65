package custos.standin.sidecar;

import custos.standin.catalogue.Tree;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;

/** As much of an Envoy 1.14 configuration as the images of Custos use: listeners, routes by prefix, clusters of one host, TLS. */
final class EnvoyConfig {

    /** Where a route or a transcoder sends its calls. */
    static final class Target {
        final String host;
        final int port;

        Target(String host, int port) {
            this.host = host;
            this.port = port;
        }

        @Override
        public String toString() {
            return host + ":" + port;
        }
    }

    /** One port that is listened on. */
    static final class Listener {
        final int port;
        /** Prefix of the path to its target, in the order of the file. */
        final Map<String, Target> routes = new LinkedHashMap<>();
        /** Whether REST is turned into gRPC here; else it is gRPC-web. */
        boolean transcodes;
        /** PEM files of TLS; null for plaintext. */
        Path certificate;
        Path key;

        Listener(int port) {
            this.port = port;
        }
    }

    final int adminPort;
    final List<Listener> listeners;

    private EnvoyConfig(int adminPort, List<Listener> listeners) {
        this.adminPort = adminPort;
        this.listeners = listeners;
    }

    /** What upstream's sidecar images have in them: REST on one port, the service on localhost. */
    static EnvoyConfig ofSidecar(int restPort, int adminPort, int grpcPort) {
        Listener listener = new Listener(restPort);
        listener.transcodes = true;
        listener.routes.put("/", new Target("localhost", grpcPort));
        return new EnvoyConfig(adminPort, List.of(listener));
    }

    /**
     * Reads a file as `envoy -c FILE` does.
     *
     * @throws IOException where the file cannot be read
     * @throws IllegalArgumentException where it is no such configuration; the message says what is missing
     */
    static EnvoyConfig read(Path file) throws IOException {
        try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            Map<String, Object> document = new Yaml(new SafeConstructor()).load(reader);
            return of(document == null ? Map.of() : document);
        } catch (YAMLException | ClassCastException e) {
            throw new IllegalArgumentException(file + " is not YAML of an Envoy configuration: " + e.getMessage(), e);
        }
    }

    static EnvoyConfig of(Map<String, Object> document) {
        Map<String, Object> resources = Tree.map(document, "static_resources");
        Map<String, Target> clusters = new LinkedHashMap<>();
        for (Object cluster : Tree.list(resources, "clusters")) {
            Map<String, Object> node = node(cluster);
            clusters.put(Tree.text(node, "name", ""), target(firstWithKey(cluster, "socket_address")));
        }
        List<Listener> listeners = new ArrayList<>();
        for (Object listener : Tree.list(resources, "listeners")) {
            listeners.add(listener(node(listener), clusters));
        }
        if (listeners.isEmpty()) {
            throw new IllegalArgumentException("static_resources.listeners is empty or missing: nothing to listen on");
        }
        Map<String, Object> admin = firstWithKey(Tree.map(document, "admin"), "socket_address");
        return new EnvoyConfig(admin == null ? 0 : target(admin).port, listeners);
    }

    private static Listener listener(Map<String, Object> node, Map<String, Target> clusters) {
        Listener listener = new Listener(target(firstWithKey(Tree.map(node, "address"), "socket_address")).port);
        Object chains = node.get("filter_chains");
        Map<String, Object> hosts = firstWithKey(chains, "virtual_hosts");
        if (hosts == null) {
            throw new IllegalArgumentException("the listener on " + listener.port + " has no http_connection_manager with routes");
        }
        for (Object host : Tree.list(hosts, "virtual_hosts")) {
            for (Object route : Tree.list(node(host), "routes")) {
                String prefix = Tree.text(Tree.map(node(route), "match"), "prefix", "/");
                String cluster = Tree.text(Tree.map(node(route), "route"), "cluster", "");
                if (!clusters.containsKey(cluster)) {
                    throw new IllegalArgumentException("route: unknown cluster '" + cluster + "'");
                }
                listener.routes.put(prefix, clusters.get(cluster));
            }
        }
        Map<String, Object> filters = firstWithKey(chains, "http_filters");
        listener.transcodes = filters != null && Tree.list(filters, "http_filters").stream()
                .anyMatch(filter -> Tree.text(node(filter), "name", "").endsWith("grpc_json_transcoder"));
        Map<String, Object> tls = firstWithKey(chains, "certificate_chain");
        if (tls != null) {
            listener.certificate = Path.of(Tree.text(Tree.map(tls, "certificate_chain"), "filename", ""));
            listener.key = Path.of(Tree.text(Tree.map(tls, "private_key"), "filename", ""));
        }
        return listener;
    }

    private static Target target(Map<String, Object> withSocketAddress) {
        Map<String, Object> address = withSocketAddress == null ? Map.of() : Tree.map(withSocketAddress, "socket_address");
        String port = Tree.text(address, "port_value", null);
        if (port == null) {
            throw new IllegalArgumentException("a listener, cluster or admin without socket_address.port_value");
        }
        return new Target(Tree.text(address, "address", "localhost"), Integer.parseInt(port));
    }

    /** The first mapping below a node, depth first, that has the key: Envoy's versions differ in what lies between. */
    private static Map<String, Object> firstWithKey(Object node, String key) {
        if (node instanceof Map) {
            Map<String, Object> map = node(node);
            if (map.containsKey(key)) {
                return map;
            }
            return firstOf(map.values(), key);
        }
        return node instanceof List ? firstOf((List<?>) node, key) : null;
    }

    private static Map<String, Object> firstOf(Iterable<?> nodes, String key) {
        for (Object node : nodes) {
            Map<String, Object> found = firstWithKey(node, key);
            if (found != null) {
                return found;
            }
        }
        return null;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> node(Object value) {
        return value instanceof Map ? (Map<String, Object>) value : Map.of();
    }
}
