"""The scripts of init containers and of `helm test`, against real sockets."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.chart.conftest import PROJECT
from tests.ports import free_port

WAIT = PROJECT / "generator/blueprint/charts/custos/files/wait.py"
VERIFY = PROJECT / "generator/blueprint/files/verify.py"
SECONDS = 60

Answer = Callable[[str], tuple[int, str]]


@contextmanager
def serving(answer: Answer, port: int = 0) -> Iterator[int]:
    """An HTTP server on loopback that answers by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- wait.py


def test_wait_ends_when_everything_is_there() -> None:
    with serving(lambda path: (200, '{"revision": "abc"}')) as port:
        done = subprocess.run(
            [sys.executable, WAIT, f"http=http://127.0.0.1:{port}/app/custos,abc", f"tcp=127.0.0.1:{port}"],
            capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    assert done.returncode == 0
    assert f"http://127.0.0.1:{port}/app/custos is there after" in done.stdout
    assert f"127.0.0.1:{port} is there after" in done.stdout


def test_wait_names_what_it_waits_for_until_it_is_there() -> None:
    port = free_port()
    command = [sys.executable, "-u", str(WAIT), f"tcp=127.0.0.1:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout
        first = waiting.stdout.readline()
        with serving(lambda path: (200, ""), port):
            rest = waiting.stdout.read()
            assert waiting.wait(SECONDS) == 0
    assert f"waiting for 127.0.0.1:{port} since 0 s: [Errno 111] Connection refused" in first
    assert f"127.0.0.1:{port} is there after" in rest


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, "revision=old", "answers, but not yet with this release's configuration"),
        (500, "", "answers 500"),
        (200, "revision=new", None),
    ],
)
def test_wait_wants_this_releases_configuration(status: int, body: str, reason: str | None) -> None:
    with serving(lambda path: (status, body)) as port:
        assert load(WAIT).unmet(f"http=http://127.0.0.1:{port}/app/custos,revision=new") == reason


def test_wait_asks_several_times_for_another_pod_may_answer() -> None:
    answers = iter(["new", "old", "new"])
    with serving(lambda path: (200, next(answers))) as port:
        assert load(WAIT).unmet(f"http=http://127.0.0.1:{port}/,new") is not None


def test_wait_refuses_what_is_no_condition() -> None:
    done = subprocess.run(
        [sys.executable, WAIT, "udp=here:1"], capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 2
    assert done.stderr == "wait.py: found 'udp=here:1'; allowed: tcp=HOST:PORT, http=URL,TEXT\n"


# --- verify.py


def verify(
    checks: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Exit code and output of one run that does not wait for what is wrong."""
    module = load(VERIFY)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    (folder / "checks.json").write_text(json.dumps(checks))
    code: int = module.main([str(folder / "checks.json")])
    return code, capsys.readouterr().out


def edge(name: str, state: str, message: str = "") -> dict[str, str]:
    return {"edge": name, "state": state, "message": message}


REACHES = {
    "/good": (200, [edge("mysql", "OK"), edge("peer/b", "OK"), edge("vault", "ABSENT")]),
    "/bad": (503, [edge("mysql", "OK"), edge("peer/b", "FAILED", "no answer within 6 s")]),
    "/gone": (503, [edge("peer/switched-off", "FAILED", "no such host")]),
}


def answer(path: str) -> tuple[int, str]:
    if path in REACHES:
        status, edges = REACHES[path]
        return status, json.dumps({"edges": edges})
    return {"/up": (200, "{}"), "/down": (503, "{}")}.get(path, (404, ""))


@pytest.mark.parametrize(
    ("health", "reaches", "code", "expected"),
    [
        ("/up", "/good", 0, "ok    a  port P; health 200; reaches mysql, b"),
        ("/up", "/bad", 1, "FAIL  a  peer/b: no answer within 6 s"),
        ("/up", "/gone", 0, "ok    a  port P; health 200; reaches"),  # that peer is not part of this release
        ("/up", "/real-service-has-none", 0, "ok    a  port P; health 200"),
        ("/down", "/good", 1, "FAIL  a  health 503"),
    ],
)
def test_verify_tells_what_a_service_reaches(
    health: str,
    reaches: str,
    code: int,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(answer) as port:
        base = f"http://127.0.0.1:{port}"
        checks = [
            {"service": "a", "health": base + health, "reaches": base + reaches, "tcp": [f"127.0.0.1:{port}"]},
            {"service": "b", "tcp": [f"127.0.0.1:{port}"]},
        ]
        found = verify(checks, tmp_path, monkeypatch, capsys)
    assert found[0] == code
    assert expected.replace("port P", f"port {port}") in found[1]
    assert f"{2 - code} of 2 services are well" in found[1]


def test_verify_names_a_port_that_nobody_listens_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    code, output = verify([{"service": "a", "tcp": [f"127.0.0.1:{port}"]}], tmp_path, monkeypatch, capsys)
    assert code == 1
    assert f"FAIL  a  port {port}: [Errno 111] Connection refused" in output
