package custos.platform.keycloak;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jboss.logging.Logger;
import org.keycloak.Config;
import org.keycloak.models.AdminRoles;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserCredentialModel;
import org.keycloak.models.UserModel;
import org.keycloak.models.utils.PostMigrationEvent;
import org.keycloak.timer.TimerProvider;

/**
 * Keeps one administrator of Keycloak as a folder with the files {@code admin-username} and {@code admin-password} says: makes him where he is not
 * there, and gives him the password whenever the files change, which they do while the server runs (a Secret that is mounted). Keycloak's own
 * bootstrap administrator is temporary and never gets another password.
 *
 * <p>Setting: {@code folder}, without which this does nothing.
 */
public final class Administrator extends Watcher {

    private static final Logger LOG = Logger.getLogger(Administrator.class);
    private static final long EVERY_MILLIS = 10_000;

    private Path folder;
    private String done = "";

    @Override
    public String getId() {
        return "custos-administrator";
    }

    @Override
    public void init(Config.Scope config) {
        String given = config.get("folder");
        folder = given == null || given.isBlank() ? null : Path.of(given);
    }

    @Override
    public void postInit(KeycloakSessionFactory factory) {
        if (folder == null) {
            return;
        }
        factory.register(event -> {
            if (event instanceof PostMigrationEvent) {
                keep(factory); // what fails here ends the start, with the reason
                inTransaction(factory, session -> session.getProvider(TimerProvider.class)
                        .schedule(() -> keepOn(factory), EVERY_MILLIS, EVERY_MILLIS, getId()));
            }
        });
    }

    private void keepOn(KeycloakSessionFactory factory) {
        try {
            keep(factory);
        } catch (RuntimeException e) { // the next round tries again
            LOG.errorf("the administrator of %s is not as it says: %s", folder, e.getMessage());
        }
    }

    private synchronized void keep(KeycloakSessionFactory factory) {
        String name = read("admin-username");
        String password = read("admin-password");
        String wanted = name + '\n' + password;
        if (!wanted.equals(done)) {
            inTransaction(factory, session -> keep(session, name, password));
            done = wanted;
        }
    }

    private static void keep(KeycloakSession session, String name, String password) {
        RealmModel realm = session.realms().getRealmByName(Config.getAdminRealm());
        session.getContext().setRealm(realm);
        UserModel user = session.users().getUserByUsername(realm, name);
        if (user == null) {
            user = session.users().addUser(realm, name);
            LOG.infof("administrator %s made", name);
        }
        user.setEnabled(true);
        user.grantRole(realm.getRole(AdminRoles.ADMIN));
        if (!user.credentialManager().isValid(UserCredentialModel.password(password))) {
            user.credentialManager().updateCredential(UserCredentialModel.password(password));
            LOG.infof("administrator %s: the password is the one that is given now", name);
        }
    }

    private String read(String file) {
        try {
            String text = Files.readString(folder.resolve(file)).strip();
            if (text.isEmpty()) {
                throw new IllegalStateException(folder.resolve(file) + " is empty");
            }
            return text;
        } catch (IOException e) {
            throw new UncheckedIOException(folder.resolve(file) + " cannot be read", e);
        }
    }
}
