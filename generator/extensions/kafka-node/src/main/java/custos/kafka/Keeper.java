package custos.kafka;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Keeps the users' passwords what the mounted Secret says, and the rights of those who are no administrators. Every broker does; it is the same each time. */
final class Keeper {
    private static final int ITERATIONS = 8192;
    /** The general user's name, and what Kafka calls a client without a login. */
    static final String CLIENT = "User:custos";

    private static final String ANONYMOUS = "User:ANONYMOUS";
    /** Kafka's own topics begin so. */
    private static final String INTERNAL = "__";

    private final Admin admin;
    private final Path folder;
    private final Map<String, String> kept = new HashMap<>();
    private boolean rightsKept;

    /** @param folder one file for each user, NAME-password */
    Keeper(Admin admin, Path folder) {
        this.admin = admin;
        this.folder = folder;
    }

    /** Brings passwords and rights to what they should be, where something has changed since the last time. */
    void keep() throws IOException, ExecutionException, InterruptedException {
        List<UserScramCredentialAlteration> changes = new ArrayList<>();
        Map<String, String> wanted = passwords();
        wanted.forEach((user, password) -> {
            if (!password.equals(kept.get(user))) {
                changes.add(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS), password));
            }
        });
        if (!changes.isEmpty()) {
            admin.alterUserScramCredentials(changes).all().get();
            Node.say("passwords set for " + String.join(", ", changes.stream().map(UserScramCredentialAlteration::user).sorted().toList()));
            kept.putAll(wanted);
        }
        if (!rightsKept) {
            admin.createAcls(rights()).all().get();
            rightsKept = true;
        }
    }

    private Map<String, String> passwords() throws IOException {
        Map<String, String> found = new HashMap<>();
        try (var files = Files.newDirectoryStream(folder, "*-password")) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                found.put(name.substring(0, name.length() - "-password".length()), Files.readString(file).strip());
            }
        }
        return found;
    }

    private static List<AclBinding> rights() {
        return List.of(
                // A producer that makes its topics by writing to them, and no more.
                allow(ANONYMOUS, ResourceType.TOPIC, AclOperation.CREATE),
                allow(ANONYMOUS, ResourceType.TOPIC, AclOperation.WRITE),
                deny(ANONYMOUS),
                allow(CLIENT, ResourceType.TOPIC, AclOperation.CREATE),
                allow(CLIENT, ResourceType.TOPIC, AclOperation.WRITE),
                allow(CLIENT, ResourceType.TOPIC, AclOperation.READ),
                allow(CLIENT, ResourceType.TOPIC, AclOperation.DESCRIBE_CONFIGS),
                allow(CLIENT, ResourceType.GROUP, AclOperation.READ),
                allow(CLIENT, ResourceType.TRANSACTIONAL_ID, AclOperation.WRITE),
                deny(CLIENT));
    }

    private static AclBinding allow(String who, ResourceType type, AclOperation what) {
        ResourcePattern all = new ResourcePattern(type, ResourcePattern.WILDCARD_RESOURCE, PatternType.LITERAL);
        return new AclBinding(all, new AccessControlEntry(who, "*", what, AclPermissionType.ALLOW));
    }

    private static AclBinding deny(String who) {
        ResourcePattern own = new ResourcePattern(ResourceType.TOPIC, INTERNAL, PatternType.PREFIXED);
        return new AclBinding(own, new AccessControlEntry(who, "*", AclOperation.WRITE, AclPermissionType.DENY));
    }
}
