package custos.standin.edge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.beans.factory.BeanCreationException;
import org.springframework.context.ApplicationContextException;
import org.springframework.mock.env.MockEnvironment;

class EdgeRulesTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "https://keycloak.keycloak.svc.cluster.local/auth/ | true",
        "http://127.0.0.1:8080/auth/                       | true",
        "kafka-1.example.org:9092                          | true",
        "https://keycloak.invalid/auth/                    | false",
        "https://vault.invalid:8200                        | false",
        "localhost:9092                                    | false",
        "''                                                | false",
    })
    void anAddressThatLeadsNowhereMeansAnAbsentStore(String address, boolean present) {
        if (present) {
            assertThatCode(() -> Addresses.present("key", address)).doesNotThrowAnyException();
        } else {
            assertThatThrownBy(() -> Addresses.present("the.key", address))
                    .isInstanceOf(AbsentException.class).hasMessageContaining("the.key");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "Access denied for user 'core_iam'@'10.0.0.1' (using password: YES) | Access denied for user 'core_iam'@'10.0.0.1' (using password: YES)",
        "jdbc:mysql://h/s?trustCertificateKeyStorePassword=abc&x=1           | jdbc:mysql://h/s?trustCertificateKeyStorePassword=…&x=1",
        "{\"token\": \"s.abc\", \"a\": 1}                                        | {\"token\": …, \"a\": 1}",
        "no token of a service account                                       | no token of a service account",
    })
    void messagesKeepNoSecret(String message, String told) {
        assertThat(Causes.told(new IllegalStateException(message))).isEqualTo("IllegalStateException: " + told);
    }

    @Test
    void causesAreToldOnce() {
        Exception inner = new IllegalStateException("refused");
        assertThat(Causes.told(new RuntimeException("refused", inner))).isEqualTo("RuntimeException: refused");
        assertThat(Causes.told(new RuntimeException("call failed", inner)))
                .isEqualTo("RuntimeException: call failed; because IllegalStateException: refused");
    }

    @Test
    void aFailedStartIsToldWithoutItsWrapping() {
        Exception inner = new IllegalStateException("iam.server.truststore.path is '/x'", new java.io.IOException("no such file"));
        assertThat(Causes.ofStart(new ApplicationContextException("web", new BeanCreationException("edges", inner))))
                .isEqualTo("IllegalStateException: iam.server.truststore.path is '/x'; because IOException: no such file");
    }

    @Test
    void anEdgeThatHangsIsAFindingAndHoldsUpNoOther() throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        try (Edges edges = new Edges(List.of(edge("slow", never::await), edge("quick", () -> { })), 200)) {
            List<Finding> findings = edges.useAll();
            assertThat(findings).extracting(Finding::getState).containsExactly(Finding.State.FAILED, Finding.State.OK);
            assertThat(findings.get(0).getMessage()).isEqualTo("no answer within 200 ms");
        }
    }

    @Test
    void whoAsksWhileAnEdgeIsBeingUsedWaitsForTheSameUse() throws InterruptedException {
        CountDownLatch began = new CountDownLatch(1);
        CountDownLatch answered = new CountDownLatch(1);
        AtomicInteger used = new AtomicInteger();
        Edge slow = edge("slow", () -> {
            used.incrementAndGet();
            began.countDown();
            answered.await();
        });
        try (Edges edges = new Edges(List.of(slow), 1_000)) {
            assertThat(edges.use(slow).getState()).isEqualTo(Finding.State.FAILED);
            began.await();
            assertThat(edges.use(slow).getState()).isEqualTo(Finding.State.FAILED);
            assertThat(used).hasValue(1);
            answered.countDown();
            assertThat(edges.use(slow).getState()).isEqualTo(Finding.State.OK);
        }
    }

    @Test
    @Timeout(20)
    void aUseThatNeverEndsIsGivenUp() throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        AtomicInteger used = new AtomicInteger();
        Edge stuck = edge("stuck", () -> {
            used.incrementAndGet();
            never.await();
        });
        try (Edges edges = new Edges(List.of(stuck), 1)) {
            while (used.get() < 2) {
                assertThat(edges.use(stuck).getState()).isEqualTo(Finding.State.FAILED);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"'', '', false", "false, '', true", "true, http://collector:9411/, true", "true, '', false"})
    void spansMustNotLeave(String enabled, String address, boolean well) {
        MockEnvironment environment = new MockEnvironment();
        if (!enabled.isEmpty()) {
            environment.setProperty("spring.zipkin.enabled", enabled);
        }
        if (!address.isEmpty()) {
            environment.setProperty("spring.zipkin.base-url", address);
        }
        TracingEdge edge = new TracingEdge(environment);
        if (well) {
            assertThatCode(edge::use).doesNotThrowAnyException();
        } else {
            assertThatThrownBy(edge::use).hasMessageContaining("SPRING_ZIPKIN_ENABLED=false");
        }
    }

    @Test
    void kafkaNeedsANameThatResolvesButNoBroker() {
        assertThatThrownBy(() -> new KafkaEdge("kafka.invalid:9092", "publisher")).hasStackTraceContaining("No resolvable bootstrap urls");
        try (KafkaEdge edge = new KafkaEdge("localhost:9", "publisher")) {
            assertThatThrownBy(edge::use).isInstanceOf(AbsentException.class);
        }
    }

    @Test
    void keycloaksTrustStoreMustOpen(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("trust.p12");
        KeyStore empty = KeyStore.getInstance("PKCS12");
        empty.load(null, null);
        try (OutputStream out = Files.newOutputStream(file)) {
            empty.store(out, "right".toCharArray());
        }
        MockEnvironment environment = new MockEnvironment().withProperty("spring.profiles.active", "custos")
                .withProperty("iam.server.truststore.path", file.toString()).withProperty("iam.server.truststore.password", "right");
        KeycloakEdge edge = new KeycloakEdge(environment, "iam-admin-core-service", true);
        assertThatCode(edge::trustStore).doesNotThrowAnyException();

        environment.setProperty("iam.server.truststore.password", "wrong");
        assertThatThrownBy(edge::trustStore).hasMessageContaining(file.toString());
        environment.setProperty("iam.server.truststore.path", "/not/there.p12");
        assertThatThrownBy(edge::trustStore).hasMessageContaining("iam.server.truststore.path is '/not/there.p12'");
        environment.setProperty("spring.profiles.active", "production");
        assertThatThrownBy(edge::trustStore).hasMessageContaining("tls-keycloak-secret");
    }

    @Test
    void keycloaksAddressMustEndInAuth() {
        MockEnvironment environment = new MockEnvironment().withProperty("iam.server.url", "http://keycloak.example.org/");
        assertThatThrownBy(() -> new KeycloakEdge(environment, "iam-admin-core-service", true).use()).hasMessageContaining("/auth/");
    }

    private interface Use {
        void run() throws Exception;
    }

    private static Edge edge(String name, Use use) {
        return new Edge() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public void use() throws Exception {
                use.run();
            }
        };
    }
}
