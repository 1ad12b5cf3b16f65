package custos.kafka;

import java.lang.management.ManagementFactory;
import java.util.Optional;
import java.util.OptionalInt;
import javax.management.AttributeNotFoundException;
import javax.management.InstanceNotFoundException;
import javax.management.JMException;
import javax.management.ObjectName;

/** Kafka's own figures, read in its process. */
final class Beans {
    /** BrokerState.RUNNING: registered, caught up with the metadata, and taken in by the controller. */
    private static final int RUNNING = 3;

    private Beans() {}

    /** The node that leads the quorum, as this node knows; empty where it knows of none. */
    static OptionalInt leader() {
        Optional<Number> found = number("kafka.server:type=raft-metrics", "current-leader");
        return found.isPresent() && found.get().intValue() >= 0 ? OptionalInt.of(found.get().intValue()) : OptionalInt.empty();
    }

    /** Whether Raft has begun at all. */
    static boolean raftRuns() {
        return number("kafka.server:type=raft-metrics", "current-leader").isPresent();
    }

    /** Whether the broker in this process serves. */
    static boolean brokerRuns() {
        return number("kafka.server:type=KafkaServer,name=BrokerState", "Value").filter(state -> state.intValue() == RUNNING).isPresent();
    }

    private static Optional<Number> number(String bean, String attribute) {
        try {
            return Optional.of((Number) ManagementFactory.getPlatformMBeanServer().getAttribute(new ObjectName(bean), attribute));
        } catch (InstanceNotFoundException | AttributeNotFoundException absent) {
            return Optional.empty();
        } catch (JMException failure) {
            throw new IllegalStateException("cannot read " + attribute + " of " + bean, failure);
        }
    }
}
