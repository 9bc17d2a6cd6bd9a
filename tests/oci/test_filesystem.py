"""The file system of an image: look-ups, lists, what is gone, and what hard links share."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import filesystem as filesystem_module
from gate.oci.filesystem import Entry as Found
from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.layer import LayerIndex, Reading, index_layer, read_contents
from samples.images.credentials import private_key
from samples.images.entries import (
    OPAQUE,
    Entry,
    Kind,
    directory,
    file,
    hard_link,
    program,
    symbolic_link,
    whiteout,
    whiteout_of,
)
from samples.images.layers import Compression, layer_from_tar, layer_of
from samples.images.programs import static_program
from tests.kit import hiding
from tests.kit.raw_tar import END, Header, extended, member, records
from tests.kit.trees import stored

Entries = Mapping[str, Entry]
CAPABLE = {"security.capability": b"\1\0\0\2\x80" + bytes(15)}


def index(layer: Entries | bytes, reading: Reading | None = None) -> LayerIndex:
    """The index of a layer, given as entries or as a tar stream."""
    sample = layer_from_tar(layer, Compression.NONE) if isinstance(layer, bytes) else layer_of(layer)
    return index_layer(stored(sample), reading or Reading(keep_below=(b"",), credentials=True))


def tree(*layers: Entries | bytes) -> Filesystem:
    """The tree of layers, base first."""
    return Filesystem(
        [index(layer) for layer in layers], [f"sha256:{number}" for number in range(len(layers))]
    )


def paths(found: Iterable[Found]) -> list[str]:
    """The paths of entries, in order."""
    return [entry.path for entry in found]


def limited(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> None:
    monkeypatch.setattr(filesystem_module, "LIMITS", changed(LIMITS, **bounds))


# --- look-ups ----------------------------------------------------------------------------------------------------

LINKS: Entries = {
    "usr": directory(),
    "usr/bin": directory(),
    "usr/bin/busybox": program(b"b"),
    "usr/bin/sh": symbolic_link("busybox"),
    "bin": symbolic_link("usr/bin"),
    "absolute": symbolic_link("/usr/bin/sh"),
    "up": symbolic_link("../../usr/./bin//sh"),
    "chain": symbolic_link("absolute"),
    "loop": symbolic_link("loop"),
    "one": symbolic_link("two"),
    "two": symbolic_link("one/x"),
    "dangling": symbolic_link("/nowhere/at/all"),
    "through-file": symbolic_link("usr/bin/busybox/x"),
    "slash": symbolic_link("usr/bin/"),
    "etc/passwd": file("root:x:0:0::/:\n"),
}


@pytest.mark.parametrize(
    ("path", "got", "followed"),
    [
        ("/usr/bin/busybox", "/usr/bin/busybox", "/usr/bin/busybox"),
        ("usr/bin/busybox", "/usr/bin/busybox", "/usr/bin/busybox"),
        ("/usr/bin/sh", "/usr/bin/sh", "/usr/bin/busybox"),
        ("/bin", "/bin", "/usr/bin"),
        ("/bin/sh", "/usr/bin/sh", "/usr/bin/busybox"),
        ("/bin/../bin/sh", "/usr/bin/sh", "/usr/bin/busybox"),
        ("/absolute", "/absolute", "/usr/bin/busybox"),
        ("/up", "/up", "/usr/bin/busybox"),
        ("/chain", "/chain", "/usr/bin/busybox"),
        ("/slash/sh", "/usr/bin/sh", "/usr/bin/busybox"),
        ("/slash", "/slash", "/usr/bin"),
        ("/../../usr/./bin//busybox", "/usr/bin/busybox", "/usr/bin/busybox"),
        ("/loop", "/loop", None),
        ("/loop/x", None, None),
        ("/one", "/one", None),
        ("/one/x", None, None),
        ("/dangling", "/dangling", None),
        ("/dangling/x", None, None),
        ("/through-file", "/through-file", None),
        ("/usr/bin/busybox/x", None, None),
        ("/usr/bin/busybox/../sh", None, None),
        ("/missing", None, None),
        ("/", None, None),
        ("", None, None),
        ("/etc", "/etc", "/etc"),
        ("/\ud800", None, None),
    ],
)
def test_look_ups(path: str, got: str | None, followed: str | None) -> None:
    found = tree(LINKS)
    entry, target = found.get(path), found.lookup(path)
    assert (entry and entry.path, target and target.path) == (got, followed)


@given(st.lists(st.sampled_from(["a", "b", "c", ".", "..", ""]), max_size=6).map("/".join), st.data())
def test_look_ups_lead_where_the_system_leads(path: str, data: st.DataObject) -> None:
    """Compared with the same links on disk; targets stay inside, as a root of their own would keep them."""
    names = ["a", "b", "a/c", "b/c"]
    targets = st.sampled_from(["a", "b", "c", "a/c", "../b", "../b/c", "./c", "missing", "b/.."])
    links = {name: data.draw(targets) for name in names[2:] if data.draw(st.booleans())}
    entries: dict[str, Entry] = {"a": directory(), "b": directory(), "x": file("x")}
    for name, target in links.items():
        entries[name] = symbolic_link(target)
    found = tree(entries).lookup(f"/a/{path}/c")
    expected = _walked(f"a/{path}/c", entries)
    assert (found and found.path) == expected


def _walked(path: str, entries: Entries) -> str | None:
    """Follow a path as path_resolution(7) says, one link at a time, by replacing it in the text of the path."""
    for _ in range(LIMITS.links + 1):
        real: list[str] = []
        parts = path.split("/")
        for number, part in enumerate(parts):
            if part in ("", "."):
                continue
            if part == "..":
                real = real[:-1]
                continue
            entry = entries.get("/".join([*real, part]))
            if entry is not None and entry.kind is Kind.SYMBOLIC_LINK:
                path = "/".join([*real, entry.target, *parts[number + 1 :]])
                break
            real.append(part)
        else:
            return "/" + "/".join(real) if "/".join(real) in entries else None
    return None


@pytest.mark.parametrize("links", [40, 41])
def test_as_many_links_are_followed_as_linux_follows(links: int) -> None:
    entries: dict[str, Entry] = {f"l{number}": symbolic_link(f"l{number + 1}") for number in range(links)}
    entries[f"l{links}"] = file("end")
    found = tree(entries)
    assert (found.lookup("/l0") is None) == (links > 40)
    assert found.real_path("/l0") == (None if links > 40 else "/l40")
    assert (found.content("/l0") is None) == (links > 40)
    assert paths(found.under("/l0")) == []


def test_links_made_to_take_long_are_an_error() -> None:
    """Forty links of 4,000 bytes lead through 80,000 components; a rule may follow a hundred thousand such links."""
    entries = {f"l{number}": symbolic_link("./" * 2000 + f"l{number + 1}") for number in range(40)}
    found = tree({**entries, "l40": file("end")})
    start = time.process_time()
    with pytest.raises(MalformedImage, match="more than 1,024 components"):
        found.lookup("/l0")
    assert time.process_time() - start < 0.5


def test_directories_that_no_layer_states() -> None:
    """Layers need not state parents; engines make them, and what lies in them must not be overlooked."""
    found = tree({"var/cache/apt/x": file("x")}, {"var/log/y": file("y"), "opt": directory(0o700)})
    entry = found.lookup("/var/cache")
    assert entry == Found("/var/cache", EntryType.DIRECTORY, 0o755, 0, 0, 0, 0, layer=0)
    assert [found.lookup(path) for path in ("/var/missing", "/var/cache/missing", "/")] == [None] * 3
    log = found.get("/var/log")
    assert log is not None
    assert log.layer == 1
    assert paths(found.entries()) == ["/opt", "/var/cache/apt/x", "/var/log/y"]


def test_directories_that_are_gone_are_not_made() -> None:
    found = tree({"var/x": file("x")}, {".wh.var": whiteout()})
    assert found.lookup("/var") is None


def test_the_real_path_of_a_directory() -> None:
    found = tree(LINKS)
    assert found.real_path("bin/missing") == "/usr/bin/missing"
    assert found.real_path("/") == "/"
    assert found.real_path("/loop") is None


# --- names that are not UTF-8 ------------------------------------------------------------------------------------


def named(*names: bytes) -> bytes:
    """A tar stream of files that hold their own name."""
    return b"".join(member(name, name) for name in names) + END


def test_paths_are_printable_and_lead_back_to_their_entry() -> None:
    raw = b"caf\xe9"
    found = tree(named(b"etc/" + raw, b"etc/dev\\x2ddisk"))
    printed = [f"/{name}" for name in ("etc/caf\\xe9", "etc/dev\\x2ddisk")]
    assert paths(found.entries()) == sorted(printed, key=lambda path: path.encode())
    for path, content in zip(printed, (b"etc/" + raw, b"etc/dev\\x2ddisk"), strict=True):
        entry = found.get(path)
        assert entry is not None
        assert (entry.path, found.content(path)) == (path, content)
    assert set(found.paths()) == {path[1:] for path in printed}


@pytest.mark.parametrize("names", [(b"\xff", b"\\xff"), (b"\\xff", b"\xff")])
def test_two_paths_that_are_printed_alike_are_an_error(names: tuple[bytes, bytes]) -> None:
    """One of them would answer for both."""
    found = tree(named(*names))
    with pytest.raises(MalformedImage, match="printed as"):
        found.content("/\\xff")


# --- entries -----------------------------------------------------------------------------------------------------


def test_an_entry_says_what_its_header_says() -> None:
    capable = replace(program(b"#!/bin/sh\n", 0o2755).owned(7, 8).dated(9), extended_attributes=CAPABLE)
    (entry,) = tree({"a": capable}).entries()
    assert entry == Found(
        "/a", EntryType.FILE, 0o2755, 7, 8, 10, 9, layer=0, xattrs=CAPABLE, interpreter="/bin/sh"
    )
    assert entry.executable


@pytest.mark.parametrize(
    ("entry", "type_"),
    [
        (directory(), EntryType.DIRECTORY),
        (symbolic_link("x"), EntryType.SYMLINK),
        (Entry(Kind.CHARACTER_DEVICE, device=(1, 3)), EntryType.CHARACTER_DEVICE),
        (Entry(Kind.BLOCK_DEVICE, device=(8, 0)), EntryType.BLOCK_DEVICE),
        (Entry(Kind.FIFO), EntryType.FIFO),
    ],
)
def test_types(entry: Entry, type_: EntryType) -> None:
    (found,) = tree({"x": replace(entry, mode=0o755)}).entries()
    assert found.type is type_
    assert not found.executable


def test_elf_and_marks() -> None:
    found = tree({"app": program(hiding.BUSYBOX), "lib": file(b"\x7fELF"), "text": file("x")})
    assert [(entry.path, entry.elf, "busybox" in entry.marks) for entry in found.entries()] == [
        ("/app", True, True),
        ("/lib", True, False),
        ("/text", False, False),
    ]
    assert paths(found.marked()) == ["/app"]


# --- hard links --------------------------------------------------------------------------------------------------


def test_hard_links_are_the_file_they_share() -> None:
    """Engines set mode, owner and time of the last link on the file; content and marks are the file's."""
    found = tree(
        {
            "a": program(hiding.BUSYBOX, 0o755).dated(1),
            "c": hard_link("a", 0o4711).owned(1, 2).dated(3),
            "b": hard_link("c", 0o4750).owned(3, 4).dated(5),
        }
    )
    entries = list(found.entries())
    assert [(entry.path, entry.links) for entry in entries] == [
        ("/a", ("/b", "/c")),
        ("/b", ("/a", "/c")),
        ("/c", ("/a", "/b")),
    ]
    for entry in entries:
        assert (entry.type, entry.mode, entry.uid, entry.gid, entry.mtime) == (
            EntryType.FILE,
            0o4750,
            3,
            4,
            5,
        )
        assert (entry.size, entry.elf) == (len(hiding.BUSYBOX), True)
        assert "busybox" in entry.marks
        assert found.content(entry.path) == hiding.BUSYBOX
    assert found.total_size == len(hiding.BUSYBOX)
    assert paths(found.privileged()) == paths(found.executables()) == paths(found.marked()) == ["/a"]


