"""Certificates that people bring: whether they can be served, told before anything is changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

# Renewed later than this, a certificate may end before somebody notices.
SOON = timedelta(days=7)


def findings(certificate: bytes, key: bytes, host: str, now: datetime | None = None) -> Iterator[str]:
    """What is wrong with a chain (PEM, the server's own first) and its key for the server `host`; nothing if all fits.

    `now` is the time of the question, this moment where it is not given.
    """
    now = now or datetime.now(UTC)
    try:
        chain = x509.load_pem_x509_certificates(certificate)
    except ValueError as error:
        yield f"the certificate cannot be read ({error}); allowed: PEM, -----BEGIN CERTIFICATE----- and so on"
        return
    own = chain[0]
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        yield "the key is encrypted, and nobody is there to type its password; allowed: a key without one"
        return
    except ValueError as error:
        yield f"the key cannot be read ({error}); allowed: PEM, -----BEGIN PRIVATE KEY----- and so on"
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        yield "the key is not that of the certificate (is the server's own certificate the first in the file?)"
    names = _names(own)
    if not any(_fits(name, host) for name in names):
        yield f"the certificate is not for {host}; found: {', '.join(names) or 'no name at all'}"
    begins, ends = own.not_valid_before_utc, own.not_valid_after_utc
    if now < begins:
        yield f"the certificate is not valid before {begins:%Y-%m-%d %H:%M} UTC"
    if now >= ends:
        yield f"the certificate ended on {ends:%Y-%m-%d %H:%M} UTC"
    elif ends - now < SOON:
        yield f"the certificate ends on {ends:%Y-%m-%d %H:%M} UTC, in less than {SOON.days} days"
    for lower, upper in itertools.pairwise(chain):
        if lower.issuer != upper.subject:
            subject = upper.subject.rfc4514_string()
            yield f"the chain is broken: {subject} does not vouch for {lower.subject.rfc4514_string()}, before it"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName) + [str(a) for a in names.get_values_for_type(x509.IPAddress)]


def _fits(name: str, host: str) -> bool:
    """A star stands for one label, the first."""
    name, host = name.lower(), host.lower()
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])
