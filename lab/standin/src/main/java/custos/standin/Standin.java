package custos.standin;

import custos.standin.catalogue.Catalogue;
import custos.standin.catalogue.Service;
import custos.standin.edge.Causes;
import java.util.Arrays;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;

/** Plays the Custos service that SPRING_APPLICATION_NAME names. */
public final class Standin {

    private Standin() {
    }

    public static void main(String[] args) {
        Service service;
        try {
            service = Catalogue.packed().byApplication(applicationName(args));
        } catch (IllegalArgumentException e) {
            System.err.println("custos-standin: " + e.getMessage());
            System.exit(2);
            return;
        }
        try {
            start(service, args);
        } catch (RuntimeException e) { // whatever ended the start, one line must say so
            System.err.println("custos-standin: " + service.name() + " cannot start: " + Causes.ofStart(e));
            System.exit(1);
        }
    }

    /**
     * Starts one service in this process.
     *
     * @param args Spring's command line, {@code --key=value}
     * @return the running service; close it to end it
     */
    public static ConfigurableApplicationContext start(Service service, String... args) {
        Class<?> shape = service.isConfigServer() ? ConfigServerApplication.class : ServiceApplication.class;
        SpringApplication application = new SpringApplication(shape);
        application.setBannerMode(Banner.Mode.OFF);
        application.setLogStartupInfo(false);
        application.setDefaultProperties(Baked.properties(service));
        application.addInitializers(
                new RequiredKeys(service),
                context -> context.getBeanFactory().registerSingleton("service", service),
                new GrpcNames(service));
        return application.run(args);
    }

    /** By hand, because Spring's logging is not set up yet when this is asked. */
    private static String applicationName(String[] args) {
        String option = "--spring.application.name=";
        return Arrays.stream(args).filter(arg -> arg.startsWith(option)).map(arg -> arg.substring(option.length()))
                .findFirst().orElse(System.getenv().getOrDefault("SPRING_APPLICATION_NAME", ""));
    }
}
