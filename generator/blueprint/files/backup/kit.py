"""Keeps the recovery kit, and the list of what a backup's volume holds.

The kit is a ConfigMap with every Secret of the namespace, encrypted to the operator's certificate: without the Secrets
nobody could open what the stores hold, and in plain they would lie in the object store for everyone who reads it.

  kit.py         goes on for ever: makes the kit anew whenever a Secret or the certificate is another
  kit.py alive   whether the endless one goes on (liveness)
  kit.py check   before a backup: whether the kit fits the Secrets; takes away the list of the backup before
  kit.py seal    after the dumps: writes the list, MANIFEST, with each file's size and sum, and which kit fits them
  kit.py verify  before a load: whether the files are what the list says; prints the list

Environment: NAMESPACE, RELEASE, KIT (the ConfigMap), LABELS (its labels, JSON), KEY_SECRET, FILES (the dumps, spaces
between). Exit codes: 0 fine, 1 anything that may pass by itself, 2 a person has to decide.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from web import Answer, call

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DUMPS = Path("/dumps")
MANIFEST = DUMPS / "manifest.json"
PULSE = Path("/tmp/pulse")
SEEN = Path("/tmp/kit-of-this-backup")
LOOK_SECONDS = 60
FORMAT = 1
# Annotation: what the kit was made of. A sum over random passwords tells nobody anything.
MADE_OF = "custos-platform/sha256-of-secrets"
# What Helm, Kubernetes and this kit's certificate keep in Secrets is made anew by whoever needs it.
NOT_KEPT = ("helm.sh/release.v1", "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token")
# A ConfigMap takes 1 MiB.
LARGEST_BYTES = 1_000_000


class Trouble(Exception):
    """Why there is no good kit or no good dump; `code` is the exit code."""

    def __init__(self, what: str, code: int = 2) -> None:
        super().__init__(what)
        self.code = code


def api(method: str, path: str, body: Any = None, kind: str = "application/json") -> Answer:
    """Ask the Kubernetes API about this namespace, by the pod's own account."""
    server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": kind}
    url = f"{server}/api/v1/namespaces/{os.environ['NAMESPACE']}/{path}"
    return call(method, url, str(ACCOUNT / "ca.crt"), headers, body, seconds=10)


def secrets() -> list[dict[str, Any]]:
    """The Secrets that a restored platform needs, as the API gives them, without what belongs to this cluster."""
    answer = api("GET", "secrets")
    if not answer.fine:
        raise Trouble(f"the Secrets cannot be read: {answer}", 1)
    kept = [each for each in answer.body["items"] if each["type"] not in NOT_KEPT]
    return [
        {
            "name": each["metadata"]["name"],
            "type": each["type"],
            "labels": each["metadata"].get("labels", {}),
            "annotations": each["metadata"].get("annotations", {}),
            "data": each.get("data", {}),
        }
        for each in sorted(kept, key=lambda each: str(each["metadata"]["name"]))
    ]


def certificate(found: list[dict[str, Any]]) -> bytes:
    """The operator's certificate. Raises Trouble where there is none."""
    name = os.environ["KEY_SECRET"]
    for each in found:
        if each["name"] == name and each["data"].get("tls.crt"):
            return base64.b64decode(each["data"]["tls.crt"])
    raise Trouble(
        f"there is no recovery kit: Secret {name} with the operator's certificate (key tls.crt) is not there;"
        " `python -m bootstrap apply` makes it, or make it of a certificate whose key only you have"
    )


