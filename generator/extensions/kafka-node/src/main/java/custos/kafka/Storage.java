package custos.kafka;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import kafka.tools.StorageTool;

/**
 * The member's volume: formatted once, never again.
 *
 * <p>{@code member.properties} beside Kafka's folder says which voters there were then, and whether the member has been part of a
 * working cluster since.
 */
final class Storage {
    /** What is on the volume: nothing; formatted, but never yet in a cluster that works; the data of a member. */
    enum State { EMPTY, FRESH, MEMBER }

    private static final Path NOTE = Member.VOLUME.resolve("member.properties");

    private final Member member;
    private final String cluster;
    private volatile State state;

    /** Looks at the volume. Raises Refusal where what lies there is not this member's. */
    Storage(Member member, String cluster) throws IOException, Refusal {
        this.member = member;
        this.cluster = cluster;
        this.state = look();
    }

    State state() {
        return state;
    }

    private State look() throws IOException, Refusal {
        Path meta = Member.DATA.resolve("meta.properties");
        if (!Files.exists(meta)) {
            refuseUnknownData();
            return State.EMPTY;
        }
        Properties found = read(meta);
        expect(meta, "cluster.id", found, cluster,
                "The volume belongs to another cluster, or the Secret with cluster-id was replaced. Restore that Secret from a backup; only if the"
                        + " data may be lost, delete the volume's claim and then the pod.");
        expect(meta, "node.id", found, String.valueOf(member.id()),
                "The volume belongs to another member. Give each pod its own claim back.");
        Properties note = Files.exists(NOTE) ? read(NOTE) : new Properties();
        if (note.containsKey("voters")) {
            expect(NOTE, "voters", note, voters(),
                    "The voters of a cluster are fixed when it is formed. Set kafka.controllers back (and kafka.replicas, where it decides them)."
                            + " More brokers are no trouble; other voters need a new cluster.");
        }
        return "fresh".equals(note.getProperty("state")) ? State.FRESH : State.MEMBER;
    }

    private void refuseUnknownData() throws IOException, Refusal {
        if (!Files.isDirectory(Member.DATA)) {
            return;
        }
        try (Stream<Path> files = Files.list(Member.DATA)) {
            List<String> names = files.map(path -> path.getFileName().toString()).sorted().limit(5).toList();
            if (!names.isEmpty()) {
                throw new Refusal(Member.DATA + " holds " + String.join(", ", names) + " but no meta.properties: it is damaged or not Kafka's,"
                        + " and will not be formatted.\nRestore meta.properties, or, if the data may be lost, delete the volume's claim and"
                        + " then the pod: the others give it its data again.");
            }
        }
    }

    private static void expect(Path file, String key, Properties found, String expected, String mend) throws Refusal {
        if (!expected.equals(found.getProperty(key))) {
            throw new Refusal(file + ": " + key + " is " + found.getProperty(key) + ", this pod has " + expected + ".\n" + mend);
        }
    }

    /** Formats the empty volume, all or nothing. {@code options} is the whole of Kafka's configuration. */
    void format(Map<String, String> options) throws IOException, Refusal {
        Path fresh = Member.VOLUME.resolve("data.new");
        remove(fresh);
        Files.createDirectories(fresh);
        Properties whole = new Properties();
        whole.putAll(options);
        whole.setProperty("log.dirs", fresh.toString());
        Path file = Files.createTempFile("format", ".properties");
        try {
            write(file, whole);
            int code = StorageTool.execute(new String[] {"format", "--config", file.toString(), "--cluster-id=" + cluster}, System.out);
            if (code != 0) {
                throw new Refusal("Kafka could not format " + fresh + "; its reason stands above.");
            }
        } finally {
            Files.delete(file);
        }
        note(State.FRESH);
        if (Files.isDirectory(Member.DATA)) {
            Files.delete(Member.DATA); // empty: look() has seen it
        }
        Files.move(fresh, Member.DATA, StandardCopyOption.ATOMIC_MOVE);
        state = State.FRESH;
    }

    /** Notes that the member is part of a cluster that works. */
    void joined() throws IOException {
        if (state != State.MEMBER || !Files.exists(NOTE)) {
            note(State.MEMBER);
            state = State.MEMBER;
        }
    }

    private void note(State what) throws IOException {
        Properties note = new Properties();
        note.setProperty("voters", voters());
        note.setProperty("state", what.name().toLowerCase(java.util.Locale.ROOT));
        Path fresh = Member.VOLUME.resolve("member.properties.new");
        write(fresh, note);
        Files.move(fresh, NOTE, StandardCopyOption.ATOMIC_MOVE);
    }

    private String voters() {
        return String.join(",", member.voters().keySet().stream().sorted().map(String::valueOf).toList());
    }

    private static Properties read(Path file) throws IOException {
        Properties found = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            found.load(reader);
        }
        return found;
    }

    private static void write(Path file, Properties content) throws IOException {
        try (BufferedWriter writer = Files.newBufferedWriter(file)) {
            content.store(writer, null);
        }
    }

    private static void remove(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> paths = Files.walk(folder)) {
                for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(path);
                }
            }
        }
    }
}
