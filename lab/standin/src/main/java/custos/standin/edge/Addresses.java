package custos.standin.edge;

import java.net.URI;
import java.net.URISyntaxException;
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
     * @throws IllegalStateException where it is no address
     */
    static String present(String key, String address) throws AbsentException {
        String given = address == null ? "" : address.trim();
        String host = given.isEmpty() ? "" : host(key, given).toLowerCase(Locale.ROOT);
        if (host.isEmpty() || host.equals("localhost") || host.endsWith(".invalid") || host.endsWith(".invalid.")) {
            throw new AbsentException(key + " is '" + given + "': this installation is without that store");
        }
        return given;
    }

    private static String host(String key, String given) {
        try {
            String host = new URI(given.contains("://") ? given : "any://" + given).getHost();
            if (host != null) {
                return host;
            }
        } catch (URISyntaxException e) {
            throw new IllegalStateException(key + " is '" + given + "', which is no address: " + e.getMessage(), e);
        }
        throw new IllegalStateException(key + " is '" + given + "', in which there is no host name");
    }
}
