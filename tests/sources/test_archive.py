from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from gate.errors import InvalidInput, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import tarball
from gate.sources import Location
from gate.sources.archive import open_archive
from gate.sources.file import HostFile
from gate.sources.members import ArchiveFiles, members_of
from samples.images.entries import (
    Entry,
    character_device,
    directory,
    file,
    hard_link,
    symbolic_link,
    with_parents,
)
from samples.images.layers import digest_of, tar_of
from samples.images.layout import docker_archive, oci_layout, write_archive
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.sources.conftest import Open

LAYOUT = oci_layout({"": CLEAN_IMAGE})
TWICE = tar_of({"a": file("1")})[:-1024] + tar_of({"a": file("2")})

Members = Callable[[Mapping[str, Entry] | bytes], ArchiveFiles]


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    """Read the members of an archive of these files, or of these bytes; it is closed after the test."""
    with ExitStack() as stack:

        def read(files: Mapping[str, Entry] | bytes) -> ArchiveFiles:
            path = tmp_path / "members.tar"
            path.write_bytes(files if isinstance(files, bytes) else tar_of(files))
            return members_of(stack.enter_context(HostFile(str(path))))

        yield read


def content(files: ArchiveFiles, path: str) -> bytes | None:
    """What is at a path."""
    stream = files.open_file(path)
    return None if stream is None else stream.read()


def test_members_are_read_in_place(members: Members) -> None:
    large = bytes(range(256)) * 2_000  # passed over, not read
    files = members(
        {"a/": directory(), "a/one": file("1"), "large": file(large), "./two": file("22"), "x//y/../three": file("333"), "none": file()},
    )  # fmt: skip
    assert [content(files, path) for path in ("a/one", "two", "x/three", "none")] == [
        b"1",
        b"22",
        b"333",
        b"",
    ]
    assert content(files, "large") == large
    assert [path in files for path in ("two", "./two", "a", "four")] == [True, False, False, False]
    assert content(files, "a") is content(files, "four") is None
    assert [files.size(path) for path in ("two", "large", "a", "four")] == [2, 512_000, 0, 0]


def test_long_names_and_attributes_do_not_shift_positions(members: Members) -> None:
    long = "/".join(["folder" * 10] * 5)
    files = members(
        {
            f"{long}/a": file("1"),
            "b": replace(file("22"), extended_attributes={"user.x": b"y" * 2_000}),
            "c": file("333"),
        },
    )
    assert [content(files, path) for path in (f"{long}/a", "b", "c")] == [b"1", b"22", b"333"]


def test_links_lead_to_members(members: Members) -> None:
    """The older `docker save` writes a layer that occurs twice as a link; podman links from the old names to the new."""
    files = members(
        {
            "a/layer.tar": file("1"), "b/layer.tar": symbolic_link("../a/layer.tar"), "c": symbolic_link("a/layer.tar"),
            "d/e": hard_link("a/layer.tar"), "f/g": symbolic_link("./../a/../a/layer.tar"),
        },
    )  # fmt: skip
    for path in ("b/layer.tar", "c", "d/e", "f/g"):
        assert (content(files, path), files.size(path), path in files) == (b"1", 1, True)


def test_a_digest_is_computed_once_for_all_names(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """C7: one pass for one content, under however many names."""
    files = members({"a": file("x" * 9_999), "b": symbolic_link("a"), "c": hard_link("a"), "d": file("y")})
    assert {str(files.digest(path)) for path in "abc"} == {digest_of(b"x" * 9_999)}
    assert str(files.digest("d")) == digest_of(b"y")
    monkeypatch.setattr(os, "pread", lambda *_: pytest.fail("read again"))
    assert files.digest("a") == files.digest("b")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("climbing", {"../a": file()}),
        ("climbing-later", {"a/../../b": file()}),
        ("absolute", {"/a": file()}),
        ("climbing-link", {"a": symbolic_link("../b")}),
        ("link-to-the-host", {"a/b": symbolic_link("/etc/passwd")}),
        ("link-to-the-root", {"a": symbolic_link("/etc/passwd"), "etc/passwd": file()}),
        ("climbing-hard-link", {"a": hard_link("../../etc/passwd")}),
        ("absolute-hard-link", {"a": hard_link("/etc/passwd")}),
        ("device", {"a": character_device(1, 3)}),
        ("too-long", {"a/" * 2_048 + "b": file()}),
        ("D1-twice", TWICE),
        ("D3-dot-slash", {"a": file("1"), "./a": file("2")}),
        ("D3-double-slash", {"a/b": file("1"), "a//b": file("2")}),
        ("D3-dot-dot", {"a": file("1"), "b/../a": file("2")}),
        ("D3-link-over-file", {"a": file("1"), "./a": symbolic_link("b")}),
        ("D3-file-over-link", {"a": hard_link("b"), "./a": file("2"), "b": file()}),
    ],
)  # fmt: skip
def test_names_that_lead_outside_or_stand_twice_are_malformed(
    name: str, files: Mapping[str, Entry] | bytes, members: Members
) -> None:
    with pytest.raises(MalformedImage) as error:
        members(files)
    assert ("two members of the name" in error.value.message) is name.startswith("D")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("a", {"a": symbolic_link("gone")}),
        ("a", {"a": symbolic_link("a")}),
        ("a", {"a": symbolic_link("b"), "b": symbolic_link("c"), "c": file("1")}),
        ("a", {"a": hard_link("b"), "b": hard_link("a")}),
        ("a", {"a": symbolic_link("folder"), "folder/": directory()}),
    ],
    ids=["dangling", "itself", "chain", "circle", "directory"],
)
def test_a_link_that_leads_nowhere_is_malformed(
    path: str, files: Mapping[str, Entry], members: Members
) -> None:
    with pytest.raises(MalformedImage, match="which is not in it"):
        members(files).open_file(path)


