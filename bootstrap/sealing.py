"""The operator's recovery key, and the kit that is sealed for it; needs openssl, and no cluster.

A kit is `openssl cms -encrypt -binary -aes-256-cbc -outform PEM` over gzip of JSON: every Secret of the platform
(generator/blueprint/files/backup/kit.py). The key never leaves the operator's computer; the cluster has its
certificate only.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bootstrap import paths
from bootstrap.clients.kube import Manifest
from bootstrap.errors import Problem

PASSPHRASE = "CUSTOS_RECOVERY_PASSPHRASE"
FORMAT = 1
# Backups outlive people's plans: a certificate that has ended would only stop them.
_DAYS = "36500"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True)
class Kit:
    """What a kit holds: of which release, and its Secrets (name, type, labels, annotations, data).

    `made_of` is the sum by which the dumps name the kit that fits them.
    """

    namespace: str
    release: str
    secrets: Sequence[dict[str, Any]]
    made_of: str

    def manifests(self, namespace: str) -> list[Manifest]:
        """The Secrets, as they are made in `namespace`."""
        return [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": secret["name"],
                    "namespace": namespace,
                    "labels": dict(secret.get("labels") or {}),
                    "annotations": dict(secret.get("annotations") or {}),
                },
                "type": secret["type"],
                "data": dict(secret.get("data") or {}),
            }
            for secret in self.secrets
        ]


def make_key(file: Path, cluster: str) -> None:
    """Make key and certificate in `file` (0600); the key is encrypted if $CUSTOS_RECOVERY_PASSPHRASE is not empty.

    Raises Problem where openssl or the disk refuses.
    """
    encrypted = ["-aes-256-cbc", "-pass", f"env:{PASSPHRASE}"] if os.environ.get(PASSPHRASE) else []
    key = _done(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", *encrypted], "make a key")
    certificate = _done(
        [
            *("req", "-x509", "-new", "-key", "/dev/stdin", "-passin", f"env:{PASSPHRASE}", "-days", _DAYS),
            *("-sha256", "-subj", f"/CN=recovery key of {cluster}", "-addext", "keyUsage=critical,keyEncipherment"),
        ],
        "make a certificate",
        key,
    )
    try:
        paths.write_private(file, key + certificate)
    except OSError as error:
        raise Problem(
            f"the recovery key {file} cannot be written: {error.strerror}",
            "name another file as backups.recoveryKey, or mend its folder",
        ) from error


def certificate(file: Path) -> str:
    """The certificate in a recovery key's file, as PEM. Raises Problem where there is none."""
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise Problem(
            f"the recovery key {file} cannot be read: {getattr(error, 'strerror', None) or 'it is no PEM'}",
            "name the file that `apply` made, or your copy of it, as backups.recoveryKey",
        ) from error
    found = text.partition(_BEGIN)[2].partition(_END)[0]
    pem = f"{_BEGIN}{found}{_END}\n"
    try:
        x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise Problem(
            f"{file} holds no certificate that can be read ({_BEGIN} and so on)",
            "a recovery key's file holds both, the private key and its certificate: put the certificate back in",
        ) from error
    return pem


def fingerprint(pem: str | bytes) -> str:
    """SHA-256 of the certificate, as a backup names the key that it was sealed for: 64 hexadecimal digits."""
    data = pem.encode() if isinstance(pem, str) else pem
    return x509.load_pem_x509_certificate(data).fingerprint(hashes.SHA256()).hex()


def check_key(file: Path) -> None:
    """Raises Problem unless the key in `file` can be used and is that of the certificate beside it."""
    pem = certificate(file)
    opened = _openssl(["pkey", "-in", str(file), "-passin", f"env:{PASSPHRASE}", "-pubout"])
    if opened.returncode != 0:
        text = file.read_text(encoding="ascii")
        if "ENCRYPTED" not in text:
            raise Problem(
                f"{file} holds no private key that openssl can read: {_said(opened)}",
                "take the file that `apply` made, or your copy of it",
            )
        given = f"the passphrase in {PASSPHRASE} is not its own" if os.environ.get(PASSPHRASE) else "it needs its own"
        raise Problem(
            f"the recovery key {file} is closed by a passphrase: {given}",
            f"read it into the environment and run again: read -rs {PASSPHRASE} && export {PASSPHRASE}",
        )
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    if public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).split() != opened.stdout.split():
        raise Problem(
            f"{file}: the private key is not that of the certificate beside it",
            "take the file that `apply` made, or your copy of it",
        )


def open_kit(sealed: str, made_for: str, file: Path, backup: str) -> Kit:
    """Open the kit of `backup` by the key in `file`; `made_for` is the fingerprint that stands beside the kit.

    Raises Problem: a wrong key, a wrong passphrase, a kit that is damaged or of a newer form.
    """
    pem = certificate(file)
    if fingerprint(pem) != made_for.strip().lower():
        raise Problem(
            f"backup {backup} is sealed for the certificate {made_for}; {file} has {fingerprint(pem)}",
            "name the recovery key that fits as backups.recoveryKey; what a file holds says"
            " `openssl x509 -in FILE -noout -fingerprint -sha256`",
        )
    check_key(file)
    # With -recip openssl takes the one key that was meant, and says so where it does not open.
    command = ["cms", "-decrypt", "-inform", "PEM", "-recip", str(file), "-inkey", str(file)]
    opened = _openssl([*command, "-passin", f"env:{PASSPHRASE}"], sealed.encode())
    if opened.returncode != 0:
        raise _damaged(backup, f"openssl does not decrypt it: {_said(opened)}")
    try:
        text = gzip.decompress(opened.stdout)
        plain = json.loads(text)
        made_of = hashlib.sha256(text).hexdigest()
        kit = Kit(str(plain["namespace"]), str(plain["release"]), list(plain["secrets"]), made_of)
        form = plain["format"]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise _damaged(backup, f"what it holds cannot be read: {error}") from error
    if form != FORMAT:
        raise Problem(
            f"the recovery kit of backup {backup} has the form {form}, this program knows {FORMAT}",
            "take the version of this project that made the backup, or a newer one",
        )
    return kit


def _damaged(backup: str, why: str) -> Problem:
    return Problem(f"the recovery kit of backup {backup} is damaged: {why}", "restore an older backup")


def _done(arguments: Sequence[str], action: str, given: bytes = b"") -> bytes:
    done = _openssl(arguments, given)
    if done.returncode != 0:
        raise Problem(f"openssl could not {action}: {_said(done)}", "mend what it names and run again")
    return done.stdout


def _openssl(arguments: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run openssl; the passphrase is in its environment, where only the same user can see it."""
    environment = {**os.environ, PASSPHRASE: os.environ.get(PASSPHRASE, "")}
    try:
        return subprocess.run(["openssl", *arguments], input=given, capture_output=True, env=environment, check=False)
    except FileNotFoundError as error:
        raise Problem(
            "this computer has no openssl, which keeps the recovery key", "install it (Debian: apt-get install openssl)"
        ) from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """openssl's first line, without the numbers before it."""
    lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    return next((line for line in lines if "error" in line.lower()), lines[0])
