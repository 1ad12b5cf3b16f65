package custos.standin;

import custos.standin.catalogue.Service;
import custos.standin.edge.Edges;
import custos.standin.edge.Finding;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** Answers what the service reaches, by reaching for it. */
@RestController
class ReachesController {

    private final Service service;
    private final Edges edges;

    ReachesController(Service service, Edges edges) {
        this.service = service;
        this.edges = edges;
    }

    /**
     * Uses every edge now.
     *
     * @param strict whether a store that the installation is knowingly without counts as a failure
     * @return 200 where all is well, else 503; the body names each edge
     */
    @GetMapping("/standin/reaches")
    ResponseEntity<Map<String, Object>> reaches(@RequestParam(defaultValue = "false") boolean strict)
            throws InterruptedException {
        List<Finding> findings = edges.useAll();
        boolean reached = findings.stream().noneMatch(finding -> finding.getState() == Finding.State.FAILED
                || strict && finding.getState() == Finding.State.ABSENT);
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("service", service.name());
        body.put("standin", true);
        body.put("reached", reached);
        body.put("edges", findings);
        return ResponseEntity.status(reached ? HttpStatus.OK : HttpStatus.SERVICE_UNAVAILABLE).body(body);
    }
}
