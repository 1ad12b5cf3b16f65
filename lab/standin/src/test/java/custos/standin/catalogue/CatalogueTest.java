package custos.standin.catalogue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.yaml.snakeyaml.Yaml;

class CatalogueTest {

    private final Catalogue packed = Catalogue.packed();

    @Test
    void everyJavaServiceCanBePlayed() {
        assertThat(packed.services()).hasSizeGreaterThanOrEqualTo(24);
        assertThat(packed.services()).filteredOn(service -> service.application() != null)
                .allSatisfy(service -> assertThat(packed.byApplication(service.application())).isSameAs(service));
    }

    @Test
    void unknownApplicationIsAnsweredWithThoseThatAreKnown() {
        assertThatThrownBy(() -> packed.byApplication("userProfile"))
                .hasMessageContaining("is 'userProfile'").hasMessageContaining("userProfileCoreService");
        assertThatThrownBy(() -> packed.byApplication("")).hasMessageContaining("SPRING_APPLICATION_NAME is not set");
    }

    @Test
    void peersComeWithTheirKeysAndGrpcNames() {
        Peer peer = packed.byApplication("messagingCoreService").peers().get(0);
        assertThat(peer.hostKey()).isEqualTo("user.profile.core.service.dns.name");
        assertThat(peer.portKey()).isEqualTo("user.profile.core.service.port");
        assertThat(peer.grpc()).containsExactly("org.apache.custos.user.profile.service.UserProfileService");
    }

    @Test
    void everyPeerOfAJavaServiceHasAPrefixAndAGrpcName() {
        assertThat(packed.services()).filteredOn(service -> service.application() != null)
                .flatExtracting(Service::peers)
                .allSatisfy(peer -> {
                    assertThat(((Peer) peer).hostKey()).doesNotStartWith("null");
                    assertThat(((Peer) peer).grpc()).isNotEmpty();
                });
    }

    @Test
    void aServiceThatTakesKeysFromTheConfigServerIsItsClientUnlessTheCatalogueSaysOtherwise() {
        Map<String, Object> document = new Yaml().load(String.join("\n",
                "services:",
                "  taker: {kind: core, application: taker, settings: {a.key: x}}",
                "  caller: {kind: core, application: caller, peers: [taker]}",
                "  alone: {kind: core, application: alone}",
                "  without: {kind: core, application: without, settings: {a.key: x}, configClient: false}",
                "  server: {kind: config, application: server}"));
        Catalogue catalogue = Catalogue.of(document);
        assertThat(catalogue.services()).filteredOn(Service::isConfigClient).extracting(Service::name)
                .isEqualTo(List.of("taker", "caller"));
    }
}
