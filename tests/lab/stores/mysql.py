"""MySQL's group, written to with the account of a service."""

from __future__ import annotations

import time

from tests.lab.stores.base import ClientPod, Store, name_of

SERVICE = "custos-logging"  # whose account and schema the client borrows
SCHEMA = "core_logging"
TABLES = (
    "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE'"
    " AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1"
)
LEVEL_SECONDS = 120


class Mysql(Store):
    """Group Replication with one primary."""

    name = "mysql"
    container = "mysql"

    def client(self) -> ClientPod:
        """Rows through the primary Service, over TLS."""
        host = f"{self.release}-mysql-primary.{self.namespace}.svc.cluster.local."
        return ClientPod(
            module="mysql",
            arguments=[f"--host={host}", f"--user={SCHEMA}", f"--database={SCHEMA}", "--ca=/trust/ca.crt"],
            environment={"MYSQL_PASSWORD": (f"{self.release}-mysql-users", SERVICE)},
            secrets={"/trust": f"{self.release}-truststore"},
        )

    def kill_command(self) -> str:
        """mysqld writes its number down."""
        return "kill -9 $(< /var/run/mysqld/mysqld.pid)"

    def divergence(self) -> list[str]:
        """A line for each table whose rows were never the same at all members, however often one looked.

        The services go on writing meanwhile, so that members are rarely level in all tables at one moment.
        """
        names = [name_of(pod) for pod in self.members()]
        deadline = time.monotonic() + LEVEL_SECONDS
        differing: dict[str, str] | None = None
        while differing is None or (differing and time.monotonic() < deadline):
            found = differences({name: self._rows(name) for name in names})
            differing = found if differing is None else {table: found[table] for table in differing if table in found}
        return [f"{table}: {states}" for table, states in differing.items()]

    def _rows(self, pod: str) -> dict[str, str]:
        """The checksum of each table that is not MySQL's own, as this member has it."""
        tables = self.sql(pod, TABLES).splitlines()
        if not tables:
            return {}
        answer = self.sql(pod, f"CHECKSUM TABLE {', '.join(tables)}")
        return dict(line.split("\t", 1) for line in answer.splitlines())

    def sql(self, pod: str, query: str) -> str:
        """What the pod's own mysqld answers, asked with the agent's account."""
        client = ("mysql", "--defaults-file=/var/run/mysqld/agent/local.cnf", "--batch", "--skip-column-names")
        return self.kubectl("exec", pod, "-c", self.container, "--", *client, f"--execute={query}").strip()


def differences(rows: dict[str, dict[str, str]]) -> dict[str, str]:
    """The tables whose checksum is not the same at all members, with what each has; `rows`: member, table, checksum."""
    tables = sorted({table for found in rows.values() for table in found})
    states = {table: {member: found.get(table, "no such table") for member, found in rows.items()} for table in tables}
    return {table: str(found) for table, found in states.items() if len(set(found.values())) > 1}
