package custos.standin.sidecar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import custos.standin.NamedService;
import custos.standin.Playing;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yaml.snakeyaml.Yaml;

class SidecarTest {

    private static final String USERS = "org.apache.custos.user.management.service.UserManagementService";

    private final int port = Playing.freePort();
    private final int admin = Playing.freePort();
    private Server service;

    @BeforeEach
    void serve() throws IOException {
        service = NettyServerBuilder.forPort(0).addService(new NamedService(USERS)).build().start();
    }

    @AfterEach
    void stop() {
        service.shutdownNow();
    }

    @ParameterizedTest
    @CsvSource({
        "/user-management/v1.0.0/user, 200",
        "/user-management, 200",
        "/user-managements, 404",
        "/group-management/v1.0.0/groups, 501",
        "/, 404",
    })
    void restBecomesGrpc(String path, int status) throws Exception {
        try (Sidecar sidecar = Sidecar.start(EnvoyConfig.ofSidecar(port, admin, service.getPort()), () -> { })) {
            assertThat(get(port, path).status).isEqualTo(status);
        }
    }

    @Test
    void theServiceAwayIs503AndBackIs200() throws Exception {
        int grpcPort = service.getPort();
        service.shutdownNow().awaitTermination();
        try (Sidecar sidecar = Sidecar.start(EnvoyConfig.ofSidecar(port, admin, grpcPort), () -> { })) {
            assertThat(get(port, "/user-management/v1.0.0/user").status).isEqualTo(503);
            service = NettyServerBuilder.forPort(grpcPort).addService(new NamedService(USERS)).build().start();
            assertThat(get(port, "/user-management/v1.0.0/user").status).isEqualTo(200);
        }
    }

    @Test
    void adminIsReadyUntilToldToFail() throws Exception {
        AtomicBoolean quit = new AtomicBoolean();
        try (Sidecar sidecar = Sidecar.start(EnvoyConfig.ofSidecar(port, admin, service.getPort()), () -> quit.set(true))) {
            assertThat(get(admin, "/ready").body).isEqualTo("LIVE\n");
            assertThat(get(admin, "/healthcheck/fail").status).isEqualTo(400);
            assertThat(post(admin, "/healthcheck/fail").status).isEqualTo(200);
            assertThat(get(admin, "/ready").status).isEqualTo(503);
            post(admin, "/healthcheck/ok");
            assertThat(get(admin, "/ready").status).isEqualTo(200);
            post(admin, "/quitquitquit");
            assertThat(quit).isTrue();
        }
    }

    @Test
    void grpcWebOverTls(@TempDir Path folder) throws Exception {
        X509Certificate certificate = selfSigned(folder);
        Map<String, Object> document = new Yaml().load(String.format(String.join("\n",
                "admin: {address: {socket_address: {address: 0.0.0.0, port_value: %d}}}",
                "static_resources:",
                "  listeners:",
                "  - address: {socket_address: {address: 0.0.0.0, port_value: %d}}",
                "    filter_chains:",
                "    - filters:",
                "      - name: envoy.http_connection_manager",
                "        config:",
                "          route_config: {virtual_hosts: [{routes: [{match: {prefix: /%s}, route: {cluster: users}}]}]}",
                "          http_filters: [{name: envoy.grpc_web}, {name: envoy.router}]",
                "      transport_socket:",
                "        typed_config: {common_tls_context: {tls_certificates: [{certificate_chain: {filename: %s},",
                "          private_key: {filename: %s}}]}}",
                "  clusters:",
                "  - {name: users, hosts: [{socket_address: {address: localhost, port_value: %d}}]}"),
                admin, port, USERS, folder.resolve("tls.crt"), folder.resolve("tls.key"), service.getPort()));
        try (Sidecar sidecar = Sidecar.start(EnvoyConfig.of(document), () -> { })) {
            HttpClient client = HttpClient.newBuilder().sslContext(trusting(certificate)).build();
            byte[] empty = new byte[5];
            byte[] answer = web(client, USERS + "/Check", "application/grpc-web+proto", empty);
            ByteBuffer frame = ByteBuffer.wrap(answer);
            assertThat(frame.get()).isZero();
            byte[] message = new byte[frame.getInt()];
            frame.get(message);
            assertThat(HealthCheckResponse.parseFrom(message).getStatus()).isEqualTo(ServingStatus.SERVING);
            assertThat(trailers(answer)).endsWith("grpc-status:0\r\n");

            byte[] text = web(client, USERS + "/Check", "application/grpc-web-text", Base64.getEncoder().encode(empty));
            assertThat(Base64.getDecoder().decode(text)).isEqualTo(answer);
            assertThat(trailers(web(client, USERS + "/Other", "application/grpc-web+proto", empty))).contains("grpc-status:12");
            assertThat(trailers(web(client, USERS + "/Check", "application/grpc-web+proto", new byte[2]))).contains("grpc-status:3");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{}                                                                                   | nothing to listen on",
        "{static_resources: {listeners: [{name: a}]}}                                         | socket_address.port_value",
        "{static_resources: {listeners: [{address: {socket_address: {port_value: 1}}}]}}      | no http_connection_manager",
        "{static_resources: {listeners: [{address: {socket_address: {port_value: 1}}, filter_chains: [{virtual_hosts: "
                + "[{routes: [{route: {cluster: gone}}]}]}]}]}}                               | unknown cluster 'gone'",
    })
    void aConfigurationThatEnvoyWouldRefuseIsRefused(String yaml, String message) {
        assertThatThrownBy(() -> EnvoyConfig.of(new Yaml().load(yaml))).hasMessageContaining(message);
    }

