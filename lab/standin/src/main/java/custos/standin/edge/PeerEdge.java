package custos.standin.edge;

import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Another service, asked over gRPC for the health of its full service names.
 *
 * <p>As in the real services the channel is plaintext, is made on first use and stays: one connection to one pod.
 */
public class PeerEdge implements Edge, AutoCloseable {

    private static final long DEADLINE_SECONDS = 3;

    private final String peer;
    private final String host;
    private final int port;
    private final List<String> grpcServices;
    private ManagedChannel channel;

    public PeerEdge(String peer, String host, int port, List<String> grpcServices) {
        this.peer = peer;
        this.host = host;
        this.port = port;
        this.grpcServices = List.copyOf(grpcServices);
    }

    @Override
    public String name() {
        return "peer/" + peer;
    }

    @Override
    public void use() {
        for (String service : grpcServices) {
            // A peer that was away is tried anew by each look, not after the back-off of minutes.
            channel().resetConnectBackoff();
            ServingStatus status = HealthGrpc.newBlockingStub(channel())
                    .withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS)
                    .check(HealthCheckRequest.newBuilder().setService(service).build())
                    .getStatus();
            if (status != ServingStatus.SERVING) {
                throw new IllegalStateException(service + " at " + host + ":" + port + " is " + status);
            }
        }
    }

    private synchronized ManagedChannel channel() {
        if (channel == null) {
            channel = ManagedChannelBuilder.forAddress(host, port).usePlaintext().build();
        }
        return channel;
    }

    @Override
    public synchronized void close() {
        if (channel != null) {
            channel.shutdownNow();
        }
    }
}
