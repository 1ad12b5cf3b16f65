package custos.standin;

import custos.standin.catalogue.Service;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** The configuration lacks keys without which the real service does not start either. */
final class MissingKeysException extends IllegalStateException {

    private static final long serialVersionUID = 1L;

    MissingKeysException(Service service, List<String> keys) {
        super("Could not resolve " + keys.stream().map(key -> "placeholder '" + key + "'").collect(Collectors.joining(", "))
                + ": " + service.name() + " needs " + (keys.size() == 1 ? "it" : "them")
                + " from the config server or from the environment (" + environmentName(keys.get(0)) + ")");
    }

    private static String environmentName(String key) {
        return key.replace('.', '_').replace("-", "").toUpperCase(Locale.ROOT);
    }
}
