package custos.standin;

import custos.standin.edge.Edge;
import custos.standin.edge.Edges;
import custos.standin.edge.Finding;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.context.event.EventListener;

/** Writes to the database and reads back at an interval, and logs every change between well and not. */
class Heartbeat implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Heartbeat.class);

    private final Edges edges;
    private final long intervalSeconds;
    private final Map<String, Finding.State> last = new ConcurrentHashMap<>();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "heartbeat");
        thread.setDaemon(true);
        return thread;
    });

    Heartbeat(Edges edges, long intervalSeconds) {
        this.edges = edges;
        this.intervalSeconds = intervalSeconds;
    }

    @EventListener(ApplicationReadyEvent.class)
    public void start() {
        LOG.info("ready");
        clock.scheduleWithFixedDelay(this::beat, intervalSeconds, intervalSeconds, TimeUnit.SECONDS);
    }

    private void beat() {
        for (Edge edge : edges.all()) {
            if (edge.name().equals("database")) {
                try {
                    tell(edges.use(edge));
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return;
                }
            }
        }
    }

    private void tell(Finding finding) {
        Finding.State before = last.put(finding.getEdge(), finding.getState());
        if (before != finding.getState()) {
            LOG.info("{}", finding);
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}
