"""The pass over a layer: names, links and contents, hostile rows, and what one layer may cost."""

from __future__ import annotations

import gzip
import posixpath
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.limits import LIMITS, MIB
from gate.oci import layer as layer_module
from gate.oci.filesystem import Filesystem
from gate.oci.layer import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARD_LINK,
    OPAQUE,
    SYMLINK,
    WHITEOUT,
    Allowance,
    LayerIndex,
    Reading,
    index_layer,
    read_contents,
)
from samples.images.credentials import private_key
from samples.images.entries import (
    Entry,
    Kind,
    character_device,
    directory,
    file,
    hard_link,
    program,
    symbolic_link,
)
from samples.images.layers import Compression, Layer, digest_of, layer_from_tar, layer_of, pax_record
from samples.images.programs import static_program
from tests.kit import hiding, hostile_compression, hostile_tar
from tests.kit.hostile import Expected, HostileLayers
from tests.kit.raw_tar import BLOCK, END, Header, extended, long_name, member
from tests.kit.trees import stored

EVERYTHING = (b"",)
"""For `keep_below`: every path is below it."""


def index_of(tar: bytes, reading: Reading | None = None) -> LayerIndex:
    """The index of a layer with these tar bytes."""
    return index_layer(stored(layer_from_tar(tar, Compression.NONE)), reading or Reading())


def tree(case: HostileLayers, reading: Reading | None = None) -> Filesystem:
    """The squashed tree of a case's layers."""
    reading = reading or Reading(keep_below=EVERYTHING)
    return Filesystem(
        [index_layer(stored(one), reading) for one in case.layers], ["sha256:0"] * len(case.layers)
    )


def named(name: bytes, kind: bytes = b"0", link: bytes = b"") -> bytes:
    """An archive of one entry, by a long name or not."""
    header = Header(name[:100], kind, linkname=link[:100]).block()
    before = long_name(name) if len(name) > 100 else b""
    return before + (long_name(link, b"K") if len(link) > 100 else b"") + header + END


def limited(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> None:
    monkeypatch.setattr(layer_module, "LIMITS", changed(LIMITS, **bounds))


# --- hostile rows ------------------------------------------------------------------------------------------------

CASES = [*hostile_tar.cases(), *hostile_compression.cases(), *hiding.layer_cases()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hostile_layers(case: HostileLayers) -> None:
    """Every row ends as it must: refused, not available, or with all in the tree that an engine would unpack."""
    try:
        found = tree(case)
    except IntegrityError:
        assert Expected.INTEGRITY in case.expected
    except Unavailable:
        assert Expected.UNKNOWN in case.expected
    else:
        assert case.expected & (Expected.ACCEPT | Expected.VIOLATION)
        assert [path for path in case.shown if found.get(f"/{path}") is None] == []
        assert [path for path in case.hidden if found.get(f"/{path}") is not None] == []


def test_the_payload_of_the_rows_is_seen_as_what_it_is() -> None:
    case = next(case for case in CASES if str(case) == "C1-gzip-in-five-parts")
    (entry,) = tree(case).privileged()
    assert (entry.path, entry.mode, entry.interpreter) == ("/bin/sh", 0o4755, "/bin/false")


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"bin/sh", b"bin/sh"),
        (b"./bin/sh", b"bin/sh"),
        (b"/bin/sh", b"bin/sh"),
        (b"//bin/sh", b"bin/sh"),
        (b".//bin/sh", b"bin/sh"),
        (b"././bin/sh", b"bin/sh"),
        (b"bin//sh", b"bin/sh"),
        (b"bin/./sh", b"bin/sh"),
        (b"usr/../bin/sh", b"bin/sh"),
        (b"a/b/../../bin/sh", b"bin/sh"),
        (b".hidden", b".hidden"),
        (b"..hidden", b"..hidden"),
        (b"etc/.hidden", b"etc/.hidden"),
        (b"etc/..", None),
        (b"bin/s\xffh", b"bin/s\xffh"),
        (b"a/" * 254 + b"b", b"a/" * 254 + b"b"),
        (b"n" * 4096, b"n" * 4096),
        (b"a/" * 255 + b"b", None),
        (b"n" * 4097, None),
        (b"../bin/sh", None),
        (b"..", None),
        (b"a/../../b", None),
        (b"./../b", None),
        (b"/../b", None),
        (b"", None),
        (b".", None),
        (b"./.", None),
        (b"/", None),
    ],
)
def test_names_of_files(name: bytes, path: bytes | None) -> None:
    if path is None:
        with pytest.raises(
            MalformedImage, match=r"climbs out|empty name|replaces the root|has a path of|both file"
        ):
            index_of(named(name))
    else:
        assert index_of(named(name)).paths == [path]


