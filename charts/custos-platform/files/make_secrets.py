"""Makes the Secrets that are missing: passwords, the internal CA, its certificates and trust stores.

What is there is never changed. Argument: a JSON file with a list of entries. Each has a `name` and one of
  keys: {KEY: {KIND: …}}          a value for each key; missing keys of a Secret that exists are added. Kinds:
                                  random: LENGTH (letters and digits), uuid: true, base64: BYTES (random
                                  bytes), base64url: BYTES (the same without padding), text: TEXT (no secret).
                                  `rotatable: true` beside it: renew_secrets.py may replace it on demand
  authority: {commonName, days}   ca.crt, ca.key
  certificate: {authority, commonName, dnsNames, days}
                                  tls.crt, tls.key, ca.crt, signed by the authority of that name
  truststore: {authority}         ca.crt, password, truststore.p12 (the authority alone) and public.p12
                                  (with the public CAs of this image too), as Java reads them
and perhaps
  volumes: [CLAIM]                claims whose data was written with this Secret. If one exists and the Secret does
                                  not, a new one would lock the data up
  held: [KEY]                     keys that the volumes hold too, and that nobody takes over when they change: the
                                  sum of each is kept as an annotation, and one that no longer fits is refused
                                  before anything is restarted

Environment: NAMESPACE, RELEASE. Exit codes: 0 everything is there, 2 a person has to decide, 1 anything that
may pass by itself. No secret is printed, and none is on a command line: openssl reads keys from files in
memory and passwords from its environment.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import ssl
import string
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PUBLIC_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
MANAGER = "custos-platform-secrets"
# Annotation, before the key's name: the sum of the value that the volumes hold. Who can read it can read the value too.
SUM = "custos-platform/sha256-of-"
# Network policies and a starting API server may need a while before the first answer.
API_PATIENCE_SECONDS = 120
REQUEST_SECONDS = 10
EXPIRES_SOON_SECONDS = 30 * 24 * 3600
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", "ca.key")

Data = dict[str, bytes]


class Refusal(Exception):
    """Something that only a person can decide."""


class Api:
    """The Kubernetes API, for one namespace and the pod's own account."""

    def __init__(self, server: str, token: str, authority: str, namespace: str) -> None:
        self._base = f"{server}/api/v1/namespaces/{namespace}"
        self._token = token
        self._tls = ssl.create_default_context(cafile=authority)

    def secret(self, name: str) -> dict[str, Any] | None:
        """The Secret as the API gives it, or None."""
        return self._call("GET", f"secrets/{name}", missing_is_none=True)

    def claim_exists(self, name: str) -> bool:
        """Whether a PersistentVolumeClaim of this name is there."""
        return self._call("GET", f"persistentvolumeclaims/{name}", missing_is_none=True) is not None

    def create(self, secret: dict[str, Any]) -> bool:
        """Create the Secret. False where it exists by now."""
        return self._call("POST", "secrets", secret, conflict_is_none=True) is not None

    def add(self, name: str, version: str, data: Data) -> bool:
        """Set keys of the Secret of exactly this resource version. False where somebody was quicker."""
        patch = {"metadata": {"resourceVersion": version}, "data": _encoded(data)}
        return self._call("PATCH", f"secrets/{name}", patch, conflict_is_none=True) is not None

    def annotate(self, name: str, version: str, annotations: dict[str, str]) -> bool:
        """Set annotations of the Secret of exactly this resource version. False where somebody was quicker."""
        patch = {"metadata": {"resourceVersion": version, "annotations": annotations}}
        return self._call("PATCH", f"secrets/{name}", patch, conflict_is_none=True) is not None

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        missing_is_none: bool = False,
        conflict_is_none: bool = False,
    ) -> dict[str, Any] | None:
        request = urllib.request.Request(f"{self._base}/{path}", method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Accept", "application/json")
        if body is not None:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            request.add_header("Content-Type", kind)
            request.data = json.dumps(body).encode()
        deadline = time.monotonic() + API_PATIENCE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=self._tls) as answer:
                    result: dict[str, Any] = json.load(answer)
                    return result
            except urllib.error.HTTPError as error:
                if (error.code == 404 and missing_is_none) or (error.code == 409 and conflict_is_none):
                    return None
                reason = _reason(error)
                if error.code < 500 and error.code != 429:
                    raise Refusal(f"the Kubernetes API refuses {method} {path}: {reason}") from None
            except (OSError, http.client.HTTPException) as error:
                reason = str(error)
            if time.monotonic() > deadline:
                waited = f"within {API_PATIENCE_SECONDS} s"
                raise ConnectionError(f"no answer to {method} {path} {waited}: {reason}")
            print(f"waiting for the Kubernetes API at {self._base}: {reason}")
            time.sleep(2)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return f"{error.code} {json.load(error)['message']}"
    except (ValueError, KeyError):
        return f"{error.code} {error.reason}"


