"""Beside each Consul server: gives it its secrets, has changed ones taken over, and keeps the cluster whole.

Before the server starts it writes FRAGMENT, the part of the configuration that holds secrets; it lies in memory and
nowhere else. Afterwards, every few seconds:
  - files that changed (certificate, secrets) are taken over by a reload;
  - servers that this one does not see are joined, so that no island stays one;
  - on the leader: policies and tokens are made as wanted, a new gossip key is brought to every server and made the
    one in use, and what a changed Secret replaced is removed (tokens an hour later, so that their users can follow).

Environment: POD_NAME, POD_IP, SERVERS (names of all servers, spaces between), DOMAIN (of their names).
Files: SECRETS/{gossip-key,management-token,agent-token,…}, TLS/{tls.crt,tls.key,ca.crt}, WANTED.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from web import Answer, call

SECRETS = Path("/etc/custos/secrets")
TLS = Path("/etc/custos/tls")
WANTED = Path("/etc/custos/wanted/tokens.json")
FRAGMENT = Path("/run/custos/secrets.json")
CONSUL = "https://localhost:8501/v1"
ROUND_SECONDS = 3
# Who uses a replaced token has this long to take the new one.
REPLACED_TOKENS_LIVE = timedelta(hours=1)
MANAGEMENT = "management"
# Descriptions of the tokens that are ours: all of them, and those that Consul itself made of the management token.
OURS = "custos-platform "
CONSULS_OWN = "Initial Management Token"


class Refused(Exception):
    """Consul answered, but not as wanted."""


def secret(name: str) -> str:
    """What the Secret says now."""
    return (SECRETS / name).read_text(encoding="utf-8").strip()


def fragment() -> str:
    """The server's configuration that is secret, or its own."""
    own = os.environ["POD_NAME"]
    others = [f"{name}.{os.environ['DOMAIN']}" for name in os.environ["SERVERS"].split() if name != own]
    return json.dumps(
        {
            "node_name": own,
            "advertise_addr": os.environ["POD_IP"],
            # Not itself: a server that has joined itself looks no further.
            "retry_join": others,
            "encrypt": secret("gossip-key"),
            "acl": {
                "tokens": {"initial_management": secret("management-token"), "agent": secret("agent-token")},
            },
        }
    )


def write_fragment() -> None:
    """Write FRAGMENT in one step, readable by the server's user alone."""
    part = FRAGMENT.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(fragment(), encoding="utf-8")
    part.replace(FRAGMENT)


def state_of_files() -> str:
    """A sum over everything that the server reads from files which may change."""
    summed = hashlib.sha256(fragment().encode())
    for name in ("tls.crt", "tls.key", "ca.crt"):
        summed.update((TLS / name).read_bytes())
    return summed.hexdigest()


