"""The tar reader: all that honest writers write, nothing that readers differ on, never less than Go lists."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import tar_header
from gate.oci.tar_header import Member
from gate.oci.tarball import TarReader
from samples.images.entries import (
    character_device,
    file,
    hard_link,
    symbolic_link,
    with_parents,
)
from samples.images.layers import tar_of
from tests.kit import hostile_tar
from tests.kit.engines import GoMember, Listing, listed_by_go, written_by_go
from tests.kit.mutated_tar import mutated
from tests.kit.raw_tar import BLOCK, END, Header, extended, long_name, member, records

Listed = tuple[bytes, bytes, int, int, int, int, int, bytes, str]


def chunks(data: bytes, *sizes: int) -> Iterator[bytes]:
    """Cut data into chunks of these sizes, in turn, up to its end."""
    position = number = 0
    while position < len(data):
        size = sizes[number % len(sizes)] if sizes else len(data)
        yield data[position : position + size]
        position, number = position + size, number + 1


def content(reader: TarReader) -> bytes:
    """The content of the current member, or what is left of it."""
    return b"".join(buffer[start:end] for buffer, start, end in reader.content())


def members(data: bytes, *sizes: int) -> list[Member]:
    """Every member; contents are skipped."""
    return list(TarReader(chunks(data, *sizes)))


def listed(data: bytes, *sizes: int) -> list[Listed]:
    """Every member with the SHA-256 of its content, for comparisons."""
    reader = TarReader(chunks(data, *sizes))
    return [
        (
            found.name,
            found.type,
            found.size,
            found.mode,
            found.uid,
            found.gid,
            found.mtime,
            found.link,
            hashlib.sha256(content(reader)).hexdigest(),
        )
        for found in reader
    ]


def outcome(data: bytes, *sizes: int) -> object:
    """What becomes of an archive: its members or the message of the error."""
    try:
        return listed(data, *sizes)
    except Unavailable as error:
        return type(error), str(error)


# --- one archive, however it comes -------------------------------------------------------------------------------

ARCHIVE = tar_of(
    with_parents(
        {
            "etc/passwd": file("root:x:0:0::/:\n" * 100),
            "bin/tool": file(b"\x7fELF" + bytes(range(256)) * 8, 0o4755),
            "bin/" + "long" * 60: file("long name"),
            "bin/link": symbolic_link("tool"),
            "bin/other": hard_link("bin/tool", 0o4755),
            "dev/null": character_device(1, 3),
            "empty": file(),
        }
    )
)


@given(st.integers(0, 400), st.lists(st.integers(1, 1500), min_size=1, max_size=4))
def test_chunk_borders_change_nothing(number: int, sizes: list[int]) -> None:
    data = ARCHIVE if number < 100 else mutated(number)
    assert outcome(data, *sizes) == outcome(data)


def test_empty_chunks_change_nothing() -> None:
    def with_empty_chunks() -> Iterator[bytes]:
        for chunk in chunks(ARCHIVE, 700):
            yield from (b"", chunk, b"")

    assert list(TarReader(with_empty_chunks())) == members(ARCHIVE)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4), st.integers(0, 2**32))
def test_content_may_be_taken_in_part_or_not_at_all(sizes: list[int], seed: int) -> None:
    chance = random.Random(seed)
    found = []
    reader = TarReader(chunks(ARCHIVE, *sizes))
    for one in reader:
        position = reader.tell()
        assert ARCHIVE[position : position + len(one.head)] == one.head
        start = ARCHIVE[position : position + one.size]
        wanted = chance.randrange(4000)
        match chance.randrange(4):
            case 0:
                assert reader.peek(wanted) == start[:wanted]
                assert reader.tell() == position
                assert content(reader) == start
                assert content(reader) == reader.peek(9) == b""
            case 1:
                for buffer, first, last in reader.content():
                    assert start.startswith(buffer[first:last])
                    assert reader.tell() == position + last - first
                    break
            case 2:
                assert reader.peek(wanted) == start[:wanted]
        found.append(one)
    assert found == members(ARCHIVE)


def test_a_look_ahead_needs_nothing_behind_it() -> None:
    reader = TarReader(iter([member(b"a", b"x" * BLOCK)]))
    for _ in reader:
        assert reader.peek(BLOCK) == reader.peek(BLOCK + 1) == b"x" * BLOCK


def test_the_first_bytes_tell_what_a_file_is() -> None:
    heads = {one.name: one.head for one in members(ARCHIVE)}
    assert heads[b"bin/tool"] == b"\x7fELF"
    assert heads[b"empty"] == heads[b"bin/link"] == heads[b"bin/"] == b""
    assert members(member(b"a", b"#!") + END, 513)[0].head == b"#!"


@pytest.mark.parametrize("buffer", [BLOCK, 700, 4096, 5000, 5631, 5632, 5633, 1 << 20])
def test_a_file_is_passed_over_without_reading(buffer: int) -> None:
    big = member(b"big", bytes(5000)) + member(b"after", b"x" * 600) + END
    stream = io.BytesIO(big)
    advanced = []

    def advance(size: int) -> None:
        advanced.append(size)
        stream.seek(size, os.SEEK_CUR)

    reader = TarReader(iter(lambda: stream.read(buffer), b""), advance)
    found = []
    for one in reader:
        found.append((one.name, reader.tell()))
        if one.name == b"after":
            assert content(reader) == b"x" * 600
    assert found == [(b"big", BLOCK), (b"after", BLOCK + 5120 + BLOCK)]
    in_memory = 2 * BLOCK if buffer == BLOCK else buffer  # the first bytes of the content are looked at
    assert advanced[:1] == [BLOCK + 5000 - in_memory] * (in_memory < BLOCK + 5000)
    assert min(advanced, default=1) > 0


def test_an_advance_beyond_the_end_raises_what_the_caller_raises() -> None:
    def advance(size: int) -> None:
        raise tar_header.cut_off()

    with pytest.raises(MalformedImage, match="cut off"):
        list(TarReader(chunks(member(b"a", bytes(5000)), 600), advance))


def test_more_distinct_fields_than_are_remembered() -> None:
    """What is remembered is bounded, and what is not is read all the same."""
    count = 9_000
    blocks = (
        Header(
            b"%d" % number,
            owner=b"%07o" % number,
            modified=b"%011o" % number,
            linkname=b"\x7f" * (number // 127) + bytes([number % 127]),  # for as many check sums
        ).block()
        for number in range(count)
    )
    reader = TarReader(iter([b"".join(blocks) + END]))
    assert [(one.uid, one.mtime) for one in reader] == [(number, number) for number in range(count)]
    assert {len(reader._times), len(reader._owners), len(reader._sums)} == {4_096}


def test_every_check_sum_is_verified_also_the_remembered() -> None:
    good = Header(b"bin/sh").block()
    bad = good[:50] + b"x" + good[51:]
    assert len(members(good + good + END)) == 2
    with pytest.raises(MalformedImage, match="checksum"):
        members(good + bad + END)


def test_a_sum_that_only_fits_modulo_65521_is_wrong() -> None:
    """Adler-32, with which sums are compared, is modular: a block beyond ASCII is summed in full."""
    block = bytearray(Header(b"\xff" * 100, linkname=b"\xff" * 100, prefix=b"\xff" * 155).block())
    total = sum(block) - sum(block[148:156]) + 8 * 32
    block[148:156] = b"%06o\0 " % (total - 65521)
    with pytest.raises(MalformedImage, match="checksum"):
        members(bytes(block) + END)


# --- the end -----------------------------------------------------------------------------------------------------

ONE = member(b"etc/motd", b"x" * 600)


@pytest.mark.parametrize("end", [b"", bytes(BLOCK), END, bytes(10240), bytes(BLOCK + 100), END + bytes(1)])
@pytest.mark.parametrize("size", [BLOCK, 1000, 1 << 20])
def test_ends_that_are_accepted(end: bytes, size: int) -> None:
    assert [one.name for one in members(ONE + end, size)] == [b"etc/motd"]


@pytest.mark.parametrize("data", [b"", END, bytes(BLOCK), bytes(10240)])
def test_archives_without_entries(data: bytes) -> None:
    assert members(data, 300) == []


@pytest.mark.parametrize(
    "end", [b"x", END + b"x", bytes(BLOCK) + ONE, END + ONE + END, END + bytes(4096) + b"\1"]
)
@pytest.mark.parametrize("size", [100, BLOCK, 1 << 20])
def test_ends_that_are_refused(end: bytes, size: int) -> None:
    with pytest.raises(MalformedImage, match=r"goes on after its end marker|cut off"):
        members(ONE + end, size)


@pytest.mark.parametrize("length", [BLOCK + 600, BLOCK + 601, 2 * BLOCK + 90, len(ONE) - 1])
@pytest.mark.parametrize("size", [100, BLOCK, 1000, 1 << 20])
def test_the_padding_of_the_last_entry_may_be_missing(length: int, size: int) -> None:
    """The `insert` of umoci does not close its archive; engines take the end of the stream there for that of the archive."""
    assert [one.name for one in members(ONE[:length], size)] == [b"etc/motd"]
    reader = TarReader(chunks(ONE[:length], size))
    assert [content(reader) for _ in reader] == [b"x" * 600]


@pytest.mark.parametrize("length", [1, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 599])
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_a_cut_is_an_error(length: int, size: int) -> None:
    with pytest.raises(MalformedImage, match="cut off"):
        members(ONE[:length], size)


def test_a_cut_extension_is_an_error() -> None:
    header = extended(records(path=b"x" * 1000))
    for length in (BLOCK + 10, 2 * BLOCK, len(header) - 1):
        with pytest.raises(MalformedImage, match="cut off"):
            members(header[:length], 300)
    with pytest.raises(MalformedImage, match="has no entry"):
        members(header + END)


def test_extensions_end_with_their_entry() -> None:
    data = extended(records(path=b"renamed", SCHILY_xattr_user_x=b"1")) + member(b"a") + member(b"b")
    data += long_name(b"long") + member(b"c") + member(b"d") + END
    assert [(one.name, dict(one.xattrs)) for one in members(data)] == [
        (b"renamed", {"SCHILY.xattr.user.x".removeprefix("SCHILY.xattr."): b"1"}),
        (b"b", {}),
        (b"long", {}),
        (b"d", {}),
    ]


# --- sizes and types ---------------------------------------------------------------------------------------------


def test_old_archives_state_directories_by_a_slash() -> None:
    data = (
        Header(b"bin/", b"\0", magic=bytes(8)).block() + Header(b"bin/sh", b"\0", 2, magic=bytes(8)).block()
    )
    found = members(data + b"#!".ljust(BLOCK, b"\0") + END)
    assert [(one.name, one.type, one.size) for one in found] == [(b"bin/", b"5", 0), (b"bin/sh", b"0", 2)]


@pytest.mark.parametrize(("type_", "size"), [(b"0", 0), (b"0", 5), (b"\0", 5)])
def test_a_file_that_is_named_like_a_directory_is_refused(type_: bytes, size: int) -> None:
    data = Header(b"bin/sh/", type_, size).block() + bytes(BLOCK * bool(size)) + END
    with pytest.raises(MalformedImage, match="both file and directory"):
        members(data)


def test_a_message_shows_the_start_of_a_long_name() -> None:
    with pytest.raises(MalformedImage) as caught:
        members(extended(records(path=b"Q" * 300 + b"/")) + member(b"a") + END)
    assert str(caught.value).count("Q") == 200


@pytest.mark.parametrize("type_", [b"1", b"2", b"3", b"4", b"5", b"6"])
@pytest.mark.parametrize("size", [600, b"\xff" * 12])
def test_only_files_have_content(type_: bytes, size: int | bytes) -> None:
    first = Header(b"opt/x", type_, size, linkname=b"y").block()
    assert [(one.name, one.size) for one in members(first + ONE + END)] == [(b"opt/x", 0), (b"etc/motd", 600)]


@pytest.mark.parametrize("type_", [b"0", b"\0"])
def test_negative_sizes_are_refused(type_: bytes) -> None:
    with pytest.raises(MalformedImage, match="negative"):
        members(Header(b"a", type_, b"\xff" * 12).block() + END)


@pytest.mark.parametrize(
    "size", [b"\xff" * 12, b"%011o" % ((1 << 20) + 1), b"\x80" + bytes(7) + b"\x7f\xff\xff\xff"]
)
def test_extended_headers_are_bounded(size: bytes) -> None:
    with pytest.raises(MalformedImage, match="at most 1,048,576"):
        members(Header(b"x", b"x", size).block() + bytes(1 << 20))


def test_devices_have_times() -> None:
    device = next(one for one in members(ARCHIVE) if one.type == b"3")
    assert device.device == (1, 3)


# --- global headers ----------------------------------------------------------------------------------------------

COMMENT = records(comment=b"0123456789abcdef")
GIT_ARCHIVE = extended(COMMENT, b"g", b"pax_global_header")


def test_what_git_archive_writes_is_accepted() -> None:
    assert [one.name for one in members(GIT_ARCHIVE + ONE + END, 600)] == [b"etc/motd"]


@pytest.mark.parametrize(
    "data",
    [
        extended(COMMENT, b"g", b"etc/passwd") + ONE,
        extended(COMMENT, b"g", b"etc/.wh.passwd") + ONE,
        ONE + GIT_ARCHIVE,
        GIT_ARCHIVE + GIT_ARCHIVE + ONE,
        extended(records(path=b"harmless")) + GIT_ARCHIVE + member(b"bin/sh"),
        long_name(b"harmless") + GIT_ARCHIVE + member(b"bin/sh"),
        extended(records(path=b"bin/sh"), b"g", b"pax_global_header") + ONE,
    ],
    ids=["of-a-file", "whiteout", "later", "twice", "after-path", "after-long-name", "path"],
)
def test_global_headers_that_engines_take_for_more_are_refused(data: bytes) -> None:
    """Containerd removes what the layer has at their name, and Go forgets the extended headers before them."""
    with pytest.raises(MalformedImage, match="global PAX header"):
        members(data + END)


# --- honest writers ----------------------------------------------------------------------------------------------

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def python_tar(folder: Path, form: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        archive.add(folder, ".")
    return stream.getvalue()


def as_python_reads(data: bytes) -> list[Listed]:
    """The members of an archive as the standard library lists them; honest archives only."""
    listing: list[Listed] = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for found in archive:
            name, link = (text.encode("utf-8", "surrogateescape") for text in (found.name, found.linkname))
            stream = archive.extractfile(found) if found.isfile() else None
            digest = hashlib.sha256(stream.read() if stream else b"").hexdigest()
            owner = (found.mode, found.uid, found.gid, int(found.mtime))
            listing.append((name, found.type, found.size if stream else 0, *owner, link, digest))
    return listing


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all that honest writers write: names short, long and odd, links, attributes, a pipe."""
    root = tmp_path_factory.mktemp("tree")
    long_directory = root / ("d" * 90) / ("e" * 90)
    long_directory.mkdir(parents=True)
    names = [
        "plain",
        "with space",
        "café",
        "-dash",
        "new\nline",
        "x" * 100,
        "y" * 101,
        "z" * 200,
        ".hidden",
        "back\\slash",
    ]
    for number, name in enumerate(names):
        (root / name).write_bytes(bytes([number]) * (number * 300))
        os.utime(root / name, (number, number))
    (long_directory / ("f" * 120)).write_text("deep")
    (root / "program").write_bytes(b"\x7fELF" + bytes(3000))
    (root / "program").chmod(0o4755)
    os.link(root / "program", root / "same-program")
    (root / "link").symlink_to("plain")
    (root / "long-link").symlink_to("t" * 150)
    (root / "dangling").symlink_to("/nowhere")
    (root / "empty").mkdir()
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture(scope="module")
def raw_names(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with names that are not UTF-8."""
    root = tmp_path_factory.mktemp("raw")
    with open(os.fsencode(root) + b"/caf\xe9", "wb") as stream:
        stream.write(b"latin")
    os.symlink(b"\xff\xfe", os.fsencode(root) + b"/\xc3")
    return root


@pytest.mark.parametrize("form", FORMATS)
def test_what_python_writes(form: str, tree: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=FORMATS[form]) as archive:
        for path in sorted(tree.rglob("*")):
            if form != "ustar" or (len(path.name) <= 100 and path.name != "long-link"):
                archive.add(path, str(path.relative_to(tree)), recursive=False)
    data = stream.getvalue()
    found = [(name.removesuffix(b"/"), *rest) for name, *rest in listed(data)]
    assert found == as_python_reads(data)
    assert len(found) > 15


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_what_python_writes_of_names_that_are_not_utf_8(form: str, raw_names: Path) -> None:
    """In PAX form it states that the names are raw bytes, and Go ignores that statement too."""
    found = members(python_tar(raw_names, FORMATS[form]))
    assert {one.name.removesuffix(b"/") for one in found} == {b".", b"./caf\xe9", b"./\xc3"}


def written(folder: Path, *command: str | Path) -> bytes:
    """Run a tar program in a folder and return the archive that it writes of it, without what its format cannot hold."""
    done = subprocess.run([*command, "-cf", "-", "."], cwd=folder, capture_output=True, check=False)
    return done.stdout


GNU_TAR: Mapping[str, Sequence[str]] = {
    "v7": ["--format=v7"],
    "oldgnu": ["--format=oldgnu"],
    "gnu": ["--format=gnu"],
    "ustar": ["--format=ustar"],
    "posix": ["--format=posix"],
    "posix-with-attributes": ["--format=posix", "--xattrs", "--acls", "--selinux"],
    "absolute": ["--format=gnu", "--absolute-names", "--transform=s,^./,/,"],
    "without-dot": ["--format=posix", "--transform=s,^./,,"],
    "numeric-owner": ["--format=gnu", "--numeric-owner", "--owner=4294967294", "--group=2097152"],
    "long-ago": ["--format=gnu", "--mtime=@-86400.5"],
    "long-ago-posix": ["--format=posix", "--mtime=@-86400.5"],
    "far-future": ["--format=gnu", "--mtime=@99999999999"],
}


@pytest.mark.real
@pytest.mark.parametrize("case", GNU_TAR)
def test_what_gnu_tar_writes(
    case: str, tree: Path, raw_names: Path, gnu_tar_binary: Path, tar_headers: Path
) -> None:
    for folder in (tree, raw_names):
        assert_as_go_lists(written(folder, gnu_tar_binary, *GNU_TAR[case]), tar_headers)


@pytest.mark.real
@pytest.mark.parametrize("form", ["v7", "ustar", "gnutar", "pax", "rpax"])
def test_what_bsdtar_writes(
    form: str, tree: Path, raw_names: Path, bsdtar_binary: Path, tar_headers: Path
) -> None:
    for folder in (tree, raw_names):
        assert_as_go_lists(written(folder, bsdtar_binary, f"--format={form}", "--xattrs"), tar_headers)


@pytest.mark.real
def test_what_busybox_writes(
    tree: Path, raw_names: Path, debian_programs: Mapping[str, Path], tar_headers: Path
) -> None:
    for folder in (tree, raw_names):
        assert_as_go_lists(written(folder, debian_programs["busybox"], "tar"), tar_headers)


@pytest.mark.real
def test_what_go_writes(tree: Path, tar_headers: Path) -> None:
    archives = written_by_go(tar_headers, python_tar(tree, tarfile.GNU_FORMAT))
    assert archives.keys() == {"PAX", "GNU"}
    short_names = tar_of(with_parents({"usr/lib/x": file("x"), "bin": symbolic_link("usr/bin")}))
    assert written_by_go(tar_headers, short_names).keys() == {"USTAR", "PAX", "GNU"}
    for data in (*archives.values(), *written_by_go(tar_headers, short_names).values()):
        assert_as_go_lists(data, tar_headers)


@pytest.mark.real
def test_a_debian_root(debian_root: Path, tar_headers: Path) -> None:
    assert_as_go_lists(debian_root.read_bytes(), tar_headers)


# --- what Go lists -----------------------------------------------------------------------------------------------


def as_listed(found: GoMember) -> Listed:
    """A member of Go's list in the form of ours; Go keeps sizes and targets that mean nothing."""
    size = found.size if found.type == b"0" else 0
    link = found.link if found.type in b"12" else b""
    return (
        found.name,
        found.type,
        size,
        found.mode,
        found.user,
        found.group,
        found.time,
        link,
        found.content,
    )


def assert_as_go_lists(data: bytes, program: Path) -> None:
    """Assert that an honest archive is accepted, and read as Go reads it."""
    (listing,) = listed_by_go(program, [data])
    assert not listing.error
    assert listed(data) == [as_listed(found) for found in listing.members]
    assert len(listing.members) > 1


def never_less_than(listing: Listing, data: bytes) -> str:
    """Assert that what Go lists without an error is listed equally or refused; say which."""
    try:
        found = listed(data)
    except Unavailable:
        return "refused"
    if listing.error:
        return "accepted"
    assert found == [as_listed(one) for one in listing.members if one.type != tar_header.PAX_GLOBAL]
    return "equal"


@pytest.mark.real
def test_nothing_that_go_lists_is_overlooked(tar_headers: Path) -> None:
    archives = [mutated(number) for number in range(8_000)]
    results = [
        never_less_than(*pair) for pair in zip(listed_by_go(tar_headers, archives), archives, strict=True)
    ]
    counts: dict[str, Any] = {result: results.count(result) for result in set(results)}
    assert counts["equal"] > 2_000, counts
    assert counts["refused"] > 2_000, counts


@pytest.mark.real
def test_the_hostile_rows_as_go_lists_them(tar_headers: Path) -> None:
    archives = [layer.tar() for case in hostile_tar.cases() for layer in case.layers]
    for listing, data in zip(listed_by_go(tar_headers, archives), archives, strict=True):
        never_less_than(listing, data)


# --- every field, to its last byte -------------------------------------------------------------------------------


def test_fields_may_be_full() -> None:
    """Without a NUL or space behind the last digit, as some writers leave it, and names and links of 100 bytes."""
    full = Header(
        b"n" * 100, size=b"000000000003", mode=b"00000751", owner=b"10001753", modified=b"017000000001"
    )
    link = Header(b"link", b"2", linkname=b"l" * 100)
    block = bytearray(Header(b"device", b"3", prefix=b"7").block())
    block[328:345] = b"72000000110000003"  # the last byte of the group's name, and both numbers of the device
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * ord(" ") + sum(block[156:]))
    found = members(full.block() + b"abc".ljust(BLOCK, b"\0") + bytes(block) + link.block() + END)
    assert astuple(found[0])[:7] == (b"n" * 100, b"0", 0o751, 0o10001753, 0o10001753, 3, 0o17000000001)
    assert found[1].device == (0o20000001, 0o10000003)
    assert found[2].link == b"l" * 100
    extension = Header(b"x", b"x", b"000000000013").block() + b"11 path=ab\n".ljust(BLOCK, b"\0")
    assert members(extension + member(b"a") + END)[0].name == b"ab"