def seal_for(recipient: bytes, content: bytes) -> bytes:
    """`content`, encrypted to the holder of the certificate's key (CMS, RFC 5652). Raises Trouble."""
    file = Path("/tmp/recipient.pem")
    file.write_bytes(recipient)
    sealed = subprocess.run(
        ["openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "PEM", str(file)],
        input=content,
        capture_output=True,
        check=False,
    )
    if sealed.returncode != 0:
        raise Trouble(f"openssl does not encrypt to the operator's certificate: {sealed.stderr.decode().strip()}")
    return sealed.stdout


def keep() -> tuple[str, bool]:
    """Make the kit anew where it does not fit the Secrets. Returns what it is made of, and whether it had to be made.

    Raises Trouble.
    """
    found = secrets()
    recipient = certificate(found)
    plain = {
        "format": FORMAT,
        "namespace": os.environ["NAMESPACE"],
        "release": os.environ["RELEASE"],
        "secrets": found,
    }
    text = json.dumps(plain, sort_keys=True).encode()
    made_of = hashlib.sha256(text).hexdigest()
    there = api("GET", f"configmaps/{os.environ['KIT']}")
    if there.fine and there.body["metadata"].get("annotations", {}).get(MADE_OF) == made_of:
        return made_of, False
    sealed = seal_for(recipient, gzip.compress(text, mtime=0))
    if len(sealed) > LARGEST_BYTES:
        raise Trouble(f"the kit is too large for a ConfigMap: {len(sealed)} bytes of {LARGEST_BYTES}")
    kit = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": os.environ["KIT"],
            "labels": json.loads(os.environ["LABELS"]),
            "annotations": {MADE_OF: made_of},
        },
        "data": {"kit.pem": sealed.decode(), "certificate": fingerprint(recipient)},
    }
    if there.fine:
        answer = api("PATCH", f"configmaps/{os.environ['KIT']}", kit, "application/merge-patch+json")
    else:
        answer = api("POST", "configmaps", kit)
    if not answer.fine:
        raise Trouble(f"the kit cannot be written: {answer}", 1)
    print(f"the recovery kit is made anew: {len(found)} Secrets, {len(sealed)} bytes")
    return made_of, True


def fingerprint(recipient: bytes) -> str:
    """SHA-256 of the certificate itself (DER), in hexadecimal digits: which key opens the kit."""
    body = recipient.split(b"-----BEGIN CERTIFICATE-----")[-1].split(b"-----END CERTIFICATE-----")[0]
    return hashlib.sha256(base64.b64decode(b"".join(body.split()))).hexdigest()


def fitting() -> str:
    """What the kit that Velero has read is made of: it read it before any hook ran. Raises Trouble if it is old."""
    made_of, anew = keep()
    if anew:
        raise Trouble("the recovery kit was older than the Secrets; it is made anew: back up once more", 1)
    return made_of


def check() -> None:
    """Whether the kit fits. Raises Trouble."""
    MANIFEST.unlink(missing_ok=True)
    SEEN.write_text(fitting())


def sums(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and sum of each dump. Raises Trouble where one is missing or empty."""
    found = {}
    for name in names:
        file = DUMPS / name
        if not file.is_file() or not file.stat().st_size:
            raise Trouble(f"the dump {name} is {'empty' if file.is_file() else 'not there'}")
        with file.open("rb") as stream:
            found[name] = {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
    return found


def seal() -> None:
    """Write the list of the dumps. Raises Trouble, also where a Secret was changed since `check`."""
    kit = fitting()
    if not SEEN.is_file() or SEEN.read_text() != kit:
        raise Trouble("a Secret was changed while the stores were dumped: back up once more", 1)
    manifest = {
        "format": FORMAT,
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kit": kit,
        "files": sums(os.environ["FILES"].split()),
    }
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")
    os.sync()


def verify() -> None:
    """Compare the dumps with their list, and print it. Raises Trouble where they differ."""
    try:
        manifest = json.loads(MANIFEST.read_text())
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Trouble(f"{MANIFEST} cannot be read: {error}; the backup was not finished or is damaged") from None
    found = sums(files)
    wrong = [name for name, about in found.items() if files[name] != about]
    if wrong:
        raise Trouble(f"damaged: {', '.join(wrong)}; {MANIFEST} says {[files[name] for name in wrong]}")
    print(json.dumps(manifest))


def go_on() -> None:
    """Keep the kit, and tell once what stands in the way."""
    told = ""
    while True:
        try:
            keep()
            told = ""
        except (Trouble, OSError) as trouble:
            if str(trouble) != told:
                told = str(trouble)
                print(told, file=sys.stderr)
        PULSE.touch()
        time.sleep(LOOK_SECONDS)


def alive() -> None:
    """Raises Trouble where the endless one has not looked for long."""
    if not PULSE.exists() or time.time() - PULSE.stat().st_mtime > 5 * LOOK_SECONDS:
        raise Trouble("the kit's keeper does not go on")


def main(arguments: list[str]) -> int:
    """Do what the first argument says; returns the exit code."""
    work = {"check": check, "seal": seal, "verify": verify, "alive": alive}
    try:
        work[arguments[0]]() if arguments else go_on()
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return trouble.code
    except OSError as error:
        print(f"it could not be done: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
