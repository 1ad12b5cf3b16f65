"""Rules between keys, which no schema can see. All of them run; each reports every breach with its mend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from generator import quantity
from generator.backupchecks import place_of_backups, the_backups
from generator.catalogue import Catalogue
from generator.doorchecks import networks, the_door
from generator.errors import Finding
from generator.messages import nearest, show
from generator.values import Values

# What mysqld needs besides its buffer pool: with a pool of 128M, 670 to 740 MB were measured in all.
MYSQL_OVERHEAD = Decimal(600 * 1024**2)
# What a broker needs besides its heap: 110 to 190 MB were measured at 384M.
KAFKA_OVERHEAD = Decimal(256 * 1024**2)
# Copies of a record from which on it is safe, and reachable, after the loss of one broker.
KAFKA_COPIES = 3
# A replica of Keycloak takes 514 MB with a heap of 390 MB, and more while it makes its tables.
KEYCLOAK_MEMORY = Decimal(700 * 1024**2)
# Where the chart says how many connections mysqld takes, and what the agent, replication and an operator need of them.
MYSQL_OPTIONS = Path(__file__).parent / "blueprint/charts/mysql/files/my.cnf"
RESERVED_CONNECTIONS = 10
# What a member of PostgreSQL needs besides its shared buffers, Patroni's 45 MB and its connections among it.
POSTGRESQL_OVERHEAD = Decimal(192 * 1024**2)
# Connections of a pod whose pool the service sizes itself (HikariCP's default).
HIKARI_DEFAULT = 10


@dataclass(frozen=True)
class Context:
    """What a rule looks at; `nodes` is the number of machines that run pods, None where it is not known."""

    values: Values
    catalogue: Catalogue
    nodes: int | None

    @property
    def known_globals(self) -> list[str]:
        """The keys of `global` that this chart knows."""
        return list(self.values.defaults["global"])

    def services(self) -> dict[str, dict[str, Any]]:
        """The catalogue's services that are switched on."""
        if not self.values.get("custos.enabled"):
            return {}
        switches = self.values.get("custos.services")
        return {name: facts for name, facts in self.catalogue.services.items() if switches[name]["enabled"]}

    def stores_here(self) -> list[str]:
        """The stores that this release runs."""
        stores = self.catalogue.stores.items()
        return [name for name, store in stores if store["deployable"] and self.values.get(f"{name}.enabled")]

    def finding(self, path: str, message: str, **facts: Any) -> Finding:
        """A finding at a dotted key, with its effective value as what was found."""
        if "found" not in facts:
            value = self.values.get(path)
            facts["found"] = None if isinstance(value, dict) or value is None else show(value)
        return self.values.finding(tuple(path.split(".")), message, **facts)


def cross_findings(
    values: Values, catalogue: Catalogue, nodes: int | None = None, complete: bool = True
) -> list[Finding]:
    """Everything that is wrong between keys, in the file's order.

    `complete` False: some keys were unusable and left out, so rules about what is missing would mislead.
    """
    context = Context(values, catalogue, nodes)
    rules = RULES + (RULES_OF_PRESENCE if complete else ())
    findings = [finding for rule in rules for finding in rule(context)]
    return sorted(findings, key=lambda finding: finding.line or 0)