def test_a_link_keeps_what_its_first_name_lost() -> None:
    found = tree(
        {"a": program(b"old", 0o4755), "b": hard_link("a", 0o4755)},
        {"a": file("new")},
        {whiteout_of("c"): whiteout()},
    )
    (entry,) = found.privileged()
    assert (entry.path, entry.links, found.content("/b"), found.content("/a")) == ("/b", (), b"old", b"new")
    assert found.total_size == 6


def test_a_file_of_which_every_name_is_gone() -> None:
    found = tree(
        {"a": program(b"old", 0o4755), "b": hard_link("a", 0o4755)},
        {".wh.a": whiteout(), ".wh.b": whiteout()},
    )
    assert paths(found.privileged()) == []
    assert paths(found.removed()) == ["/a", "/b"]
    assert found.total_size == 0


def test_attributes_of_the_file_and_of_its_last_link() -> None:
    def capable(entry: Entry) -> Entry:
        return replace(entry, extended_attributes=CAPABLE)

    for layer, expected in (
        ({"a": capable(file()), "b": hard_link("a")}, ["/a"]),
        ({"a": file(), "b": capable(hard_link("a"))}, ["/a"]),
        ({"a": file(), "b": capable(hard_link("a")), "c": hard_link("a")}, []),
    ):
        found = tree(layer)
        assert paths(found.privileged()) == expected
        assert ["security.capability" in entry.xattrs for entry in found.entries()] == [bool(expected)] * len(
            layer
        )


