package custos.standin.edge;

import custos.standin.catalogue.Service;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The service's own schema, made and used as Hibernate's {@code ddl-auto: update} does for the real service.
 *
 * <p>As there, no database at start ends the start, while a statement that makes a table and fails is only logged: the service comes
 * up, {@code db} is UP, and whoever writes finds out. So the truth is in {@link #use()}, which writes and reads back.
 */
public class Database implements Edge {

    private static final Logger LOG = LoggerFactory.getLogger(Database.class);
    private static final int STATEMENT_SECONDS = 5;
    private static final int KEPT_RECORDS = 200;
    /** Table, key name, foreign key: another replica that starts at the same time was quicker. */
    private static final Set<Integer> ALREADY_THERE = Set.of(1050, 1061, 1826);

    private final DataSource source;
    private final Map<String, List<String>> tables = new LinkedHashMap<>();
    private final List<String> sequences = new ArrayList<>();
    private final Map<String, String> refused = new LinkedHashMap<>();

    public Database(Service service, DataSource source) {
        this.source = source;
        // As the real table of sharings: too long a key where a character may take four bytes (InnoDB allows 3072).
        int keyLength = "core_sharing".equals(service.schema()) ? 1000 : 255;
        tables.put("standin_kind", List.of(
                "create table standin_kind (id varchar(255) not null, name varchar(255), primary key (id)) engine=InnoDB",
                "alter table standin_kind add constraint UK_standin_kind unique (name)"));
        tables.put("standin_record", List.of(
                "create table standin_record (id varchar(" + keyLength + ") not null, created_at datetime(6) not null,"
                        + " number bigint not null, kind_id varchar(255), primary key (id)) engine=InnoDB",
                "create index standin_record_number on standin_record (number)",
                "alter table standin_record add constraint FK_standin_record foreign key (kind_id) references standin_kind (id)"));
        // Hibernate's sequences are tables without any key.
        sequences.add("hibernate_sequence");
        if ("core_tenant".equals(service.schema()) || "core_messaging".equals(service.schema())) {
            sequences.add("tenant_sequence");
        }
        for (String sequence : sequences) {
            tables.put(sequence, List.of("create table " + sequence + " (next_val bigint) engine=InnoDB",
                    "insert into " + sequence + " values ( 1 )"));
        }
    }

    @Override
    public String name() {
        return "database";
    }

    /**
     * Makes what is not there yet.
     *
     * @throws SQLException where the database cannot be reached at all
     */
    public void prepare() throws SQLException {
        try (Connection connection = source.getConnection()) {
            for (Map.Entry<String, List<String>> table : tables.entrySet()) {
                if (!exists(connection, table.getKey())) {
                    create(connection, table.getKey(), table.getValue());
                }
            }
            if (refused.isEmpty()) {
                LOG.info("schema {} has {}", connection.getCatalog(), tables.keySet());
            }
        }
    }

    private static boolean exists(Connection connection, String table) throws SQLException {
        try (ResultSet found = connection.getMetaData().getTables(connection.getCatalog(), null, table, null)) {
            return found.next();
        }
    }

    private void create(Connection connection, String table, List<String> statements) {
        for (String sql : statements) {
            try (Statement statement = connection.createStatement()) {
                statement.execute(sql);
            } catch (SQLException e) {
                if (!ALREADY_THERE.contains(e.getErrorCode())) {
                    LOG.error("{} was refused: {}", sql, Causes.told(e));
                    refused.putIfAbsent(table, Causes.told(e));
                }
            }
        }
    }

    /** Writes a row, reads it back, and takes the next number from each table without a key. */
    @Override
    public void use() throws SQLException {
        try (Connection connection = source.getConnection()) {
            connection.setAutoCommit(false);
            try {
                writeAndReadBack(connection);
            } catch (SQLException e) {
                connection.rollback();
                throw e;
            }
        } catch (SQLException e) {
            throw refused.isEmpty() ? e : new SQLException("at start the database refused " + refused, e);
        }
    }

    private void writeAndReadBack(Connection connection) throws SQLException {
        long number = 0;
        for (String sequence : sequences) {
            number = next(connection, sequence);
        }
        String id = write(connection, number);
        connection.commit();
        readBack(connection, id, number);
        update(connection, "delete from standin_record where number <= ?", number - KEPT_RECORDS);
        connection.commit();
    }

    private static long next(Connection connection, String sequence) throws SQLException {
        long value;
        try (Statement query = connection.createStatement()) {
            query.setQueryTimeout(STATEMENT_SECONDS);
            try (ResultSet row = query.executeQuery("select next_val from " + sequence + " for update")) {
                if (!row.next()) {
                    throw new SQLException(sequence + " is empty: the row that was written at the first start is not there");
                }
                value = row.getLong(1);
            }
        }
        update(connection, "update " + sequence + " set next_val= ? where next_val=?", value + 1, value);
        return value;
    }

    private static String write(Connection connection, long number) throws SQLException {
        String id = UUID.randomUUID().toString();
        update(connection, "insert into standin_kind (id, name) values (?, ?) on duplicate key update name=name",
                "written", "written");
        update(connection, "insert into standin_record (id, created_at, number, kind_id) values (?, now(6), ?, ?)",
                id, number, "written");
        return id;
    }

    private static void readBack(Connection connection, String id, long number) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement(
                "select r.number from standin_record r join standin_kind k on k.id=r.kind_id where r.id=?")) {
            query.setQueryTimeout(STATEMENT_SECONDS);
            query.setString(1, id);
            try (ResultSet row = query.executeQuery()) {
                if (!row.next() || row.getLong(1) != number) {
                    throw new SQLException("the row " + id + " was written and acknowledged, and is not there");
                }
            }
        }
    }

    private static void update(Connection connection, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setQueryTimeout(STATEMENT_SECONDS);
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            statement.executeUpdate();
        }
    }
}