    @Test
    void theProxysConfigurationOfTheChartIsUnderstood() {
        EnvoyConfig config = EnvoyConfig.of(new Yaml().load(String.join("\n",
                "admin: {access_log_path: /dev/null, address: {socket_address: {address: 0.0.0.0, port_value: 9901}}}",
                "static_resources:",
                "  listeners:",
                "  - name: grpc-web",
                "    address: {socket_address: {address: 0.0.0.0, port_value: 40000}}",
                "    filter_chains:",
                "    - filters:",
                "      - name: envoy.filters.network.http_connection_manager",
                "        typed_config:",
                "          route_config:",
                "            virtual_hosts:",
                "            - routes:",
                "              - {match: {prefix: /a.A/}, route: {cluster: a, timeout: 60s}}",
                "              - {match: {prefix: /b.B/}, route: {cluster: b}}",
                "          http_filters: [{name: envoy.filters.http.grpc_web}, {name: envoy.filters.http.router}]",
                "  clusters:",
                "  - {name: a, load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: a.svc., port_value: 7000}}}}]}]}}",
                "  - {name: b, load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: b.svc., port_value: 7001}}}}]}]}}")));
        assertThat(config.adminPort).isEqualTo(9901);
        assertThat(config.listeners).hasSize(1);
        assertThat(config.listeners.get(0).port).isEqualTo(40000);
        assertThat(config.listeners.get(0).transcodes).isFalse();
        assertThat(config.listeners.get(0).routes.toString()).isEqualTo("{/a.A/=a.svc.:7000, /b.B/=b.svc.:7001}");
    }

    @Test
    void withoutItsFileItIsAServicesSidecar() throws IOException {
        EnvoyConfig config = Sidecar.config("-c", "/not/there/envoy.yaml", "-l", "warning");
        assertThat(config.listeners).hasSize(1);
        assertThat(config.listeners.get(0).port).isEqualTo(50000);
        assertThat(config.adminPort).isEqualTo(9901);
        assertThat(config.listeners.get(0).routes.get("/")).hasToString("localhost:7000");
    }

    private static Playing.Answer get(int port, String path) throws Exception {
        return Playing.fetch(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).build());
    }

    private static Playing.Answer post(int port, String path) throws Exception {
        return Playing.fetch(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .POST(HttpRequest.BodyPublishers.noBody()).build());
    }

    private byte[] web(HttpClient client, String method, String type, byte[] body) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/" + method))
                .header("Content-Type", type).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
        HttpResponse<byte[]> response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
        assertThat(response.statusCode()).isEqualTo(200);
        return response.body();
    }

    private static String trailers(byte[] answer) {
        int start = 0;
        while (answer[start] == 0) {
            start += 5 + ByteBuffer.wrap(answer, start + 1, 4).getInt();
        }
        return new String(Arrays.copyOfRange(answer, start + 5, answer.length), StandardCharsets.US_ASCII);
    }

    private static X509Certificate selfSigned(Path folder) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(256);
        KeyPair pair = generator.generateKeyPair();
        X500Name name = new X500Name("CN=localhost");
        JcaX509v3CertificateBuilder builder = new JcaX509v3CertificateBuilder(name, BigInteger.ONE,
                Date.from(Instant.now().minusSeconds(60)), Date.from(Instant.now().plusSeconds(3600)), name, pair.getPublic());
        builder.addExtension(Extension.subjectAlternativeName, false, new GeneralNames(new GeneralName(GeneralName.dNSName, "localhost")));
        X509Certificate certificate = new JcaX509CertificateConverter()
                .getCertificate(builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(pair.getPrivate())));
        Files.writeString(folder.resolve("tls.crt"), pem("CERTIFICATE", certificate.getEncoded()));
        Files.writeString(folder.resolve("tls.key"), pem("PRIVATE KEY", pair.getPrivate().getEncoded()));
        return certificate;
    }

    private static String pem(String what, byte[] der) {
        return "-----BEGIN " + what + "-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END " + what + "-----\n";
    }

    private static SSLContext trusting(X509Certificate certificate) throws Exception {
        KeyStore trust = KeyStore.getInstance("PKCS12");
        trust.load(null, null);
        trust.setCertificateEntry("server", certificate);
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trust);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }
}
