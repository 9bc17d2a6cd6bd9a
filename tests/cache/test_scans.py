"""Kept values: what was put, and believed only from this machine; how they are sealed, test_sealed.py shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from gate.cache import scans as module
from gate.cache.scans import ScanStore
from gate.limits import LIMITS

KEY = b"k" * 32


class Grounds(Struct, frozen=True):
    name: str
    number: int = 0


class OtherGrounds(Struct, frozen=True):
    name: str
    number: int = 0


class Value(Struct, frozen=True):
    text: str
    words: tuple[str, ...] = ()


class OtherValue(Struct, frozen=True):
    text: str
    words: tuple[str, ...] = ()


ONE, VALUE = Grounds("one", 1), Value("said", ("a", "b"))


@pytest.fixture
def store(tmp_path: Path) -> ScanStore:
    return ScanStore(tmp_path / "scans", KEY)


@pytest.fixture
def entry(store: ScanStore, tmp_path: Path) -> Path:
    """The file of the value on `ONE`."""
    store.put(ONE, VALUE)
    (path,) = (tmp_path / "scans").iterdir()
    return path


def test_what_was_put_is_there(store: ScanStore, entry: Path) -> None:
    assert store.get(ONE, Value) == VALUE


@pytest.mark.parametrize("grounds", [Grounds("one"), Grounds("two", 1), OtherGrounds("one", 1)], ids=repr)
def test_other_grounds_are_a_miss(grounds: Any, store: ScanStore, entry: Path) -> None:
    assert store.get(grounds, Value) is None


def test_another_kind_of_value_is_a_miss(store: ScanStore, entry: Path) -> None:
    assert store.get(ONE, OtherValue) is None


def test_another_version_of_the_gate_is_a_miss(
    store: ScanStore, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "__version__", "99")
    assert store.get(ONE, Value) is None


def test_what_another_machine_wrote_is_a_miss(tmp_path: Path, entry: Path) -> None:
    """A change under test may have filled the cache that its reviewers' build restores."""
    assert ScanStore(tmp_path / "scans", b"o" * 32).get(ONE, Value) is None


def test_one_value_cannot_stand_in_for_another(store: ScanStore, entry: Path, tmp_path: Path) -> None:
    store.put(Grounds("two"), Value("clean"))
    (clean,) = set((tmp_path / "scans").iterdir()) - {entry}
    clean.replace(entry)
    assert store.get(ONE, Value) is None


def test_a_value_of_another_shape_is_a_miss(store: ScanStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same version of the gate, with a change that is being worked on."""
    old = type("Value", (Struct,), {"__annotations__": {"text": int}, "__qualname__": "Value"}, frozen=True)
    store.put(ONE, old(7))
    assert store.get(ONE, Value) is None


def test_what_is_too_large_is_not_kept(store: ScanStore, tmp_path: Path) -> None:
    store.put(ONE, Value("x" * LIMITS.cached_scan))
    assert not (tmp_path / "scans").exists()
    store.put(ONE, Value("x" * (LIMITS.cached_scan - 100)))
    assert store.get(ONE, Value) is not None


FIRST_DECODED_BY_SEVERAL = """
import sys, threading
from pathlib import Path
from msgspec import defstruct
from gate.cache.scans import ScanStore

sys.setswitchinterval(1e-5)
store = ScanStore(Path(sys.argv[1]), bytes(32))
for number in range(15):
    kind = value = None
    for level in range(12):
        inner = [("inner", kind)] if kind else []
        kind = defstruct(f"Level{level}OfType{number}", [("text", str), *inner])
        value = kind("said", *([value] if inner else []))
    store.put(value, value)
    together, found = threading.Barrier(3), []

    def read():
        together.wait()
        found.append(store.get(value, kind))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [value] * 3
"""


def test_several_threads_may_be_the_first_to_read_a_type(tmp_path: Path) -> None:
    """Both scanners are recalled at once; msgspec alone lets the process die of that."""
    command = [sys.executable, "-c", FIRST_DECODED_BY_SEVERAL, str(tmp_path / "scans")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
