package custos.standin;

import custos.standin.catalogue.Service;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the images of Custos 1.1 have in their own property files: the weakest source, which environment and config server overrule.
 *
 * <p>Upstream's faults are kept where the chart has to mend them: every actuator endpoint open, tracing to an address elsewhere,
 * a JDBC URL that MySQL refuses. Spring's parts that the real service does not have are switched off.
 */
final class Baked {

    private static final String DOMAIN = ".custos.svc.cluster.local";

    private Baked() {
    }

    static Map<String, Object> properties(Service service) {
        Map<String, Object> baked = new LinkedHashMap<>();
        baked.put("spring.application.name", service.application());
        baked.put("server.port", service.httpPort());
        baked.put("grpc.port", service.grpcPort());
        baked.put("grpc.enabled", !service.grpc().isEmpty());
        baked.put("spring.main.allow-bean-definition-overriding", true);
        baked.put("management.endpoints.web.exposure.include", "*");
        baked.put("logging.level.root", "WARN");
        baked.put("logging.level.custos.standin", "INFO");
        // Not upstream's: causes come first and stacks stay short, so that a pod's last lines say why it ended.
        baked.put("logging.exception-conversion-word", "%rEx{3}");
        baked.put("logging.level.org.springframework.boot.SpringApplication", "OFF");
        baked.put("logging.level.org.springframework.boot.web.embedded.tomcat.TomcatStarter", "OFF");
        baked.put("logging.level.org.apache.catalina.loader.WebappClassLoaderBase", "OFF");
        baked.put("spring.main.lazy-initialization", true);
        baked.put("management.endpoint.health.show-details", "always");

        baked.put("spring.cloud.config.enabled", service.isConfigClient());
        baked.put("spring.cloud.config.uri", "http://custos-configuration-service" + DOMAIN + ":9000");

        baked.put("spring.cloud.vault.enabled", service.vaultMount() != null);
        baked.put("spring.cloud.vault.uri", "http://localhost:8200");
        baked.put("spring.cloud.vault.token", "none");

        List<String> excluded = new ArrayList<>();
        if (service.schema() == null) {
            excluded.add("org.springframework.boot.autoconfigure.jdbc.DataSourceAutoConfiguration");
            excluded.add("org.springframework.boot.autoconfigure.jdbc.DataSourceTransactionManagerAutoConfiguration");
        } else {
            baked.put("spring.datasource.url", "jdbc:mysql://mysql-primary" + DOMAIN + ":3306/" + service.schema()
                    + "?useSSL=false&serverTimezone=UTC&useLegacyDatetimeCode=false&createDatabaseIfNotExist=true");
        }
        if (service.isConfigServer()) {
            baked.put("spring.profiles.active", "native");
            excluded.add("org.lognet.springboot.grpc.autoconfigure.GRpcAutoConfiguration");
        } else {
            excluded.add("org.springframework.cloud.config.server.config.ConfigServerAutoConfiguration");
        }
        baked.put("spring.autoconfigure.exclude", String.join(",", excluded));
        return baked;
    }
}
