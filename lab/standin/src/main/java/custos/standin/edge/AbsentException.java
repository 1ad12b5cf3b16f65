package custos.standin.edge;

/** The catalogue gives the service this store, but the configuration names no address for it. */
public class AbsentException extends Exception {

    private static final long serialVersionUID = 1L;

    public AbsentException(String message) {
        super(message);
    }
}