@pytest.mark.parametrize("name", [b"./", b".", b"/", b"a/..", b".//."])
def test_the_root_may_be_a_directory(name: bytes) -> None:
    index = index_of(named(name, b"5"))
    assert (index.paths, list(index.types)) == ([b""], [DIRECTORY])


@pytest.mark.parametrize("kind", [b"1", b"2", b"6"])
def test_the_root_is_nothing_else(kind: bytes) -> None:
    with pytest.raises(MalformedImage, match="replaces the root"):
        index_of(named(b"./", kind, b"x"))


@given(st.text("ab./", min_size=1, max_size=12))
def test_names_are_normalised_as_posix_says(name: str) -> None:
    clean = posixpath.normpath(name).lstrip("/")
    try:
        (path,) = index_of(named(name.encode(), b"5")).paths
    except MalformedImage:
        # Python drops what climbs out of an absolute path.
        depth = 0
        lowest = min(
            depth := depth + (0 if part in ("", ".") else -1 if part == ".." else 1)
            for part in name.split("/")
        )
        assert lowest < 0
    else:
        assert path.decode() == ("" if clean == "." else clean)


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        (b".wh.sh", b"sh", WHITEOUT),
        (b"bin/.wh.sh", b"bin/sh", WHITEOUT),
        (b"./bin/.wh.sh", b"bin/sh", WHITEOUT),
        (b"/bin/.wh.sh/", b"bin/sh", WHITEOUT),
        (b"bin/.wh..hidden", b"bin/.hidden", WHITEOUT),
        (b"bin/.wh..wh..opqx", b"bin/.wh..opqx", WHITEOUT),
        (b".wh..wh..opq", b"", OPAQUE),
        (b"bin/.wh..wh..opq", b"bin", OPAQUE),
        (b"bin/.whsh", b"bin/.whsh", None),
        (b"bin/x.wh.sh", b"bin/x.wh.sh", None),
        (b".wh.bin/sh", b".wh.bin/sh", None),
    ],
)
@pytest.mark.parametrize("type_", [b"0", b"2", b"5", b"6"])
def test_whiteouts_are_known_by_name_whatever_their_type(
    name: bytes, path: bytes, kind: int | None, type_: bytes
) -> None:
    name = name.rstrip(b"/") if type_ == b"0" else name
    index = index_of(named(name, type_, b"target"))
    assert index.paths == [path]
    assert index.types[0] == (
        {b"0": FILE, b"2": SYMLINK, b"5": DIRECTORY, b"6": FIFO}[type_] if kind is None else kind
    )


# --- columns -----------------------------------------------------------------------------------------------------


def test_every_type_with_its_columns() -> None:
    entries = {
        "d": directory(0o1777),
        "f": file("content", 0o4755).owned(65534, 4294967294).dated(1_700_000_000),
        "s": symbolic_link("../f"),
        "h": hard_link("./f"),
        "c": character_device(1, 3),
        "b": Entry(Kind.BLOCK_DEVICE, mode=0o600, device=(8, 0)),
        "p": Entry(Kind.FIFO, mode=0o600),
    }
    index = index_layer(stored(layer_of(entries)), Reading())
    assert index.paths == [name.encode() for name in entries]
    assert list(index.types) == [DIRECTORY, FILE, SYMLINK, HARD_LINK, CHARACTER_DEVICE, BLOCK_DEVICE, FIFO]
    assert list(index.modes) == [entry.mode for entry in entries.values()]
    assert (index.uids[1], index.gids[1], index.sizes[1], index.mtimes[1]) == (
        65534,
        4294967294,
        7,
        1_700_000_000,
    )
    assert index.links == {2: b"../f", 3: b"f"}
    assert index.xattrs == {}
    assert len(index) == 7


def test_modes_are_the_twelve_permission_bits() -> None:
    assert index_of(Header(b"sh", mode=b"0104755").block() + END).modes[0] == 0o4755


