package custos.standin.edge;

import java.net.URI;
import java.util.Locale;

/** Tells a store that is there from one that the installation knowingly does without. */
final class Addresses {

    private Addresses() {
    }

    /**
     * Returns an address that names a store.
     *
     * <p>The real services insist on having some address, so an installation without the store gives one that leads nowhere: empty,
     * {@code localhost} (no store runs in a service's own pod) or a name under {@code .invalid} (RFC 2606).
     *
     * @param address a URL or host:port
     * @throws AbsentException where the address leads nowhere
     */
    static String present(String key, String address) throws AbsentException {
        String given = address == null ? "" : address.trim();
        URI uri = URI.create(given.contains("://") ? given : "any://" + given);
        String host = uri.getHost() == null ? "" : uri.getHost().toLowerCase(Locale.ROOT);
        if (host.isEmpty() || host.equals("localhost") || host.endsWith(".invalid") || host.endsWith(".invalid.")) {
            throw new AbsentException(key + " is '" + given + "': this installation is without that store");
        }
        return given;
    }
}
