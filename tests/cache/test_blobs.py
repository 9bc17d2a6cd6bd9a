"""Content by digest: whole or not at all, whoever writes it, and whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.cache.blobs import BlobStore
from gate.errors import InvalidInput, Unavailable
from gate.oci.descriptor import Descriptor, Digest
from gate.sources.layout import open_layout
from gate.sources.locate import locate

DATA = random.Random(1).randbytes(300_000)


def descriptor_of(data: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor(
        "application/octet-stream", Digest(algorithm, hashlib.new(algorithm, data).hexdigest()), len(data)
    )


BLOB = descriptor_of(DATA)


def never() -> None:
    """A check that always lets go on."""


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "cache/v1")


def put(store: BlobStore, data: bytes = DATA, algorithm: str = "sha256") -> None:
    with store.receiving(descriptor_of(data, algorithm), never) as arrival:
        assert arrival is not None
        arrival.write(data)
        arrival.keep()


def content(store: BlobStore, blob: Descriptor = BLOB) -> bytes | None:
    stream = store.open(blob)
    if stream is None:
        return None
    with stream:
        return stream.read()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_was_kept_is_there(algorithm: str, store: BlobStore) -> None:
    blob = descriptor_of(DATA, algorithm)
    assert content(store, blob) is None
    put(store, algorithm=algorithm)
    assert content(store, blob) == DATA
    assert store.received == len(DATA)
    with store.receiving(blob, never) as arrival:
        assert arrival is None
    assert store.path(blob.digest).stat().st_mode & 0o777 == 0o400


def test_the_folder_is_private_and_an_oci_layout(store: BlobStore, tmp_path: Path) -> None:
    put(store)
    root = tmp_path / "cache/v1"
    assert root.stat().st_mode & 0o777 == 0o700
    with pytest.raises(Unavailable, match="lists no image"), open_layout(locate(f"oci:{root}"), None):
        pass
    assert (root / "blobs/sha256" / BLOB.digest.encoded).read_bytes() == DATA


def test_what_is_not_kept_is_not_there_and_waits_for_the_next_try(store: BlobStore) -> None:
    with store.receiving(BLOB, never) as arrival:
        assert arrival is not None
        arrival.write(DATA[:1_000])
    assert content(store) is None
    with store.receiving(BLOB, never) as arrival:
        assert arrival is not None
        assert arrival.present == 1_000
        with arrival.open_present() as stream:
            assert stream.read() == DATA[:1_000]
        for start in range(0, len(DATA), 777):
            arrival.write(DATA[start : start + 777])  # what is there already comes by once more
        arrival.keep()
    assert content(store) == DATA
    assert store.received == len(DATA) - 1_000


def test_more_than_there_can_be_is_forgotten(store: BlobStore, tmp_path: Path) -> None:
    with store.receiving(BLOB, never) as arrival:
        assert arrival is not None
        arrival.write(DATA + b"x")
    with store.receiving(BLOB, never) as arrival:
        assert arrival is not None
        assert arrival.present == 0


@pytest.mark.parametrize("damaged", [DATA[:-1], DATA + b"\0", b""], ids=["cut", "longer", "empty"])
def test_a_blob_of_another_size_is_none(damaged: bytes, store: BlobStore) -> None:
    put(store)
    path = store.path(BLOB.digest)
    path.chmod(0o600)
    path.write_bytes(damaged)
    assert content(store) is None
    assert not path.exists()


def test_a_damaged_blob_is_not_handed_on(store: BlobStore, tmp_path: Path) -> None:
    """Promise 14. The process that wrote it has verified it; every other one verifies it itself."""
    put(store)
    path = store.path(BLOB.digest)
    path.chmod(0o600)
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    later = BlobStore(tmp_path / "cache/v1")
    assert not later.link(BLOB, tmp_path / "target", never)
    assert not (tmp_path / "target").exists()
    assert content(later) is None
    assert not later.is_intact(BLOB, never)


def test_a_link_stays_whatever_happens_to_the_store(store: BlobStore, tmp_path: Path) -> None:
    put(store)
    later = BlobStore(tmp_path / "cache/v1")
    assert later.is_intact(BLOB, never)
    assert later.link(BLOB, tmp_path / "target", never)
    assert (tmp_path / "target").samefile(store.path(BLOB.digest))
    store.path(BLOB.digest).unlink()
    assert (tmp_path / "target").read_bytes() == DATA
    assert not later.link(BLOB, tmp_path / "other", never)


def test_a_file_system_without_links(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    put(store)
    monkeypatch.setattr(os, "link", refused)
    assert store.link(BLOB, tmp_path / "target", never)
    assert (tmp_path / "target").read_bytes() == DATA


def test_a_blob_that_is_replaced_while_it_is_linked(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is handed on is what was verified."""
    put(store)
    link = os.link

    def swapping(source: Path, target: Path) -> None:
        source.unlink()
        source.write_bytes(b"other")
        link(source, target)

    monkeypatch.setattr(os, "link", swapping)
    assert store.link(BLOB, tmp_path / "target", never)
    assert (tmp_path / "target").read_bytes() == DATA