def test_members_are_bounded(members: Members) -> None:
    header = tar_of({"0" * 8: file()})[:512]

    def numbered(number: int) -> bytes:
        named = bytearray(header[:148] + b" " * 8 + header[156:])
        named[:8] = f"{number:08}".encode()
        named[148:156] = b"%06o\0 " % sum(named)
        return bytes(named)

    archive = b"".join(numbered(number) for number in range(LIMITS.archive_members))
    assert f"{LIMITS.archive_members - 1:08}" in members(archive + bytes(1024))
    with pytest.raises(MalformedImage, match="more than 10,000 members"):
        members(archive + numbered(LIMITS.archive_members) + bytes(1024))


@pytest.mark.parametrize("cut", [1, 512, 513, 1_024, 2_000, -1_537])
def test_a_cut_archive_is_malformed_or_incomplete(cut: int, tmp_path: Path, open_image: Open) -> None:
    """A build that was stopped, or a disk that was full."""
    path = write_archive(LAYOUT, tmp_path / "image.tar")
    os.truncate(path, cut if cut > 0 else path.stat().st_size + cut)
    with pytest.raises((Unavailable, InvalidInput)):
        open_image(path)


def test_a_content_that_ends_early_is_malformed(members: Members) -> None:
    """The size is checked although the content is passed over."""
    with pytest.raises(MalformedImage, match="cut off"):
        members(tar_of({"a": file(b"x" * 600_000)})[:300_000])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(tar_of(LAYOUT)), "is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd" + bytes(600), "is compressed with zstd"),
        (b"BZh9" + bytes(600), "is compressed with bzip2"),
        (b"\xfd7zXZ\0" + bytes(600), "is compressed with xz"),
        (b"", "is empty"),
        (b"FROM scratch\n", "is not a tar archive"),
        (b'{"schemaVersion": 2}' + b" " * 600, "is not a tar archive"),
        (bytes(10_240), "is not a tar archive"),
        (b"\x7fELF" + bytes(600), "is not a tar archive"),
        (tar_of({"etc/passwd": file("root")}), "is a tar file without an image"),
        (tar_of({"oci-layout": file("{}")}), "is a tar file without an image"),
        (tar_of({"index.json": file("{}")}), "is a tar file without an image"),
        (tar_of({f"image/{path}": entry for path, entry in LAYOUT.items()}), "is a tar file without an image"),
    ],
)  # fmt: skip
def test_what_is_no_archive_is_a_wrong_request(
    data: bytes, message: str, tmp_path: Path, open_image: Open
) -> None:
    path = tmp_path / "it"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=message) as error:
        open_image(path)
    assert error.value.hint


@pytest.mark.parametrize(
    ("source", "files"), [("docker-archive", LAYOUT), ("oci-archive", docker_archive({"app:1": CLEAN_IMAGE}))]
)
def test_an_archive_is_what_it_is_said_to_be(
    source: str, files: Mapping[str, Entry], tmp_path: Path, open_image: Open
) -> None:
    path = write_archive(files, tmp_path / "image.tar")
    with pytest.raises(InvalidInput, match=f"is not a {source}"):
        open_image(f"{source}:{path}")
    assert len(open_image(path).images) == 1


def test_what_is_no_file_is_a_wrong_request(tmp_path: Path, open_image: Open) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InvalidInput, match="is not a regular file"):
            open_image(path)
    with (
        pytest.raises(InvalidInput, match="cannot be read: No such file"),
        open_archive(Location("x", "archive", "/gone"), None),
    ):
        pass


def test_the_file_is_closed_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[HostFile] = []

    class Noted(HostFile):
        def __init__(self, path: str) -> None:
            super().__init__(path)
            opened.append(self)

    monkeypatch.setattr("gate.sources.archive.HostFile", Noted)
    for data in (
        tar_of({}),
        gzip.compress(b""),
        b"",
        tar_of(LAYOUT),
        tar_of({"a": file()}),
        tar_of({"../a": file()}),
    ):
        path = tmp_path / "it"
        path.write_bytes(data)
        try:
            with open_archive(Location(str(path), "archive", str(path)), None):
                pass
        except (InvalidInput, Unavailable):
            pass
    assert len(opened) == 6
    assert all(file.closed for file in opened)


def test_archives_of_other_writers(tmp_path: Path, open_image: Open) -> None:
    """GNU, PAX and ustar headers, folders as entries, and names with `./`."""
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        path = tmp_path / f"{format_}.tar"
        with tarfile.open(path, "w", format=format_) as archive:
            for name, entry in with_parents(LAYOUT).items():
                member = tarfile.TarInfo(f"./{name}")
                member.type, member.size, member.mtime = entry.kind.value, len(entry.content), 1_700_000_000
                archive.addfile(member, BytesIO(entry.content))
        assert str(open_image(path).digest) == CLEAN_IMAGE.manifest.digest


def test_blocks_are_those_of_tar() -> None:
    assert tarball.BLOCK == tarfile.BLOCKSIZE
