package custos.kafka;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.config.ConfigResource;

/**
 * The users' topics with what was set for each of them, written to a file and made again from it; messages are not in it. Exit codes: 0 done, 1 Kafka does not
 * do it now, 3 there are other topics of these names, 4 what was made is not what the file says.
 */
public final class TopicsBackup {
    private static final String HEAD = "# Kafka's topics, form 1: name, partitions, copies, options; tabs between";
    private static final int NOT_NOW = 1;
    private static final int OTHERS = 3;
    private static final int DIFFERENT = 4;
    /** What is made shows itself a little later. */
    private static final int LOOKS = 30;

    /** A topic; `options` are those that were set for it alone. */
    private record Topic(int partitions, int copies, SortedMap<String, String> options) {
        String line(String name) {
            StringBuilder text = new StringBuilder(name + "\t" + partitions + "\t" + copies);
            options.forEach((key, value) -> text.append('\t').append(key).append('=').append(value));
            return text.toString();
        }

        static Topic of(String[] cells) {
            SortedMap<String, String> options = new TreeMap<>();
            Arrays.stream(cells).skip(3).map(cell -> cell.split("=", 2)).forEach(pair -> options.put(pair[0], pair[1]));
            return new Topic(Integer.parseInt(cells[1]), Integer.parseInt(cells[2]), options);
        }

        /** A cluster of fewer brokers has room for fewer copies. */
        Topic on(int brokers) {
            return new Topic(partitions, Math.min(copies, brokers), options);
        }
    }

    private final Admin admin;

    private TopicsBackup(Admin admin) {
        this.admin = admin;
    }

    /** @param arguments dump or load, and the file. Environment: SERVERS, AUTHORITY (a PEM file), PASSWORD (a file with admin's) */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path file = Path.of(arguments[1]);
        int code;
        try (Admin admin = Admin.create(login(System.getenv()))) {
            TopicsBackup backup = new TopicsBackup(admin);
            code = arguments[0].equals("dump") ? backup.dump(file) : backup.load(file);
        } catch (ExecutionException failure) {
            System.err.println("Kafka: " + Node.causes(failure.getCause()));
            code = NOT_NOW;
        }
        System.exit(code);
    }

    private static Map<String, Object> login(Map<String, String> environment) throws IOException {
        String password = Files.readString(Path.of(environment.get("PASSWORD"))).strip();
        return Map.of(
                "bootstrap.servers", environment.get("SERVERS"),
                "security.protocol", "SASL_SSL",
                "ssl.truststore.type", "PEM",
                "ssl.truststore.location", environment.get("AUTHORITY"),
                "sasl.mechanism", "SCRAM-SHA-512",
                "sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"admin\" password=\"" + password + "\";");
    }

    private int dump(Path file) throws IOException, ExecutionException, InterruptedException {
        List<String> lines = new ArrayList<>(List.of(HEAD));
        topics().forEach((name, topic) -> lines.add(topic.line(name)));
        Files.write(file, lines);
        System.out.println("Kafka: " + (lines.size() - 1) + " topics");
        return 0;
    }

    private int load(Path file) throws IOException, ExecutionException, InterruptedException {
        SortedMap<String, Topic> wanted = read(file);
        // One that is away for a moment is one of them.
        int brokers = admin.describeCluster(new DescribeClusterOptions().includeFencedBrokers(true)).nodes().get().size();
        wanted.replaceAll((name, topic) -> topic.on(brokers));
        SortedMap<String, Topic> there = topics();
        List<String> others = wanted.keySet().stream().filter(name -> there.containsKey(name) && !there.get(name).equals(wanted.get(name))).toList();
        if (!others.isEmpty()) {
            others.forEach(name -> System.err.println("Kafka has topic " + there.get(name).line(name) + " already; the backup has " + wanted.get(name).line(name)));
            System.err.println("nothing was made. A restore goes into empty stores only.");
            return OTHERS;
        }
        List<NewTopic> missing = wanted.entrySet().stream().filter(each -> !there.containsKey(each.getKey())).map(TopicsBackup::made).toList();
        admin.createTopics(missing).all().get();
        if (!shown(wanted)) {
            System.err.println("Kafka: the topics that were made are not those of the backup: " + topics());
            return DIFFERENT;
        }
        System.out.println("Kafka: " + wanted.size() + " topics, the same as in the backup");
        return 0;
    }

    private static NewTopic made(Map.Entry<String, Topic> each) {
        Topic topic = each.getValue();
        return new NewTopic(each.getKey(), topic.partitions(), (short) topic.copies()).configs(topic.options());
    }

    private boolean shown(Map<String, Topic> wanted) throws ExecutionException, InterruptedException {
        for (int look = 0; look < LOOKS; look++) {
            if (topics().entrySet().containsAll(wanted.entrySet())) {
                return true;
            }
            TimeUnit.SECONDS.sleep(1);
        }
        return false;
    }

    private static SortedMap<String, Topic> read(Path file) throws IOException {
        SortedMap<String, Topic> found = new TreeMap<>();
        for (String line : Files.readAllLines(file)) {
            if (!line.startsWith("#")) {
                String[] cells = line.split("\t", -1);
                found.put(cells[0], Topic.of(cells));
            }
        }
        return found;
    }

    /** All topics but Kafka's own. */
    private SortedMap<String, Topic> topics() throws ExecutionException, InterruptedException {
        Set<String> names = admin.listTopics().names().get();
        Map<String, SortedMap<String, String>> options = options(names);
        SortedMap<String, Topic> found = new TreeMap<>();
        for (Map.Entry<String, TopicDescription> each : admin.describeTopics(names).allTopicNames().get().entrySet()) {
            var partitions = each.getValue().partitions();
            found.put(each.getKey(), new Topic(partitions.size(), partitions.get(0).replicas().size(), options.get(each.getKey())));
        }
        return found;
    }

    private Map<String, SortedMap<String, String>> options(Collection<String> names) throws ExecutionException, InterruptedException {
        var asked = names.stream().map(name -> new ConfigResource(ConfigResource.Type.TOPIC, name)).toList();
        Map<String, SortedMap<String, String>> found = new HashMap<>();
        for (Map.Entry<ConfigResource, Config> each : admin.describeConfigs(asked).all().get().entrySet()) {
            SortedMap<String, String> own = new TreeMap<>();
            each.getValue().entries().stream()
                    .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
                    .forEach(entry -> own.put(entry.name(), entry.value()));
            found.put(each.getKey().name(), own);
        }
        return found;
    }
}