@pytest.mark.parametrize("typeflag", [b"0", b"\0", b"5", b"2"])
def test_a_prefix_of_one_byte(typeflag: bytes) -> None:
    for name in (b"b", b"b-", b"b.", b"b~"):
        data = Header(name, typeflag, linkname=b"x", prefix=b"a").block() + END
        assert [found.name for found in members(data)] == [b"a/" + name]


def test_a_name_that_is_all_prefix_does_not_end_the_archive() -> None:
    data = Header(b"", b"5", prefix=b"a").block() + member(b"b") + END
    assert [found.name for found in members(data)] == [b"a/", b"b"]


def test_an_extended_header_may_say_nothing() -> None:
    assert [found.name for found in members(extended(b"") + member(b"a") + END)] == [b"a"]
    assert members(member(b"a") + extended(b"") + END) == members(member(b"a") + END)


@pytest.mark.parametrize("present", [0, 100, 511])
def test_an_extended_header_that_is_cut_off(present: int) -> None:
    with pytest.raises(MalformedImage, match="cut off"):
        members(member(b"a") + Header(b"x", b"x", BLOCK).block() + bytes(present))


def test_an_extended_header_has_at_most_a_mebibyte() -> None:
    """T24: Go stops there as well."""
    for size, fits in ((LIMITS.tar_record, True), (LIMITS.tar_record + 1, False)):
        comment = records(comment=b"x" * (size - len(records(comment=b"")) - 6))
        comment = records(comment=b"x" * (size - len(records(comment=b"")) - 6 + size - len(comment)))
        assert len(comment) == size
        if fits:
            assert [found.name for found in members(extended(comment) + member(b"a") + END)] == [b"a"]
        else:
            with pytest.raises(MalformedImage, match="at most 1,048,576 are read"):
                members(extended(comment) + member(b"a") + END)


