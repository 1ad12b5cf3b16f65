package custos.standin.edge;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** The one Secret that cluster-management reads through the Kubernetes API with its pod's own token. */
public class SecretEdge implements Edge {

    private static final Path ACCOUNT = Path.of("/var/run/secrets/kubernetes.io/serviceaccount");
    private static final Duration TIMEOUT = Duration.ofSeconds(4);

    private final String namespace;
    private final String secret;
    private HttpClient client;

    public SecretEdge(String namespace, String secret) {
        this.namespace = namespace;
        this.secret = secret;
    }

    @Override
    public String name() {
        return "kubernetes";
    }

    @Override
    public void use() throws IOException, InterruptedException, GeneralSecurityException {
        Path token = ACCOUNT.resolve("token");
        if (!Files.isReadable(token)) {
            throw new IOException("no token of a service account at " + token + ": the pod must mount it");
        }
        // Service links are off in the pods, so the name, not KUBERNETES_SERVICE_HOST.
        URI address = URI.create("https://kubernetes.default.svc/api/v1/namespaces/" + namespace + "/secrets/" + secret);
        HttpResponse<Void> answer = client().send(HttpRequest.newBuilder(address).timeout(TIMEOUT)
                .header("Authorization", "Bearer " + Files.readString(token).trim()).build(),
                HttpResponse.BodyHandlers.discarding());
        // 404 is an answer to someone who may ask: the Secret is the operator's to make.
        if (answer.statusCode() != 200 && answer.statusCode() != 404) {
            throw new IOException("HTTP " + answer.statusCode() + " for the Secret " + namespace + "/" + secret
                    + ": the service account needs `get` on it");
        }
    }

    private synchronized HttpClient client() throws IOException, GeneralSecurityException {
        if (client == null) {
            client = HttpClient.newBuilder().connectTimeout(TIMEOUT).sslContext(clusterTrust()).build();
        }
        return client;
    }

    private static SSLContext clusterTrust() throws IOException, GeneralSecurityException {
        KeyStore trust = KeyStore.getInstance(KeyStore.getDefaultType());
        trust.load(null, null);
        try (InputStream in = Files.newInputStream(ACCOUNT.resolve("ca.crt"))) {
            int number = 0;
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                trust.setCertificateEntry("ca" + number++, certificate);
            }
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(trust);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }
}
