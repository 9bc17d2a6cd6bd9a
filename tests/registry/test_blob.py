from __future__ import annotations

import hashlib
import io
import random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.deadline import Deadline
from gate.errors import IntegrityError, Unavailable
from gate.limits import LIMITS, MIB
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.reference import Reference
from gate.registry.address import Url
from gate.registry.blob import BlobStream
from gate.registry.messages import Answer
from gate.registry.retries import Transient
from samples.images.builder import MANIFEST, Blob
from tests.kit.registry import Fault, Registry, serving_registry
from tests.registry.conftest import Client

DATA = random.Random(7).randbytes(3 * MIB + 17)
DESCRIPTOR = Descriptor(
    "application/octet-stream", Digest("sha256", hashlib.sha256(DATA).hexdigest()), len(DATA)
)


def serving(*faults: Fault, **behaviour: Any) -> Any:
    return serving_registry({}, faults, **behaviour)


def fill(registry: Registry) -> Reference:
    """Put the blob into the registry; returns the name of its repository."""
    registry.put("shop/api", Blob(MANIFEST, b"{}"), [DATA])
    return Reference.parse(f"{registry.host}/shop/api")


@pytest.mark.parametrize("start", [0, 1, MIB, len(DATA) - 1, len(DATA)])
def test_from_a_byte_on(start: int, client: Client) -> None:
    with serving() as registry, client().blob(fill(registry), DESCRIPTOR, start) as stream:
        assert stream.read() == DATA[start:]
        assert stream.read() == b""
        assert stream.tell() == len(DATA)


def test_in_pieces_of_any_size(client: Client) -> None:
    with serving() as registry:
        name = fill(registry)
        for size in (1_000_003, 256 * 1024, len(DATA) + 1):
            with client().blob(name, DESCRIPTOR) as stream:
                parts = []
                while data := stream.read(size):
                    parts.append(data)
                assert all(len(part) == size for part in parts[:-1])
                assert b"".join(parts) == DATA
        with io.BufferedReader(cast("Any", client().blob(name, DESCRIPTOR))) as reader:
            assert reader.read(10) == DATA[:10]
            assert reader.read() == DATA[10:]


def test_nothing_is_asked_before_the_first_read(client: Client) -> None:
    with serving() as registry:
        name = fill(registry)
        client().blob(name, DESCRIPTOR).close()
        assert registry.calls == []


def test_a_stream_that_is_not_read_to_its_end_is_closed(client: Client) -> None:
    with serving() as registry:
        stream = client().blob(fill(registry), DESCRIPTOR)
        assert stream.read(10) == DATA[:10]
        stream.close()
        with pytest.raises(ValueError, match="closed"):
            stream.read(1)


@pytest.mark.parametrize("ranges", ["served", "ignored", "refused"])
@pytest.mark.parametrize("kind", ["cut-1", "cut-50", "cut-99", "reset", "503"])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_transfer_that_breaks_goes_on(kind: str, ranges: str, elsewhere: bool, client: Client) -> None:
    server = "storage" if elsewhere else "registry"
    fault = Fault("layer", kind, first=3, server=server)
    with serving(fault, ranges=ranges, blobs_elsewhere=elsewhere) as registry:
        with client().blob(fill(registry), DESCRIPTOR) as stream:
            assert stream.read() == DATA
        asked = [
            call.headers.get("range", "")
            for call in registry.calls
            if call.server == server and call.call == "layer"
        ]
        assert asked[0] == ""
        if ranges == "refused":
            # Each part is asked for, and then the whole.
            assert asked.count("") == 4 if kind in ("reset", "503") else asked[1::2] == asked[1:2] * 2
            return
        assert len(asked) == 4
        if kind.startswith("cut"):
            assert all(value.startswith("bytes=") for value in asked[1:])
            if ranges == "served":
                assert registry.sent["layer"] < len(DATA) + 65_536


def test_one_that_breaks_again_and_again_is_given_up(client: Client) -> None:
    with serving(Fault("layer", "cut-1")) as registry:
        with (
            client().blob(fill(registry), DESCRIPTOR) as stream,
            pytest.raises(Unavailable, match="tried 4 times"),
        ):
            stream.read()
        assert registry.count("layer") == LIMITS.retries + 1


def test_but_not_where_each_time_brings_it_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from msgspec.structs import replace

    monkeypatch.setattr("gate.registry.blob.LIMITS", replace(LIMITS, resume_progress=1_000))
    with serving(Fault("layer", "cut-50", first=9)) as registry:
        with client().blob(fill(registry), DESCRIPTOR) as stream:
            assert stream.read() == DATA
        assert registry.count("layer") == 10


def test_a_repository_that_lost_the_blob(client: Client) -> None:
    with serving() as registry:
        name = Reference.parse(f"{registry.host}/shop/api")
        with client().blob(name, DESCRIPTOR) as stream, pytest.raises(Unavailable, match="404") as caught:
            stream.read(1)
        assert "not whole" in caught.value.hint


def test_what_breaks_after_the_last_byte_is_an_end() -> None:
    first = Served(b"abcdef", breaks=6)
    stream, asked = streaming(first, size=6)
    assert stream.read() == b"abcdef"
    assert asked == [0]
    assert first.closed


