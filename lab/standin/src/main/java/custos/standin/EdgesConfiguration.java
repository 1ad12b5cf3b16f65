package custos.standin;

import custos.standin.catalogue.Peer;
import custos.standin.catalogue.Service;
import custos.standin.edge.ConfigEdge;
import custos.standin.edge.Database;
import custos.standin.edge.Edge;
import custos.standin.edge.Edges;
import custos.standin.edge.KafkaEdge;
import custos.standin.edge.KeycloakEdge;
import custos.standin.edge.PeerEdge;
import custos.standin.edge.SecretEdge;
import custos.standin.edge.TracingEdge;
import custos.standin.edge.VaultEdge;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;
import org.springframework.core.env.Environment;
import org.springframework.vault.core.VaultOperations;

/** Builds the edges that the catalogue gives the service, and does at start what the real service does then. */
@Configuration(proxyBeanMethods = false)
class EdgesConfiguration {

    private static final long ALL_EDGES_MILLIS = 25_000; // a realm of Keycloak takes seconds on a busy computer

    @Bean(destroyMethod = "close")
    @Lazy(false)
    Edges edges(Service service, Environment environment, ObjectProvider<DataSource> dataSource,
            ObjectProvider<VaultOperations> vault) throws SQLException {
        List<Edge> edges = new ArrayList<>();
        edges.add(new TracingEdge(environment));
        if (service.isConfigClient()) {
            edges.add(new ConfigEdge(environment.getRequiredProperty("spring.cloud.config.uri"), service.application(),
                    environment.getProperty("spring.profiles.active", "default")));
        }
        if (service.schema() != null) {
            Database database = new Database(service, dataSource.getObject());
            database.prepare();
            edges.add(database);
        }
        if (service.vaultMount() != null) {
            edges.add(new VaultEdge(environment.getProperty("spring.cloud.vault.uri"), service.vaultMount(), vault::getObject));
        }
        if (service.needs("keycloak")) {
            KeycloakEdge keycloak = new KeycloakEdge(environment, service.name(), service.readsKeycloaksAnswers());
            keycloak.trustStore();
            edges.add(keycloak);
        }
        if (service.needs("kafka")) {
            edges.add(new KafkaEdge(environment.getRequiredProperty("core.messaging.service.broker.url"),
                    environment.getRequiredProperty("core.messaging.service.publisher.id")));
        }
        if (service.readsKubernetesSecrets()) {
            edges.add(new SecretEdge(environment.getRequiredProperty("custos.server.kube.namespace"),
                    environment.getRequiredProperty("custos.server.secret.name")));
        }
        for (Peer peer : service.peers()) {
            edges.add(new PeerEdge(peer.service(), environment.getRequiredProperty(peer.hostKey()),
                    environment.getRequiredProperty(peer.portKey(), Integer.class), peer.grpc()));
        }
        return new Edges(edges, ALL_EDGES_MILLIS);
    }

    @Bean(destroyMethod = "close")
    @Lazy(false)
    Heartbeat heartbeat(Edges edges, Environment environment) {
        return new Heartbeat(edges, environment.getProperty("standin.heartbeat.seconds", Long.class, 30L));
    }
}