def needed_stores(context: Context) -> Iterator[Finding]:
    """A store that an enabled service needs runs here, is named under its address, or is knowingly absent."""
    without = context.values.get("custos.withoutStores")
    for name, store in context.catalogue.stores.items():
        users = [service for service, facts in context.services().items() if name in facts["needs"]]
        users += [other for other in context.stores_here() if name in context.catalogue.stores[other].get("needs", [])]
        here = store["deployable"] and context.values.get(f"{name}.enabled")
        address, credentials = store["address"], store["credentials"]
        given = [key for key in (address, *credentials) if context.values.get(key)]
        missing = [key for key in (address, *credentials) if key not in given]
        title = store["title"]
        if here and context.values.get(address):
            yield context.finding(
                address,
                f"{title} runs in this release and is also said to be elsewhere",
                mend=f"empty {address} or set {name}.enabled to false",
            )
        elif here and name in without:
            yield context.finding(
                "custos.withoutStores",
                f"{title} is said to be absent, yet it runs in this release",
                found=show(name),
                mend=f"take {name} out of custos.withoutStores or set {name}.enabled to false",
            )
        elif name in without:
            written = _written(context.values, given)
            if written:
                yield context.finding(
                    "custos.withoutStores",
                    f"{title} is said to be absent, yet {' and '.join(written)} is set",
                    found=show(name),
                    mend=f"take {name} out of custos.withoutStores",
                )
        elif users and not here and missing:
            ways = [f"set {' and '.join(missing)}"]
            if store["deployable"]:
                ways.append(f"set {name}.enabled to true")
            if store["optional"]:
                ways.append(f"add {name} to custos.withoutStores")
            fault = "is nowhere" if address in missing else f"how to log in is not said ({missing[0]})"
            yield context.finding(
                f"{name}.enabled" if store["deployable"] and address in missing else missing[0],
                f"{title} is needed by {_some(users)}, but {fault}",
                mend=", or ".join(ways),
            )


def needed_services(context: Context) -> Iterator[Finding]:
    """What a service calls is switched on: the config server, and its peers."""
    running = context.services()
    config = context.catalogue.config
    callers: dict[str, list[str]] = {}
    for name, facts in running.items():
        needs = [peer["service"] for peer in facts["peers"]]
        if facts.get("configClient"):
            needs.append(config)
        for need in needs:
            if need not in running:
                callers.setdefault(need, []).append(name)
    for need, names in callers.items():
        yield context.finding(
            f"custos.services.{need}.enabled",
            f"is off, but {_some(names)} cannot do without it",
            mend=f"switch it on, or switch off {_some(names)}",
        )


def requests_within_limits(context: Context) -> Iterator[Finding]:
    """No container asks for more than it may use."""
    places: dict[str, dict[str, Any]] = {
        path: context.values.get(path)
        for path in (
            "mysql.resources",
            "mysql.agent.resources",
            "postgresql.resources",
            "postgresql.agent.resources",
            "kafka.resources",
            "kafka.controllers.resources",
            "consul.resources",
            "consul.keeper.resources",
            "consul.snapshots.resources",
            "vault.resources",
            "vault.keeper.resources",
            "keycloak.resources",
            "keycloak.buildResources",
            "ingress.resources",
            "velero.resources",
            "velero.nodeAgent.resources",
            "velero.dumps.resources",
            "custos.resources",
            "custos.sidecarResources",
        )
    }
    places["secrets.job.resources"] = context.values.get("secrets.job.resources")
    for path, resources in places.items():
        for kind, asked in resources.get("requests", {}).items():
            most = resources.get("limits", {}).get(kind)
            if _exceeds(asked, most):
                yield context.finding(
                    f"{path}.requests.{kind}",
                    "requests more than the limit",
                    found=show(asked),
                    allowed=f"at most {most}, which is {path}.limits.{kind}",
                    mend="lower the request or raise the limit",
                )


def requests_of_services(context: Context) -> Iterator[Finding]:
    """No service asks for more than it may use, where the two are said in different places."""
    shared = "custos.resources"
    reported: set[str] = set()
    for name, facts in context.services().items():
        own = f"custos.services.{name}.resources"
        # As the chart lays them over one another: the service's own, all services', the catalogue's.
        layers = {
            own: context.values.get(own) or {},
            shared: context.values.get(shared),
            "": {side: {"memory": amount} for side, amount in facts["memory"].items()},
        }
        for kind in ("cpu", "memory"):
            asked_at, asked = _first(layers, "requests", kind)
            most_at, most = _first(layers, "limits", kind)
            if (asked_at, most_at) == (shared, shared) or not _exceeds(asked, most):
                continue
            path = f"{asked_at}.requests.{kind}" if asked_at else f"{most_at}.limits.{kind}"
            if path in reported:
                continue
            reported.add(path)
            other = f"{most_at}.limits.{kind}" if most_at else f"the limit that {name} has by its Java heap"
            yield context.finding(
                path,
                f"requests more than the limit of {name}" if asked_at else f"is less than what {name} requests",
                found=show(asked if asked_at else most),
                allowed=f"at most {most}, which is {other}" if asked_at else f"at least {asked}",
                mend=f"lower the request or raise {own}.limits.{kind}" if asked_at else "raise it",
            )


