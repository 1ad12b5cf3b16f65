package custos.standin.edge;

/** What came of using one edge. The fields are what {@code GET /standin/reaches} shows. */
public final class Finding {

    /** What became of an edge. */
    public enum State { OK, ABSENT, FAILED }

    private final String edge;
    private final State state;
    private final String message;
    private final long millis;

    Finding(String edge, State state, String message, long millis) {
        this.edge = edge;
        this.state = state;
        this.message = message;
        this.millis = millis;
    }

    public String getEdge() {
        return edge;
    }

    public State getState() {
        return state;
    }

    public String getMessage() {
        return message;
    }

    /** How long the use took, in milliseconds. */
    public long getMillis() {
        return millis;
    }

    @Override
    public String toString() {
        return edge + " " + state + " " + message;
    }
}
