"""Beside each Vault: initialises it once, unseals it, sets it up, and has a dead active node replaced soon.

Every second it looks at its own Vault. What it does depends on what that is:
  any        a certificate that changed in its file is taken over (SIGHUP)
  not initialised  (seal kubernetesSecret, first pod only) it is initialised: first the Secret is marked, which proves
             that it can be written; the answer lies in the pod's memory until it is in the Secret. Never where the
             Secret holds keys already, or the storage anything
  sealed     (seal kubernetesSecret) it is unsealed with the Secret's key. What an initialisation left behind that was
             cut short before anybody could have had its key is removed, and it is done again
  standby    the active node is watched; where it is gone or sealed, its lock is given back. A standby that cannot
             become active any more is started anew (holder.py says why, both times)
  active     the other pods lose the label that clients find the active one by; mounts, policies and logins are made
             as wanted; the root token of the initialisation is revoked and forgotten

Environment: POD_NAME, PODS (names of all, spaces between), NAMESPACE, SECRET, SEAL, CONSUL (URL). Files: see setup.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import sys
import time
import urllib.parse
from pathlib import Path

import cluster
import setup
from holder import SILENT, Health, Holder, Own, Step
from setup import AUTHORITY, WANTED, Refused, Unfit, vault
from web import Answer, call

TLS = Path("/etc/custos/tls")
CONSUL_AUTHORITY = "/etc/custos/consul/ca.crt"
CONSUL_TOKEN = Path("/etc/custos/consul-token/vault-token")
# In memory: the answer to the initialisation, until it is in the Secret.
KEYS = Path("/run/custos/init.json")
LOCK = "kv/vault/core/lock"
# What an initialisation writes before it makes the root token, and answers only afterwards (Initialize in Vault's
# vault/init.go): where there is no token, and nothing of anybody's, nobody was ever given a key.
UNANSWERED = ("vault/core/", "vault/sys/policy/", "vault/sys/token/salt")
ACTIVE_LABEL = "vault-active"
ROUND_SECONDS = 1
LABELS_EVERY_SECONDS = 10
OWN_EVERY_SECONDS = 10
# So often in a row Vault and Consul must have answered before Vault is initialised, which takes many writes.
CALM_ROUNDS = 5
INIT_SECONDS = 900
BY_SECRET = os.environ.get("SEAL") == "kubernetesSecret"


class Halt(Exception):
    """Something that only a person can decide."""


def health(address: str, seconds: float) -> Health:
    """What the Vault at this address says of itself. Raises OSError where it does not."""
    states = "standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
    answer = call("GET", f"{address}/v1/sys/health?{states}", AUTHORITY, seconds=seconds)
    if not answer.fine or not isinstance(answer.body, dict):
        raise OSError(f"{address} answers {answer}")
    return Health(*(bool(answer.body.get(key)) for key in Health._fields))


def connects(address: str, seconds: float) -> bool:
    """Whether somebody takes a connection at this URL, so that the machine lives and the process is there.

    Also where its name cannot be looked up: that says something of the DNS only.
    """
    url = urllib.parse.urlsplit(address)
    try:
        with socket.create_connection((url.hostname or "", url.port or 8200), timeout=seconds):
            return True
    except socket.gaierror:
        return True
    except OSError:
        return False


def consul(method: str, path: str, body: bytes | None = None, seconds: float = 5) -> Answer:
    """Ask Consul with Vault's own token. Raises OSError without an answer."""
    headers = {"X-Consul-Token": CONSUL_TOKEN.read_text(encoding="utf-8").strip()}
    return call(method, f"{os.environ['CONSUL']}/v1/{path}", CONSUL_AUTHORITY, headers, body, seconds)


def keys_in_storage() -> list[str]:
    """What Vault has written, besides who is active."""
    answer = consul("GET", "kv/vault/?keys")
    if answer.status == 404:
        return []
    if not answer.fine:
        raise OSError(f"Consul answers {answer}")
    return [key for key in answer.body if not key.startswith(("vault/core/lock", "vault/core/leader/"))]


def vaults_process() -> int | None:
    """The process number of Vault in the other container of this pod."""
    for name in Path("/proc").glob("[0-9]*/comm"):
        try:
            if name.read_text(encoding="utf-8").strip() == "vault":
                return int(name.parent.name)
        except OSError:
            continue  # it has just ended
    return None


def stop_vault() -> None:
    """Kill the own Vault, so that it writes nothing more and remembers nothing; its container starts again."""
    process = vaults_process()
    if process is not None:
        os.kill(process, signal.SIGKILL)


