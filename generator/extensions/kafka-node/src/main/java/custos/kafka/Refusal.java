package custos.kafka;

/** Something that only a person can decide; its message says what was found and what to do. */
final class Refusal extends Exception {
    private static final long serialVersionUID = 1L;

    Refusal(String message) {
        super(message);
    }
}