def test_times_before_the_epoch() -> None:
    assert index_of(Header(b"sh", modified=b"\xff" * 12).block() + END).mtimes[0] == -1


@pytest.mark.parametrize("owner", [b"\xff" * 8, b"\x80\0\0\x01\0\0\0\0"])
def test_owners_that_no_file_has_are_refused(owner: bytes) -> None:
    with pytest.raises(MalformedImage, match="owner, size or time"):
        index_of(Header(b"sh", owner=owner).block() + END)


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (b"2", b""),
        (b"1", b""),
        (b"2", b"x" * 4097),
        (b"1", b"x" * 4097),
        (b"1", b"../../bin/sh"),
        (b"1", b"a/" * 256),
    ],
)
def test_links_that_lead_nowhere_are_refused(kind: bytes, link: bytes) -> None:
    with pytest.raises(MalformedImage, match=r"link has no target|climbs out|has a path of"):
        index_of(named(b"link", kind, link))


def test_targets_of_symbolic_links_stay_as_they_are() -> None:
    target = b"../../x//./\xff"
    assert index_of(named(b"link", b"2", target)).links == {0: target}
    assert index_of(named(b"link", b"1", b"/a//./b/../c")).links == {0: b"a/c"}


def test_attributes() -> None:
    capable = replace(file("x"), extended_attributes={"security.capability": b"\1\0", "user.note": b"n"})
    index = index_layer(stored(layer_of({"a": file(), "b": capable, "c": directory()})), Reading())
    assert index.xattrs == {1: {"security.capability": b"\1\0", "user.note": b"n"}}


@pytest.mark.parametrize(
    "name", ["trusted.overlay.opaque", "user.overlay.whiteout", "trusted.overlay.redirect"]
)
@pytest.mark.parametrize("entry", [file(), directory(), symbolic_link("x")])
def test_attributes_of_overlay_file_systems_are_refused(name: str, entry: Entry) -> None:
    marked = replace(entry, extended_attributes={name: b"y"})
    with pytest.raises(MalformedImage, match="deletion mark of overlay"):
        index_layer(stored(layer_of({"opt": marked})), Reading())


# --- contents ----------------------------------------------------------------------------------------------------

LAYER = layer_of(
    {
        "etc/passwd": file("root:x:0:0::/:\n"),
        "etc/motd": file("hello\n"),
        "var/lib/dpkg/status.d/base": file("Package: base\n"),
        "bin/tool": program(static_program("tool")),
        "bin/script": program(b"#!/usr/bin/env -S python3 -u\nprint()\n"),
        "bin/odd": program(b"#!/bin/\xff\n"),
        "bin/none": program(b"#!"),
        "opt/key": file(private_key()),
    }
)


def test_only_wanted_contents_are_kept() -> None:
    reading = Reading(keep=frozenset({b"etc/passwd", b"bin/tool"}), keep_below=(b"var/lib/dpkg/status.d/",))
    index = index_layer(stored(LAYER), reading)
    assert {index.paths[position]: content for position, content in index.kept.items()} == {
        b"etc/passwd": b"root:x:0:0::/:\n",
        b"var/lib/dpkg/status.d/base": b"Package: base\n",
        b"bin/tool": static_program("tool"),
    }


def test_lists_are_kept_by_folder_and_ending() -> None:
    reading = Reading(keep_lists=((b"var/lib/dpkg/", b"base"), (b"etc/", b".list")))
    index = index_layer(stored(LAYER), reading)
    assert [index.paths[position] for position in index.kept] == [b"var/lib/dpkg/status.d/base"]


def test_programs_and_scripts_are_told_by_content() -> None:
    index = index_layer(stored(LAYER), Reading())
    assert index.elf == {3}
    assert index.interpreters == {4: "python3", 5: "/bin/\\xff", 6: ""}
    assert not index.marks
    assert not index.kept
    assert not index.credentials


def test_marks_are_searched_where_they_are_wanted() -> None:
    busybox = hiding.BUSYBOX
    layer = stored(layer_of({"app/server": program(busybox), "app/data": file(b"x" + busybox)}))
    index = index_layer(layer, Reading(marks=True))
    assert index.marks.keys() == {0}
    assert "busybox" in index.marks[0]
    unmarked = index_layer(layer, Reading(marks=False))
    assert unmarked.marks == {}
    assert unmarked.elf == {0}


