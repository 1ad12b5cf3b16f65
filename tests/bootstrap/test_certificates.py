"""Certificates that people bring: what is wrong with them is said before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bootstrap.certificates import findings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOST = "custos.example.org"


@dataclass
class Pair:
    """A key and a certificate of it, signed by itself unless by another."""

    name: str = HOST
    begins: datetime = NOW - timedelta(days=1)
    ends: datetime = NOW + timedelta(days=90)
    issuer: Pair | None = None

    def __post_init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])
        above = self.issuer or self
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, above.name)])
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.begins)
            .not_valid_after(self.ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(self.name)]), critical=False)
            .sign(above.private, SHA256())
            .public_bytes(Encoding.PEM)
        )

    def key(self, password: bytes = b"") -> bytes:
        cover = BestAvailableEncryption(password) if password else NoEncryption()
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cover)


AUTHORITY = Pair("Example CA")
GOOD = Pair(issuer=AUTHORITY)


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        pytest.param(GOOD.certificate, GOOD.key(), [], id="alone"),
        pytest.param(GOOD.certificate + AUTHORITY.certificate, GOOD.key(), [], id="with who vouches for it"),
        pytest.param(
            AUTHORITY.certificate + GOOD.certificate,
            GOOD.key(),
            [
                "the key is not that of the certificate (is the server's own certificate the first in the file?)",
                "the certificate is not for custos.example.org; found: Example CA",
                "the chain is broken: CN=custos.example.org does not vouch for CN=Example CA, before it",
            ],
            id="in the wrong order",
        ),
        pytest.param(
            GOOD.certificate,
            AUTHORITY.key(),
            ["the key is not that of the certificate (is the server's own certificate the first in the file?)"],
            id="another's key",
        ),
        pytest.param(
            Pair("other.example.org").certificate,
            b"",
            ["the key cannot be read"],
            id="no key",
        ),
        pytest.param(
            GOOD.certificate,
            GOOD.key(b"password"),
            ["the key is encrypted, and nobody is there to type its password; allowed: a key without one"],
            id="a key with a password",
        ),
        pytest.param(
            b"not PEM",
            GOOD.key(),
            ["the certificate cannot be read"],
            id="no certificate",
        ),
    ],
)
def test_what_is_wrong(certificate: bytes, key: bytes, expected: list[str]) -> None:
    found = list(findings(certificate, key, HOST, NOW))
    assert len(found) == len(expected)
    assert all(message.startswith(start) for message, start in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    ("name", "host", "fits"),
    [
        ("custos.example.org", "custos.example.org", True),
        ("Custos.Example.org", "custos.example.org", True),
        ("*.example.org", "custos.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "a.custos.example.org", False),
        ("example.org", "custos.example.org", False),
    ],
)
def test_whose_name_it_is(name: str, host: str, fits: bool) -> None:
    pair = Pair(name)
    expected = [] if fits else [f"the certificate is not for {host}; found: {name}"]
    assert list(findings(pair.certificate, pair.key(), host, NOW)) == expected


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        (-10, -1, ["the certificate ended on 2026-05-31 00:00 UTC"]),
        (1, 90, ["the certificate is not valid before 2026-06-02 00:00 UTC"]),
        (-10, 3, ["the certificate ends on 2026-06-04 00:00 UTC, in less than 7 days"]),
        (-10, 8, []),
    ],
)
def test_when_it_is_valid(begins: int, ends: int, expected: list[str]) -> None:
    pair = Pair(begins=NOW + timedelta(days=begins), ends=NOW + timedelta(days=ends))
    assert list(findings(pair.certificate, pair.key(), HOST, NOW)) == expected
