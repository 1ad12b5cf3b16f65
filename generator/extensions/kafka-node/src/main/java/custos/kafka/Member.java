package custos.kafka;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Who this pod is in the cluster, from its environment.
 *
 * @param name      the pod's name, which ends in its ordinal
 * @param host      its full DNS name, without a dot at the end
 * @param id        Kafka's node.id
 * @param broker    keeps topics
 * @param controller votes
 * @param listeners ports by name: the broker's own
 * @param voters    host of each voter by its node.id
 */
record Member(
        String name, String host, int id, boolean broker, boolean controller, Map<String, Integer> listeners, Map<Integer, String> voters) {

    static final int CONTROLLER_PORT = 9093;
    static final int INTERNAL_PORT = 9091;
    static final int STATE_PORT = 9080;
    /** The volume; Kafka's own folder is below, for some file systems have a lost+found. */
    static final Path VOLUME = Path.of(System.getenv().getOrDefault("VOLUME", "/var/lib/kafka"));

    static final Path DATA = VOLUME.resolve("data");

    /**
     * Reads POD_NAME, POD_HOST, FIRST_ID (of ordinal 0), ROLES (broker, controller, or both), LISTENERS (NAME:PORT,…) and VOTERS
     * (ID@HOST,…). Where both roles are possible only voters are controllers.
     */
    static Member fromEnvironment(Map<String, String> environment) {
        String name = environment.get("POD_NAME");
        int id = Integer.parseInt(environment.get("FIRST_ID")) + Integer.parseInt(name.substring(name.lastIndexOf('-') + 1));
        Map<Integer, String> voters = new java.util.LinkedHashMap<>();
        for (String voter : environment.get("VOTERS").split(",")) {
            voters.put(Integer.parseInt(voter.substring(0, voter.indexOf('@'))), voter.substring(voter.indexOf('@') + 1));
        }
        Map<String, Integer> listeners = new java.util.LinkedHashMap<>();
        for (String listener : environment.get("LISTENERS").split(",")) {
            listeners.put(listener.substring(0, listener.indexOf(':')), Integer.parseInt(listener.substring(listener.indexOf(':') + 1)));
        }
        List<String> roles = List.of(environment.get("ROLES").split(","));
        return new Member(
                name, environment.get("POD_HOST"), id, roles.contains("broker"), voters.containsKey(id) && roles.contains("controller"),
                listeners, voters);
    }

    /** How many voters are a majority. */
    int majority() {
        return voters.size() / 2 + 1;
    }

    /** Kafka's options that differ from member to member. */
    Map<String, String> options() {
        List<String> roles = new ArrayList<>();
        List<String> listening = new ArrayList<>();
        List<String> advertised = new ArrayList<>();
        if (broker) {
            roles.add("broker");
            listeners.forEach((listener, port) -> {
                listening.add(listener + "://:" + port);
                advertised.add(listener + "://" + host + ":" + port);
            });
        }
        if (controller) {
            roles.add("controller");
            listening.add("CONTROLLER://:" + CONTROLLER_PORT);
            advertised.add("CONTROLLER://" + host + ":" + CONTROLLER_PORT);
        }
        List<String> quorum = new ArrayList<>();
        voters.forEach((voter, where) -> quorum.add(voter + "@" + where + ":" + CONTROLLER_PORT));
        return Map.of(
                "node.id", String.valueOf(id),
                "process.roles", String.join(",", roles),
                "listeners", String.join(",", listening),
                "advertised.listeners", String.join(",", advertised),
                "controller.quorum.voters", String.join(",", quorum),
                "log.dirs", DATA.toString());
    }
}
