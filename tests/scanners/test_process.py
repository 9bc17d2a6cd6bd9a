"""One bounded run of a program: what reaches it, what ends it, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.scanners.process import Bounds, Command, Finished, run, sandbox
from tests.kit.fake_scanner import Behaviour, FakeScanner, fake_scanner
from tests.kit.scans import ends_soon, run_files


def run_it(
    tmp_path: Path, behaviour: Behaviour, *, seconds: float = 60, cancelled: threading.Event | None = None
) -> tuple[FakeScanner, Finished]:
    """Run a simulated scanner with one output file in a sandbox."""
    fake = fake_scanner(tmp_path / "fake", behaviour)
    with sandbox(tmp_path / "work", "fake") as place:
        output = place.path("report.json")
        argv = (str(fake.path), "--output", str(output))
        command = Command("Fake", argv, place.environment(network=False), (output,))
        bounds = Bounds(time.monotonic() + seconds, cancelled or threading.Event())
        return fake, run(command, place, bounds)


def refused(tmp_path: Path, behaviour: Behaviour, **more: float) -> Unavailable:
    """Run a simulated scanner that must not count, and return why."""
    with pytest.raises(Unavailable) as caught:
        run_it(tmp_path, behaviour, seconds=more.get("seconds", 60))
    return caught.value


def test_a_run_that_ends_well(tmp_path: Path) -> None:
    fake, finished = run_it(tmp_path, Behaviour(log="all is well\n", sleep=0.1))
    assert finished.log == "all is well\n"
    assert 0.1 <= finished.seconds < 30
    assert len(fake.starts) == 1


def test_nothing_of_the_surroundings_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkout").mkdir()
    for name in ("trivy.yaml", ".trivyignore", ".grype.yaml", ".trivyignore.yaml"):
        (tmp_path / "checkout" / name).write_text("ignored")
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.setenv("TRIVY_IGNOREFILE", "x")
    monkeypatch.setenv("GRYPE_ONLY_FIXED", "true")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    fake, _ = run_it(tmp_path, Behaviour())
    (start,) = fake.starts
    work = str((tmp_path / "work").resolve())
    assert start["found"] == []
    assert start["cwd"].startswith(work)
    own = {name: value for name, value in start["environment"].items() if not name.startswith(("LC_", "__"))}
    assert own.keys() == {
        "HOME", "TMPDIR", "NO_COLOR", "HTTP_PROXY", "HTTPS_PROXY",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
    }  # fmt: skip
    for name in own.keys() - {"NO_COLOR", "HTTP_PROXY", "HTTPS_PROXY"}:
        assert own[name].startswith(work), name


def test_only_a_download_gets_the_way_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ca.pem")
    with sandbox(tmp_path / "work", "fake") as place:
        online, offline = place.environment(network=True), place.environment(network=False)
    assert online["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert online["SSL_CERT_FILE"] == "/etc/ca.pem"
    assert offline["HTTPS_PROXY"] == "http://127.0.0.1:1"
    assert "SSL_CERT_FILE" not in offline


def test_it_runs_in_a_process_group_of_its_own(tmp_path: Path) -> None:
    fake, _ = run_it(tmp_path, Behaviour())
    assert fake.starts[0]["group"] == fake.starts[0]["pid"] != os.getpgid(0)


@pytest.mark.parametrize("code", [1, 2, 7, 100, 137, 139])
def test_an_exit_code_is_a_failure_with_its_last_words(tmp_path: Path, code: int) -> None:
    error = refused(tmp_path, Behaviour(log="first\nFATAL\tthe database is broken\n", exit=code))
    assert error.message == f"Fake failed with exit code {code}: first / FATAL\tthe database is broken"
    assert ("memory" in error.hint) == (code == 137)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT])
def test_a_signal_is_a_failure(tmp_path: Path, number: int) -> None:
    error = refused(tmp_path, Behaviour(signal=number))
    assert error.message == f"Fake was ended by {signal.Signals(number).name}"
    assert ("memory" in error.hint) == (number == signal.SIGKILL)


def test_a_signal_without_a_name_is_a_failure(tmp_path: Path) -> None:
    assert refused(tmp_path, Behaviour(signal=40)).message == "Fake was ended by signal 40"


@pytest.mark.parametrize(
    "text", ["panic: runtime error: index out of range\n", "fatal error: x\n", "x\ngoroutine 1 [running]:\n"]
)
def test_a_crash_that_ends_with_0_is_a_failure(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, Behaviour(log=text)).message.startswith("Fake reports a crash of its own: ")


def test_the_word_panic_alone_is_no_crash(tmp_path: Path) -> None:
    run_it(tmp_path, Behaviour(log="WARN\tpackage go-panic: no version\n"))


def test_the_time_limit_ends_it_and_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    error = refused(tmp_path, Behaviour(ignore_signals=True, child=True, sleep=600), seconds=1.0)
    assert time.monotonic() - began < 10
    assert error.message == "Fake did not end in time and was stopped"
    assert "--scanner-timeout" in error.hint
    fake = FakeScanner(tmp_path / "fake")
    assert ends_soon(fake.starts[0]["pid"])
    assert ends_soon(fake.child)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_ends_are_seen_with_and_without_what_linux_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setattr("gate.scanners.process.sys.platform", platform)
    _, finished = run_it(tmp_path / "well", Behaviour(sleep=0.2))
    assert finished.seconds >= 0.2
    assert "did not end in time" in refused(tmp_path / "late", Behaviour(sleep=600), seconds=0.5).message


def test_a_kernel_without_descriptors_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(pid: int, flags: int = 0) -> int:
        raise OSError(38, f"Function not implemented: {pid} {flags}")

    monkeypatch.setattr(os, "pidfd_open", missing)
    run_it(tmp_path / "well", Behaviour(sleep=0.2))
    assert "did not end in time" in refused(tmp_path / "late", Behaviour(sleep=600), seconds=0.5).message


def test_a_deadline_in_the_past_ends_it_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    refused(tmp_path, Behaviour(sleep=600), seconds=-5)
    assert time.monotonic() - began < 5


def test_a_child_that_outlives_it_is_ended(tmp_path: Path) -> None:
    fake, _ = run_it(tmp_path, Behaviour(child=True))
    assert ends_soon(fake.child)


def test_cancelling_ends_it(tmp_path: Path) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.5, cancelled.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="was ended because the run was cancelled"):
        run_it(tmp_path, Behaviour(ignore_signals=True, sleep=600), cancelled=cancelled)
    timer.join()
    assert time.monotonic() - began < 10
    assert ends_soon(FakeScanner(tmp_path / "fake").starts[0]["pid"])


@pytest.mark.parametrize("stream", ["flood", "flood_log"])
def test_endless_output_ends_it(tmp_path: Path, stream: str) -> None:
    behaviour = Behaviour(flood=10_240) if stream == "flood" else Behaviour(flood_log=10_240)
    error = refused(tmp_path, behaviour)
    assert f"writes more than {LIMITS.scanner_output:,} bytes" in error.message
    assert ends_soon(FakeScanner(tmp_path / "fake").starts[0]["pid"])


def test_an_endless_report_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.scanners.process.LIMITS", type(LIMITS)(scanner_output=1000))
    behaviour = Behaviour(outputs={"json": "x" * 2000}, sleep=600)
    assert "writes more than 1,000 bytes" in refused(tmp_path, behaviour).message


def test_too_much_is_seen_although_it_ends_between_two_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.scanners.process.LIMITS", type(LIMITS)(scanner_output=1000))
    assert "writes more than" in refused(tmp_path, Behaviour(outputs={"json": "x" * 2000})).message


def test_what_it_leaves_in_its_folders_is_removed(tmp_path: Path) -> None:
    run_it(tmp_path, Behaviour(litter=True))
    assert run_files(tmp_path / "work") == []


def test_a_folder_without_right_to_write_is_removed_too(tmp_path: Path) -> None:
    with sandbox(tmp_path / "work", "fake") as place:
        closed = place.path("tmp") / "closed"
        closed.mkdir()
        (closed / "file").touch()
        closed.chmod(0)
    assert run_files(tmp_path / "work") == []


@pytest.mark.parametrize("content", [b"", b"not a program", b"#!/nowhere/python\n"])
def test_what_cannot_be_started_is_said_so(tmp_path: Path, content: bytes) -> None:
    program = tmp_path / "fake"
    program.write_bytes(content)
    program.chmod(0o755)
    with (
        sandbox(tmp_path / "work", "fake") as place,
        pytest.raises(Unavailable, match="Fake cannot be started"),
    ):
        run(Command("Fake", [str(program)], {}), place, Bounds(time.monotonic() + 10, threading.Event()))


def test_a_work_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file")
    with (
        pytest.raises(Unavailable, match="no folder for fake to work in"),
        sandbox(tmp_path / "work", "fake"),
    ):
        pytest.fail("it was made")
    (tmp_path / "work").unlink()


def test_hostile_last_words_are_kept_short(tmp_path: Path) -> None:
    error = refused(tmp_path, Behaviour(log="x" * 100_000, exit=1))
    assert len(error.message) < 700


def test_undecodable_last_words_do_no_harm(tmp_path: Path) -> None:
    program = tmp_path / "fake"
    program.write_text(f"#!{sys.executable} -I\nimport os, sys\nos.write(2, b'\\xff\\xfe'); sys.exit(1)\n")
    program.chmod(0o755)
    with sandbox(tmp_path / "work", "fake") as place, pytest.raises(Unavailable, match="\ufffd"):
        run(Command("Fake", [str(program)], {}), place, Bounds(time.monotonic() + 10, threading.Event()))


@pytest.mark.skipif(
    not Path("/proc/self/limits").exists(), reason="the limits of a process are read from /proc"
)
def test_memory_is_bounded_and_there_is_no_core_dump(tmp_path: Path) -> None:
    program = tmp_path / "fake"
    program.write_text(
        f"#!{sys.executable} -I\nimport time\ntime.sleep(0.3)\n"
        f"open({str(tmp_path / 'limits')!r}, 'w').write(open('/proc/self/limits').read())\n"
    )
    program.chmod(0o755)
    with sandbox(tmp_path / "work", "fake") as place:
        run(Command("Fake", [str(program)], {}), place, Bounds(time.monotonic() + 10, threading.Event()))
    limits = (tmp_path / "limits").read_text()
    assert f"Max address space         {16 << 30}" in limits
    assert "Max core file size        0" in limits
