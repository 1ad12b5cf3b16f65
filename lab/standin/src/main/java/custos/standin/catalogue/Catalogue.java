package custos.standin.catalogue;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** The platform's catalogue of services, as the build packed it into this program. */
public final class Catalogue {

    private static final String PACKED = "/catalogue/services.yaml";

    private final Map<String, Service> services = new LinkedHashMap<>();

    private Catalogue(Map<String, Object> document) {
        Map<String, Object> kinds = Tree.map(document, "kinds");
        Map<String, Object> prefixes = Tree.map(document, "peerPrefixes");
        Map<String, Object> entries = Tree.map(document, "services");
        Map<String, List<String>> grpcNames = new LinkedHashMap<>();
        for (String name : entries.keySet()) {
            grpcNames.put(name, Tree.strings(Tree.map(entries, name), "grpc"));
        }
        for (String name : entries.keySet()) {
            Map<String, Object> entry = Tree.map(entries, name);
            Map<String, Object> kind = Tree.map(kinds, Tree.text(entry, "kind", ""));
            List<Peer> peers = new ArrayList<>();
            for (String peer : Tree.strings(entry, "peers")) {
                peers.add(new Peer(peer, Tree.text(prefixes, peer, null), grpcNames.getOrDefault(peer, List.of())));
            }
            services.put(name, new Service(name, entry, kind, peers));
        }
    }

    /** The catalogue inside this program. */
    public static Catalogue packed() {
        try (InputStream in = Catalogue.class.getResourceAsStream(PACKED)) {
            if (in == null) {
                throw new IllegalStateException(PACKED + " is not in this program: build it from a whole checkout");
            }
            return of(new Yaml(new SafeConstructor()).load(in));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A catalogue from its parsed document. */
    public static Catalogue of(Map<String, Object> document) {
        return new Catalogue(document);
    }

    public Collection<Service> services() {
        return services.values();
    }

    /**
     * The service whose {@code spring.application.name} this is.
     *
     * @throws IllegalArgumentException where the catalogue has none; the message lists those it has
     */
    public Service byApplication(String application) {
        return services.values().stream()
                .filter(service -> service.application() != null && service.application().equals(application))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(unknown(application)));
    }

    private String unknown(String application) {
        String known = services.values().stream().map(Service::application)
                .filter(name -> name != null).collect(Collectors.joining(", "));
        String found = application == null || application.isEmpty() ? "is not set" : "is '" + application + "'";
        return "SPRING_APPLICATION_NAME " + found + "; it tells this stand-in which service to play, one of: " + known;
    }
}
