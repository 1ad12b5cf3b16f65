"""Kubernetes' quantities as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(m|k|[KMGTPE]i?|)(?:[eE]([+-]?[0-9]{1,2}))?")


def parse(text: object) -> Decimal | None:
    """The number that `text` means in its base unit (cores, bytes); None where it is no quantity."""
    match = _QUANTITY.fullmatch(str(text))
    if not match or match[2] not in _UNITS:
        return None
    return Decimal(match[1]) * _UNITS[match[2]] * Decimal(10) ** int(match[3] or 0)


def binary_bytes(text: str) -> Decimal:
    """Bytes of a size as MySQL and Java write it, whose K, M and G are powers of 1024."""
    return Decimal(text.rstrip("KMG")) * Decimal(1024) ** " KMG".index(text[-1] if text[-1] in "KMG" else " ")


def postgresql_bytes(text: str) -> Decimal:
    """Bytes of a size as PostgreSQL writes it (kB, MB, GB), whose units are powers of 1024."""
    return Decimal(text[:-2]) * Decimal(1024) ** (1 + ["kB", "MB", "GB"].index(text[-2:]))


def mebibytes(number: Decimal) -> str:
    """Bytes as Kubernetes writes mebibytes, for messages."""
    return f"{-(-int(number) // 1024**2)}Mi"
