from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.limits import LIMITS, Limits
from gate.oci.descriptor import OCI_LAYER, Descriptor, Digest
from gate.oci.image import Layer, StoredLayer
from gate.sources import members
from gate.sources.engine_export import Export, FileLayer
from samples.images.entries import Entry, character_device, file, hard_link, symbolic_link
from samples.images.layers import digest_of, tar_of


class _Elsewhere:
    """A layer that is read from somewhere else."""

    def __init__(self, digest: str, size: int) -> None:
        self.descriptor = Descriptor(OCI_LAYER, Digest.parse(digest), size)
        self.diff_id = self.descriptor.digest

    def open(self) -> io.BytesIO:
        return io.BytesIO()


def exported(files: dict[str, Entry] | bytes, folder: Path, step: int = 1_000) -> Export:
    """Take an export apart, arriving in pieces of `step` bytes."""
    data = files if isinstance(files, bytes) else tar_of(files)
    return Export((data[start : start + step] for start in range(0, len(data), step)), folder)


@pytest.mark.parametrize("step", [1, 511, 512, 513, 100_000])
def test_each_member_is_a_file_of_its_own(step: int, tmp_path: Path) -> None:
    contents = [b"", b"x", b"y" * 511, b"z" * 5_000]
    export = exported({f"blobs/{number}": file(data) for number, data in enumerate(contents)}, tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3"]
    for number, data in enumerate(contents):
        assert (tmp_path / f"{number}").read_bytes() == data
        assert export.files.size(f"blobs/{number}") == len(data)
        assert str(export.files.digest(f"blobs/{number}")) == digest_of(data)
        stream = export.files.open_file(f"blobs/{number}")
        assert stream is not None
        with stream:
            assert stream.read() == data


def test_links_lead_to_members_alone(tmp_path: Path) -> None:
    export = exported(
        {"a": file("1"), "b": symbolic_link("a"), "c": hard_link("a"), "d": symbolic_link("etc/passwd")},
        tmp_path,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert export.files.digest("b") == export.files.digest("c") == export.files.digest("a")
    with pytest.raises(MalformedImage, match="links to"):
        export.files.open_file("d")


@pytest.mark.parametrize(
    "entry", [character_device(1, 3), symbolic_link("/etc/passwd"), symbolic_link("../../x")]
)
def test_what_is_no_file_is_never_made(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(MalformedImage):
        exported({"a": entry}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_layers_are_known_by_digest_and_size(tmp_path: Path) -> None:
    export = exported({"a": file("1"), "b": file("22")}, tmp_path)
    right = export.layer(_Elsewhere(digest_of(b"22"), 2))
    assert isinstance(right, FileLayer)
    assert isinstance(right, StoredLayer)
    assert right.stored == tmp_path / "1"
    with right.open() as stream:
        assert stream.read() == b"22"
    for wrong in (
        _Elsewhere(digest_of(b"22"), 3),
        _Elsewhere(digest_of(b"2"), 2),
        _Elsewhere("sha512:" + "a" * 128, 2),
    ):
        layer: Layer = wrong
        assert export.layer(layer) is wrong
        assert not isinstance(layer, StoredLayer)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    layer = exported({"a": file("1")}, tmp_path).layer(_Elsewhere(digest_of(b"1"), 1))
    (tmp_path / "0").unlink()
    with pytest.raises(Unavailable, match="cannot be read: No such file"):
        layer.open()


def test_a_disk_that_does_not_take_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not be kept: No such file or directory") as error:
        exported({"a": file("1")}, tmp_path / "gone")
    assert not error.value.blocks
    assert "--cache-dir" in error.value.hint


def test_what_the_source_raises_stays_as_it_is(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield tar_of({"a": file("1")})[:700]
        raise Unavailable("the engine broke off")

    with pytest.raises(Unavailable, match="broke off"):
        Export(chunks(), tmp_path)


def test_no_more_files_are_made_than_members_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {name: getattr(LIMITS, name) for name in Limits.__struct_fields__} | {"archive_members": 20}
    monkeypatch.setattr(members, "LIMITS", Limits(**changed))
    with pytest.raises(MalformedImage, match="more than 20 members"):
        exported({f"{number}": file("x") for number in range(21)}, tmp_path)
    assert len(list(tmp_path.iterdir())) == 20


@given(st.binary(max_size=3_000), st.integers(1, 700))
def test_garbage_never_passes_for_an_archive(data: bytes, step: int) -> None:
    """What arrives is either the end of an archive, or refused; nothing else is raised."""
    try:
        export = Export(
            (data[start : start + step] for start in range(0, len(data), step)), Path("/nonexistent")
        )
    except IntegrityError:
        return
    assert data.count(0) == len(data)
    assert export.files.places() == ()


@given(st.data())
def test_a_damaged_export_is_refused_or_the_same(data: st.DataObject) -> None:
    """One byte of a header changed: another reading is never silent."""
    archive = tar_of({"manifest.json": file("")})
    place = data.draw(st.integers(0, 511))
    value = data.draw(st.integers(0, 255))
    damaged = archive[:place] + bytes([value]) + archive[place + 1 :]
    if damaged == archive:
        return
    with pytest.raises(Unavailable) as error:
        Export(iter([damaged]), Path("/nonexistent"))
    assert isinstance(error.value, IntegrityError) or "could not be kept" in error.value.message
