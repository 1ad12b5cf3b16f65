package custos.standin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import custos.standin.catalogue.Catalogue;
import custos.standin.catalogue.Peer;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.services.HealthStatusManager;
import io.grpc.stub.ClientCalls;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What an integration service answers about itself and about the services that it calls. */
class ReachesTest {

    private static final String GROUPS = "org.apache.custos.group.management.service.GroupManagementService";

    private static Playing groups(int peerPort, String... more) {
        List<String> settings = new ArrayList<>(List.of("spring.cloud.config.enabled=false",
                "iam.server.url=https://keycloak.invalid/auth/", "spring.cloud.config.uri=http://127.0.0.1:1",
                "management.endpoint.health.group.liveness.include=ping",
                "management.endpoint.health.group.readiness.include=ping"));
        for (Peer peer : Catalogue.packed().byApplication("groupManagementService").peers()) {
            settings.add(peer.hostKey() + "=127.0.0.1");
            settings.add(peer.portKey() + "=" + peerPort);
        }
        settings.addAll(List.of(more));
        return new Playing("groupManagementService", settings.toArray(new String[0]));
    }

    @Test
    void peersThatServeAreReachedAndOthersAreNamed() throws Exception {
        List<Peer> peers = Catalogue.packed().byApplication("groupManagementService").peers();
        HealthStatusManager health = new HealthStatusManager();
        peers.forEach(peer -> peer.grpc().forEach(name -> health.setStatus(name, ServingStatus.SERVING)));
        Server server = NettyServerBuilder.forPort(0).addService(health.getHealthService()).build().start();
        try (Playing groups = groups(server.getPort())) {
            Playing.Answer all = groups.get("/standin/reaches");
            for (Peer peer : peers) {
                assertThat(all.edge("peer/" + peer.service())).startsWith("OK");
            }

            health.setStatus(peers.get(0).grpc().get(0), ServingStatus.NOT_SERVING);
            Playing.Answer one = groups.get("/standin/reaches");
            assertThat(one.status).isEqualTo(503);
            assertThat(one.edge("peer/" + peers.get(0).service())).startsWith("FAILED").contains("NOT_SERVING");
            assertThat(one.edge("peer/" + peers.get(1).service())).startsWith("OK");
            assertThat(groups.get("/actuator/health/truth").body).contains("NOT_SERVING");
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void noPeerIsNeededForTheStartOrTheProbes() throws Exception {
        int nobody = Playing.freePort();
        try (Playing groups = groups(nobody)) {
            assertThat(groups.get("/actuator/health/readiness").status).isEqualTo(200);
            assertThat(groups.get("/actuator/health/liveness").status).isEqualTo(200);
            assertThat(groups.get("/standin/reaches").edge("peer/iam-admin-core-service"))
                    .startsWith("FAILED").contains("127.0.0.1:" + nobody);
            assertThat(groups.get("/actuator/health").status).isEqualTo(503);
        }
    }

    @Test
    void aPeerThatComesBackIsReachedByTheNextLook() throws Exception {
        int port = Playing.freePort();
        try (Playing groups = groups(port)) {
            assertThat(groups.get("/standin/reaches").edge("peer/iam-admin-core-service")).startsWith("FAILED");
            HealthStatusManager health = new HealthStatusManager();
            health.setStatus("org.apache.custos.iam.service.IamAdminService", ServingStatus.SERVING);
            Server server = NettyServerBuilder.forPort(port).addService(health.getHealthService()).build().start();
            try {
                assertThat(groups.get("/standin/reaches").edge("peer/iam-admin-core-service")).startsWith("OK");
            } finally {
                server.shutdownNow();
            }
        }
    }

    @Test
    void grpcHealthKnowsTheFullNameOnly() {
        try (Playing groups = groups(Playing.freePort())) {
            ManagedChannel channel = ManagedChannelBuilder.forAddress("127.0.0.1", groups.grpcPort).usePlaintext().build();
            try {
                HealthGrpc.HealthBlockingStub health = HealthGrpc.newBlockingStub(channel);
                assertThat(health.check(request(GROUPS)).getStatus()).isEqualTo(ServingStatus.SERVING);
                for (String other : List.of("", "GroupManagementService", "org.apache.custos.iam.service.IamAdminService")) {
                    assertThatThrownBy(() -> health.check(request(other))).isInstanceOfSatisfying(StatusRuntimeException.class,
                            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.NOT_FOUND));
                }
                assertThat(ClientCalls.blockingUnaryCall(channel, NamedService.check(GROUPS), io.grpc.CallOptions.DEFAULT,
                        request("")).getStatus()).isEqualTo(ServingStatus.SERVING);
            } finally {
                channel.shutdownNow();
            }
        }
    }

    @Test
    void everyActuatorEndpointIsOpenUntilTheEnvironmentClosesIt() throws Exception {
        try (Playing open = groups(Playing.freePort());
                Playing closed = groups(Playing.freePort(), "management.endpoints.web.exposure.include=health,info,prometheus")) {
            assertThat(open.get("/actuator/env").status).isEqualTo(200);
            assertThat(closed.get("/actuator/env").status).isEqualTo(404);
            assertThat(closed.get("/actuator/prometheus").status).isEqualTo(200);
        }
    }

    private static HealthCheckRequest request(String name) {
        return HealthCheckRequest.newBuilder().setService(name).build();
    }
}
