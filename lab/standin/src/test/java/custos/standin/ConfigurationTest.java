package custos.standin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import custos.standin.catalogue.Catalogue;
import custos.standin.catalogue.Service;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A config server and its clients, as they meet in a cluster. */
class ConfigurationTest {

    private static final Service SCIM = Catalogue.packed().byApplication("scimService");

    @TempDir
    static Path files;
    private static Playing server;

    @BeforeAll
    static void serve() throws IOException {
        Files.write(files.resolve("scimService-whole.properties"), SCIM.configurationKeys().stream()
                .map(key -> key + "=" + (key.endsWith(".port") ? "7000" : "from-the-server")).collect(Collectors.toList()));
        Files.write(files.resolve("scimService-partly.properties"), List.of("iam.server.url=from-the-server"));
        server = new Playing("custosConfigurationService", "spring.cloud.config.server.native.search-locations=" + files.toUri());
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static Playing scim(String profile, String... more) {
        String[] settings = java.util.stream.Stream.concat(java.util.Arrays.stream(more), java.util.stream.Stream.of(
                "spring.cloud.config.uri=" + server.url(""), "spring.cloud.config.fail-fast=true",
                "spring.profiles.active=" + profile)).toArray(String[]::new);
        return new Playing("scimService", settings);
    }

    @Test
    void whatTheServerGivesWinsOverTheEnvironment() throws Exception {
        try (Playing scim = scim("whole", "iam.server.url=from-the-environment")) {
            assertThat(scim.property("iam.server.url")).isEqualTo("from-the-server");
            assertThat(scim.get("/standin/reaches").edge("config")).startsWith("OK");
        }
    }

    @Test
    void whatTheServerLeavesOutComesFromTheEnvironment() throws Exception {
        String[] rest = SCIM.configurationKeys().stream().filter(key -> !key.equals("iam.server.url"))
                .map(key -> key + "=" + (key.endsWith(".port") ? "7000" : "from-the-environment")).toArray(String[]::new);
        try (Playing scim = scim("partly", rest)) {
            assertThat(scim.property("iam.server.url")).isEqualTo("from-the-server");
            assertThat(scim.property("scim.resource.user.endpoint")).isEqualTo("from-the-environment");
        }
    }

    @Test
    void theStartFailsAndNamesEveryMissingKey() {
        assertThatThrownBy(() -> scim("partly").close()).isInstanceOf(MissingKeysException.class)
                .hasMessageContaining("scim-service")
                .satisfies(e -> SCIM.configurationKeys().stream().filter(key -> !key.equals("iam.server.url"))
                        .forEach(key -> assertThat(e).hasMessageContaining("'" + key + "'")))
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("'iam.server.url'"));
    }

    @Test
    void theStartFailsWhereTheServerIsAway() {
        assertThatThrownBy(() -> new Playing("scimService", "spring.cloud.config.uri=http://127.0.0.1:" + Playing.freePort(),
                "spring.cloud.config.fail-fast=true").close())
                .hasStackTraceContaining("Could not locate PropertySource and the fail fast property is set");
    }

    @Test
    void whatHasNoClientDoesNotAskTheServer() throws Exception {
        try (Playing swagger = new Playing("custosIntegrationServicesSwagger", "spring.cloud.config.fail-fast=true",
                "spring.cloud.config.uri=http://127.0.0.1:" + Playing.freePort())) {
            assertThat(swagger.get("/actuator/health").status).isEqualTo(200);
        }
    }
}
