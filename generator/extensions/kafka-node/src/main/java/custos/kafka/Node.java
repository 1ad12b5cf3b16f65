package custos.kafka;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.TimeUnit;

/**
 * The process of a pod: sees to the member's volume and options, then runs Kafka's own server in this very process, with the health checks
 * beside it. Exit code 2: a person has to decide something, and the last lines say what.
 */
public final class Node {
    private static final int REFUSED = 2;
    /** What a process that was ended by SIGTERM gives. */
    private static final int TERMINATED = 143;
    private static final long FORM_PAUSE_MILLIS = 1000;
    private static final long SAY_NANOS = TimeUnit.SECONDS.toNanos(15);
    /** The operator's word that this empty voter may be formatted although a majority of the volumes is lost: for one voter only. */
    private static final Path CONSENT = Member.VOLUME.resolve("form");
    /** How long a server that shuts down is left waiting for a quorum that has no leader. Kafka itself waits for five minutes. */
    private static final int LEADERLESS_SECONDS = 8;

    private Node() {}

    /** @param arguments Kafka's options that all members share, a properties file */
    public static void main(String[] arguments) throws Exception {
        // A pod that comes back has another address, and a name that fails now may be there in a second.
        Security.setProperty("networkaddress.cache.ttl", "3");
        Security.setProperty("networkaddress.cache.negative.ttl", "1");
        Member member = Member.fromEnvironment(System.getenv());
        Path secret = Path.of(System.getenv().getOrDefault("SECRET_FOLDER", "/etc/custos/kafka"));
        try {
            Storage storage = new Storage(member, Files.readString(secret.resolve("cluster-id")).strip());
            Map<String, String> common = read(Path.of(arguments[0]));
            Peers peers = new Peers(member);
            Health health = new Health(member, storage, peers, Integer.parseInt(common.get("min.insync.replicas")), secret);
            health.serve();
            if (storage.state() == Storage.State.EMPTY) {
                awaitForming(member, peers, health);
                Map<String, String> whole = new HashMap<>(common);
                whole.putAll(member.options());
                storage.format(whole);
            }
            daemon("look", health).start();
        } catch (Refusal refusal) {
            say(refusal.getMessage());
            System.exit(REFUSED);
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> daemon("watchdog", Node::endWhenLeaderless).start()));
        kafka.Kafka.main(kafkaArguments(arguments[0], member));
    }

    /** Only a voter waits: a broker alone can do nothing without the quorum. */
    private static void awaitForming(Member member, Peers peers, Health health) throws InterruptedException {
        long said = System.nanoTime() - SAY_NANOS;
        while (member.controller() && !Files.exists(CONSENT)) {
            Optional<String> reason = peers.reasonNotToFormat();
            if (reason.isEmpty()) {
                return;
            }
            health.waiting(reason.get());
            if (System.nanoTime() - said >= SAY_NANOS) {
                say(reason.get());
                said = System.nanoTime();
            }
            Thread.sleep(FORM_PAUSE_MILLIS);
        }
    }

    private static String[] kafkaArguments(String file, Member member) {
        List<String> made = new ArrayList<>(List.of(file));
        member.options().forEach((key, value) -> made.addAll(List.of("--override", key + "=" + value)));
        return made.toArray(String[]::new);
    }

    private static Map<String, String> read(Path file) throws IOException {
        Properties found = new Properties();
        try (var reader = Files.newBufferedReader(file)) {
            found.load(reader);
        }
        Map<String, String> all = new HashMap<>();
        found.forEach((key, value) -> all.put((String) key, (String) value));
        return all;
    }

    /** All brokers that leave at once leave a last one whose good-bye nobody hears. What is written is safe either way. */
    private static void endWhenLeaderless() {
        int seconds = 0;
        while (seconds < LEADERLESS_SECONDS) {
            seconds = Beans.raftRuns() && Beans.leader().isEmpty() ? seconds + 1 : 0;
            try {
                TimeUnit.SECONDS.sleep(1);
            } catch (InterruptedException ended) {
                return;
            }
        }
        say("the quorum is gone, and with it the controller that would let this broker go: ending without its leave");
        Runtime.getRuntime().halt(TERMINATED);
    }

    static Thread daemon(String name, Runnable task) {
        Thread made = new Thread(task, "custos-" + name);
        made.setDaemon(true);
        return made;
    }

    static void say(String what) {
        System.out.println("custos: " + what);
    }

    /** An exception's message with those of its causes. */
    static String causes(Throwable failure) {
        StringBuilder text = new StringBuilder(String.valueOf(failure));
        for (Throwable cause = failure.getCause(); cause != null; cause = cause.getCause()) {
            text.append(": ").append(cause);
        }
        return text.toString();
    }
}