def test_only_files_are_executable_or_privileged() -> None:
    """A hard link may share a symbolic link, whose mode means nothing."""
    found = tree(
        {
            "link": replace(symbolic_link("x"), mode=0o4777),
            "same": hard_link("link", 0o4777),
            "pipe": replace(Entry(Kind.FIFO), mode=0o4777),
            "folder": replace(directory(0o4777), extended_attributes=CAPABLE),
            "same-pipe": hard_link("pipe", 0o4777),
        }
    )
    assert paths(found.executables()) == paths(found.privileged()) == []
    assert [entry.type for entry in found.entries()].count(EntryType.SYMLINK) == 2


def test_very_many_links_of_one_file_cost_neither_time_nor_memory() -> None:
    count = 5_000
    links = (Header(b"%d/sh" % number, b"1", linkname=b"sh").block() for number in range(count))
    start = time.process_time()
    found = tree(member(b"sh", b"x") + b"".join(links) + END)
    entries = list(found.named(["sh"]))
    assert len(entries) == count + 1
    assert {len(entry.links) for entry in entries} == {100}
    assert time.process_time() - start < 5


# --- lists -------------------------------------------------------------------------------------------------------

LISTED: Entries = {
    "z/sh": program(b"z", 0o711),
    "a/sh": symbolic_link("../z/sh"),
    "m/sh": directory(),
    "m/sh/file": file("f", 0o600),
    "bin/su": program(b"su", 0o4755),
    "bin/wall": program(b"wall", 0o2644),
    "bin/ping": replace(program(b"ping"), extended_attributes=CAPABLE),
    "bin/tee": replace(program(b"tee"), extended_attributes={"user.x": b""}),
}


