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
import javax.ws.rs.core.Response;
import org.jboss.resteasy.client.jaxrs.ResteasyClientBuilder;
import org.keycloak.admin.client.CreatedResponseUtil;
import org.keycloak.admin.client.Keycloak;
import org.keycloak.admin.client.KeycloakBuilder;
import org.keycloak.admin.client.resource.RealmResource;
import org.keycloak.representations.idm.CredentialRepresentation;
import org.keycloak.representations.idm.GroupRepresentation;
import org.keycloak.representations.idm.RealmRepresentation;
import org.keycloak.representations.idm.UserRepresentation;
import org.springframework.core.env.Environment;

/** Keycloak, used as iam-admin does with the same old client: a realm, in it a user with attributes, a group, a session. */
public class KeycloakEdge implements Edge {

    private static final int CALL_SECONDS = 10; // hard-coded in the real services
    private static final String ATTRIBUTE = "standin";

    private final Environment environment;

    public KeycloakEdge(Environment environment) {
        this.environment = environment;
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
        String realm = "standin-" + UUID.randomUUID();
        try (Keycloak admin = client(url, environment.getProperty("iam.server.super.admin.realm.id", "master"),
                environment.getRequiredProperty("iam.server.admin.username"),
                environment.getRequiredProperty("iam.server.admin.password"),
                environment.getProperty("iam.server.client.id", "admin-cli"))) {
            RealmRepresentation wanted = new RealmRepresentation();
            wanted.setId(realm);
            wanted.setRealm(realm);
            wanted.setEnabled(true);
            admin.realms().create(wanted);
            try {
                useRealm(url, admin.realm(realm), realm);
            } finally {
                admin.realm(realm).remove();
            }
        }
    }

    private void useRealm(String url, RealmResource resource, String realm) {
        String password = UUID.randomUUID().toString();
        CredentialRepresentation credential = new CredentialRepresentation();
        credential.setType(CredentialRepresentation.PASSWORD);
        credential.setValue(password);
        credential.setTemporary(false);
        UserRepresentation user = new UserRepresentation();
        user.setUsername("standin");
        user.setFirstName("Stand");
        user.setLastName("In");
        user.setEmail("standin@example.org");
        user.setEmailVerified(true);
        user.setEnabled(true);
        user.setAttributes(Map.of(ATTRIBUTE, List.of("kept")));
        user.setCredentials(List.of(credential));
        String id = created(resource.users().create(user), "user");

        Map<String, List<String>> attributes = resource.users().get(id).toRepresentation().getAttributes();
        if (attributes == null || !List.of("kept").equals(attributes.get(ATTRIBUTE))) {
            throw new IllegalStateException("Keycloak dropped the user's attribute: unmanaged attributes must be enabled");
        }
        GroupRepresentation group = new GroupRepresentation();
        group.setName("standin");
        resource.users().get(id).joinGroup(created(resource.groups().add(group), "group"));
        if (resource.groups().groups().size() != 1 || resource.users().get(id).groups().size() != 1) {
            throw new IllegalStateException("the group that was made is not read back");
        }
        try (Keycloak session = client(url, realm, "standin", password, "admin-cli")) {
            session.tokenManager().getAccessTokenString();
            if (resource.users().get(id).getUserSessions().isEmpty()) {
                throw new IllegalStateException("the user logged in, and Keycloak has no session of his");
            }
            resource.users().get(id).toRepresentation();
            resource.users().search("standin", 0, 1);
        }
    }

    private static String created(Response response, String what) {
        try (AutoClosed closed = new AutoClosed(response)) {
            return CreatedResponseUtil.getCreatedId(closed.response);
        } catch (javax.ws.rs.WebApplicationException e) {
            throw new IllegalStateException("Keycloak did not make the " + what + ": " + e.getMessage(), e);
        }
    }

    private Keycloak client(String url, String realm, String user, String password, String clientId) {
        return KeycloakBuilder.builder().serverUrl(url).realm(realm).username(user).password(password).clientId(clientId)
                .resteasyClient(new ResteasyClientBuilder()
                        .establishConnectionTimeout(CALL_SECONDS, TimeUnit.SECONDS)
                        .socketTimeout(CALL_SECONDS, TimeUnit.SECONDS)
                        .trustStore(trustStore())
                        .build())
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