def test_urls_are_never_asked(client: Client) -> None:
    """J21: a descriptor may say where else its content is; that would make the gate ask any address for anybody."""
    with serving() as registry:
        value = {
            "mediaType": "x",
            "digest": str(DESCRIPTOR.digest),
            "size": 1,
            "urls": [f"http://{registry.host}/x"],
        }
        descriptor = Descriptor.from_json(value, "x")
        name = Reference.parse(f"{registry.host}/shop/api")
        with client().blob(name, descriptor) as stream, pytest.raises(Unavailable):
            stream.read(1)
        assert {call.target for call in registry.calls} == {"/v2/", f"/v2/shop/api/blobs/{DESCRIPTOR.digest}"}


# --- what a server may answer to a range -------------------------------------------------------------------------


class Served:
    """An answer with a body that breaks after some bytes."""

    def __init__(self, body: bytes, status: int = 200, breaks: int | None = None, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.url = Url.parse("https://registry.example.com/", "x")
        self.length: int | None = len(body)
        self._body = io.BytesIO(body)
        self._left = breaks
        self.closed = False

    def read(self, size: int) -> bytes:
        if self._left is None:
            return self._body.read(size)
        if self._left <= 0:
            raise Transient("it breaks")
        data = self._body.read(min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self.closed = True


def streaming(*answers: Served, size: int, start: int = 0) -> tuple[BlobStream, list[int]]:
    """Read a blob of `size` bytes from these answers; returns the positions asked for as well."""
    asked: list[int] = []
    left = iter(answers)

    def opener(position: int) -> Answer:
        asked.append(position)
        return cast("Answer", next(left))

    return BlobStream(opener, size, start, Deadline(10)), asked


def test_a_right_range() -> None:
    stream, asked = streaming(
        Served(b"abcdef", breaks=2), Served(b"cdef", 206, content_range="bytes 2-5/6"), size=6
    )
    assert stream.read() == b"abcdef"
    assert asked == [0, 2]


def test_an_answer_from_the_start_is_skipped_forward() -> None:
    stream, _ = streaming(Served(b"abcdef", breaks=2), Served(b"abcdef"), size=6)
    assert stream.read() == b"abcdef"


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes 0-5/6",
        "bytes 1-5/6",
        "bytes 3-5/6",
        "bytes */6",
        "bytes 2-",
        "items 2-5/6",
        "bytes 2-5",
        "bytes -2-5/6",
        "bytes ٢-5/6",
    ],
)
def test_a_wrong_range(content_range: str) -> None:
    served = Served(b"cdef", 206, content_range=content_range)
    stream, _ = streaming(Served(b"abcdef", breaks=2), served, size=6)
    with pytest.raises(Unavailable, match="sends another part"):
        stream.read()
    assert served.closed


def test_a_range_that_is_of_another_place_is_found_by_the_digest(client: Client) -> None:
    """Whatever a server puts together, the reader hashes all of it."""
    from gate.oci.stream import read_verified

    with serving(Fault("layer", "bit-flip")) as registry:
        stream = client().blob(fill(registry), DESCRIPTOR)
        with stream, pytest.raises(IntegrityError):
            read_verified(stream, DESCRIPTOR, "the blob")


def test_a_stated_length_that_is_too_short_is_an_end() -> None:
    """The reader says then that the size is wrong; trying again would bring the same."""
    stream, asked = streaming(Served(b"abc"), size=6)
    assert stream.read() == b"abc"
    assert asked == [0]


def test_an_end_without_stated_length_is_a_break() -> None:
    first = Served(b"abc")
    first.length = None
    stream, asked = streaming(first, Served(b"def", 206, content_range="bytes 3-5/6"), size=6)
    assert stream.read() == b"abcdef"
    assert asked == [0, 3]


def test_one_byte_more_than_stated_comes_and_no_more() -> None:
    stream, _ = streaming(Served(b"abcdef" * 1_000), size=6)
    assert stream.read() == b"abcdefa"
    assert stream.read() == b""


def test_a_restart_that_ends_before_the_place() -> None:
    answers = [Served(b"abcdef", breaks=4), *(Served(b"ab") for _ in range(LIMITS.retries))]
    stream, _ = streaming(*answers, size=6)
    with pytest.raises(Unavailable, match="before the place at which it broke"):
        stream.read()
    assert all(answer.closed for answer in answers)


@settings(deadline=None, max_examples=200)
@given(
    data=st.binary(max_size=60),
    breaks=st.lists(st.integers(0, 20), max_size=3),
    ranges=st.lists(st.booleans(), min_size=4, max_size=4),
    sizes=st.lists(st.integers(1, 25), min_size=1),
)
def test_wherever_it_breaks_the_bytes_are_the_same(
    data: bytes, breaks: list[int], ranges: list[bool], sizes: list[int]
) -> None:
    left = [*breaks, None]
    waiting = iter(zip(left, ranges, strict=False))

    def opener(position: int) -> Answer:
        after, ranged = next(waiting)
        if ranged and position:
            whole = Served(
                data[position:], 206, after, content_range=f"bytes {position}-{len(data) - 1}/{len(data)}"
            )
        else:
            whole = Served(data, 200, after)
        return cast("Answer", whole)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gate.registry.retries.FIRST_PAUSE", 0)
        with BlobStream(opener, len(data), 0, Deadline(10)) as stream:
            parts, turn = [], 0
            while part := stream.read(sizes[turn % len(sizes)]):
                parts.append(part)
                turn += 1
    assert b"".join(parts) == data
