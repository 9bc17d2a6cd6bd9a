"""Private folders of runs."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gate.cache.workspace import workspace
from gate.errors import InvalidInput


def test_a_workspace_is_private_and_goes_away(tmp_path: Path) -> None:
    with workspace(tmp_path / "cache") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        (folder / "deep").mkdir()
        (folder / "deep/file").touch()
        with workspace(tmp_path / "cache") as other:
            assert other != folder
        assert folder.exists()
        assert not other.exists()
    assert list((tmp_path / "cache/v1/runs").iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_it_goes_away_whatever_happens(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), workspace(tmp_path):
        raise error
    assert list((tmp_path / "v1/runs").iterdir()) == []


CHILD = """
import sys, time
from pathlib import Path
from gate.cache.workspace import workspace
with workspace(Path(sys.argv[1])) as folder:
    (folder / "content").write_text("x")
    print(folder, flush=True)
    time.sleep(float(sys.argv[2]))
"""


def child(cache: Path, seconds: float) -> tuple[subprocess.Popen[str], Path]:
    """A run of its own that has a workspace for some seconds."""
    command = [sys.executable, "-c", CHILD, str(cache), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    process, folder = child(tmp_path, 60)
    with process:
        with workspace(tmp_path):
            assert (folder / "content").exists()  # it lives
        process.send_signal(signal.SIGKILL)
    assert (folder / "content").exists()
    with workspace(tmp_path):
        assert not folder.exists()


def test_a_workspace_without_a_lock_was_never_finished(tmp_path: Path) -> None:
    (tmp_path / "v1/runs/abandoned").mkdir(parents=True)
    (tmp_path / "v1/runs/a file").touch()
    with workspace(tmp_path):
        assert not (tmp_path / "v1/runs/abandoned").exists()
    assert [path.name for path in (tmp_path / "v1/runs").iterdir()] == ["a file"]


def test_nobody_sweeps_a_workspace_that_is_being_made(tmp_path: Path) -> None:
    """Between the making of the folder and its lock, it looks abandoned."""
    runs = tmp_path / "v1/runs"
    runs.mkdir(parents=True)
    (runs / "being-made").mkdir()
    descriptor = os.open(tmp_path / "v1/runs.lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # as the run does that makes it
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), "0"], stdout=subprocess.PIPE
        ) as process:
            assert (runs / "being-made").exists()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            assert (runs / "being-made").exists()
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            assert process.wait(30) == 0
    finally:
        os.close(descriptor)
    assert not (runs / "being-made").exists()


@pytest.mark.slow
def test_many_runs_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom gate.cache.workspace import workspace\n"
        "for number in range(60):\n"
        "    with workspace(Path(sys.argv[1])) as folder:\n"
        "        (folder / 'x').touch()\n        assert (folder / 'x').exists()\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert list((tmp_path / "v1/runs").iterdir()) == []


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/nowhere"])
def test_a_cache_folder_that_cannot_be_used_is_a_wrong_request(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InvalidInput, match=r"the cache folder .* cannot be used") as error,
        workspace(tmp_path / where),
    ):
        pass
    assert error.value.hint == "name another one with --cache-dir"
