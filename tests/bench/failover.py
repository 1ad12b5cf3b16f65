"""How long MySQL's writes pause when the primary's process or machine dies."""

from __future__ import annotations

from tests.bench import lab
from tests.bench.errors import BenchError
from tests.bench.results import Result

_NOT_YET = "the measurement comes with tests/lab/test_mysql_failover.py"


def lacks() -> str:
    """Why it cannot be measured; empty where it can."""
    return lab.ABSENT if lab.cluster() is None else _NOT_YET


def measure(_times: int) -> Result:
    """Seconds without an acknowledged write, median of 3 each."""
    raise BenchError("the pause of writes cannot be measured yet", _NOT_YET)