def test_credentials_are_searched_where_they_are_wanted() -> None:
    found = index_layer(stored(LAYER), Reading(credentials=True)).credentials
    assert list(found) == [7]
    assert found[7][0].offset == 0


@pytest.mark.parametrize("size", [1, 100, 511, 512, 513, 4096])
def test_contents_across_reads(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = index_layer(stored(LAYER), Reading(keep_below=EVERYTHING, credentials=True))
    monkeypatch.setattr("gate.oci.stream._READ", size)
    plain = layer_from_tar(LAYER.tar(), Compression.NONE)
    assert index_layer(stored(plain), Reading(keep_below=EVERYTHING, credentials=True)) == whole


def test_a_file_too_large_to_keep_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, kept_file=14)
    reading = Reading(keep=frozenset({b"etc/passwd", b"etc/motd"}))
    assert index_layer(stored(LAYER), reading).kept == {1: b"hello\n"}


def test_layers_share_what_may_be_kept() -> None:
    reading = Reading(keep=frozenset({b"etc/motd"}), allowance=Allowance(11))
    assert index_layer(stored(LAYER), reading).kept == {1: b"hello\n"}
    assert index_layer(stored(LAYER), reading).kept == {}


def test_an_allowance_is_exact_between_threads() -> None:
    allowance = Allowance(1_000)
    taken: list[bool] = []

    def take() -> None:
        taken.extend(allowance.take(1) for _ in range(700))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 1_000


def test_a_second_look_gives_contents_by_position() -> None:
    index = index_layer(stored(LAYER), Reading(keep_below=EVERYTHING))
    assert read_contents(stored(LAYER), {0, 3, 99}) == {0: index.kept[0], 3: index.kept[3]}
    assert read_contents(stored(LAYER), ()) == {}


def test_a_second_look_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, kept_total=20)
    assert read_contents(stored(LAYER), {0, 1, 2}) == {0: b"root:x:0:0::/:\n"}


def test_a_second_look_is_verified_too() -> None:
    with pytest.raises(IntegrityError):
        read_contents(stored(replace(LAYER, diff_id="sha256:" + "0" * 64)), {0})


def test_the_sink_receives_what_is_stored() -> None:
    received = bytearray()
    index_layer(stored(LAYER), Reading(), sink=received.extend)
    assert received == LAYER.data


def test_an_error_of_the_sink_ends_the_pass() -> None:
    def stop(data: bytes) -> None:
        raise Unavailable("the run was stopped")

    with pytest.raises(Unavailable, match="stopped"):
        index_layer(stored(LAYER), Reading(), sink=stop)


# --- limits ------------------------------------------------------------------------------------------------------


def test_the_number_of_entries_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, layer_entries=5)
    (five,) = next(hostile_tar.t25_many_entries(5)).layers
    (six,) = next(hostile_tar.t25_many_entries(6)).layers
    assert len(index_layer(stored(five), Reading())) == 5
    with pytest.raises(MalformedImage, match="more than 5 entries"):
        index_layer(stored(six), Reading())


def test_layers_share_the_room_of_their_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = stored(layer_from_tar(b"".join(member(b"n%d" % number) for number in range(1_000)) + END))
    reading = Reading(room=Allowance(3 * 64 * 1024))
    index_layer(layer, reading)
    with pytest.raises(MalformedImage, match="paths, links and attributes of an image"):
        index_layer(layer, reading)


ATTRIBUTE = extended(pax_record("SCHILY.xattr.user.x", b"x" * 60_000)) + Header(b"f").block()
KEYS = private_key().encode() * 20
COSTLY: dict[str, Callable[[int], bytes]] = {
    "names": lambda number: long_name(b"%d/" % number + b"n" * 4000) + Header(b"f").block(),
    "targets": lambda number: long_name(b"t" * 4000, b"K") + Header(b"%d" % number, b"2").block(),
    "attributes-of-files": lambda _: ATTRIBUTE,
    "attributes-of-directories": lambda _: ATTRIBUTE[:-BLOCK] + Header(b"d", b"5").block(),
    "scripts": lambda number: member(b"%d" % number, b"#!" + b"x" * 253 + b"\n"),
    "credentials": lambda number: member(b"%d" % number, KEYS),
    "marks": lambda number: member(b"%d" % number, hiding.BUSYBOX),
}


