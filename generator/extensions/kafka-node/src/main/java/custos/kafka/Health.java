package custos.kafka;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;

/**
 * Looks at the member once a second and answers probes: /live, /ready, /state (empty, fresh, member) and, for preStop, /leave. A status of 200
 * means yes; the text says why not.
 */
final class Health implements Runnable {
    private static final long PERIOD_MILLIS = 1000;
    /** How long the quorum may be without a leader, although enough voters are there, before a restart is the better chance. */
    private static final long WEDGED_NANOS = TimeUnit.MINUTES.toNanos(3);
    /** How long a look at all topics and at the Secret holds. */
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(3);
    private static final int NAMED = 5;

    private final Member member;
    private final Storage storage;
    private final Peers peers;
    private final int minInSync;
    private final Path users;

    private volatile String notReady = "Kafka has not begun yet";
    private volatile String notLive = "";
    private volatile boolean leading = true;
    private Admin admin;
    private Topics topics;
    private Keeper keeper;
    private boolean caughtUp;
    private long leaderSeen = System.nanoTime();
    private long looked = System.nanoTime() - LOOK_NANOS;

    Health(Member member, Storage storage, Peers peers, int minInSync, Path users) {
        this.member = member;
        this.storage = storage;
        this.peers = peers;
        this.minInSync = minInSync;
        this.users = users;
    }

    /** Answers from now on; what it knows of Kafka it learns once `run` runs. */
    void serve() throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(Member.STATE_PORT), 0);
        server.createContext("/live", exchange -> answer(exchange, notLive));
        server.createContext("/ready", exchange -> answer(exchange, notReady));
        server.createContext("/leave", exchange -> answer(exchange, notToLeave()));
        server.createContext("/state", exchange -> send(exchange, 200, storage.state().name().toLowerCase(java.util.Locale.ROOT)));
        server.setExecutor(Executors.newFixedThreadPool(3, task -> Node.daemon("health", task)));
        server.start();
    }

    void waiting(String forWhat) {
        notReady = forWhat;
    }

    @Override
    public void run() {
        try {
            while (true) {
                look();
                Thread.sleep(PERIOD_MILLIS);
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException failure) {
            // Nobody would look any more, and what was true last would be told for ever.
            notReady = Node.causes(failure);
            notLive = "the health check has failed: " + notReady;
            Node.say(notLive);
        }
    }

    private void look() throws InterruptedException {
        try {
            OptionalInt leader = Beans.leader();
            leading = leader.isPresent();
            if (leading || !Beans.raftRuns()) {
                leaderSeen = System.nanoTime();
            }
            notLive = wedged() ? "the quorum has had no leader for minutes, although its voters are there" : "";
            notReady = reasonNotReady().orElse("");
            if (notReady.isEmpty()) {
                storage.joined();
            }
        } catch (ExecutionException failure) {
            notReady = "no answer from the cluster: " + Node.causes(failure.getCause());
        } catch (IOException | KafkaException failure) {
            notReady = Node.causes(failure);
        }
    }

    private boolean wedged() throws InterruptedException {
        return System.nanoTime() - leaderSeen > WEDGED_NANOS && peers.answering() + (member.controller() ? 1 : 0) >= member.majority();
    }

    private Optional<String> reasonNotReady() throws IOException, ExecutionException, InterruptedException {
        if (!leading) {
            return Optional.of("the quorum has no leader that this node knows of");
        }
        if (!member.broker()) {
            return Optional.empty();
        }
        if (!Beans.brokerRuns()) {
            caughtUp = false;
            return Optional.of("the broker is not yet, or no more, part of the cluster");
        }
        if (System.nanoTime() - looked > LOOK_NANOS) {
            connect();
            keeper.keep();
            if (!caughtUp) {
                List<String> behind = topics.behind();
                if (!behind.isEmpty()) {
                    return Optional.of("still catching up with " + some(behind));
                }
                caughtUp = true;
            }
            looked = System.nanoTime();
        }
        return caughtUp ? Optional.empty() : Optional.of(notReady);
    }

    private synchronized Topics connect() {
        if (admin == null) {
            admin = Admin.create(Map.of(
                    "bootstrap.servers", member.host() + ":" + Member.INTERNAL_PORT,
                    "client.id", "health-" + member.id(),
                    "security.protocol", "SSL",
                    "ssl.engine.factory.class", Tls.class.getName(),
                    "request.timeout.ms", "3000",
                    "default.api.timeout.ms", "6000"));
            topics = new Topics(admin, member.id(), minInSync);
            keeper = new Keeper(admin, users);
        }
        return topics;
    }

    private String notToLeave() {
        // Without a quorum there is nothing that staying would keep alive.
        if (!member.broker() || !leading || !Beans.brokerRuns()) {
            return "";
        }
        try {
            List<String> needed = connect().needed();
            return needed.isEmpty() ? "" : "without this broker too few replicas would be in sync for " + some(needed);
        } catch (ExecutionException failure) {
            return "no answer from the cluster: " + Node.causes(failure.getCause());
        } catch (KafkaException failure) {
            return "no answer from the cluster: " + Node.causes(failure);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
            return "";
        }
    }

    private static String some(List<String> names) {
        String first = String.join(", ", names.subList(0, Math.min(NAMED, names.size())));
        return names.size() > NAMED ? first + " and " + (names.size() - NAMED) + " more" : first;
    }

    private static void answer(HttpExchange exchange, String reason) throws IOException {
        send(exchange, reason.isEmpty() ? 200 : 503, reason.isEmpty() ? "yes" : reason);
    }

    private static void send(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = (text + "\n").getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
