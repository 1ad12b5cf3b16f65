package custos.platform.keycloak;

import java.util.List;
import java.util.stream.Collectors;
import org.jboss.logging.Logger;
import org.keycloak.Config;
import org.keycloak.models.ClientModel;
import org.keycloak.models.ClientScopeModel;
import org.keycloak.models.KeycloakSessionFactory;
import org.keycloak.models.RealmModel;
import org.keycloak.models.utils.KeycloakModelUtils;
import org.keycloak.models.utils.PostMigrationEvent;
import org.keycloak.provider.ProviderEvent;

/**
 * Gives every token of every realm but the administrators' the scope {@code openid}, which Keycloak's userinfo endpoint demands since version 19
 * and Custos 1.1 never asks for: a client scope of that name is a default of each realm and of each client. It is added in the very transaction
 * that makes the realm or the client, and at the start to realms that lack it.
 *
 * <p>Setting: {@code active}, without which this does nothing.
 */
public final class OpenidScope extends Watcher {

    private static final Logger LOG = Logger.getLogger(OpenidScope.class);
    private static final String NAME = "openid";
    private static final String PROTOCOL = "openid-connect";

    private boolean active;

    @Override
    public String getId() {
        return "custos-openid-scope";
    }

    @Override
    public void init(Config.Scope config) {
        active = config.getBoolean("active", false);
    }

    @Override
    public void postInit(KeycloakSessionFactory factory) {
        if (active) {
            factory.register(this::heard);
        }
    }

    private void heard(ProviderEvent event) {
        if (event instanceof RealmModel.RealmPostCreateEvent) {
            give(((RealmModel.RealmPostCreateEvent) event).getCreatedRealm());
        } else if (event instanceof ClientModel.ClientUpdatedEvent) {
            ClientModel client = ((ClientModel.ClientUpdatedEvent) event).getUpdatedClient();
            // None yet: the realm is being made, and its clients get the scope when it is complete.
            ClientScopeModel scope = KeycloakModelUtils.getClientScopeByName(client.getRealm(), NAME);
            if (scope != null && isMeant(client.getRealm())) {
                give(client, scope);
            }
        } else if (event instanceof PostMigrationEvent) {
            giveToAll(((PostMigrationEvent) event).getFactory());
        }
    }

    /** Realms made before this provider was there. One that has the scope was done then, with all its clients. */
    private static void giveToAll(KeycloakSessionFactory factory) {
        List<String> lacking = KeycloakModelUtils.runJobInTransactionWithResult(factory, session -> session.realms().getRealmsStream()
                .filter(realm -> isMeant(realm) && KeycloakModelUtils.getClientScopeByName(realm, NAME) == null)
                .map(RealmModel::getId).collect(Collectors.toList()));
        for (String id : lacking) {
            inTransaction(factory, session -> {
                RealmModel realm = session.realms().getRealm(id);
                if (realm != null) {
                    session.getContext().setRealm(realm);
                    give(realm);
                }
            });
        }
    }

    private static boolean isMeant(RealmModel realm) {
        return !realm.getName().equals(Config.getAdminRealm());
    }

    private static void give(RealmModel realm) {
        if (!isMeant(realm)) {
            return;
        }
        ClientScopeModel scope = KeycloakModelUtils.getClientScopeByName(realm, NAME);
        if (scope == null) {
            scope = realm.addClientScope(NAME);
            scope.setProtocol(PROTOCOL);
            scope.setDescription("Marks every token as one of OpenID Connect, for clients that do not ask for it (Custos 1.1)");
            scope.setDisplayOnConsentScreen(false);
        }
        scope.setIncludeInTokenScope(true);
        realm.removeDefaultClientScope(scope); // it may have been an optional one
        realm.addDefaultClientScope(scope, true);
        for (ClientModel client : realm.getClientsStream().collect(Collectors.toList())) {
            give(client, scope);
        }
        LOG.infof("realm %s: client scope %s is a default", realm.getName(), NAME);
    }

    private static void give(ClientModel client, ClientScopeModel scope) {
        boolean speaksIt = client.getProtocol() == null || client.getProtocol().equals(PROTOCOL);
        if (speaksIt && !client.getClientScopes(true).containsKey(NAME)) {
            client.removeClientScope(scope); // it may have been an optional one
            client.addClientScope(scope, true);
        }
    }
}
