package custos.standin;

import custos.standin.catalogue.Service;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.Ordered;
import org.springframework.core.env.ConfigurableEnvironment;

/** Ends the start where a key is missing, as the real services' placeholders do, but names all missing keys at once. */
final class RequiredKeys implements ApplicationContextInitializer<ConfigurableApplicationContext>, Ordered {

    private final Service service;

    RequiredKeys(Service service) {
        this.service = service;
    }

    @Override
    public int getOrder() {
        return LOWEST_PRECEDENCE; // after the config server's answer
    }

    @Override
    public void initialize(ConfigurableApplicationContext context) {
        ConfigurableEnvironment environment = context.getEnvironment();
        List<String> missing = keys().stream()
                .filter(key -> !environment.containsProperty(key)).collect(Collectors.toList());
        if (!missing.isEmpty()) {
            throw new MissingKeysException(service, missing);
        }
    }

    private List<String> keys() {
        List<String> keys = new ArrayList<>(service.configurationKeys());
        if (service.schema() != null) {
            keys.add("spring.datasource.username");
            keys.add("spring.datasource.password");
        }
        if (service.needs("keycloak")) {
            keys.add("spring.profiles.active");
        }
        return keys;
    }
}
