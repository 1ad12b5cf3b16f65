package custos.kafka;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLEngine;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.config.SslConfigs;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.security.auth.SslEngineFactory;
import org.apache.kafka.common.security.ssl.DefaultSslEngineFactory;

/**
 * TLS from tls.crt, tls.key and ca.crt of a mounted Secret, for all listeners and all of Kafka's own clients. Files that change hold for
 * every connection made after that, without a restart: Kafka alone reloads them only when it is told to, and Raft's client never.
 */
public final class Tls implements SslEngineFactory {
    private static final Path FOLDER = Path.of(System.getenv().getOrDefault("TLS_FOLDER", "/etc/custos/tls"));
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(5);

    private Map<String, Object> configs;
    private Material material;
    private SslEngineFactory current;
    private long looked;

    /** The files' texts. */
    private record Material(String certificate, String key, String authority) {
        static Material read() {
            try {
                return new Material(
                        Files.readString(FOLDER.resolve("tls.crt")),
                        Files.readString(FOLDER.resolve("tls.key")),
                        Files.readString(FOLDER.resolve("ca.crt")));
            } catch (IOException failure) {
                throw new UncheckedIOException("the certificate in " + FOLDER + " cannot be read", failure);
            }
        }
    }

    @Override
    public synchronized void configure(Map<String, ?> given) {
        configs = new HashMap<>(given);
        material = Material.read();
        current = build(material);
        looked = System.nanoTime();
    }

    private SslEngineFactory build(Material from) {
        Map<String, Object> whole = new HashMap<>(configs);
        whole.put(SslConfigs.SSL_KEYSTORE_TYPE_CONFIG, DefaultSslEngineFactory.PEM_TYPE);
        whole.put(SslConfigs.SSL_KEYSTORE_KEY_CONFIG, new Password(from.key));
        whole.put(SslConfigs.SSL_KEYSTORE_CERTIFICATE_CHAIN_CONFIG, new Password(from.certificate));
        whole.put(SslConfigs.SSL_TRUSTSTORE_TYPE_CONFIG, DefaultSslEngineFactory.PEM_TYPE);
        whole.put(SslConfigs.SSL_TRUSTSTORE_CERTIFICATES_CONFIG, new Password(from.authority));
        SslEngineFactory made = new DefaultSslEngineFactory();
        made.configure(whole);
        return made;
    }

    private synchronized SslEngineFactory current() {
        if (System.nanoTime() - looked >= LOOK_NANOS) {
            looked = System.nanoTime();
            try {
                Material now = Material.read();
                if (!now.equals(material)) {
                    current = build(now);
                    material = now;
                    Node.say("the certificate in " + FOLDER + " has changed: new connections use it");
                }
            } catch (UncheckedIOException | KafkaException failure) {
                // The one from before still works; cutting everybody off would mend nothing.
                Node.say("the new certificate in " + FOLDER + " is not usable, the one from before stays: " + Node.causes(failure));
            }
        }
        return current;
    }

    @Override
    public SSLEngine createClientSslEngine(String host, int port, String endpointIdentification) {
        return current().createClientSslEngine(host, port, endpointIdentification);
    }

    @Override
    public SSLEngine createServerSslEngine(String host, int port) {
        return current().createServerSslEngine(host, port);
    }

    @Override
    public boolean shouldBeRebuilt(Map<String, Object> next) {
        return false;
    }

    @Override
    public Set<String> reconfigurableConfigs() {
        return Set.of();
    }

    @Override
    public KeyStore keystore() {
        return current().keystore();
    }

    @Override
    public KeyStore truststore() {
        return current().truststore();
    }

    @Override
    public synchronized void close() throws IOException {
        if (current != null) {
            current.close();
        }
    }
}
