"""Which tables the fail-over tests call diverged."""

from __future__ import annotations

import pytest

from tests.lab.stores.mysql import differences


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ({"a": {}, "b": {}}, {}),
        ({"a": {"s.t": "1"}, "b": {"s.t": "1"}}, {}),
        ({"a": {"s.t": "1", "s.u": "5"}, "b": {"s.t": "2", "s.u": "5"}}, {"s.t": "{'a': '1', 'b': '2'}"}),
        ({"a": {"s.t": "1"}, "b": {}}, {"s.t": "{'a': '1', 'b': 'no such table'}"}),
    ],
)
def test_a_table_that_is_not_the_same_everywhere_is_named(
    rows: dict[str, dict[str, str]], found: dict[str, str]
) -> None:
    assert differences(rows) == found
