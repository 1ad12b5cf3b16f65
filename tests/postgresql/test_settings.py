"""What a member refuses to start with, and how passwords are kept."""

from __future__ import annotations

from pathlib import Path

import pg_scram
import pg_settings
import pytest


@pytest.mark.parametrize(("written", "image"), [("16", 17), ("18", 17), ("", 17), ("9.6", 17)])
def test_another_major_version_is_refused_and_nothing_touched(tmp_path: Path, written: str, image: int) -> None:
    (tmp_path / "PG_VERSION").write_text(f"{written}\n")
    tmp_path.chmod(0o500)
    with pytest.raises(pg_settings.Refusal, match=f"is of PostgreSQL {written}, this image runs PostgreSQL {image}"):
        pg_settings.check_major(tmp_path, image)
    assert [path.name for path in tmp_path.iterdir()] == ["PG_VERSION"]


def test_the_same_major_version_and_an_empty_volume_are_fine(tmp_path: Path) -> None:
    pg_settings.check_major(tmp_path / "data", 17)
    (tmp_path / "PG_VERSION").write_text("17\n")
    pg_settings.check_major(tmp_path, 17)


def test_the_images_version_is_the_newest_that_it_holds(tmp_path: Path) -> None:
    for version in ("9.6", "13", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin/postgres").touch()
    assert pg_settings.image_major(tmp_path) == 17
    with pytest.raises(pg_settings.Refusal, match=r"postgresql\.image"):
        pg_settings.image_major(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(None, "lacks the key", id="missing"),
        pytest.param(b"", "no usable password", id="empty"),
        pytest.param(b"two words", "no usable password", id="blank"),
        pytest.param("größer".encode(), "no usable password", id="beyond ASCII"),
        pytest.param(b"\xff", "no usable password", id="no text"),
    ],
)
def test_unusable_passwords(tmp_path: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "keycloak").write_bytes(content)
    with pytest.raises(pg_settings.Refusal, match=fault) as refusal:
        pg_settings.secret(tmp_path, "keycloak")
    assert "größer" not in str(refusal.value), "a password must not be in a message"


def test_a_line_end_is_no_part_of_a_password(tmp_path: Path) -> None:
    (tmp_path / "keycloak").write_text("secret\n")
    assert pg_settings.secret(tmp_path, "keycloak") == "secret"


# RFC 7677, section 3: password, salt, and the keys that follow from them.
PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_a_verifier_is_what_the_standard_says() -> None:
    assert pg_scram.matches("pencil", PENCIL)
    assert pg_scram.matches("pencil", pg_scram.verifier("pencil"))


@pytest.mark.parametrize("stored", [None, "", "pencil", PENCIL[:-1], PENCIL.replace("4096", "4097"), "md5" + "0" * 32])
def test_other_verifiers_do_not_match(stored: str | None) -> None:
    assert not pg_scram.matches("pencil", stored)
    assert not pg_scram.matches("Pencil", PENCIL)