def initialise(name: str) -> None:
    """Initialise Vault, once for ever. Raises Halt where it might have been before."""
    there = cluster.secret(name)
    if "unseal-key" in there:
        raise Halt(
            f"Vault's storage is empty, but Secret {name} holds the key of a Vault that was. Restore Consul from a"
            " snapshot (docs/operating.md). Only if all that Vault held may be lost: delete the Secret, then upgrade"
        )
    if rest := keys_in_storage():
        raise Halt(
            f"Vault is not initialised, but {', '.join(rest[:3])} and perhaps more lie in Consul. If that is"
            " what a Vault left behind, restore Consul from a snapshot; only if it may be lost, remove it:"
            " consul kv delete -recurse vault/"
        )
    cluster.change_secret(name, {"state": "initialising"})
    # Vault goes on with it also where nobody waits any more, and then nobody would have the key.
    answer = vault("PUT", "sys/init", body={"secret_shares": 1, "secret_threshold": 1}, seconds=INIT_SECONDS)
    KEYS.touch(mode=0o600)
    KEYS.write_text(json.dumps(answer), encoding="utf-8")
    print("Vault is initialised", flush=True)


def may_begin_again(secret: dict[str, str], keys: list[str]) -> bool:
    """Whether what an initialisation of ours left in Consul (`keys`) can go: nobody has a key to it."""
    ours = secret.get("state") == "initialising" and "unseal-key" not in secret
    return ours and bool(keys) and all(key.startswith(UNANSWERED) for key in keys)


def clear_half_done(name: str) -> None:
    """Remove what an initialisation of ours left behind that Consul cut short, so that it can be done again."""
    if KEYS.is_file():
        return
    if may_begin_again(cluster.secret(name), keys := keys_in_storage()):
        stop_vault()  # where an initialisation is still under way it ends here
        for key in keys:
            consul("DELETE", f"kv/{key}")
        print(f"removed what an initialisation left behind that was cut short: {', '.join(keys)}", flush=True)


def save_keys(name: str) -> None:
    """Bring what the initialisation answered into the Secret, then forget it here."""
    if KEYS.is_file():
        made = json.loads(KEYS.read_text(encoding="utf-8"))
        changes = {"unseal-key": made["keys_base64"][0], "root-token": made["root_token"], "state": "initialised"}
        cluster.change_secret(name, changes, held=("unseal-key",))
        KEYS.unlink()
        print(f"its key is in Secret {name}", flush=True)


def unseal(name: str) -> None:
    """Unseal the own Vault with the Secret's key. Raises Halt where there is none."""
    there = cluster.secret(name)
    if "unseal-key" in there:
        vault("PUT", "sys/unseal", body={"key": there["unseal-key"]})
        print("unsealed", flush=True)
    elif there.get("state") != "initialising":
        raise Halt(f"Vault is sealed and Secret {name} holds no unseal-key. Restore the Secret from a backup")
    elif keys := keys_in_storage():
        raise Halt(
            f"Vault is sealed and Secret {name} holds no unseal-key (yet): its initialisation is under way, or was cut"
            " short."
            + (
                " It is done again by itself"
                if may_begin_again(there, keys)
                else " It had come so far that somebody may have its key. If nobody has, Vault holds nothing yet:"
                " remove it from Consul (consul kv delete -recurse vault/), and it is initialised anew"
            )
        )
    else:
        stop_vault()
        print("Vault remembered an initialisation that was cut short, and was started anew", flush=True)


class Watch:
    """A standby's watch over the active node."""

    def __init__(self) -> None:
        self._own = Own()
        self._asked_own = float("-inf")
        self._holder = Holder()
        self._address = ""

    def round(self) -> None:
        """Look once and do what is due. Raises OSError, Refused."""
        # First, and whatever Consul says: its leader may have died with this node.
        if self._address:
            self._ask_holder()
        answer = consul("GET", LOCK, seconds=3)
        if answer.status not in (200, 404):
            raise OSError(f"Consul answers {answer}")
        entry = answer.body[0] if answer.fine and answer.body else {}
        session = entry.get("Session", "")
        news = session != self._holder.session or not self._address
        if news or time.monotonic() - self._asked_own >= OWN_EVERY_SECONDS:
            address = self._ask_own()
            self._address = address if session else ""
        step = self._holder.holds(session, time.monotonic())
        if step is Step.RELEASE:
            value = base64.b64decode(entry.get("Value") or "")
            # Consul sets the flags of a key with each write, and Vault takes no lock that lacks those of its library.
            released = consul("PUT", f"{LOCK}?release={session}&flags={entry.get('Flags', 0)}", value, seconds=3)
            print(f"{self._address} held the lock and is gone; giving it back is answered by {released}", flush=True)
            if released.fine and released.body is True:
                self._holder.given_back()
        elif step is Step.RESTART:
            print("nobody takes the lock, though it is free: Vault is started anew", flush=True)
            stop_vault()

    def _ask_own(self) -> str:
        """The active node's address, as the own Vault knows it. Raises Refused where it does not say."""
        try:
            answer = vault("GET", "sys/leader")
        except Refused as error:
            if self._own.says(sealed=error.status == 503, now=time.monotonic()) is Step.RESTART:
                print("Vault calls itself unsealed and answers that it is sealed: it is started anew", flush=True)
                stop_vault()
            raise
        self._own.says(sealed=False, now=time.monotonic())
        self._asked_own = time.monotonic()
        return str(answer.get("leader_address", ""))

    def _ask_holder(self) -> None:
        asked = time.monotonic()
        try:
            self._holder.answers(health(self._address, seconds=2), asked)
        except OSError:
            if connects(self._address, seconds=2):
                self._holder.hangs(asked)
            else:
                self._holder.answers(SILENT, asked)


