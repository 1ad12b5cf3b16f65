"""The recovery key and the kit, with the real openssl: made, sealed as a pod does it, opened; and every way to fail."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
from pathlib import Path

import pytest

from bootstrap import sealing
from bootstrap.errors import Problem
from bootstrap.sealing import PASSPHRASE, certificate, check_key, fingerprint, make_key, open_kit

SECRET = {
    "name": "custos-mysql-admin",
    "type": "Opaque",
    "labels": {"a": "b"},
    "annotations": {},
    "data": {"k": "dg=="},
}
PLAIN = {"format": 1, "namespace": "custos", "release": "custos", "secrets": [SECRET]}


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    """None but where a test sets it."""
    monkeypatch.delenv(PASSPHRASE, raising=False)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two keys without a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "two"):
        make_key(folder / f"{name}.pem", "trial")
    return folder / "one.pem", folder / "two.pem"


def seal(file: Path, content: bytes | None = None) -> str:
    """As kit.py in the backup's pod does it."""
    recipient = file.with_suffix(".crt")
    recipient.write_text(certificate(file))
    plain = gzip.compress(json.dumps(PLAIN, sort_keys=True).encode(), mtime=0) if content is None else content
    command = ["openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "PEM", str(recipient)]
    return subprocess.run(command, input=plain, capture_output=True, check=True).stdout.decode()


def test_a_key_is_private_strong_and_opens_what_was_sealed_for_it(keys: tuple[Path, Path]) -> None:
    file, _ = keys
    assert file.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(file), "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    assert "Public-Key: (3072 bit)" in shown and "Subject: CN = recovery key of trial" in shown
    assert "PRIVATE" not in certificate(file)
    kit = open_kit(seal(file), fingerprint(certificate(file)), file, "custos-a")
    assert (kit.namespace, kit.release) == ("custos", "custos")
    assert kit.manifests("elsewhere") == [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "custos-mysql-admin",
                "namespace": "elsewhere",
                "labels": {"a": "b"},
                "annotations": {},
            },
            "type": "Opaque",
            "data": {"k": "dg=="},
        }
    ]


def test_the_fingerprint_is_openssls(keys: tuple[Path, Path]) -> None:
    command = ["openssl", "x509", "-in", str(keys[0]), "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert fingerprint(certificate(keys[0])) == said.partition("=")[2].strip().replace(":", "").lower()


def test_a_passphrase_closes_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "recovery.pem"
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    make_key(file, "trial")
    assert "BEGIN ENCRYPTED PRIVATE KEY" in file.read_text()
    sealed, made_for = seal(file), fingerprint(certificate(file))
    assert open_kit(sealed, made_for, file, "custos-a").secrets == [SECRET]
    monkeypatch.setenv(PASSPHRASE, "battery staple")
    with pytest.raises(
        Problem, match=f"closed by a passphrase: the passphrase in {PASSPHRASE} is not its own"
    ) as wrong:
        open_kit(sealed, made_for, file, "custos-a")
    assert "battery" not in str(wrong.value)
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(Problem, match="closed by a passphrase: it needs its own"):
        open_kit(sealed, made_for, file, "custos-a")
    # What seals needs no passphrase.
    assert fingerprint(certificate(file)) == made_for


def test_no_secret_is_an_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = subprocess.run

    def spy(command: list[str], **more: object) -> object:
        seen.extend(command)
        return real(command, **more)  # type: ignore[call-overload]

    monkeypatch.setattr("bootstrap.sealing.subprocess.run", spy)
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    make_key(tmp_path / "recovery.pem", "trial")
    check_key(tmp_path / "recovery.pem")
    assert seen and not [word for word in seen if "horse" in word or "PRIVATE" in word]


def test_a_key_that_does_not_fit_names_both_fingerprints(keys: tuple[Path, Path]) -> None:
    one, two = (fingerprint(certificate(file)) for file in keys)
    with pytest.raises(Problem) as wrong:
        open_kit(seal(keys[0]), one, keys[1], "custos-a")
    assert wrong.value.what == f"backup custos-a is sealed for the certificate {one}; {keys[1]} has {two}"


def test_a_kit_that_lies_about_its_key_is_damaged(keys: tuple[Path, Path]) -> None:
    with pytest.raises(Problem, match="recovery kit of backup custos-a is damaged: openssl does not decrypt it"):
        open_kit(seal(keys[0]), fingerprint(certificate(keys[1])), keys[1], "custos-a")


def test_another_key_beside_the_certificate_is_found(keys: tuple[Path, Path], tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.pem"
    mixed.write_text(keys[1].read_text().partition("-----BEGIN CERT")[0] + certificate(keys[0]))
    with pytest.raises(Problem, match="the private key is not that of the certificate beside it"):
        open_kit(seal(keys[0]), fingerprint(certificate(keys[0])), mixed, "custos-a")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.75, 0.9, 0.97])
def test_one_flipped_byte_anywhere_is_damage(keys: tuple[Path, Path], share: float) -> None:
    lines = seal(keys[0]).splitlines()
    data = bytearray(base64.b64decode("".join(lines[1:-1])))
    data[int(len(data) * share)] ^= 1
    text = base64.encodebytes(bytes(data)).decode()
    with pytest.raises(Problem, match="the recovery kit of backup custos-a is damaged: ") as told:
        open_kit(f"{lines[0]}\n{text}{lines[-1]}\n", fingerprint(certificate(keys[0])), keys[0], "custos-a")
    assert told.value.remedy == "restore an older backup"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"plain", "is damaged: what it holds cannot be read: Not a gzipped file"),
        (gzip.compress(b"[]", mtime=0), "is damaged: what it holds cannot be read: "),
        (gzip.compress(b"{}", mtime=0), "is damaged: what it holds cannot be read: 'namespace'"),
        (gzip.compress(json.dumps({**PLAIN, "format": 2}).encode(), mtime=0), "has the form 2, this program knows 1"),
    ],
    # Names of their own: two workers that do not agree about the names run nothing.
    ids=["not packed", "a list", "nothing in it", "of a newer form"],
)
def test_what_is_no_kit_is_told(keys: tuple[Path, Path], content: bytes, said: str) -> None:
    with pytest.raises(Problem, match=re.escape(said)):
        open_kit(seal(keys[0], content), fingerprint(certificate(keys[0])), keys[0], "custos-a")


def test_no_kit_at_all_is_damage(keys: tuple[Path, Path]) -> None:
    with pytest.raises(Problem, match="is damaged: openssl does not decrypt it"):
        open_kit("", fingerprint(certificate(keys[0])), keys[0], "custos-a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("nothing", "holds no certificate that can be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate that can be read"),
        ("\u00e9", "cannot be read: it is no PEM"),
    ],
)
def test_a_file_that_is_no_recovery_key_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "recovery.pem"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(Problem) as wrong:
        certificate(file)
    assert said in wrong.value.what


def test_a_certificate_alone_opens_nothing(keys: tuple[Path, Path], tmp_path: Path) -> None:
    file = tmp_path / "only.pem"
    file.write_text(certificate(keys[0]))
    with pytest.raises(Problem, match="holds no private key that openssl can read"):
        check_key(file)


def test_without_openssl_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="this computer has no openssl"):
        sealing.make_key(tmp_path / "recovery.pem", "trial")
    assert not (tmp_path / "recovery.pem").exists()
