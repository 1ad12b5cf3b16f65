package custos.standin.catalogue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What the catalogue says of one service. */
public final class Service {

    private final String name;
    private final Map<String, Object> entry;
    private final Map<String, Object> kind;
    private final List<Peer> peers;

    Service(String name, Map<String, Object> entry, Map<String, Object> kind, List<Peer> peers) {
        this.name = name;
        this.entry = entry;
        this.kind = kind;
        this.peers = List.copyOf(peers);
    }

    public String name() {
        return name;
    }

    /** Its {@code spring.application.name}; null for what is no Java program. */
    public String application() {
        return Tree.text(entry, "application", null);
    }

    public boolean isConfigServer() {
        return "config".equals(Tree.text(entry, "kind", ""));
    }

    /** Default of its HTTP port. */
    public int httpPort() {
        return Integer.parseInt(Tree.text(Tree.map(kind, "ports"), "http", "8080"));
    }

    /** Default of its gRPC port; 0 where it has none. */
    public int grpcPort() {
        return Integer.parseInt(Tree.text(Tree.map(kind, "ports"), "grpc", "0"));
    }

    /** Full names of its gRPC services. */
    public List<String> grpc() {
        return Tree.strings(entry, "grpc");
    }

    public List<Peer> peers() {
        return peers;
    }

    /** Its MySQL schema; null where it has no database. */
    public String schema() {
        return Tree.text(Tree.map(entry, "mysql"), "schema", null);
    }

    /** Its mount of Vault's KV version 1 engine; null where it does not use Vault. */
    public String vaultMount() {
        return Tree.text(Tree.map(entry, "vault"), "mount", null);
    }

    /** Whether it uses a store besides MySQL and Vault: keycloak, kafka. */
    public boolean needs(String store) {
        return Tree.strings(entry, "needs").contains(store);
    }

    /** Whether its client of Keycloak reads what a newer server answers, with fields that it does not know. */
    public boolean readsKeycloaksAnswers() {
        return Boolean.parseBoolean(Tree.text(entry, "lenientJson", "false"));
    }

    /** Whether it reads a Secret through the Kubernetes API. */
    public boolean readsKubernetesSecrets() {
        return Tree.list(entry, "rbac").stream().anyMatch(rule -> String.valueOf(rule).contains("secrets"));
    }

    /** The public path of its REST interface; null where it has none. */
    public String restPath() {
        return Tree.text(Tree.map(entry, "rest"), "path", null);
    }

    /** Whether it asks the config server at start: all that take keys from there, unless the catalogue says otherwise. */
    public boolean isConfigClient() {
        boolean takesKeys = !peers.isEmpty() || !Tree.map(entry, "settings").isEmpty();
        return Boolean.parseBoolean(Tree.text(entry, "configClient", String.valueOf(takesKeys && !isConfigServer())));
    }

    /** Every key without which its start fails: peers, settings and secrets of the catalogue. */
    public List<String> configurationKeys() {
        List<String> keys = new ArrayList<>();
        for (Peer peer : peers) {
            keys.add(peer.hostKey());
            keys.add(peer.portKey());
        }
        keys.addAll(Tree.map(entry, "settings").keySet());
        keys.addAll(Tree.map(entry, "secrets").keySet());
        return keys;
    }
}