@pytest.mark.parametrize("case", COSTLY)
def test_whatever_an_index_notes_takes_room(case: str) -> None:
    """Without it an image that compresses to a few MB fills the memory with what its headers say."""
    tar = b"".join(COSTLY[case](number) for number in range(300)) + END
    plain = b"".join(member(b"%d" % number) for number in range(300)) + END

    def accepted(data: bytes, room: int) -> bool:
        try:
            index_of(data, Reading(credentials=True, room=Allowance(room)))
        except MalformedImage:
            return False
        return True

    assert accepted(plain, 64 * 1024)
    assert not accepted(tar, 64 * 1024)
    assert accepted(tar, 64 * MIB)


# --- time and memory of the large rows ---------------------------------------------------------------------------

MEASURED = """
import resource, sys, time
from pathlib import Path
from gate.errors import Unavailable
from gate.oci.descriptor import Descriptor, Digest
from gate.oci.filesystem import Filesystem
from gate.oci.layer import Reading, index_layer

class Stored:
    def __init__(self, path, diff_id):
        self.path, self.diff_id = Path(path), Digest.parse(diff_id)
        digest = Digest.parse("sha256:" + self.path.name)
        self.descriptor = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest, self.path.stat().st_size)
    def open(self):
        return self.path.open("rb")

def peak():
    status = Path("/proc/self/status")  # what getrusage gives includes the process that started this one
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20  # bytes, on macOS

layer = Stored(*sys.argv[1:])
try:
    reading = Reading(keep=frozenset({b"var/lib/dpkg/status"}), credentials=True)
    Filesystem([index_layer(layer, reading)], [str(layer.diff_id)]).total_size
    result = "accepted"
except Unavailable as error:
    result = type(error).__name__
print(result, peak(), time.process_time())
"""


def measured(layer: Layer, folder: Path) -> tuple[str, int, float]:
    """What becomes of a layer in a process of its own, its peak memory in MiB, and the processor seconds it took."""
    path = folder / layer.digest.removeprefix("sha256:")
    path.write_bytes(layer.data)
    command = [sys.executable, "-c", MEASURED, str(path), layer.diff_id]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result, peak, seconds = done.stdout.split()
    return result, int(peak), float(seconds)


def repeated(start: bytes, piece: bytes, count: int) -> Layer:
    """A layer that states `piece` many times, compressed once; its diff ID is wrong, which only shows at its end."""
    return Layer(gzip.compress(start) + gzip.compress(piece) * count, digest_of(b""))


ZEROS = bytes(64 << 20)
LARGE: dict[str, tuple[Callable[[], Layer], str]] = {
    "T24-record-of-512-mib": (
        lambda: repeated(Header(b"x", b"x", 512 << 20).block(), ZEROS, 8),
        "MalformedImage",
    ),
    "T25-300000-entries": (lambda: next(hostile_tar.t25_many_entries()).layers[0], "accepted"),
    "C6-status-of-1-gib": (
        lambda: repeated(Header(b"var/lib/dpkg/status", size=1 << 30).block(), ZEROS, 16),
        "MalformedImage",
    ),
    "attributes-of-1-gib": (lambda: repeated(b"", ATTRIBUTE * 1_000, 17), "MalformedImage"),
    "names-of-1-gib": (lambda: repeated(b"", COSTLY["names"](1) * 10_000, 20), "MalformedImage"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LARGE)
def test_large_rows_end_within_time_and_memory(case: str, tmp_path: Path) -> None:
    make, expected = LARGE[case]
    result, peak, seconds = measured(make(), tmp_path)
    assert result == expected
    assert peak < 256
    assert seconds < 20


@pytest.mark.parametrize("row", ["T16", "T17", "T26"])
def test_rows_on_which_other_readers_hang(row: str) -> None:
    start = time.process_time()
    for case in (case for case in CASES if case.row == row):
        with pytest.raises(MalformedImage):
            tree(case)
    assert time.process_time() - start < 1


def test_a_layer_listed_many_times_is_one_index() -> None:
    """C7: forty times the same index make one tree, without another pass."""
    (bomb,) = next(hostile_compression.c6_bomb(1 << 20)).layers
    index = index_layer(stored(bomb), Reading())
    found = Filesystem([index] * 40, [bomb.diff_id] * 40)
    assert [entry.layer for entry in found.entries()] == [39]
    assert found.total_size == 1 << 20
