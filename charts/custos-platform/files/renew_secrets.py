"""Renews certificates before they end, and replaces what an operator names. Stands beside make_secrets.py.

Arguments: the JSON file of make_secrets.py, and SECRET or SECRET/KEY for each Secret that is to be replaced now.

A certificate is renewed once less than a third of its life is left, or where it lacks one of its names. The CA gets a
new certificate for the key that it has: old and new vouch for the same. Whatever somebody else made is left alone.
Those who use a Secret see the change in their mounted files; what takes it by environment must restart.

Environment and exit codes as in make_secrets.py.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from make_secrets import (
    Api,
    Data,
    Refusal,
    api_of_this_pod,
    authority_of,
    decoded,
    exit_code_of,
    made_by_us,
    make_authority,
    make_certificate,
    make_truststore,
    make_value,
    problems_of,
)

DAY_SECONDS = 24 * 3600


class Renewer:
    """Goes through the entries in their order, in which the authority comes before those who need it."""

    def __init__(self, api: Api, wanted: list[dict[str, Any]], asked: list[str]) -> None:
        self._api = api
        self._wanted = wanted
        # Secret → the keys of it that are to be replaced.
        self._asked: dict[str, set[str]] = {}
        for name in asked:
            self._asked.setdefault(name.split("/")[0], set()).update(self._keys_asked_for(name))

    def run(self) -> None:
        """Renew and replace. Raises Refusal before anything is changed where something cannot be replaced."""
        there = {entry["name"]: self._api.secret(entry["name"]) for entry in self._wanted}
        for name in self._asked:
            if there[name] is None:
                raise Refusal(f"Secret {name} is not there yet: `helm upgrade` makes it.")
            if not made_by_us(there[name] or {}):
                raise Refusal(f"Secret {name} is your own: replace it where it comes from.")
        for entry in self._wanted:
            self._renew(entry)

    def _keys_asked_for(self, name: str) -> set[str]:
        secret, _, key = name.partition("/")
        entry = next((entry for entry in self._wanted if entry["name"] == secret), None)
        if entry is None:
            known = ", ".join(entry["name"] for entry in self._wanted)
            raise Refusal(f"{secret} is none of this release's Secrets. They are: {known}.")
        if "keys" not in entry:
            if key:
                raise Refusal(f"{secret} is replaced as a whole: leave /{key} out.")
            return {secret}
        rotatable = {k for k, how in entry["keys"].items() if how.get("rotatable")}
        if key and key not in entry["keys"]:
            raise Refusal(f"Secret {secret} has no key {key}. It has: {', '.join(entry['keys'])}.")
        if not rotatable or (key and key not in rotatable):
            what = f"key {key} of Secret {secret}" if key else f"Secret {secret}"
            may = f" Its keys that can: {', '.join(sorted(rotatable))}." if rotatable else ""
            raise Refusal(f"{what} cannot be replaced: data or members hold on to it.{may}")
        return {key} if key else rotatable

    def _renew(self, entry: dict[str, Any]) -> None:
        name = entry["name"]
        while True:
            secret = self._api.secret(name)
            if secret is None:
                print(f"{name}: is not there, the next upgrade makes it")
                return
            if not made_by_us(secret):
                print(f"{name}: somebody else's, left alone")
                return
            data = self._replacement(entry, decoded(secret))
            if not data:
                print(f"{name}: is well")
                return
            if self._api.add(name, secret["metadata"]["resourceVersion"], data):
                print(f"{name}: replaced {', '.join(sorted(data))}")
                return
            print(f"{name}: somebody changed it at the same moment, looking again")

    def _replacement(self, entry: dict[str, Any], present: Data) -> Data:
        """The keys of the Secret that get another value; empty where all is well."""
        asked = self._asked.get(entry["name"], set())
        if "keys" in entry:
            return {key: make_value(entry["keys"][key]) for key in sorted(asked)}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if "authority" in entry:
                if not (asked or self._due(entry, present)):
                    return {}
                return {"ca.crt": make_authority(entry["authority"], folder, present["ca.key"])["ca.crt"]}
            authority = authority_of(self._api, entry)
            if "truststore" in entry:
                if not asked and present.get("ca.crt") == authority["ca.crt"]:
                    return {}
                return make_truststore(authority, folder, present["password"])
            if asked or self._due(entry, present):
                return make_certificate(entry["certificate"], authority, folder)
        return {} if present.get("ca.crt") == authority["ca.crt"] else {"ca.crt": authority["ca.crt"]}

    @staticmethod
    def _due(entry: dict[str, Any], present: Data) -> bool:
        days = int((entry.get("authority") or entry["certificate"])["days"])
        problems = problems_of(entry, present, days * DAY_SECONDS // 3)
        for problem in problems:
            print(f"{entry['name']}: the certificate {problem}")
        return bool(problems)


def main(arguments: list[str]) -> int:
    """Run inside the Job's pod. Returns the exit code."""
    if not arguments:
        print("usage: renew_secrets.py WANTED.json [SECRET|SECRET/KEY]...", file=sys.stderr)
        return 2
    wanted = json.loads(Path(arguments[0]).read_text())
    return exit_code_of(lambda: Renewer(api_of_this_pod(), wanted, arguments[1:]).run())


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