def _encoded(data: Data) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def decoded(secret: dict[str, Any] | None) -> Data:
    """The data of a Secret as the API gives it."""
    return {key: base64.b64decode(value) for key, value in ((secret or {}).get("data") or {}).items()}


def random_text(length: int) -> bytes:
    """Letters and digits: safe in URLs, option files and SQL."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length)).encode()


def make_value(how: dict[str, Any]) -> bytes:
    """The value of one key, of one of the kinds that the head of this file names. Raises ValueError for others."""
    ((kind, wanted),) = ((key, value) for key, value in how.items() if key != "rotatable")
    if kind == "random":
        return random_text(wanted)
    if kind == "uuid":
        return str(uuid.uuid4()).encode()
    if kind == "base64":
        return base64.b64encode(secrets.token_bytes(wanted))
    if kind == "base64url":
        # Programs take a value that begins with a dash for an option.
        while (value := base64.urlsafe_b64encode(secrets.token_bytes(wanted)).rstrip(b"=")).startswith(b"-"):
            pass
        return value
    if kind == "text":
        return str(wanted).encode()
    raise ValueError(f"no such kind of key: {kind}")


def openssl(*arguments: str, folder: Path, password: str = "") -> None:
    """Run openssl in a folder. Raises RuntimeError with its own words."""
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "PASSWORD": password}
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def make_authority(wanted: dict[str, Any], folder: Path, key: bytes = b"") -> Data:
    """A certificate authority: a new one, or one more certificate of the same name for a `key` that there is.

    What the key signed is valid under both certificates, so that nobody who knows only one of them is left out.
    """
    (folder / "request").write_text(
        "[req]\ndistinguished_name=subject\nx509_extensions=extensions\nprompt=no\n"
        f"[subject]\nCN={wanted['commonName'][:64]}\n"
        "[extensions]\n"
        "basicConstraints=critical,CA:TRUE,pathlen:0\n"
        "keyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n"
    )
    if key:
        (folder / "ca.key").write_bytes(key)
    openssl(
        *("req", "-x509", "-config", "request", "-days", str(wanted["days"])),
        *(("-key", "ca.key") if key else NEW_KEY),
        *("-out", "ca.crt"),
        folder=folder,
    )
    return {name: (folder / name).read_bytes() for name in ("ca.crt", "ca.key")}


def make_certificate(wanted: dict[str, Any], authority: Data, folder: Path) -> Data:
    """A certificate for servers and clients, signed by the authority."""
    for name in ("ca.crt", "ca.key"):
        (folder / name).write_bytes(authority[name])
    names = ",".join(f"DNS:{name}" for name in wanted["dnsNames"])
    (folder / "extensions").write_text(
        "basicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature,keyAgreement,keyEncipherment\n"
        "extendedKeyUsage=serverAuth,clientAuth\n"
        f"subjectAltName={names}\n"
    )
    # Old clients of MySQL and Java know RSA best.
    openssl(
        *("req", "-new", "-newkey", "rsa:2048", "-noenc", "-keyout", "tls.key", "-out", "tls.csr"),
        *("-subj", f"/CN={wanted['commonName'][:64]}"),
        folder=folder,
    )
    openssl(
        *("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-out", "tls.crt"),
        *("-days", str(wanted["days"]), "-sha256", "-extfile", "extensions"),
        *("-set_serial", str(secrets.randbits(120) + 1)),
        folder=folder,
    )
    made = {name: (folder / name).read_bytes() for name in ("tls.crt", "tls.key")}
    return {**made, "ca.crt": authority["ca.crt"]}


def make_truststore(authority: Data, folder: Path, password: bytes = b"") -> Data:
    """PKCS12 trust stores that Java reads as trusted entries, under a new password where none is given."""
    password = password or random_text(24)
    (folder / "ca.crt").write_bytes(authority["ca.crt"])
    public = authority["ca.crt"]
    if PUBLIC_AUTHORITIES.is_file():
        public += PUBLIC_AUTHORITIES.read_bytes()
    else:
        print(f"{PUBLIC_AUTHORITIES} is not in this image: public.p12 holds the internal CA alone")
    (folder / "public.crt").write_bytes(public)
    for source, store in (("ca.crt", "truststore.p12"), ("public.crt", "public.p12")):
        openssl(
            *("pkcs12", "-export", "-nokeys", "-in", source, "-out", store),
            # Without this attribute Java sees no trusted entry (openssl 3.2 and newer).
            *("-jdktrust", "anyExtendedKeyUsage", "-passout", "env:PASSWORD"),
            folder=folder,
            password=password.decode(),
        )
    made = {name: (folder / name).read_bytes() for name in ("ca.crt", "truststore.p12", "public.p12")}
    return {**made, "password": password}


class Keeper:
    """Brings the cluster's Secrets to what is wanted, one entry after the other."""

    def __init__(self, api: Api, release: str, wanted: list[dict[str, Any]]) -> None:
        self._api = api
        self._release = release
        self._wanted = wanted

    def run(self) -> None:
        """Make what is missing. Raises Refusal with every reason not to, before anything is changed."""
        there = {entry["name"]: self._api.secret(entry["name"]) for entry in self._wanted}
        refusals = [reason for entry in self._wanted for reason in self._refusals(entry, there)]
        if refusals:
            raise Refusal("\n".join(refusals))
        for entry in self._wanted:
            self._keep(entry)
            self._remember(entry)

    def _refusals(self, entry: dict[str, Any], there: dict[str, dict[str, Any] | None]) -> list[str]:
        name = entry["name"]
        if there[name] is None:
            return [*self._locked_volumes(entry), *self._orphans(entry, there)]
        present = decoded(there[name])
        missing = sorted(_fixed_keys(entry) - present.keys())
        if missing:
            return [
                f"Secret {name} exists, but lacks {', '.join(missing)}.\n"
                "  Complete it, or delete it so that a whole one is made."
            ]
        if mismatch := _mismatch(present):
            return [
                f"Secret {name}: {mismatch}.\n"
                "  Put back what belongs together; or delete the Secret, and a certificate is made anew."
            ]
        return self._changed(entry, there[name])

    @staticmethod
    def _changed(entry: dict[str, Any], secret: dict[str, Any] | None) -> list[str]:
        """Values that are not what the volumes hold: a pod that restarts with one would not come back."""
        sums = sums_kept(secret)
        changed = [key for key, value in held(entry, secret).items() if sums.get(key, sum_of(value)) != sum_of(value)]
        return [
            f"Secret {entry['name']}: {key} is not what the volumes were written with, and nobody takes over another."
            " Nothing has been restarted.\n"
            "  Put the former value back. Only if the store has the new one already (docs/operating.md):\n"
            f"  kubectl annotate secret {entry['name']} {SUM}{key}-"
            for key in changed
        ]

    def _locked_volumes(self, entry: dict[str, Any]) -> list[str]:
        claims = [claim for claim in entry.get("volumes", []) if self._api.claim_exists(claim)]
        if not claims:
            return []
        return [
            f"Secret {entry['name']} is gone, but the volume of {', '.join(claims)} was written with it: a"
            " new one would lock its data up.\n"
            "  Restore the Secret from a backup. Only if the data may be lost: delete the volume claims, then"
            " install again."
        ]

    @staticmethod
    def _orphans(entry: dict[str, Any], there: dict[str, dict[str, Any] | None]) -> list[str]:
        """An authority that is gone, while what it signed is still in use."""
        if "authority" not in entry:
            return []
        signed = ", ".join(
            name
            for name, secret in there.items()
            if secret and decoded(secret).get("ca.crt") and name != entry["name"] and made_by_us(secret)
        )
        if not signed:
            return []
        return [
            f"Secret {entry['name']} (the internal CA) is gone, but {signed} came from it: a new CA would not"
            " be trusted there.\n"
            f"  Restore it from a backup, or delete {signed} as well, so that all are made anew (every pod"
            " that uses them must restart then)."
        ]

    def _keep(self, entry: dict[str, Any]) -> None:
        name = entry["name"]
        while True:
            secret = self._api.secret(name)
            present = decoded(secret)
            data = self._missing(entry, present)
            if not data:
                print(f"{name}: is there")
                self._warn(entry, present)
                return
            if secret is None and self._api.create(self._object(entry, data)):
                print(f"{name}: made ({', '.join(sorted(data))})")
                return
            if secret is not None and self._api.add(name, secret["metadata"]["resourceVersion"], data):
                print(f"{name}: added {', '.join(sorted(data))}")
                return
            print(f"{name}: somebody changed it at the same moment, looking again")

    def _remember(self, entry: dict[str, Any]) -> None:
        """Keep the sums of what the volumes hold."""
        while entry.get("held"):
            secret = self._api.secret(entry["name"])
            sums = sums_kept(secret)
            new = {SUM + key: sum_of(value) for key, value in held(entry, secret).items() if key not in sums}
            if (
                not new
                or secret is None
                or self._api.annotate(entry["name"], secret["metadata"]["resourceVersion"], new)
            ):
                return

    def _missing(self, entry: dict[str, Any], present: Data) -> Data:
        if "keys" in entry:
            return {key: make_value(how) for key, how in entry["keys"].items() if key not in present}
        if present:
            return {}
        makers: dict[str, Callable[[Path], Data]] = {
            "authority": lambda folder: make_authority(entry["authority"], folder),
            "certificate": lambda folder: make_certificate(
                entry["certificate"], authority_of(self._api, entry), folder
            ),
            "truststore": lambda folder: make_truststore(authority_of(self._api, entry), folder),
        }
        kind = next(kind for kind in makers if kind in entry)
        with tempfile.TemporaryDirectory() as folder:
            return makers[kind](Path(folder))

    def _object(self, entry: dict[str, Any], data: Data) -> dict[str, Any]:
        labels = {
            "app.kubernetes.io/managed-by": MANAGER,
            "app.kubernetes.io/instance": self._release,
            "app.kubernetes.io/part-of": "custos-platform",
        }
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls" if "certificate" in entry else "Opaque",
            "metadata": {"name": entry["name"], "labels": labels},
            "data": _encoded(data),
        }

    @staticmethod
    def _warn(entry: dict[str, Any], present: Data) -> None:
        """Say when a certificate ends soon or lacks a name; what is there is not for this script to change."""
        mend = "renew_secrets.py mends it at its next run, unless the Secret is your own: then replace it."
        for problem in problems_of(entry, present, EXPIRES_SOON_SECONDS):
            print(f"{entry['name']}: the certificate {problem}. {mend}", file=sys.stderr)


