package custos.standin.edge;

/** One thing that a service must reach: a store, a peer, the config server. */
public interface Edge {

    /** What the edge is called in answers and logs, for example {@code peer/iam-admin-core-service}. */
    String name();

    /**
     * Uses the edge for real: writes and reads back, or asks and gets an answer.
     *
     * @throws AbsentException where the configuration says that there is no such store (yet)
     * @throws Exception whatever went wrong; its message must say where and what, and hold no secret
     */
    void use() throws Exception;
}
