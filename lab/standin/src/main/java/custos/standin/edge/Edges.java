package custos.standin.edge;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * All edges of one service. Nothing is used before somebody asks, so no start waits for another. A use goes on when those who asked have waited long
 * enough, and who asks meanwhile waits for the same one: a store that is slow today is not asked for the same thing twice at once, which would make
 * it slower, and what it has half done is not done again beside it.
 */
public class Edges implements AutoCloseable {

    private static final int GIVEN_UP_AFTER = 6; // times the time that one waits

    private final List<Edge> edges;
    private final long timeoutMillis;
    private final Map<Edge, Use> underWay = new ConcurrentHashMap<>();
    private final ExecutorService workers = Executors.newCachedThreadPool(daemons());

    /** @param timeoutMillis how long one waits for all edges together, in milliseconds */
    public Edges(List<Edge> edges, long timeoutMillis) {
        this.edges = List.copyOf(edges);
        this.timeoutMillis = timeoutMillis;
    }

    public List<Edge> all() {
        return edges;
    }

    /** Uses every edge, all at the same time, and returns one finding for each, in the order of the edges. */
    public List<Finding> useAll() throws InterruptedException {
        return use(edges);
    }

    /** Uses one edge. */
    public Finding use(Edge edge) throws InterruptedException {
        return use(List.of(edge)).get(0);
    }

    private List<Finding> use(List<Edge> some) throws InterruptedException {
        List<Use> uses = new ArrayList<>();
        for (Edge edge : some) {
            uses.add(underWay.compute(edge, (key, use) -> use == null || use.isOver() ? new Use(key) : use));
        }
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        List<Finding> findings = new ArrayList<>();
        for (Use use : uses) {
            findings.add(use.await(deadline));
        }
        return findings;
    }

    /** An edge that is being used. */
    private final class Use {
        private final Edge edge;
        private final long began = System.nanoTime();
        private final Future<Finding> finding;

        Use(Edge edge) {
            this.edge = edge;
            this.finding = workers.submit(() -> timed(edge));
        }

        /** Whether the next who asks needs another; one that never ends is given up. */
        boolean isOver() {
            if (millis() > GIVEN_UP_AFTER * timeoutMillis) {
                finding.cancel(true);
            }
            return finding.isDone();
        }

        Finding await(long deadline) throws InterruptedException {
            try {
                return finding.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                return failed("no answer within " + timeoutMillis + " ms");
            } catch (CancellationException e) {
                return failed("given up after " + millis() + " ms");
            } catch (ExecutionException e) {
                return failed(Causes.told(e.getCause()));
            }
        }

        private Finding failed(String message) {
            return new Finding(edge.name(), Finding.State.FAILED, message, millis());
        }

        private long millis() {
            return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        }
    }

    private static Finding timed(Edge edge) {
        long start = System.nanoTime();
        Finding.State state = Finding.State.OK;
        String message = "reached";
        try {
            edge.use();
        } catch (AbsentException e) {
            state = Finding.State.ABSENT;
            message = e.getMessage();
        } catch (Exception e) { // whatever an old library throws is the finding
            state = Finding.State.FAILED;
            message = Causes.told(e);
        }
        return new Finding(edge.name(), state, message, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    }

    private static ThreadFactory daemons() {
        return task -> {
            Thread thread = new Thread(task, "edge");
            thread.setDaemon(true);
            return thread;
        };
    }

    @Override
    public void close() {
        workers.shutdownNow();
        for (Edge edge : edges) {
            if (edge instanceof AutoCloseable) {
                closeQuietly((AutoCloseable) edge);
            }
        }
    }

    private static void closeQuietly(AutoCloseable edge) {
        try {
            edge.close();
        } catch (Exception e) { // the process ends: nothing depends on it any more
            org.slf4j.LoggerFactory.getLogger(Edges.class).debug("while closing", e);
        }
    }
}