def test_who_fetches_the_same_blob_waits_and_then_has_it(store: BlobStore, tmp_path: Path) -> None:
    other = BlobStore(tmp_path / "cache/v1")
    waited: list[int] = []
    found: list[object] = []

    def wait() -> None:
        with other.receiving(BLOB, lambda: waited.append(1)) as arrival:
            found.append(arrival)

    with store.receiving(BLOB, never) as arrival:
        assert arrival is not None
        thread = threading.Thread(target=wait)
        thread.start()
        while not waited:
            time.sleep(0.01)
        arrival.write(DATA)
        arrival.keep()
    thread.join(10)
    assert found == [None]
    assert content(other) == DATA


def test_who_waits_can_be_stopped(store: BlobStore, tmp_path: Path) -> None:
    def over() -> None:
        raise Unavailable("the time is over")

    other = BlobStore(tmp_path / "cache/v1")
    with (
        store.receiving(BLOB, never),
        pytest.raises(Unavailable, match="the time is over"),
        other.receiving(BLOB, over),
    ):
        pass


def test_a_full_disk(store: BlobStore) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(
            Unavailable, match="could not be written to the cache folder: File too large"
        ) as error:
            put(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "--cache-dir" in error.value.hint
    assert content(store) is None


@pytest.mark.parametrize("where", ["file", "/proc/nowhere"])
def test_a_folder_that_cannot_be_used(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"the cache folder .* cannot be used"):
        BlobStore(tmp_path / where / "v1")


WRITER = """
import hashlib, random, sys
from pathlib import Path
from gate.cache.blobs import BlobStore
from gate.oci.descriptor import Descriptor, Digest
data = random.Random(1).randbytes(300_000)
blob = Descriptor("application/octet-stream", Digest("sha256", hashlib.sha256(data).hexdigest()), len(data))
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    store = BlobStore(Path(sys.argv[1]))
    with store.receiving(blob, lambda: None) as arrival:
        if arrival is not None:
            have = arrival.open_present().read()
            if have != data[:len(have)]:
                arrival.restart()
            for start in range(0, len(data), 4096):
                arrival.write(data[start : start + 4096])
            arrival.keep()
    stream = store.open(blob)
    if stream is not None:  # another writer may have removed it by now
        with stream:
            assert stream.read() == data
    store.path(blob.digest).unlink(missing_ok=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Callable[[int], subprocess.Popen[str]]:
    """Start a process that stores, reads and removes the blob again and again."""

    def start(times: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path / "cache/v1"), str(times)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    return start


@pytest.mark.slow
def test_a_killed_writer_leaves_nothing_wrong(
    writer: Callable[[int], subprocess.Popen[str]], store: BlobStore, tmp_path: Path
) -> None:
    """At any point: what is in the store afterwards is whole, and the next writer goes on."""
    moments = random.Random(7)
    for _ in range(20):
        process = writer(1_000_000)
        with process:
            time.sleep(moments.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        for path in (tmp_path / "cache/v1/blobs/sha256").glob("*"):
            assert path.read_bytes() == DATA
    with writer(1) as process:
        assert process.wait(30) == 0


@pytest.mark.slow
def test_many_writers_at_once(writer: Callable[[int], subprocess.Popen[str]]) -> None:
    """They write, read and remove one blob under each other's hands."""
    processes = [writer(50) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0] * 3
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