def test_lists_are_in_the_order_of_paths() -> None:
    found = tree(LISTED)
    assert paths(found.entries()) == [f"/{path}" for path in sorted(LISTED)]
    assert paths(found.named(["sh", "su"])) == ["/a/sh", "/bin/su", "/z/sh"]
    assert paths(found.under("/bin")) == ["/bin/ping", "/bin/su", "/bin/tee", "/bin/wall"]
    assert paths(found.under("/")) == paths(found.entries())
    assert paths(found.under("/m/")) == ["/m/sh", "/m/sh/file"]
    assert paths(found.under("/missing")) == paths(found.under("/bin/su")) == []
    assert paths(found.executables()) == ["/bin/ping", "/bin/su", "/bin/tee", "/z/sh"]
    assert paths(found.privileged()) == ["/bin/ping", "/bin/su", "/bin/wall"]
    assert set(found.paths(("bin/", "a"))) == {"bin/ping", "bin/su", "bin/tee", "bin/wall", "a/sh"}


def test_elf_files_are_programs_and_libraries_once_each() -> None:
    elf = static_program("x")
    found = tree(
        {
            "a": program(elf),
            "b": hard_link("a", 0o755),
            "lib/c.so": file(elf),
            "d": file("x"),
            "e": program(elf),
        },
        {whiteout_of("e"): whiteout()},
    )
    assert paths(found.elf_files()) == ["/a", "/lib/c.so"]


def test_the_root_directory_is_an_entry_but_not_below_itself() -> None:
    found = tree(Header(b"./", b"5").block() + member(b"./x") + END)
    assert paths(found.entries()) == ["/", "/x"]
    assert paths(found.under("/")) == ["/x"]
    root = found.get("/")
    assert root is not None
    assert root.type is EntryType.DIRECTORY