class Keeper:
    """What one pod's keeper knows of its Vault."""

    def __init__(self) -> None:
        self._certificate = self._sum()
        self._set_up = ""
        self._labels_at = 0.0
        self._calm = 0
        self._first = os.environ["POD_NAME"] == os.environ["PODS"].split()[0]
        self._was_unsealed = False
        self._watch = Watch()
        self._secret = os.environ["SECRET"]

    def round(self) -> None:
        """Look once and do what is due. Raises OSError, Refused, cluster.Denied, Unfit, Halt."""
        self._take_over_certificate()
        if BY_SECRET:
            save_keys(self._secret)
        if BY_SECRET and self._first and not self._was_unsealed:
            clear_half_done(self._secret)
        state = health("https://localhost:8200", seconds=5)
        self._was_unsealed = self._was_unsealed or not state.sealed
        if not state.initialized:
            self._labels_at = 0.0
            if BY_SECRET and self._first:
                calm, self._calm = self._calm, 0
                keys_in_storage()
                self._calm = calm + 1
                if self._calm >= CALM_ROUNDS:
                    self._calm = 0
                    initialise(self._secret)
            elif not BY_SECRET:
                raise Halt("Vault is not initialised: that is yours to do, `helm get notes` says how")
        elif state.sealed:
            self._labels_at = 0.0
            if BY_SECRET:
                unseal(self._secret)
        elif state.standby:
            self._labels_at = 0.0
            self._watch.round()
        else:
            self._watch = Watch()
            self._strip_labels()
            self._bring_to_what_is_wanted()

    @staticmethod
    def _sum() -> str:
        content = (TLS / "tls.crt").read_bytes() + (TLS / "tls.key").read_bytes()
        return hashlib.sha256(content).hexdigest()

    def _take_over_certificate(self) -> None:
        if (now := self._sum()) != self._certificate:
            process = vaults_process()
            if process is not None:
                os.kill(process, signal.SIGHUP)
                print("Vault takes over its new certificate", flush=True)
            self._certificate = now

    def _strip_labels(self) -> None:
        """A machine that is gone cannot take its pod's label off, and clients would go on being sent there."""
        if time.monotonic() - self._labels_at < LABELS_EVERY_SECONDS and self._labels_at:
            return
        for pod in os.environ["PODS"].split():
            if pod != os.environ["POD_NAME"]:
                try:
                    if cluster.strip_label(pod, ACTIVE_LABEL, "true", "false"):
                        print(f"{pod} is no longer labelled as the active one", flush=True)
                except cluster.Denied as error:
                    if error.status not in (404, 409):  # gone, or changed by itself
                        raise
        self._labels_at = time.monotonic()

    def _bring_to_what_is_wanted(self) -> None:
        now = hashlib.sha256(WANTED.read_bytes()).hexdigest()
        if now == self._set_up:
            return
        root = cluster.secret(self._secret).get("root-token") if BY_SECRET else None
        try:
            token = setup.log_in()
        except Refused:
            if root is None:
                raise
            token = root
        setup.set_up(token)
        if token != root:
            setup.revoke(token)
        if root is not None:
            try:
                setup.revoke(root)
            except Refused as error:
                if error.status != 403:  # 403: it was revoked before
                    raise
            cluster.change_secret(self._secret, {"root-token": None})
            print("the root token is revoked", flush=True)
        self._set_up = now


def main() -> int:
    """Run until the pod ends."""
    keeper, said = Keeper(), ""
    while True:
        try:
            keeper.round()
            problem = ""
        except (OSError, Refused, cluster.Denied, Unfit, Halt) as error:
            problem = str(error)
        if problem != said:
            print(problem or "all is well", flush=True)
            said = problem
        time.sleep(ROUND_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
