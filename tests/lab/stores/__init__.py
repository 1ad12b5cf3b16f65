"""The stores of the installed platform as the fail-over tests see them: one file each."""

from __future__ import annotations

from tests.lab.stores.base import Store
from tests.lab.stores.consul import Consul
from tests.lab.stores.kafka import Kafka
from tests.lab.stores.keycloak import Keycloak
from tests.lab.stores.mysql import Mysql
from tests.lab.stores.postgresql import Postgresql
from tests.lab.stores.vault import Vault

# By the name of the chart. A store that is installed is in every experiment.
STORES: dict[str, type[Store]] = {kind.name: kind for kind in (Mysql, Postgresql, Keycloak, Consul, Vault, Kafka)}