def problems_of(entry: dict[str, Any], present: Data, soon_seconds: int) -> list[str]:
    """What is wrong with the certificate of an entry: it ends within so many seconds, or lacks one of its names."""
    certificate = present.get("tls.crt") or present.get("ca.crt")
    if not certificate or not (entry.keys() & {"authority", "certificate"}):
        return []
    names = [name.replace("*", "any") for name in entry.get("certificate", {}).get("dnsNames", [])]
    checks = [("-checkend", str(soon_seconds)), *(("-checkhost", name) for name in names)]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "it.crt").write_bytes(certificate)
        for option, value in checks:
            done = subprocess.run(
                ["openssl", "x509", "-in", "it.crt", "-noout", option, value],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode != 0 or "does NOT match" in done.stdout:
                days = soon_seconds // (24 * 3600)
                found.append(f"ends within {days} days" if option == "-checkend" else f"is not for {value}")
    return found


def authority_of(api: Api, entry: dict[str, Any]) -> Data:
    """The authority that an entry names. Raises Refusal where that Secret is none."""
    name = (entry.get("certificate") or entry["truststore"])["authority"]
    data = decoded(api.secret(name))
    if not {"ca.crt", "ca.key"} <= data.keys():
        raise Refusal(f"Secret {name} is no authority: it lacks ca.crt or ca.key")
    return data


def made_by_us(secret: dict[str, Any]) -> bool:
    """Whether this script made the Secret, and not an operator or another program."""
    labels = secret["metadata"].get("labels") or {}
    return bool(labels.get("app.kubernetes.io/managed-by") == MANAGER)


def held(entry: dict[str, Any], secret: dict[str, Any] | None) -> Data:
    """Those of the Secret's values that the volumes hold too."""
    return {key: value for key, value in decoded(secret).items() if key in entry.get("held", ())}


def sums_kept(secret: dict[str, Any] | None) -> dict[str, str]:
    """The sums that the Secret's annotations keep, by key."""
    annotations = ((secret or {}).get("metadata", {})).get("annotations") or {}
    return {name.removeprefix(SUM): value for name, value in annotations.items() if name.startswith(SUM)}


def sum_of(value: bytes) -> str:
    """What an annotation keeps of a value."""
    return hashlib.sha256(value).hexdigest()


def _mismatch(present: Data) -> str:
    """Why certificate and key of a Secret cannot be used together; empty where they can, or where there are none."""
    for certificate, key in (("tls.crt", "tls.key"), ("ca.crt", "ca.key")):
        if not {certificate, key} <= present.keys():
            continue
        with tempfile.TemporaryDirectory() as folder:
            for name in (certificate, key):
                (Path(folder) / name).write_bytes(present[name])
            try:
                # A key with a password must not be asked for at a terminal.
                ssl.create_default_context().load_cert_chain(
                    Path(folder) / certificate, Path(folder) / key, password=lambda: b""
                )
            except (OSError, ValueError) as error:
                return f"{key} and {certificate} do not belong together, or are no PEM ({error})"
    return ""


def _fixed_keys(entry: dict[str, Any]) -> set[str]:
    """Keys that are made together: a Secret that has only some of them is broken."""
    if "authority" in entry:
        return {"ca.crt", "ca.key"}
    if "certificate" in entry:
        return {"tls.crt", "tls.key"}
    if "truststore" in entry:
        return {"ca.crt", "password", "truststore.p12", "public.p12"}
    return set()


def api_of_this_pod() -> Api:
    """The Kubernetes API with the account of the pod, for the namespace in NAMESPACE."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    token = (ACCOUNT / "token").read_text().strip()
    return Api(f"https://{host}:{port}", token, str(ACCOUNT / "ca.crt"), os.environ["NAMESPACE"])


def exit_code_of(work: Callable[[], None]) -> int:
    """Do it; 0, or 2 where a person has to decide, or 1 for anything that may pass by itself, with the reason said."""
    try:
        work()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except (ConnectionError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Run inside the Job's pod. Returns the exit code."""
    if len(arguments) != 1:
        print("usage: make_secrets.py WANTED.json", file=sys.stderr)
        return 2
    wanted = json.loads(Path(arguments[0]).read_text())
    return exit_code_of(lambda: Keeper(api_of_this_pod(), os.environ["RELEASE"], wanted).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