@pytest.mark.parametrize(
    "name",
    [b"a", b"pax_global_heade", b"pax_global_header2", b"z", b"pax_global_header".ljust(99, b"\0") + b"x"],
)
def test_a_global_header_has_the_name_that_git_gives_it(name: bytes) -> None:
    with pytest.raises(MalformedImage, match="global PAX header"):
        members(extended(records(comment=b"x"), b"g", name) + member(b"a") + END)


def with_checksum(header: Header, spelling: str, away: int = 0) -> bytes:
    """The header with its checksum written in some way, or wrong by `away`."""
    block = header.block()
    right = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    return block[:148] + (spelling % (right + away)).encode()[:8] + block[156:]


SPELLINGS = ("%06o\0 ", "%07o\0", "%08o", "%6o\0 ", "%o\0\0\0\0")


@pytest.mark.parametrize("spelling", SPELLINGS, ids=ascii)
def test_a_right_checksum_in_every_spelling(spelling: str) -> None:
    for name in (b"a", b"b", b"\xff"):
        assert [found.name for found in members(with_checksum(Header(name), spelling) + END)] == [name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "header", [Header(b"a"), Header(b"b"), Header(b"a", modified=b"000000000000")], ids=["a", "b", "full"]
)
def test_no_other_checksum_is_right(header: Header) -> None:
    """T12: near the right one in any spelling, and with digits at either end of the field that a reader might not count."""
    near = [(spelling, away) for spelling in SPELLINGS for away in range(-1_200, 1_200) if away]
    ends = [spelling for digit in range(1, 8) for spelling in (f"{digit}%07o", f"%07o{digit}")]
    for spelling, away in [*near, *((spelling, away) for spelling in ends for away in range(-64, 65))]:
        with pytest.raises(MalformedImage, match="wrong checksum"):
            members(with_checksum(header, spelling, away) + END)


@pytest.mark.parametrize("size", [*range(1, 9), *range(505, 520), 1_024, 1_500])
def test_the_first_bytes_of_a_content_are_the_same_however_it_comes(size: int) -> None:
    heads = [found.head for found in members(ARCHIVE)]
    assert [found.head for found in members(ARCHIVE, size)] == heads
    assert b"\x7fELF" in heads


@pytest.mark.parametrize("size", [512, 1_000, 5_000, 1_000_000])
def test_passing_over_contents_in_a_file_changes_nothing(size: int) -> None:
    """Also behind extended headers, whose padding is in the buffer already."""
    data = (
        ARCHIVE[: -len(END)]
        + extended(records(path=b"p" * 300))
        + member(b"x", b"y" * 3_000)
        + member(b"z", b"last")
        + END
    )
    file = io.BytesIO(data)

    def advance(count: int) -> None:
        assert count > 0
        file.seek(count, os.SEEK_CUR)

    reader = TarReader(iter(lambda: file.read(size), b""), advance)
    places = [(found, data[reader.tell() : reader.tell() + found.size]) for found in reader]
    plain = TarReader(chunks(data))
    assert places == [(found, content(plain)) for found in plain]
