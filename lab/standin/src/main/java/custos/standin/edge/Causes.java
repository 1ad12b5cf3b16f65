package custos.standin.edge;

import java.util.regex.Pattern;
import org.springframework.beans.BeansException;
import org.springframework.boot.web.server.WebServerException;
import org.springframework.context.ApplicationContextException;

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

    /** Why a start failed: the messages below what Spring's containers wrap around them. */
    public static String ofStart(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null && (cause instanceof BeansException || cause instanceof ApplicationContextException
                || cause instanceof WebServerException)) {
            cause = cause.getCause();
        }
        return told(cause);
    }
}