def test_below_a_linked_directory() -> None:
    assert paths(tree(LINKS).under("/bin")) == ["/usr/bin/busybox", "/usr/bin/sh"]


def test_sizes_and_times() -> None:
    found = tree(
        {"a": file("123").dated(5), "d": directory(), "l": symbolic_link("a"), "gone": file("4567").dated(9)},
        {".wh.gone": whiteout(), "d": directory().dated(99)},
    )
    assert found.total_size == 3
    assert found.newest_mtime(until=5) == 5
    assert found.newest_mtime(until=4) is None
    assert found.diff_ids == ("sha256:0", "sha256:1")


def test_an_image_without_layers() -> None:
    found = Filesystem([], [])
    assert found.total_size == 0
    assert found.newest_mtime(until=2**40) is None
    assert paths(found.entries()) == paths(found.removed()) == []
    assert list(found.credentials()) == []
    assert found.get("/x") is None


# --- what is gone ------------------------------------------------------------------------------------------------

LOWER: Entries = {
    "bin/sh": program(hiding.BUSYBOX),
    "bin/ls": program(b"ls"),
    "bin/link": symbolic_link("sh"),
    "bin/same": hard_link("bin/ls"),
    "opt": directory(),
    "opt/tool": program(b"tool"),
    "srv/x": file("x"),
}


def test_removed_is_what_later_entries_delete_or_replace() -> None:
    found = tree(
        LOWER,
        {"bin/.wh.sh": whiteout(), "bin/.wh.link": whiteout(), "bin/ls": program(b"new")},
        {"opt": file("instead"), f"srv/{OPAQUE}": whiteout()},
    )
    gone = list(found.removed())
    assert paths(gone) == ["/bin/link", "/bin/ls", "/bin/sh", "/opt/tool", "/srv/x"]
    assert {entry.layer for entry in gone} == {0}
    assert paths(found.removed(["sh", "tool", "missing"])) == ["/bin/sh", "/opt/tool"]
    assert paths(found.removed(marked=True)) == ["/bin/sh"]
    assert paths(found.removed(["tool"], marked=True)) == []
    assert paths(found.entries()) == ["/bin/ls", "/bin/same", "/opt"]


def test_every_layer_that_held_a_path_is_named() -> None:
    found = tree({"a": file("1")}, {"a": file("2")}, {"a": file("3")})
    assert [(entry.path, entry.layer, entry.size) for entry in found.removed()] == [
        ("/a", 0, 1),
        ("/a", 1, 1),
    ]


def test_removed_behind_a_link() -> None:
    found = tree(
        {"run": symbolic_link("var/run")}, b"".join([member(b"run/x", b"1"), member(b"run/x", b"2"), END])
    )
    assert [(entry.path, entry.layer) for entry in found.removed()] == [("/var/run/x", 1)]


def test_removed_contents() -> None:
    found = tree({"b": file("1"), "a": file("2")}, {"a": file("3"), ".wh.b": whiteout()})
    assert [(entry.path, content) for entry, content in found.removed_contents()] == [
        ("/a", b"2"),
        ("/b", b"1"),
    ]


def test_credentials_of_every_layer() -> None:
    key = file(private_key())
    found = tree({"a": key, "b": key, "same": hard_link("b")}, {".wh.a": whiteout(), ".wh.b": whiteout()})
    results = [(entry.path, entry.layer, removed) for entry, _, removed in found.credentials()]
    assert results == [("/a", 0, True), ("/b", 0, False)]


# --- contents ----------------------------------------------------------------------------------------------------


def test_contents_are_found_through_links() -> None:
    found = tree(LINKS, {"etc/shadow": symbolic_link("passwd"), "etc/same": hard_link("etc/passwd")})
    for path in ("/etc/passwd", "etc/passwd", "/etc/shadow", "/etc/same"):
        assert found.content(path) == b"root:x:0:0::/:\n"
    assert found.content("/missing") is None
    assert found.content("/etc") is None
    assert found.content("/usr/bin") is None
    assert found.content("/loop") is None


def test_content_that_was_not_kept_is_not_available() -> None:
    found = Filesystem([index({"a": file("12345")}, Reading())], ["sha256:0"])
    with pytest.raises(Unavailable, match="/a has 5 bytes") as caught:
        found.content("/a")
    assert caught.value.hint
    assert not isinstance(caught.value, MalformedImage)