def _exceeds(asked: Any, most: Any) -> bool:
    wanted, limit = quantity.parse(asked), quantity.parse(most)
    return wanted is not None and limit is not None and wanted > limit


def _first(layers: dict[str, dict[str, Any]], side: str, kind: str) -> tuple[str, Any]:
    """Of layers by their path, the first that says this amount, and the amount."""
    said = ((path, layer.get(side, {}).get(kind)) for path, layer in layers.items())
    return next(((path, amount) for path, amount in said if amount), ("", None))


def memory_of_mysql(context: Context) -> Iterator[Finding]:
    """mysqld's memory limit holds its buffer pool and the rest of it."""
    if context.values.get("mysql.enabled"):
        pool = context.values.get("mysql.bufferPoolSize")
        needed = quantity.binary_bytes(pool) + MYSQL_OVERHEAD
        yield from _too_little_memory(
            context, "mysql", needed, f"a buffer pool of {pool}: mysqld", "mysql.bufferPoolSize"
        )


def _too_little_memory(context: Context, section: str, needed: Decimal, what: str, setting: str) -> Iterator[Finding]:
    """A memory limit below what is needed, for `what` (a size, and who has it) that the other `setting` decides."""
    path = f"{section}.resources.limits.memory"
    limit = quantity.parse(context.values.get(path))
    if limit is not None and limit < needed:
        yield context.finding(
            path,
            f"is too little for {what} would be killed for lack of memory",
            allowed=f"at least {quantity.mebibytes(needed)}",
            mend=f"raise it or lower {setting}",
        )


def connections_to_mysql(context: Context) -> Iterator[Finding]:
    """All pods' connection pools together fit into MySQL's max_connections, also while an upgrade rolls.

    A rolling update has one pod more of each service, hence the chart's `maxSurge: 1`.
    """
    if not context.values.get("mysql.enabled"):
        return
    pool = context.values.get("custos.mends.hikariPoolSize") or HIKARI_DEFAULT
    pods = sum(
        (context.values.get(f"custos.services.{name}.replicas") or context.values.get("custos.replicas")) + 1
        for name, facts in context.services().items()
        if "mysql" in facts
    )
    chosen = _max_connections()
    given = context.values.get("mysql.config").get("max_connections", chosen)
    most = int(given) if re.fullmatch("[0-9]{1,9}", str(given)) else chosen
    needed = pods * pool + RESERVED_CONNECTIONS
    if needed > most:
        yield context.finding(
            "custos.replicas",
            f"{pods} pods, one more of each service than replicas while an upgrade rolls, with {pool} connections each "
            f"are more than MySQL's max_connections of {most}",
            mend=f"raise mysql.config.max_connections to {needed}, or lower custos.mends.hikariPoolSize",
        )


