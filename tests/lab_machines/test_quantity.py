"""Amounts of bytes."""

from __future__ import annotations

import pytest

from lab import quantity


@pytest.mark.parametrize(
    "text, amount",
    [("1", 1), ("512Mi", 512 * 2**20), ("4Gi", 4 * 2**30), ("25G", 25 * 10**9), ("3K", 3000), ("3Ki", 3072)],
)
def test_it_is_read(text: str, amount: int) -> None:
    assert quantity.parse(text) == amount


@pytest.mark.parametrize("text", ["", "0", "-1", "4GB", "4 Gi", "Gi", "4.5Gi", "4gi", "4Gi\n", "٤"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no amount of bytes"):
        quantity.parse(text)


@pytest.mark.parametrize("amount, text", [(0, "0 MiB"), (5 * 2**20, "5 MiB"), (3 * 2**29, "1.5 GiB")])
def test_it_is_shown(amount: int, text: str) -> None:
    assert quantity.show(amount) == text
