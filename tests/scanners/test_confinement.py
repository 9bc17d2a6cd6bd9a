"""What a scanner is kept from: simulated ones that try it, and systems that allow only a part."""

from __future__ import annotations

import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.scanners import confinement as module
from gate.scanners.confinement import (
    FEW_CAPABILITIES,
    LIMITED,
    NO_NETWORK,
    UNPRIVILEGED,
    Confinement,
    confinement,
)  # fmt: skip
from gate.scanners.process import Bounds, Command, Finished, run, sandbox
from tests.kit.fake_scanner import Behaviour, FakeScanner, fake_scanner

STATUS = "result = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)"
LIMITS_SET = (
    "import resource\nresult = {name: resource.getrlimit(getattr(resource, 'RLIMIT_' + name)) "
    "for name in ('AS', 'CORE', 'CPU', 'FSIZE', 'NOFILE')}"
)
SETTLED = "import time; time.sleep(0.3)\n"
"""Bounds are set a moment after the start."""


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """What was found out about the system is forgotten, before and after."""
    confinement.cache_clear()
    yield
    confinement.cache_clear()


def confined(tmp_path: Path, tries: str, *, network: bool = False) -> tuple[Any, Finished]:
    """Let a simulated scanner try something; return what came of it, and how it ended."""
    fake = fake_scanner(tmp_path / "fake", Behaviour(tries=tries))
    with sandbox(tmp_path / "work", "fake") as place:
        command = Command("Fake", (str(fake.path),), place.environment(network=network), network=network)
        finished = run(command, place, Bounds(time.monotonic() + 60, threading.Event()))
    return fake.result, finished


def allowed(part: str, *, network: bool = False) -> None:
    """Skip, by name, where this system does not allow a part."""
    if part not in confinement(network=network).parts:
        pytest.skip(f"needs a system that allows a program to run with {part}")


def reaches(address: tuple[str, int]) -> str:
    """Try to connect."""
    return (
        f"import socket\ntry:\n    socket.create_connection({address!r}, timeout=5).close()\n    result = True\n"
        "except OSError:\n    result = False"
    )


@pytest.mark.parametrize("network", [False, True])
def test_a_scan_reaches_no_network_and_a_download_does(tmp_path: Path, network: bool) -> None:
    """Not even this machine's: a proxy or an agent may listen there."""
    allowed(NO_NETWORK)
    with socket.create_server(("127.0.0.1", 0)) as server:
        reached, finished = confined(tmp_path, reaches(server.getsockname()), network=network)
    assert reached is network
    assert (NO_NETWORK in finished.confinement) is not network


def test_nothing_that_it_starts_gives_privileges(tmp_path: Path) -> None:
    allowed(UNPRIVILEGED)
    status, finished = confined(tmp_path, STATUS)
    assert status["NoNewPrivs"] == "1"
    assert UNPRIVILEGED in finished.confinement


def test_root_keeps_the_way_to_files_alone(tmp_path: Path) -> None:
    allowed(FEW_CAPABILITIES)
    status, finished = confined(tmp_path, STATUS)
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[kind], 16) & ~0b1111 == 0, "chown, dac_override, dac_read_search, fowner"
    assert FEW_CAPABILITIES in finished.confinement
    private = tmp_path / "of-another"
    private.write_text("a database")
    private.chmod(0)
    text, _ = confined(tmp_path, f"result = open({str(private)!r}).read()")
    assert text == "a database"


def test_it_cannot_take_all_there_is(tmp_path: Path) -> None:
    found, finished = confined(tmp_path, SETTLED + LIMITS_SET)
    assert found["CORE"] == [0, 0]
    assert 0 < found["AS"][1] <= 16 << 30
    assert 60 <= found["CPU"][1] <= 62 * 256
    assert 0 < found["FSIZE"][1] <= LIMITS.layer_expanded
    assert 0 < found["NOFILE"][1] <= 4_096
    assert LIMITED in finished.confinement


