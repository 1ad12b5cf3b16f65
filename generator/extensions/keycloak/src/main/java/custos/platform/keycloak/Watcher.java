package custos.platform.keycloak;

import org.keycloak.Config;
import org.keycloak.events.Event;
import org.keycloak.events.EventListenerProvider;
import org.keycloak.events.EventListenerProviderFactory;
import org.keycloak.events.admin.AdminEvent;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;
import org.keycloak.models.KeycloakSessionTask;
import org.keycloak.models.utils.KeycloakModelUtils;

/**
 * What both providers here have in common: Keycloak loads them, and they hear what happens inside the server. As listeners of logins and of
 * administrators' deeds, which is what their kind of provider is for, they do nothing.
 */
abstract class Watcher implements EventListenerProviderFactory {

    /** Two replicas may do the same at the same moment: the second then finds it done. */
    private static final int TRIES = 3;

    /**
     * Does some work in a transaction of its own, again where another replica came first.
     *
     * @throws RuntimeException what the last try ended with
     */
    static void inTransaction(KeycloakSessionFactory factory, KeycloakSessionTask work) {
        for (int left = TRIES; ; left--) {
            try {
                KeycloakModelUtils.runJobInTransaction(factory, work);
                return;
            } catch (RuntimeException e) { // the database's own exceptions are not known here
                if (left == 1) {
                    throw e;
                }
            }
        }
    }

    @Override
    public EventListenerProvider create(KeycloakSession session) {
        return Nothing.INSTANCE;
    }

    @Override
    public void init(Config.Scope config) {
    }

    @Override
    public void close() {
    }

    private enum Nothing implements EventListenerProvider {
        INSTANCE;

        @Override
        public void onEvent(Event event) {
        }

        @Override
        public void onEvent(AdminEvent event, boolean includeRepresentation) {
        }

        @Override
        public void close() {
        }
    }
}
