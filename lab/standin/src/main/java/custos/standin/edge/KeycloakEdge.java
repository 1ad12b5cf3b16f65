package custos.standin.edge;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import javax.ws.rs.NotFoundException;
import javax.ws.rs.core.Response;
import org.jboss.resteasy.client.jaxrs.ResteasyClient;
import org.jboss.resteasy.client.jaxrs.ResteasyClientBuilder;
import org.keycloak.OAuth2Constants;
import org.keycloak.admin.client.CreatedResponseUtil;
import org.keycloak.admin.client.Keycloak;
import org.keycloak.admin.client.KeycloakBuilder;
import org.keycloak.admin.client.resource.RealmResource;
import org.keycloak.representations.idm.ClientRepresentation;
import org.keycloak.representations.idm.CredentialRepresentation;
import org.keycloak.representations.idm.GroupRepresentation;
import org.keycloak.representations.idm.RealmRepresentation;
import org.keycloak.representations.idm.UserRepresentation;
import org.springframework.core.env.Environment;

/**
 * Keycloak, used as iam-admin and identity do with the same old client: a realm, in it a user with attributes, a group, a session, and userinfo with
 * a token of a client's own. The realm stays, one for each service: to make one is Keycloak's longest work, and on a busy computer it takes longer
 * than the call may. What was cut off then is found done the next time; a realm made anew for each use was cut off each time.
 */
public class KeycloakEdge implements Edge {

    private static final int CALL_SECONDS = 10; // hard-coded in the real services
    private static final String NAME = "standin"; // of the realm, with the service's, and of the user's attribute

    private final Environment environment;
    private final String realm;
    private final boolean readsAnswers;

    /**
     * @param service its name is part of the realm's, which is the realm's id too, as in Custos: an id has room for 36 characters
     * @param readsAnswers whether the service also reads what Keycloak answers, with fields that this client does not know
     */
    public KeycloakEdge(Environment environment, String service, boolean readsAnswers) {
        this.environment = environment;
        this.realm = NAME + "-" + service;
        this.readsAnswers = readsAnswers;
    }

    @Override
    public String name() {
        return "keycloak";
    }

