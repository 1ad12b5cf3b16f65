"""What Vault's keeper may take away: never what somebody could have a key to."""

from __future__ import annotations

import socket

import pytest
from keeper import connects, may_begin_again

# What Vault 1.18 had written on the lab when Consul lost its leader in the middle of an initialisation, two times.
CUT_SHORT = [
    "vault/core/cluster/local/info",
    "vault/core/hsm/barrier-unseal-keys",
    "vault/core/keyring",
    "vault/core/master",
    "vault/core/seal-config",
    "vault/core/shamir-kek",
]
CUT_SHORT_LATER = [
    *CUT_SHORT,
    "vault/core/auth",
    "vault/core/cluster/feature-flags",
    "vault/core/index-header-hmac-key",
    "vault/core/local-auth",
    "vault/core/local-mounts",
    "vault/core/mounts",
    "vault/core/wrapping/jwtkey",
    "vault/sys/policy/control-group",
    "vault/sys/policy/default",
    "vault/sys/policy/response-wrapping",
]
TOKEN = "vault/sys/token/id/h1"
OURS = {"state": "initialising"}


@pytest.mark.parametrize(
    ("secret", "keys", "may"),
    [
        pytest.param(OURS, CUT_SHORT, True, id="cut short, ours"),
        pytest.param(OURS, CUT_SHORT[2:3], True, id="cut short at once"),
        pytest.param(OURS, [], False, id="nothing there"),
        pytest.param(OURS, CUT_SHORT_LATER, True, id="cut short after it was unsealed"),
        pytest.param(OURS, [*CUT_SHORT_LATER, "vault/sys/token/salt"], True, id="cut short before the token"),
        pytest.param(OURS, [*CUT_SHORT_LATER, TOKEN], False, id="it came to an answer"),
        pytest.param(OURS, [*CUT_SHORT_LATER, "vault/sys/token/accessor/1"], False, id="it made the token"),
        pytest.param(OURS, [*CUT_SHORT, "vault/logical/1/secret"], False, id="somebody's secret"),
        pytest.param({}, CUT_SHORT_LATER, False, id="another's initialisation"),
        pytest.param({"state": "initialised", "unseal-key": "k"}, CUT_SHORT, False, id="its key is there"),
        pytest.param({"state": "initialising", "unseal-key": "k"}, CUT_SHORT, False, id="its key came"),
        pytest.param({"state": "initialised"}, CUT_SHORT, False, id="its key was lost"),
    ],
)
def test_only_what_nobody_has_a_key_to_is_begun_again(secret: dict[str, str], keys: list[str], may: bool) -> None:
    assert may_begin_again(secret, keys) is may


def test_who_takes_a_connection_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert connects(f"https://127.0.0.1:{port}", seconds=2), "nobody accepts it: busy, but there"
    assert not connects(f"https://127.0.0.1:{port}", seconds=2), "refused"
    assert connects("https://nowhere.invalid:8200", seconds=2), "its name cannot be looked up: nothing is known"
