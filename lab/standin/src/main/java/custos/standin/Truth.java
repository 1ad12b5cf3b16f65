package custos.standin;

import custos.standin.edge.Edge;
import custos.standin.edge.Edges;
import custos.standin.edge.Finding;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.boot.actuate.health.CompositeHealthContributor;
import org.springframework.boot.actuate.health.Health;
import org.springframework.boot.actuate.health.HealthContributor;
import org.springframework.boot.actuate.health.HealthIndicator;
import org.springframework.boot.actuate.health.Status;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Health under {@code /actuator/health/truth}: each edge as a component of its own, found out on request. */
@Configuration(proxyBeanMethods = false)
class Truth {

    /** For a store that the installation is knowingly without: neither up nor down. */
    static final Status ABSENT = new Status("ABSENT");

    @Bean
    HealthContributor truth(Edges edges) {
        Map<String, HealthIndicator> indicators = new LinkedHashMap<>();
        for (Edge edge : edges.all()) {
            indicators.put(edge.name().replace('/', '-'), () -> health(edges, edge));
        }
        return CompositeHealthContributor.fromMap(indicators);
    }

    private static Health health(Edges edges, Edge edge) {
        try {
            Finding finding = edges.use(edge);
            Health.Builder health = new Health.Builder(status(finding.getState()));
            return health.withDetail("message", finding.getMessage()).withDetail("millis", finding.getMillis()).build();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Health.unknown().build();
        }
    }

    private static Status status(Finding.State state) {
        switch (state) {
            case OK:
                return Status.UP;
            case ABSENT:
                return ABSENT;
            default:
                return Status.DOWN;
        }
    }
}
