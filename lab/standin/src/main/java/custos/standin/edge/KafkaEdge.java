package custos.standin.edge;

import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The message broker, with the settings of the real producer.
 *
 * <p>The real service makes its producer at start: a broker that does not answer is no trouble then, but a host name that does not
 * resolve ends the start. So does this.
 */
public class KafkaEdge implements Edge, AutoCloseable {

    private static final long TIMEOUT_SECONDS = 6;
    private static final String TOPIC = "standin-check";

    private final String broker;
    private final KafkaProducer<String, String> producer;

    /** @param broker host:port */
    public KafkaEdge(String broker, String publisherId) {
        this.broker = broker;
        Properties settings = new Properties();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        settings.put(ProducerConfig.CLIENT_ID_CONFIG, publisherId);
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class.getName());
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class.getName());
        // Not the real one's: a look at health must not hang for a minute, and an absent broker not fill the log.
        settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, String.valueOf(TimeUnit.SECONDS.toMillis(TIMEOUT_SECONDS)));
        settings.put(ProducerConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG, "30000");
        this.producer = new KafkaProducer<>(settings);
    }

    @Override
    public String name() {
        return "kafka";
    }

    @Override
    public void use() throws Exception {
        Addresses.present("core.messaging.service.broker.url", broker);
        producer.send(new ProducerRecord<>(TOPIC, "check", UUID.randomUUID().toString())).get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    }

    @Override
    public void close() {
        producer.close(0, TimeUnit.SECONDS);
    }
}