def test_a_second_look_brings_what_links_lead_to(monkeypatch: pytest.MonkeyPatch) -> None:
    layers: list[Entries] = [
        {"other": file("x"), "opt/status": file("status")},
        {
            "var/lib/dpkg/status": symbolic_link("/opt/status"),
            "etc/passwd": hard_link("other"),
            "large": file("12345678"),
        },
    ]
    samples = [stored(layer_of(layer)) for layer in layers]
    found = Filesystem([index_layer(sample, Reading()) for sample in samples], ["sha256:0"] * 2)
    wanted = ["/var/lib/dpkg/status", "/etc/passwd", "/missing", "/var"]
    assert found.not_kept(wanted) == {0: {0, 1}}
    for position, content in read_contents(samples[0], {0, 1}).items():
        found.add_content(0, position, content)
    assert found.not_kept(wanted) == {}
    assert found.content("/var/lib/dpkg/status") == b"status"
    assert found.content("/etc/passwd") == b"x"
    limited(monkeypatch, kept_file=7)
    assert found.not_kept(["/large"]) == {}
    limited(monkeypatch, kept_file=8)
    assert found.not_kept(["/large"]) == {1: {2}}


LOOKS: dict[str, Callable[[Filesystem], object]] = {
    "entries": Filesystem.entries,
    "under": lambda found: found.under("/srv"),
    "named": lambda found: found.named([str(number) for number in range(100)]),
    "executables": Filesystem.executables,
    "privileged": Filesystem.privileged,
    "total_size": lambda found: [found.total_size],
    "newest_mtime": lambda found: [found.newest_mtime(until=2**40)],
}


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_a_look_at_many_files_takes_little_memory(look: str) -> None:
    """The indexes of a million entries fill most of what the gate may take; lists of numbers or tuples would not fit."""
    number = 20_000
    mode = b"0004755"
    blocks = (Header(b"srv/%d/%d" % (each // 100, each % 100), mode=mode).block() for each in range(number))
    found = tree(b"".join(blocks) + END)
    tracemalloc.start()
    entries = LOOKS[look](found)
    assert isinstance(entries, Iterable)
    seen = sum(1 for _ in entries)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == (1 if look in ("total_size", "newest_mtime") else number)
    assert peak < 32 * number


# --- real trees --------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_a_debian_root(debian_root: Path) -> None:
    """A tree that nobody here composed: nothing of it is missing, and links lead where Debian's links lead."""
    reading = Reading(keep=frozenset({b"var/lib/dpkg/status"}))
    found = Filesystem([index(debian_root.read_bytes(), reading)], ["sha256:0"])
    shell = found.lookup("/bin/sh")
    assert shell is not None
    assert shell.path == "/usr/bin/dash"
    assert {"/usr/bin/su", "/usr/bin/passwd"} <= set(paths(found.privileged()))
    assert len(paths(found.executables())) > 300
    assert list(found.removed()) == []
    content = found.content("/var/lib/dpkg/status")
    assert content is not None
    assert content.startswith(b"Package: ")
    assert found.real_path("/lib") == "/usr/lib"


def test_pax_paths_reach_the_tree() -> None:
    data = extended(records(path=b"deep/" * 60 + b"sh")) + member(b"x", b"sh") + END
    assert paths(tree(data).named(["sh"])) == ["/" + "deep/" * 60 + "sh"]


def test_the_lower_layers_alone_are_what_they_were() -> None:
    whole = tree(
        {"a": file("1"), "kept": file("base"), "b": symbolic_link("kept")},
        {"kept": file("above"), ".wh.a": file()},
        {"c": file()},
    )
    lower = whole.lower(1)
    assert paths(lower.entries()) == ["/a", "/b", "/kept"]
    assert paths(whole.entries()) == ["/b", "/c", "/kept"]
    assert lower.diff_ids == whole.diff_ids[:1]
    assert paths(whole.lower(2).entries()) == ["/b", "/kept"]
    assert paths(whole.lower(0).entries()) == []


def test_the_lower_layers_keep_what_was_read_in_a_second_look() -> None:
    whole = tree({"data": file("x")}, {"more": file("y")})
    whole.add_content(0, 0, b"read")
    assert whole.lower(1).content("/data") == b"read"
