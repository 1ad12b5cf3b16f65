package custos.kafka;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;

/** The partitions of which this broker has a replica, as the cluster sees them. */
final class Topics {
    private final Admin admin;
    private final int id;
    private final int minInSync;

    Topics(Admin admin, int id, int minInSync) {
        this.admin = admin;
        this.id = id;
        this.minInSync = minInSync;
    }

    /** Partitions that this broker has not caught up with. One without a leader does not count: waiting here would not give it one. */
    List<String> behind() throws ExecutionException, InterruptedException {
        List<String> found = new ArrayList<>();
        for (Partition each : partitions()) {
            if (each.info.leader() != null && has(each.info.replicas()) && !has(each.info.isr())) {
                found.add(each.name);
            }
        }
        return found;
    }

    /** Partitions that could not be written to any more if this broker left now. */
    List<String> needed() throws ExecutionException, InterruptedException {
        List<String> found = new ArrayList<>();
        for (Partition each : partitions()) {
            boolean couldDo = each.info.replicas().size() > minInSync;
            if (couldDo && each.info.leader() != null && has(each.info.isr()) && each.info.isr().size() - 1 < minInSync) {
                found.add(each.name);
            }
        }
        return found;
    }

    private record Partition(String name, TopicPartitionInfo info) {}

    private List<Partition> partitions() throws ExecutionException, InterruptedException {
        var names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        Map<String, TopicDescription> topics = admin.describeTopics(names).allTopicNames().get();
        List<Partition> found = new ArrayList<>();
        topics.forEach((name, topic) -> topic.partitions().forEach(info -> found.add(new Partition(name + "-" + info.partition(), info))));
        return found;
    }

    private boolean has(List<Node> nodes) {
        return nodes.stream().anyMatch(node -> node.id() == id);
    }
}
