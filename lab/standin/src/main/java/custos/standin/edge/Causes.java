package custos.standin.edge;

import java.util.regex.Pattern;

/** Turns what a library threw into one line for people. */
public final class Causes {

    private static final Pattern SECRETS =
            Pattern.compile("(?i)(password|secret|token)(\\s*=\\s*|\"\\s*:\\s*)[^\\s,;&}]+");

    private Causes() {
    }

    /** The messages of a failure and its causes, each once, without the values of passwords and tokens. */
    public static String told(Throwable failure) {
        StringBuilder line = new StringBuilder();
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String message = cause.getMessage() == null ? "" : ": " + cause.getMessage().replaceAll("\\s+", " ").trim();
            if (message.isEmpty() || line.indexOf(message.substring(2)) < 0) {
                line.append(line.length() == 0 ? "" : "; because ").append(cause.getClass().getSimpleName()).append(message);
            }
        }
        return SECRETS.matcher(line).replaceAll("$1$2…");
    }
}