    /**
     * Reads the trust store file, which the real services do when they are ready, also where Keycloak speaks plain http.
     *
     * @throws IllegalStateException where the file is not there or does not open
     */
    public KeyStore trustStore() {
        String profile = environment.getProperty("spring.profiles.active", "");
        if (profile.equals("production") || profile.equals("staging")) {
            throw new IllegalStateException("with the profile " + profile + " the real service takes Keycloak's certificate from the"
                    + " Secret tls-keycloak-secret in the namespace keycloak, through cluster-management; this stand-in does not:"
                    + " use a profile of another name and iam.server.truststore.path");
        }
        String path = environment.getRequiredProperty("iam.server.truststore.path");
        try (InputStream in = new FileInputStream(path)) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(in, environment.getProperty("iam.server.truststore.password", "keycloak").toCharArray());
            return store;
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalStateException("iam.server.truststore.path is '" + path + "', which must be a PKCS12 file that opens with"
                    + " iam.server.truststore.password: " + e.getMessage(), e);
        }
    }

    @Override
    public void use() throws Exception {
        String url = Addresses.present("iam.server.url", environment.getProperty("iam.server.url"));
        if (!url.endsWith("/auth/")) {
            throw new IllegalStateException("iam.server.url is '" + url + "'; the real services need it to end in /auth/");
        }
        try (Keycloak admin = client(url, environment.getProperty("iam.server.super.admin.realm.id", "master"),
                environment.getProperty("iam.server.client.id", "admin-cli"))
                .username(environment.getRequiredProperty("iam.server.admin.username"))
                .password(environment.getRequiredProperty("iam.server.admin.password")).build()) {
            RealmResource resource = admin.realm(realm);
            if (!isThere(resource)) {
                RealmRepresentation wanted = new RealmRepresentation();
                wanted.setId(realm);
                wanted.setRealm(realm);
                wanted.setEnabled(true);
                admin.realms().create(wanted);
            }
            useRealm(url, resource);
        }
    }

    /** Whether the realm has been made; asks for what this client can read without being taught. */
    private static boolean isThere(RealmResource realm) {
        try {
            realm.users().count();
            return true;
        } catch (NotFoundException e) {
            return false;
        }
    }

    private void useRealm(String url, RealmResource resource) {
        // Of this use alone: several pods may use the realm at once.
        String name = NAME + "-" + UUID.randomUUID();
        String secret = UUID.randomUUID().toString();
        String id = created(resource.users().create(user(name, secret)), "user");
        try {
            String group = created(resource.groups().add(group(name)), "group");
            try {
                resource.users().get(id).joinGroup(group);
                logIn(url, resource, name, id, secret);
            } finally {
                resource.groups().group(group).remove();
            }
            String client = created(resource.clients().create(serviceClient(name, secret)), "client");
            try {
                userinfo(url, name, secret);
            } finally {
                resource.clients().get(client).remove();
            }
        } finally {
            resource.users().get(id).remove();
        }
    }

    private void logIn(String url, RealmResource resource, String name, String id, String secret) {
        try (Keycloak session = client(url, realm, "admin-cli").username(name).password(secret).build()) {
            session.tokenManager().getAccessTokenString();
            if (readsAnswers) {
                readAnswers(resource, name, id);
            }
        }
    }

    /** What a client of 2020 fails on unless it has been taught to pass over fields that it does not know. */
    private static void readAnswers(RealmResource resource, String name, String id) {
        if (resource.users().get(id).getUserSessions().isEmpty()) {
            throw new IllegalStateException("the user logged in, and Keycloak has no session of his");
        }
        UserRepresentation user = resource.users().get(id).toRepresentation();
        Map<String, List<String>> attributes = user.getAttributes();
        if (attributes == null || !List.of("kept").equals(attributes.get(NAME))) {
            throw new IllegalStateException("Keycloak dropped the user's attribute: unmanaged attributes must be enabled");
        }
        if (resource.users().search(name, 0, 1).size() != 1) {
            throw new IllegalStateException("the user that was made is not found");
        }
        if (resource.groups().groups(name, 0, 1).size() != 1 || resource.users().get(id).groups().size() != 1) {
            throw new IllegalStateException("the group that was made is not read back");
        }
        RealmRepresentation changed = resource.toRepresentation();
        changed.setDisplayName(NAME);
        resource.update(changed);
        if (!NAME.equals(resource.toRepresentation().getDisplayName())) {
            throw new IllegalStateException("the realm's new name is not read back");
        }
    }

    /** Custos asks for userinfo with a token of its own client, without asking for the scope openid. */
    private void userinfo(String url, String clientId, String secret) {
        ResteasyClient plain = resteasy();
        try (Keycloak own = client(url, realm, clientId).grantType(OAuth2Constants.CLIENT_CREDENTIALS).clientSecret(secret).build();
                AutoClosed answer = new AutoClosed(plain.target(url + "realms/" + realm + "/protocol/openid-connect/userinfo")
                        .request().header("Authorization", "Bearer " + own.tokenManager().getAccessTokenString()).get())) {
            if (answer.response.getStatus() != 200) {
                throw new IllegalStateException("userinfo answers " + answer.response.getStatus() + " to a token of client_credentials: the"
                        + " client scope openid must be a default of every realm");
            }
        } finally {
            plain.close();
        }
    }

    private static UserRepresentation user(String name, String password) {
        CredentialRepresentation credential = new CredentialRepresentation();
        credential.setType(CredentialRepresentation.PASSWORD);
        credential.setValue(password);
        credential.setTemporary(false);
        UserRepresentation user = new UserRepresentation();
        user.setUsername(name);
        user.setFirstName("Stand");
        user.setLastName("In");
        user.setEmail(name + "@example.org");
        user.setEmailVerified(true);
        user.setEnabled(true);
        user.setAttributes(Map.of(NAME, List.of("kept")));
        user.setCredentials(List.of(credential));
        return user;
    }

    private static GroupRepresentation group(String name) {
        GroupRepresentation group = new GroupRepresentation();
        group.setName(name);
        return group;
    }

    private static ClientRepresentation serviceClient(String clientId, String secret) {
        ClientRepresentation client = new ClientRepresentation();
        client.setClientId(clientId);
        client.setSecret(secret);
        client.setServiceAccountsEnabled(true);
        return client;
    }

    private static String created(Response response, String what) {
        try (AutoClosed closed = new AutoClosed(response)) {
            return CreatedResponseUtil.getCreatedId(closed.response);
        } catch (javax.ws.rs.WebApplicationException e) {
            throw new IllegalStateException("Keycloak did not make the " + what + ": " + e.getMessage(), e);
        }
    }

    private KeycloakBuilder client(String url, String realm, String clientId) {
        return KeycloakBuilder.builder().serverUrl(url).realm(realm).clientId(clientId).resteasyClient(resteasy());
    }

    private ResteasyClient resteasy() {
        return new ResteasyClientBuilder()
                .establishConnectionTimeout(CALL_SECONDS, TimeUnit.SECONDS)
                .socketTimeout(CALL_SECONDS, TimeUnit.SECONDS)
                .trustStore(trustStore())
                .build();
    }

    /** JAX-RS 2.0's Response is not AutoCloseable. */
    private static final class AutoClosed implements AutoCloseable {
        private final Response response;

        AutoClosed(Response response) {
            this.response = response;
        }

        @Override
        public void close() {
            response.close();
        }
    }
}
