package custos.standin.catalogue;

import java.util.List;

/** A service that another one calls over gRPC. */
public final class Peer {

    private final String service;
    private final String prefix;
    private final List<String> grpc;

    Peer(String service, String prefix, List<String> grpc) {
        this.service = service;
        this.prefix = prefix;
        this.grpc = List.copyOf(grpc);
    }

    public String service() {
        return service;
    }

    /** Full names of the peer's gRPC services. */
    public List<String> grpc() {
        return grpc;
    }

    /** The configuration key of the peer's host name. */
    public String hostKey() {
        return prefix + ".dns.name";
    }

    /** The configuration key of the peer's gRPC port. */
    public String portKey() {
        return prefix + ".port";
    }
}
