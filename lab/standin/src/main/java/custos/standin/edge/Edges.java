package custos.standin.edge;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** All edges of one service. Nothing is used before somebody asks, so no start waits for another. */
public class Edges implements AutoCloseable {

    private final List<Edge> edges;
    private final long timeoutMillis;
    private final ExecutorService workers = Executors.newCachedThreadPool(daemons());

    /** @param timeoutMillis how long all edges together may take, in milliseconds */
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
        List<Future<Finding>> running = new ArrayList<>();
        for (Edge edge : some) {
            running.add(workers.submit(() -> timed(edge)));
        }
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        List<Finding> findings = new ArrayList<>();
        for (int i = 0; i < some.size(); i++) {
            findings.add(await(some.get(i), running.get(i), deadline));
        }
        return findings;
    }

    private Finding await(Edge edge, Future<Finding> running, long deadline) throws InterruptedException {
        try {
            return running.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            running.cancel(true);
            String message = "no answer within " + timeoutMillis + " ms";
            return new Finding(edge.name(), Finding.State.FAILED, message, timeoutMillis);
        } catch (ExecutionException e) {
            return new Finding(edge.name(), Finding.State.FAILED, Causes.told(e.getCause()), 0);
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
