package custos.standin.edge;

import org.springframework.core.env.Environment;

/** Spans must not leave for the public address that upstream baked into its images. */
public class TracingEdge implements Edge {

    private final Environment environment;

    public TracingEdge(Environment environment) {
        this.environment = environment;
    }

    @Override
    public String name() {
        return "tracing";
    }

    @Override
    public void use() {
        boolean on = environment.getProperty("spring.zipkin.enabled", Boolean.class, true);
        String address = environment.getProperty("spring.zipkin.base-url", environment.getProperty("spring.zipkin.baseUrl", ""));
        if (on && address.isEmpty()) {
            throw new IllegalStateException("tracing is on and would send every span to the public address in upstream's images:"
                    + " set SPRING_ZIPKIN_ENABLED=false, or SPRING_ZIPKIN_BASE_URL to a collector of one's own");
        }
    }
}
