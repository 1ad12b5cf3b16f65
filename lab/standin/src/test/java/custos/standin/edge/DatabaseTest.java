package custos.standin.edge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import custos.standin.Playing;
import custos.standin.catalogue.Catalogue;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/** Against a real MySQL, with the login that the platform gives a service: the grants of the catalogue's schema and no more. */
class DatabaseTest {

    private static final String ADMIN = System.getenv("STANDIN_TEST_MYSQL");
    private static final String GRANTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES";

    private Connection admin;
    private final List<String> made = new ArrayList<>();

    @BeforeEach
    void connect() throws SQLException {
        assumeTrue(ADMIN != null || !Boolean.getBoolean("standin.without.mysql"), "left out by -Dstandin.without.mysql=true");
        assertNotNull(ADMIN, "no MySQL to test with: set STANDIN_TEST_MYSQL=jdbc:mysql://HOST:PORT/?user=…&password=…&sslMode=REQUIRED"
                + " of one whose schemas core_* may be dropped; `python -m lab.images rootfs mysql` unpacks a mysqld;"
                + " -Dstandin.without.mysql=true leaves these tests out");
        admin = DriverManager.getConnection(ADMIN);
    }

    @AfterEach
    void clean() throws SQLException {
        if (admin != null) {
            for (String schema : made) {
                run("drop database if exists " + schema);
                run("drop user if exists " + schema);
            }
            admin.close();
        }
    }

    private void run(String sql) throws SQLException {
        try (Statement statement = admin.createStatement()) {
            statement.execute(sql);
        }
    }

    private void schema(String schema, String characterSet) throws SQLException {
        made.add(schema);
        run("drop database if exists " + schema);
        run("drop user if exists " + schema);
        run("create database " + schema + " character set " + characterSet);
        run("create user " + schema + "@'%' identified by 'right' require ssl");
        run("grant " + GRANTS + " on " + schema + ".* to " + schema + "@'%'");
    }

    private static Playing play(String application, String schema, String password) {
        return play(application, schema, password, 3600);
    }

    private static Playing play(String application, String schema, String password, int heartbeatSeconds) {
        String server = ADMIN.replaceAll("^jdbc:mysql://([^/]+)/.*", "$1");
        return new Playing(application, "standin.heartbeat.seconds=" + heartbeatSeconds, "spring.datasource.url=jdbc:mysql://" + server + "/" + schema
                + "?sslMode=REQUIRED&serverTimezone=UTC&useLegacyDatetimeCode=false&createDatabaseIfNotExist=true",
                "spring.datasource.username=" + schema, "spring.datasource.password=" + password,
                "spring.datasource.hikari.maximum-pool-size=3", "spring.datasource.hikari.connection-timeout=3000",
                "management.endpoint.health.group.readiness.include=db");
    }

    @Test
    void theServicesOwnLoginMakesAndUsesItsTables() throws Exception {
        schema("core_tenant", "utf8mb4");
        try (Playing tenants = play("tenantProfileCoreService", "core_tenant", "right")) {
            assertThat(tenants.get("/actuator/health/readiness").status).isEqualTo(200);
            assertThat(tenants.get("/standin/reaches").edge("database")).startsWith("OK");
            assertThat(tenants.get("/standin/reaches").status).isEqualTo(200);
        }
        assertThat(count("select count(*) from information_schema.tables where table_schema='core_tenant'"
                + " and table_name in ('hibernate_sequence', 'tenant_sequence')")).isEqualTo(2);
        assertThat(count("select next_val from core_tenant.hibernate_sequence")).isEqualTo(3);
        try (Playing again = play("tenantProfileCoreService", "core_tenant", "right")) {
            assertThat(again.get("/standin/reaches").edge("database")).startsWith("OK");
        }
        assertThat(count("select count(*) from core_tenant.standin_record")).isEqualTo(3);
    }

    @Test
    void rowsAreWrittenWithoutBeingAskedFor() throws Exception {
        schema("core_tenant", "utf8mb4");
        try (Playing tenants = play("tenantProfileCoreService", "core_tenant", "right", 1)) {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (count("select count(*) from core_tenant.standin_record") < 2) {
                assertThat(System.nanoTime()).as("two heartbeats within a minute").isLessThan(deadline);
                Thread.sleep(100);
            }
        }
    }

    @Test
    void sharingsLongKeyFitsOnlyIntoThreeByteCharacters() throws Exception {
        schema("core_sharing", "utf8mb3");
        try (Playing sharing = play("sharingCoreService", "core_sharing", "right")) {
            assertThat(sharing.get("/standin/reaches").edge("database")).startsWith("OK");
        }
        schema("core_sharing", "utf8mb4");
        try (Playing sharing = play("sharingCoreService", "core_sharing", "right")) {
            assertThat(sharing.get("/actuator/health/readiness").status).isEqualTo(200);
            assertThat(sharing.get("/standin/reaches").status).isEqualTo(503);
            assertThat(sharing.get("/standin/reaches").edge("database")).startsWith("FAILED").contains("key was too long");
        }
    }

    @Test
    void replicasThatStartTogetherDoNotHinderEachOther() throws Exception {
        schema("core_tenant", "utf8mb4");
        int replicas = 4;
        CyclicBarrier together = new CyclicBarrier(replicas);
        ExecutorService threads = Executors.newFixedThreadPool(replicas);
        String url = ADMIN.replaceAll("^(jdbc:mysql://[^/]+)/.*", "$1/core_tenant?sslMode=REQUIRED");
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < replicas; i++) {
            Database replica = new Database(Catalogue.packed().byApplication("tenantProfileCoreService"),
                    new DriverManagerDataSource(url, "core_tenant", "right"));
            running.add(threads.submit(() -> {
                together.await();
                replica.prepare();
                together.await();
                replica.use();
                return null;
            }));
        }
        for (Future<?> one : running) {
            one.get();
        }
        threads.shutdown();
        assertThat(count("select count(*) from core_tenant.standin_record")).isEqualTo(replicas);
    }

    @Test
    void aTableThatIsGoneShowsWhileDbStaysUp() throws Exception {
        schema("core_tenant", "utf8mb4");
        try (Playing tenants = play("tenantProfileCoreService", "core_tenant", "right")) {
            run("drop table core_tenant.hibernate_sequence");
            assertThat(tenants.get("/actuator/health/readiness").status).isEqualTo(200);
            assertThat(tenants.get("/standin/reaches").edge("database")).startsWith("FAILED").contains("hibernate_sequence");
        }
    }

    @Test
    void aWrongPasswordEndsTheStartAndIsNotTold() throws Exception {
        schema("core_tenant", "utf8mb4");
        assertThatThrownBy(() -> play("tenantProfileCoreService", "core_tenant", "wr0ng-one").close())
                .hasStackTraceContaining("Access denied for user 'core_tenant'")
                .satisfies(e -> assertThat(Causes.told(e)).doesNotContain("wr0ng-one"));
    }

    private long count(String sql) throws SQLException {
        try (Statement statement = admin.createStatement(); ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getLong(1);
        }
    }
}