class Keeper:
    """What one server's keeper knows: the token that worked last, and what the server has taken over."""

    def __init__(self) -> None:
        self._token = secret("management-token")
        self._taken_over = state_of_files()

    def round(self) -> None:
        """Look at everything once. Raises OSError or Refused where something has to wait."""
        if (now := state_of_files()) != self._taken_over:
            write_fragment()
            self._ask("PUT", "agent/reload")
            self._taken_over = now
            print("the server has taken over changed files", flush=True)
        self._join()
        if self._ask("GET", "agent/self")["Stats"]["consul"]["leader"] == "true":
            self._tokens()
            self._gossip_key()

    def _join(self) -> None:
        alive = {member["Name"] for member in self._ask("GET", "agent/members") if member["Status"] == 1}
        for name in os.environ["SERVERS"].split():
            if name not in alive:
                # Nobody there is the rule while a server is down; then there is nothing to join.
                answer = self._call("PUT", f"agent/join/{name}.{os.environ['DOMAIN']}")
                if answer.fine:
                    print(f"joined {name}", flush=True)

    def _tokens(self) -> None:
        wanted = json.loads(WANTED.read_text(encoding="utf-8"))
        there = {policy["Name"]: policy for policy in self._ask("GET", "acl/policies")}
        for name, rules in wanted["policies"].items():
            policy = {"Name": name, "Description": f"{OURS}{name}", "Rules": rules}
            if name not in there:
                self._ask("PUT", "acl/policy", policy)
            elif self._ask("GET", f"acl/policy/{there[name]['ID']}")["Rules"] != rules:
                self._ask("PUT", f"acl/policy/{there[name]['ID']}", {**policy, "ID": there[name]["ID"]})
        tokens = self._ask("GET", "acl/tokens")
        for name, policy_name in wanted["tokens"].items():
            self._one_token(name, policy_name, secret(f"{name}-token"), tokens)

    def _one_token(self, name: str, policy: str, value: str, tokens: list[dict[str, Any]]) -> None:
        """Make the token where it is missing, and remove the ones that it replaced."""
        current = next((token for token in tokens if token["SecretID"] == value), None)
        if current is None:
            self._ask(
                "PUT",
                "acl/token",
                {"SecretID": value, "Description": f"{OURS}{name}", "Policies": [{"Name": policy}]},
            )
            print(f"made the token of {name}", flush=True)
            return
        if name == MANAGEMENT:
            self._token = value
        if datetime.now(UTC) - moment(current["CreateTime"]) < REPLACED_TOKENS_LIVE:
            return
        descriptions = {f"{OURS}{name}"} | ({CONSULS_OWN} if name == MANAGEMENT else set())
        for token in tokens:
            if token["Description"] in descriptions and token["SecretID"] != value:
                self._ask("DELETE", f"acl/token/{token['AccessorID']}")
                print(f"removed a replaced token of {name}", flush=True)

    def _gossip_key(self) -> None:
        """One step a round, and none while a server is missing: it would come back with a key that nobody knows."""
        wanted = secret("gossip-key")
        ring = next(ring for ring in self._ask("GET", "operator/keyring") if not ring["WAN"])
        everywhere = len(os.environ["SERVERS"].split())
        if ring["NumNodes"] != everywhere:
            return
        if ring["Keys"].get(wanted) != everywhere:
            self._ask("POST", "operator/keyring", {"Key": wanted})
            print("brought the new gossip key to every server", flush=True)
        elif ring["PrimaryKeys"].get(wanted) != everywhere:
            self._ask("PUT", "operator/keyring", {"Key": wanted})
            print("the new gossip key is in use", flush=True)
        else:
            for old in set(ring["Keys"]) - {wanted}:
                self._ask("DELETE", "operator/keyring", {"Key": old})
                print("removed the old gossip key", flush=True)

    def _call(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask the own server, with the Secret's token or, just after that changed, with the one before."""
        answer = Answer(0, None)
        for token in dict.fromkeys((secret("management-token"), self._token)):
            answer = call(method, f"{CONSUL}/{path}", str(TLS / "ca.crt"), {"X-Consul-Token": token}, body)
            if answer.status != 403:
                break
        return answer

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._call(method, path, body)
        if not answer.fine:
            raise Refused(f"{method} {path} is answered by {answer}")
        return answer.body


def moment(text: str) -> datetime:
    """A time as Consul writes it (RFC 3339 with up to nine decimals)."""
    whole, _, rest = text.partition(".")
    if not rest:
        return datetime.fromisoformat(text)
    zone = rest.lstrip("0123456789")
    return datetime.fromisoformat(whole + zone)


def main() -> int:
    """Run until the pod ends."""
    write_fragment()
    keeper, said = Keeper(), ""
    while True:
        time.sleep(ROUND_SECONDS)
        try:
            keeper.round()
            problem = ""
        except (OSError, Refused) as error:
            problem = str(error)
        if problem != said:
            print(problem or "all is well", flush=True)
            said = problem


if __name__ == "__main__":
    sys.exit(main())