def test_open_files_come_to_an_end(tmp_path: Path) -> None:
    tries = (
        SETTLED
        + "files = []\ntry:\n    while len(files) < 10_000:\n        files.append(open('/dev/null'))\n"
        "except OSError:\n    pass\nresult = len(files)\ndel files"
    )
    count, _ = confined(tmp_path, tries)
    assert count < 4_096


def test_a_lower_bound_of_the_caller_stays(tmp_path: Path) -> None:
    """Also for root, who may raise bounds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1_000, 1_000))
        assert module.limit(child.pid, 60) == (LIMITED,)
        assert resource.prlimit(child.pid, resource.RLIMIT_FSIZE) == (1_000, 1_000)
    finally:
        child.kill()
        child.wait()
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == (soft, hard)


def test_a_program_that_has_ended_is_not_bounded() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert module.limit(child.pid, 60) == ()


HELPERS = {"unshare": NO_NETWORK, "setpriv": UNPRIVILEGED}


@pytest.mark.parametrize("refused", [("unshare",), ("setpriv",), ("setpriv", "unshare")], ids=" ".join)
@pytest.mark.parametrize("how", ["missing", "fails", "hangs"])
def test_what_the_system_does_not_allow_is_left_out_and_not_claimed(
    refused: tuple[str, ...], how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = confinement(network=False).parts
    confinement.cache_clear()
    places = tmp_path / "bin"
    places.mkdir()
    for name in {"true", *HELPERS}:
        if name not in refused:
            (places / name).symlink_to(module._helper(name) or "/nowhere")
        elif how != "missing":
            (places / name).write_text(
                "#!/bin/sh\n" + ("exit 1\n" if how == "fails" else "exec /bin/sleep 60\n")
            )
            (places / name).chmod(0o755)
    monkeypatch.setattr(module, "_HELPERS", str(places))
    monkeypatch.setattr(module, "_PROBE_SECONDS", 0.3 if how == "hangs" else 5.0)
    done, finished = confined(tmp_path, "result = 'done'")
    gone = {HELPERS[name] for name in refused} | ({FEW_CAPABILITIES} if "setpriv" in refused else set())
    assert done == "done"
    assert finished.confinement == (LIMITED, *(part for part in before if part not in gone))


def test_helpers_are_the_systems_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = confinement(network=False)
    confinement.cache_clear()
    for name in ("unshare", "setpriv", "true"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert confinement(network=False) == before


def test_a_system_without_helpers_confines_by_limits_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HELPERS", str(tmp_path))
    assert confinement(network=False) == Confinement()


@pytest.mark.parametrize("uid", [0, 1000])
def test_only_root_stays_out_of_a_namespace_of_users(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There root could not read the files of others; and only root has capabilities to lose."""
    tried: list[tuple[str, ...]] = []
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr(module, "_helper", lambda name: f"/usr/bin/{name}")

    def works(prefix: tuple[str, ...]) -> bool:
        tried.append(prefix)
        return True

    monkeypatch.setattr(module, "_works", works)
    found = confinement(network=False)
    assert ("--user" in found.prefix) == (uid != 0)
    assert (FEW_CAPABILITIES in found.parts) == (uid == 0)
    assert tried[-1] == found.prefix


@pytest.mark.parametrize(
    "content", ["", "echo ran", "#!/nowhere/interpreter\n", "\x7fELF of another machine"]
)
def test_a_program_that_the_system_does_not_execute(content: str, tmp_path: Path) -> None:
    fake = FakeScanner(tmp_path / "fake")
    fake.path.write_text(content)
    fake.path.chmod(0o755)
    with sandbox(tmp_path / "work", "fake") as place:
        command = Command("Fake", (str(fake.path),), place.environment(network=False), network=False)
        with pytest.raises(Unavailable, match="Fake cannot be started"):
            run(command, place, Bounds(time.monotonic() + 60, threading.Event()))
