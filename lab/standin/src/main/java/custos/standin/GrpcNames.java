package custos.standin;

import custos.standin.catalogue.Service;
import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.support.GenericApplicationContext;

/** Gives the gRPC server one service for each full name that the catalogue lists. */
final class GrpcNames implements ApplicationContextInitializer<ConfigurableApplicationContext> {

    private final Service service;

    GrpcNames(Service service) {
        this.service = service;
    }

    @Override
    public void initialize(ConfigurableApplicationContext context) {
        for (String name : service.grpc()) {
            ((GenericApplicationContext) context).registerBean(name, NamedService.class, () -> new NamedService(name));
        }
    }
}