def _max_connections() -> int:
    """What the chart's my.cnf gives mysqld as max_connections. Raises ValueError where that line is missing."""
    found = re.search(r"^max_connections = ([0-9]+)$", MYSQL_OPTIONS.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise ValueError(f"{MYSQL_OPTIONS} has no line max_connections")
    return int(found[1])


def memory_of_postgresql(context: Context) -> Iterator[Finding]:
    """The memory limit of PostgreSQL holds its shared buffers and the rest of it."""
    if context.values.get("postgresql.enabled"):
        buffers = context.values.get("postgresql.sharedBuffers")
        needed = quantity.postgresql_bytes(buffers) + POSTGRESQL_OVERHEAD
        what = f"shared buffers of {buffers}: PostgreSQL"
        yield from _too_little_memory(context, "postgresql", needed, what, "postgresql.sharedBuffers")


def timing_of_patroni(context: Context) -> Iterator[Finding]:
    """Patroni's own rule between its three times, which it would bend by itself, and ours about the fourth."""
    ttl, loop, retry, release = (
        context.values.get(f"postgresql.patroni.{key}") for key in ("ttl", "loopWait", "retryTimeout", "releaseAfter")
    )
    if loop + 2 * retry > ttl:
        yield context.finding(
            "postgresql.patroni.ttl",
            f"is less than loopWait + 2 * retryTimeout, {loop} + 2 * {retry}: a leader that has trouble with the API "
            "would lose its lock while it still tries",
            allowed=f"at least {loop + 2 * retry}",
            mend="raise it, or lower postgresql.patroni.loopWait or retryTimeout",
        )
    if release and release < 2 * loop:
        yield context.finding(
            "postgresql.patroni.releaseAfter",
            f"is less than twice loopWait, {loop}: a leader that is well may not have renewed its lock by then",
            allowed=f"0, or at least {2 * loop}",
            mend="raise it, or lower postgresql.patroni.loopWait",
        )


def memory_of_kafka(context: Context) -> Iterator[Finding]:
    """A member's memory limit holds its Java heap and the rest of it."""
    if not context.values.get("kafka.enabled"):
        return
    sections = ["kafka", *(["kafka.controllers"] if context.values.get("kafka.controllers.separate") else [])]
    for section in sections:
        heap = context.values.get(f"{section}.heapSize")
        needed = quantity.binary_bytes(heap) + KAFKA_OVERHEAD
        yield from _too_little_memory(context, section, needed, f"a Java heap of {heap}: Kafka", f"{section}.heapSize")


def members_of_kafka(context: Context) -> Iterator[Finding]:
    """Brokers are one or enough for safe copies; those that vote are not more than there are."""
    if not context.values.get("kafka.enabled"):
        return
    brokers, voters = context.values.get("kafka.replicas"), context.values.get("kafka.controllers.replicas")
    if 1 < brokers < KAFKA_COPIES:
        yield context.finding(
            "kafka.replicas",
            "is more than one, yet too few for a record to be safe and its topic writable when one broker is lost",
            allowed=f"1, or {KAFKA_COPIES} and more",
            mend=f"take {KAFKA_COPIES}",
        )
    if voters > brokers and not context.values.get("kafka.controllers.separate"):
        yield context.finding(
            "kafka.controllers.replicas",
            f"is more than the {brokers} brokers, which vote where the controllers are not separate",
            mend="lower it, raise kafka.replicas, or set kafka.controllers.separate to true",
        )


def room_on_nodes(context: Context) -> Iterator[Finding]:
    """With `spread: host`, there are as many machines as pods that must not share one."""
    if context.nodes is None:
        return
    for path in ("mysql", "postgresql", "kafka", "consul", "vault", "keycloak", "custos"):
        replicas = f"{path}.replicas"
        enabled = context.values.get(f"{path}.enabled")
        count = context.values.get(replicas)
        if enabled and context.values.get(f"{path}.scheduling.spread") == "host" and count > context.nodes:
            yield context.finding(
                replicas,
                "is more than the inventory's machines that run pods, and each pod wants one of its own",
                allowed=f"at most {context.nodes}",
                mend=f"add workers, lower it, or set {path}.scheduling.spread to preferHost",
            )


def cpu_of_keycloak(context: Context) -> Iterator[Finding]:
    """Custos 1.1 gives each call ten seconds, and what a call that was cut off has half made stays."""
    limit = quantity.parse(context.values.get("keycloak.resources.limits.cpu"))
    if context.values.get("keycloak.enabled") and limit is not None and limit < 1:
        yield context.finding(
            "keycloak.resources.limits.cpu",
            "is too little: Custos gives a call ten seconds, and a realm takes a CPU for some of them",
            allowed="at least 1, or none",
            mend="leave it out",
        )


def memory_of_keycloak(context: Context) -> Iterator[Finding]:
    """Java outside its heap takes what the heap's share leaves it."""
    limit = quantity.parse(context.values.get("keycloak.resources.limits.memory"))
    if context.values.get("keycloak.enabled") and limit is not None and limit < KEYCLOAK_MEMORY:
        yield context.finding(
            "keycloak.resources.limits.memory",
            "is too little for a replica: it would be killed for lack of memory",
            allowed=f"at least {quantity.mebibytes(KEYCLOAK_MEMORY)}",
            mend="raise it",
        )


def connections_to_postgresql(context: Context) -> Iterator[Finding]:
    """The pools of all replicas fit into PostgreSQL's connections, also while an update rolls with one replica more."""
    if not (context.values.get("keycloak.enabled") and context.values.get("postgresql.enabled")):
        return
    pods = context.values.get("keycloak.replicas") + 1
    pool = context.values.get("keycloak.database.poolSize")
    needed = pods * pool + RESERVED_CONNECTIONS
    if needed > context.values.get("postgresql.maxConnections"):
        yield context.finding(
            "postgresql.maxConnections",
            f"is too little for {pods} replicas of Keycloak, one more than it has while an update rolls, with {pool} "
            "connections each",
            allowed=f"at least {needed}",
            mend="raise it, or lower keycloak.database.poolSize",
        )


def jar_needs_command(context: Context) -> Iterator[Finding]:
    """The lenient mapper comes by the command of the chart; an image's own entrypoint knows nothing of it."""
    mends = context.values.get("custos.mends")
    if mends["lenientJson"] and not mends["explicitCommand"]:
        yield context.finding(
            "custos.mends.lenientJson",
            "has no effect without custos.mends.explicitCommand",
            mend="set both to true, or both to false",
        )


def profile_without_fixed_secret(context: Context) -> Iterator[Finding]:
    """Two profiles make Custos 1.1 ask for a Secret in a fixed namespace, and exit without it."""
    if context.values.get("custos.profile") in ("production", "staging"):
        yield context.finding(
            "custos.profile",
            "makes iam-admin and identity exit: they want Secret tls-keycloak-secret in namespace keycloak",
            allowed="any other name",
            mend="leave it out",
        )


def schemes_and_ports(context: Context) -> Iterator[Finding]:
    """A port that by custom means TLS or plaintext is not spoken to the other way."""
    customs = {443: "https", 8443: "https", 80: "http", 8080: "http"}
    for store in ("keycloak", "vault"):
        scheme = context.values.get(f"global.{store}.scheme")
        port = context.values.get(f"global.{store}.port")
        if context.values.get(f"global.{store}.host") and customs.get(port, scheme) != scheme:
            yield context.finding(
                f"global.{store}.scheme",
                f"does not fit port {port}",
                allowed=customs[port],
                mend=f"change global.{store}.scheme or global.{store}.port",
            )


def sender_of_mails(context: Context) -> Iterator[Finding]:
    """A mail relay needs a sender, who is also its login."""
    if context.values.get("custos.smtp.host") and not context.values.get("custos.smtp.sender"):
        yield context.finding(
            "custos.smtp.sender", "is missing although there is a mail relay", mend="set it to a mail address"
        )


def slips_in_global(context: Context) -> Iterator[Finding]:
    """`global` is open to parent charts, but a key that is nearly one of ours is a slip of the pen."""
    for name in context.values.get("global"):
        near = nearest(name, context.known_globals, cutoff=0.85)
        if name not in context.known_globals and near:
            yield context.finding(
                f"global.{name}",
                "is no key of this chart, but very like one",
                found=None,
                nearest=f"global.{near}",
                mend="correct it, or name a key of your own differently",
            )


def storage_of_vault(context: Context) -> Iterator[Finding]:
    """Vault keeps everything in Consul: the one of this release, or another with its token."""
    if not context.values.get("vault.enabled") or context.values.get("consul.enabled"):
        return
    if not context.values.get("global.consul.host"):
        yield context.finding(
            "consul.enabled",
            "Vault keeps everything in Consul, but that is nowhere",
            mend="set consul.enabled to true, set global.consul.host and global.consul.existingSecret, "
            "or set vault.enabled to false",
        )
    elif not context.values.get("global.consul.existingSecret"):
        yield context.finding(
            "global.consul.existingSecret",
            "Vault's storage is Consul, but how to log in is not said",
            mend="make a Secret with vault-token and name it here",
        )


def seal_of_vault(context: Context) -> Iterator[Finding]:
    """A seal by somebody else's key says where that key is; the others take no options."""
    if not context.values.get("vault.enabled"):
        return
    kind, options = context.values.get("vault.seal.type"), context.values.get("vault.seal.options")
    if kind in ("kms", "transit") and not options:
        yield context.finding(
            "vault.seal.options",
            f"is empty, but the seal {kind} has to know where its key is",
            mend=f"give what Vault's documentation of this seal asks for, or take another vault.seal.type than {kind}",
        )
    if kind == "transit" and options and not options.get("address"):
        yield context.finding(
            "vault.seal.options",
            "lacks address, the URL of the Vault that holds the key",
            mend="add it, such as address: https://vault.example.org:8200",
        )
    if kind in ("manual", "kubernetesSecret") and options:
        yield context.finding(
            "vault.seal.options",
            f"is given, but the seal {kind} takes none",
            mend="leave it out, or set vault.seal.type to kms or transit",
        )
    secrets = [name for name in options if re.search("token|secret|password|private_key", name)]
    for name in secrets:
        yield context.finding(
            f"vault.seal.options.{name}",
            "is a secret, and values are none",
            found=None,
            mend="put it into a Secret as the environment variable that Vault knows, and name that in "
            "vault.seal.existingSecret",
        )


def recovery_names_a_member(context: Context) -> Iterator[Finding]:
    """The pod to recover from is one of the group."""
    pod = context.values.get("mysql.recovery.bootstrapFrom")
    members = context.values.get("mysql.replicas")
    number = re.search(r"-([0-9]+)$", pod)
    if pod and not (number and int(number[1]) < members):
        yield context.finding(
            "mysql.recovery.bootstrapFrom",
            "is none of MySQL's pods",
            allowed=f"<release>-mysql-0 to <release>-mysql-{members - 1}",
        )


Rules = tuple[Callable[[Context], Iterator[Finding]], ...]
RULES: Rules = (
    slips_in_global,
    requests_within_limits,
    requests_of_services,
    the_door,
    networks,
    memory_of_mysql,
    connections_to_mysql,
    memory_of_postgresql,
    timing_of_patroni,
    memory_of_kafka,
    members_of_kafka,
    room_on_nodes,
    cpu_of_keycloak,
    memory_of_keycloak,
    connections_to_postgresql,
    jar_needs_command,
    profile_without_fixed_secret,
    schemes_and_ports,
    seal_of_vault,
    recovery_names_a_member,
    the_backups,
)
RULES_OF_PRESENCE: Rules = (needed_stores, storage_of_vault, needed_services, sender_of_mails, place_of_backups)


def _some(names: list[str]) -> str:
    """Names for a sentence: all of a few, the first of many."""
    most = 3
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _written(values: Values, paths: list[str]) -> list[str]:
    """Those of `paths` that the file itself sets, not the defaults."""
    return [path for path in paths if tuple(path.split(".")) in values.document.lines]
