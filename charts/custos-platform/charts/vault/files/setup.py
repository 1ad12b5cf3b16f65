"""Brings a Vault to what WANTED says: mounts, policies, logins by Kubernetes, the audit log. Mends only what differs.

`python3 setup.py` in a pod of Vault reads a root token (or one with the same rights) from standard input, uses it and
revokes it: for the seals where people initialise Vault. Otherwise the keeper uses this file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from web import Answer, call

WANTED = Path("/etc/custos/wanted/vault.json")
AUTHORITY = "/etc/custos/tls/ca.crt"
VAULT = "https://localhost:8200/v1"
ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Refused(Exception):
    """Vault answered, but not as wanted."""

    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(f"Vault answers {what} with {answer}")
        self.status = answer.status


class Unfit(Exception):
    """What is there is somebody's, and not what Custos needs."""


def vault(method: str, path: str, token: str = "", body: Any = None, seconds: float = 15) -> Any:
    """Ask the own Vault. Raises Refused for anything but 2xx, OSError without an answer."""
    headers = {"X-Vault-Token": token} if token else {}
    answer = call(method, f"{VAULT}/{path}", AUTHORITY, headers, body, seconds)
    if not answer.fine:
        raise Refused(f"{method} {path}", answer)
    return answer.body


def wanted() -> dict[str, Any]:
    """What Vault shall be."""
    read: dict[str, Any] = json.loads(WANTED.read_text(encoding="utf-8"))
    return read


def log_in() -> str:
    """The token of the configurator, by this pod's own account. Raises Refused where Vault does not know it (yet)."""
    credentials = {"role": wanted()["configurator"], "jwt": ACCOUNT_TOKEN.read_text(encoding="utf-8").strip()}
    return str(vault("POST", "auth/kubernetes/login", body=credentials)["auth"]["client_token"])


def revoke(token: str) -> None:
    """End a token, by itself."""
    vault("POST", "auth/token/revoke-self", token)


def set_up(token: str) -> None:
    """Make what is missing and mend what is different. Raises Refused, OSError."""
    want = wanted()
    mounts = vault("GET", "sys/mounts", token)["data"]
    for path, mount in want["mounts"].items():
        there = mounts.get(f"{path}/")
        if there is None:
            vault("POST", f"sys/mounts/{path}", token, mount)
            print(f"mounted {path}/", flush=True)
        elif (there["type"], (there.get("options") or {}).get("version", "1")) != ("kv", mount["options"]["version"]):
            raise Unfit(f"{path}/ is there, but no KV of version {mount['options']['version']}: it is left alone")
    if want["audit"] and "stdout/" not in vault("GET", "sys/audit", token)["data"]:
        options = {"file_path": "stdout"}
        vault("POST", "sys/audit/stdout", token, {"type": "file", "options": options})
        print("the audit log goes to standard output", flush=True)
    if "kubernetes/" not in vault("GET", "sys/auth", token)["data"]:
        vault("POST", "sys/auth/kubernetes", token, {"type": "kubernetes"})
    vault("POST", "auth/kubernetes/config", token, want["kubernetes"])
    for name, policy in want["policies"].items():
        vault("POST", f"sys/policies/acl/{name}", token, {"policy": policy})
    for name, role in want["roles"].items():
        vault("POST", f"auth/kubernetes/role/{name}", token, role)
    print(f"policies and logins are set: {', '.join(want['roles'])}", flush=True)


def main() -> int:
    """Set Vault up with the token from standard input, and revoke it."""
    token = sys.stdin.readline().strip()
    try:
        set_up(token)
        revoke(token)
    except (OSError, Refused, Unfit) as error:
        print(error, file=sys.stderr)
        return 1
    print("the token is revoked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
