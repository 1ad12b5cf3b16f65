"""Amounts of bytes as the lab's file writes them."""

import re

_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_PATTERN = r"[1-9][0-9]*(K|M|G|Ki|Mi|Gi)?"


def parse(text: str) -> int:
    """`4Gi` → 4294967296 bytes. Raises ValueError for what is no quantity."""
    if not re.fullmatch(_PATTERN, text):
        raise ValueError(f"{text!r} is no amount of bytes, such as 512Mi, 4Gi or 25G")
    digits = text.rstrip("KMGi")
    return int(digits) * _FACTORS[text[len(digits) :]]


def show(amount: int) -> str:
    """4294967296 → `4.0 GiB`."""
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.0f} MiB"
