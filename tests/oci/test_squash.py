"""Layers on top of each other: as containerd unpacks them, in both of its ways, or refused."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping, Sequence
from itertools import count, islice
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from gate.errors import MalformedImage
from gate.limits import LIMITS
from gate.oci import squash
from gate.oci.filesystem import Entry as Found
from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.layer import LayerIndex, Reading, index_layer
from samples.images.builder import Settings, build_image
from samples.images.entries import (
    OPAQUE,
    Entry,
    directory,
    file,
    hard_link,
    symbolic_link,
    whiteout,
    whiteout_of,
)
from samples.images.layers import Compression, layer_from_tar, tar_of
from samples.images.layout import oci_layout, write_directory
from tests.kit.engines import Node, Tree, Unpacked, mounted, unpacked_by_containerd
from tests.kit.random_layers import honest, wild
from tests.kit.raw_tar import END
from tests.kit.trees import stored

Layer = Mapping[str, Entry] | Sequence[tuple[str, Entry]]
GONE = whiteout()
TYPES = {
    EntryType.FILE: "file",
    EntryType.DIRECTORY: "directory",
    EntryType.SYMLINK: "symlink",
    EntryType.FIFO: "fifo",
}


def tar(layer: Layer) -> bytes:
    """The tar stream of entries in this order; one path may stand there more than once."""
    entries = layer.items() if isinstance(layer, Mapping) else layer
    return b"".join(tar_of({path: entry})[: -len(END)] for path, entry in entries) + END


def index(data: bytes) -> LayerIndex:
    """The index of a tar stream, all contents kept."""
    return index_layer(stored(layer_from_tar(data, Compression.NONE)), Reading(keep_below=(b"",)))


def tree(*layers: Layer) -> Filesystem:
    """The tree of layers, base first."""
    return Filesystem([index(tar(layer)) for layer in layers], ["sha256:0"] * len(layers))


def node(filesystem: Filesystem, entry: Found) -> Node:
    """An entry as an unpacked tree shows it; modes of symbolic links mean nothing."""
    type_ = TYPES[entry.type]
    text = (filesystem.content(entry.path) or b"") if type_ == "file" else entry.link_target.encode()
    return Node(type_, 0o777 if type_ == "symlink" else entry.mode, text)


def shown(filesystem: Filesystem) -> dict[str, str]:
    """What stands at each path but directories: content or target."""
    nodes = {entry.path[1:]: node(filesystem, entry) for entry in filesystem.entries()}
    return {path: one.text.decode() for path, one in nodes.items() if one.type != "directory"}


# --- what engines agree on ---------------------------------------------------------------------------------------

BASE: Layer = {
    "opt": directory(),
    "opt/a": file("a"),
    "opt/b": file("b"),
    "opt/d": directory(0o700),
    "opt/d/x": file("x"),
}
AGREED: dict[str, tuple[Sequence[Layer], dict[str, str]]] = {
    "nothing": ([], {}),
    "one-layer": ([BASE], {"opt/a": "a", "opt/b": "b", "opt/d/x": "x"}),
    "empty-layer": ([BASE, {}], {"opt/a": "a", "opt/b": "b", "opt/d/x": "x"}),
    "replaced": ([BASE, {"opt/a": file("new")}], {"opt/a": "new", "opt/b": "b", "opt/d/x": "x"}),
    "directory-merged": ([BASE, {"opt/d": directory()}], {"opt/a": "a", "opt/b": "b", "opt/d/x": "x"}),
    "whiteout-of-file": ([BASE, {whiteout_of("opt/a"): GONE}], {"opt/b": "b", "opt/d/x": "x"}),
    "whiteout-of-directory": ([BASE, {whiteout_of("opt/d"): GONE}], {"opt/a": "a", "opt/b": "b"}),
    "whiteout-of-nothing": ([BASE, {".wh.missing": GONE}], {"opt/a": "a", "opt/b": "b", "opt/d/x": "x"}),
    "whiteout-before-file": (
        [BASE, [(whiteout_of("opt/a"), GONE), ("opt/a", file("new"))]],
        {"opt/a": "new", "opt/b": "b", "opt/d/x": "x"},
    ),
    "written-again-above": ([BASE, {whiteout_of("opt"): GONE}, {"opt/c": file("c")}], {"opt/c": "c"}),
    "nested-whiteouts": ([BASE, {whiteout_of("opt/d"): GONE}, {whiteout_of("opt"): GONE}], {}),
    "opaque": ([BASE, [("opt/c", file("c")), (f"opt/{OPAQUE}", GONE)]], {"opt/c": "c"}),
    "opaque-first": ([BASE, [(f"opt/{OPAQUE}", GONE), ("opt/c", file("c"))]], {"opt/c": "c"}),
    "opaque-root": ([BASE, [(OPAQUE, GONE), ("etc/c", file("c"))]], {"etc/c": "c"}),
    "opaque-twice": ([BASE, {f"opt/{OPAQUE}": GONE, "opt/a": file("1")}, {f"opt/{OPAQUE}": GONE}], {}),
    "opaque-of-nothing": ([{f"opt/{OPAQUE}": GONE}, BASE], {"opt/a": "a", "opt/b": "b", "opt/d/x": "x"}),
    "file-over-directory": ([BASE, {"opt/d": file("f")}], {"opt/a": "a", "opt/b": "b", "opt/d": "f"}),
    "file-over-directory-over": (
        [BASE, {"opt/d": file("f")}, {"opt/d": directory(), "opt/d/y": file("y")}],
        {"opt/a": "a", "opt/b": "b", "opt/d/y": "y"},
    ),
    "link-over-directory": ([BASE, {"opt": symbolic_link("/srv")}], {"opt": "/srv"}),
    "link-over-directory-written-through": (
        [BASE, {"opt": symbolic_link("/srv"), "opt/a": file("new")}],
        {"opt": "/srv", "srv/a": "new"},
    ),
    "directory-over-link": (
        [{"opt": symbolic_link("/srv")}, {"opt": directory(), "opt/a": file("a")}],
        {"opt/a": "a"},
    ),
    "links-in-one-layer": (
        [{"usr/bin": directory(), "bin": symbolic_link("usr/bin"), "bin/sh": file("sh")}],
        {"bin": "usr/bin", "usr/bin/sh": "sh"},
    ),
    "added-through-a-link": (
        [{"run": directory(), "var/run": symbolic_link("/run")}, {"var/run/ko/licence": file("x")}],
        {"var/run": "/run", "run/ko/licence": "x"},
    ),
    "relative-link": ([{"var/run": symbolic_link("../run")}, {"var/run/x": file("x")}], {"var/run": "../run", "run/x": "x"}),
    "relative-link-up-to-the-root": ([{"a/b": symbolic_link("../../../c"), "a/b/x": file("x")}], {"a/b": "../../../c", "c/x": "x"}),
    "link-with-dots": ([{"a": symbolic_link(".//./b/"), "a/x": file("x")}], {"a": ".//./b/", "b/x": "x"}),
    "links-one-after-the-other": (
        [{"lib": symbolic_link("usr/lib"), "usr/lib/x": symbolic_link("y"), "lib/x/z": file("z")}],
        {"lib": "usr/lib", "usr/lib/x": "y", "usr/lib/y/z": "z"},
    ),
    "link-to-a-link": (
        [{"lib64": symbolic_link("usr/lib64"), "usr/lib64": symbolic_link("lib"), "lib64/ld.so": file("ld")}],
        {"lib64": "usr/lib64", "usr/lib64": "lib", "usr/lib/ld.so": "ld"},
    ),
    "a-followed-link-replaced-by-a-link": (
        [{"a": symbolic_link("x"), "a/f": file("1")}, [("a", symbolic_link("y")), ("a/f", file("2"))]],
        {"a": "y", "x/f": "1", "y/f": "2"},
    ),
    "a-followed-link-deleted": (
        [{"a": symbolic_link("x"), "a/f": file("1")}, {".wh.a": GONE}, {"a/f": file("2")}],
        {"x/f": "1", "a/f": "2"},
    ),
    "a-followed-link-replaced-by-a-directory-in-its-layer": (
        [[("a", symbolic_link("x")), ("a/f", file("1")), ("a", directory()), ("a/f", file("2"))]],
        {"x/f": "1", "a/f": "2"},
    ),
    "written-twice-through-a-link": (
        [{"a": symbolic_link("x")}, [("a/f", file("1")), ("a/f", file("2"))]],
        {"a": "x", "x/f": "2"},
    ),
    "hard-links": (
        [[("a", file("1")), ("b", hard_link("a")), ("c", hard_link("b")), ("a", file("2"))]],
        {"a": "2", "b": "1", "c": "1"},
    ),
    "hard-link-to-a-link": ([[("a", symbolic_link("x")), ("b", hard_link("a"))]], {"a": "x", "b": "x"}),
    "hard-link-through-a-link": (
        [[("d/f", file("1")), ("l", symbolic_link("d")), ("x", hard_link("l/f"))]],
        {"d/f": "1", "l": "d", "x": "1"},
    ),
    "hard-link-replaces-a-file": ([[("a", file("1")), ("b", file("2")), ("b", hard_link("a"))]], {"a": "1", "b": "1"}),
}  # fmt: skip


@pytest.mark.parametrize("case", AGREED)
def test_what_engines_agree_on(case: str) -> None:
    layers, expected = AGREED[case]
    assert shown(tree(*layers)) == expected


@pytest.mark.real
def test_engines_do_agree_on_it(containerd_apply: Path, tmp_path: Path) -> None:
    """What is added through a link of a lower layer stands at another path with overlayfs, and is found by both."""
    images = [[tar(layer) for layer in layers] for layers, _ in AGREED.values()]
    for case, unpacked in zip(
        AGREED, unpacked_by_containerd(containerd_apply, images, tmp_path), strict=True
    ):
        layers, expected = AGREED[case]
        assert unpacked.native is not None, case
        assert unpacked.overlay is not None, case
        assert {path.encode(): text.encode() for path, text in expected.items()} == {
            path: one.text for path, one in unpacked.native.items() if one.type != "directory"
        }
        assert_not_overlooked(tree(*layers), unpacked.overlay)


# --- what only engines without overlayfs unpack ------------------------------------------------------------------

NATIVE_ONLY: dict[str, tuple[Sequence[Layer], dict[str, str]]] = {
    "whiteout-after-its-file": ([[("bin/sh", file("sh")), ("bin/.wh.sh", GONE)]], {}),
    "whiteout-of-the-parent-after": ([[("bin/sh", file("sh")), (".wh.bin", GONE)]], {}),
    "below-a-whiteout": ([BASE, [(".wh.opt", GONE), ("opt/c", file("c"))]], {"opt/c": "c"}),
    "hard-link-to-a-lower-layer": ([{"a": file("1")}, {"b": hard_link("a")}], {"a": "1", "b": "1"}),
}


@pytest.mark.parametrize("case", NATIVE_ONLY)
def test_what_only_engines_without_overlayfs_unpack(case: str) -> None:
    layers, expected = NATIVE_ONLY[case]
    assert shown(tree(*layers)) == expected


@pytest.mark.real
def test_overlayfs_does_refuse_it(containerd_apply: Path, tmp_path: Path) -> None:
    images = [[tar(layer) for layer in layers] for layers, _ in NATIVE_ONLY.values()]
    for unpacked in unpacked_by_containerd(containerd_apply, images, tmp_path):
        assert unpacked.native is not None
        assert unpacked.overlay is None


# --- what is refused ---------------------------------------------------------------------------------------------

LINKED: Layer = {"usr": directory(), "usr/x": file("evil", 0o4755), "usr/d": directory(), "usr/d/y": file("y"), "bin": symbolic_link("usr")}  # fmt: skip
MOVED: Layer = {"bin/new": file("evil", 0o4755)}
REFUSED: dict[str, Sequence[Layer]] = {
    "replaced-behind-a-link": [LINKED, {"bin/x": file("good")}],
    "deleted-behind-a-link": [LINKED, {"bin/.wh.x": GONE}],
    "directory-deleted-behind-a-link": [LINKED, {"bin/.wh.d": GONE}],
    "directory-replaced-behind-a-link": [LINKED, {"bin/d": file("good")}],
    "implied-directory-replaced-behind-a-link": [
        {"usr/d/y": file("y"), "bin": symbolic_link("usr")},
        {"bin/d": file("good")},
    ],
    "opaque-behind-a-link": [LINKED, {f"bin/{OPAQUE}": GONE}],
    "opaque-after-a-link-was-followed": [
        LINKED,
        [("bin/new", file("new")), (OPAQUE, GONE), ("bin/z", file())],
    ],
    "replaced-without-the-link": [LINKED, MOVED, {"usr/new": file("good")}],
    "deleted-without-the-link": [LINKED, MOVED, {"usr/.wh.new": GONE}],
    "replaced-through-the-link-by-another-layer": [LINKED, MOVED, {"bin/new": file("good")}],
    "parent-deleted-without-the-link": [LINKED, MOVED, {".wh.usr": GONE}],
    "parent-replaced-without-the-link": [LINKED, MOVED, {"usr": file("good")}],
    "parent-opaque-without-the-link": [LINKED, MOVED, {f"usr/{OPAQUE}": GONE}],
    "link-replaced-by-a-directory": [LINKED, MOVED, {"bin": directory()}],
    "deleted-and-created-again": [LINKED, [(".wh.usr", GONE), ("usr", directory())]],
    "replaced-and-created-again": [LINKED, [("usr", file("x")), ("usr", directory())]],
    "opaque-removed-and-created-again": [
        LINKED,
        [(f"usr/{OPAQUE}", GONE), ("usr", symbolic_link("x")), ("usr", directory())],
    ],
}


@pytest.mark.parametrize("case", REFUSED)
def test_where_engines_differ_layers_are_refused(case: str) -> None:
    with pytest.raises(MalformedImage, match="engines differ"):
        tree(*REFUSED[case])


@pytest.mark.real
def test_engines_do_differ(containerd_apply: Path, tmp_path: Path) -> None:
    """Each case shows more with one of the two than with the other: whichever is followed, something is overlooked."""
    images = [[tar(layer) for layer in layers] for layers in REFUSED.values()]
    same = {
        case
        for case, unpacked in zip(
            REFUSED, unpacked_by_containerd(containerd_apply, images, tmp_path), strict=True
        )
        if unpacked.native is not None and unpacked.native == unpacked.overlay
    }
    assert same == set()


@pytest.mark.parametrize(
    "target", ["/usr/../deep", "x/..", "x/y/../../z"], ids=["absolute", "itself", "twice"]
)
def test_links_that_climb_after_a_name_are_refused(target: str) -> None:
    """The kernel follows `x` before it climbs, containerd drops both."""
    with pytest.raises(MalformedImage, match="where engines differ"):
        tree({"l": symbolic_link(target), "l/f": file("x")})


def test_a_link_inside_a_link_is_refused_where_more_follows() -> None:
    """Containerd looks for `t` below the link `l2` before it knows where that leads, and goes to `q` at the root."""
    layer = {
        "deep/dir": directory(),
        "deep/dir/t": symbolic_link("../q"),
        "l2": symbolic_link("deep/dir"),
        "s": symbolic_link("l2"),
    }
    with pytest.raises(MalformedImage, match="where engines differ"):
        tree(layer, {"s/t/f": file("x")})


def test_loops_of_links_are_refused() -> None:
    with pytest.raises(MalformedImage, match="in a loop"):
        tree({"a": symbolic_link("b"), "b": symbolic_link("a"), "a/f": file("x")})


@pytest.mark.parametrize("links", [40, 41])
def test_chains_of_links_are_bounded(links: int) -> None:
    layer: dict[str, Entry] = {f"l{number}": symbolic_link(f"l{number + 1}") for number in range(links)}
    layer["l0/f"] = file("x")
    if links > LIMITS.links:
        with pytest.raises(MalformedImage, match="in a loop"):
            tree(layer)
    else:
        assert shown(tree(layer))["l40/f"] == "x"


@pytest.mark.parametrize("parent", [file(), symbolic_link("f")])
def test_entries_below_a_file_are_refused(parent: Entry) -> None:
    with pytest.raises(MalformedImage, match="not a directory"):
        tree({"f": file(), "p": parent}, {"p/x": file()})


@pytest.mark.parametrize(
    "layer",
    [
        {"a": hard_link("missing")},
        {"a": hard_link("a")},
        [("a", hard_link("b")), ("b", hard_link("a"))],
        [("a", file()), (".wh.a", GONE), ("b", hard_link("a"))],
        [("a", file()), ("a", hard_link("a"))],
        [("d/f", file()), ("d", hard_link("d/f"))],
        [("d/f", file()), ("l", symbolic_link("d")), ("d", hard_link("l/f"))],
        [("d/f", file()), ("x", hard_link("d"))],
        [("d", directory()), ("x", hard_link("d"))],
        [("x", file()), ("y", hard_link("x/z"))],
    ],
)
def test_hard_links_to_nothing_or_directories_are_refused(layer: Layer) -> None:
    with pytest.raises(MalformedImage, match=r"hard link|not a directory"):
        tree(layer)


# --- limits ------------------------------------------------------------------------------------------------------


def limited(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> None:
    monkeypatch.setattr(squash, "LIMITS", changed(LIMITS, **bounds))


def test_entries_of_an_image_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, image_entries=6)
    assert (
        len(shown(tree({"a": file(), "b": file(), "c": file()}, {"d": file(), "e": file(), "f": file()})))
        == 6
    )
    with pytest.raises(MalformedImage, match="more than 6 entries"):
        tree({"a": file(), "b": file(), "c": file()}, {"d": file(), "e": file(), "f": file(), "g": file()})


def test_steps_from_directory_to_directory_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks that make known directories stale, between deep entries: the time would grow with depth times entries."""
    deep = "d/" * 100
    layer = [
        entry for number in range(20) for entry in ((f"{deep}{number}", file()), (f"{deep}{OPAQUE}", GONE))
    ]
    limited(monkeypatch, link_steps=5_000)
    tree(layer)
    limited(monkeypatch, link_steps=1_500)
    with pytest.raises(MalformedImage, match="more than 1,500 steps"):
        tree(layer)


# --- real unpackers ----------------------------------------------------------------------------------------------


def compared(images: Sequence[Sequence[bytes]], unpacked: Sequence[Unpacked]) -> dict[str, int]:
    """Assert that nothing an engine shows is overlooked, and count what became of the images."""
    counts = {"equal": 0, "refused by all": 0, "refused here": 0, "accepted": 0}
    for image, engines in zip(images, unpacked, strict=True):
        trees = [each for each in (engines.native, engines.overlay) if each is not None]
        try:
            found = Filesystem([index(layer) for layer in image], ["sha256:0"] * len(image))
        except MalformedImage:
            counts["refused here" if trees else "refused by all"] += 1
            continue
        counts["equal" if trees else "accepted"] += 1
        for each in trees:
            assert_not_overlooked(found, each)
        if engines.native is not None and not any(OPAQUE.encode() in layer for layer in image):
            assert_no_ghosts(found, trees)
    return counts


def assert_not_overlooked(found: Filesystem, engine: Tree) -> None:
    """Assert that all but directories stands where the engine shows it, with content, target and mode."""
    for path, expected in engine.items():
        if expected.type == "directory":
            continue
        entry = found.get(f"/{path.decode()}")
        assert entry is not None, path
        assert node(found, entry) == expected, path


def assert_no_ghosts(found: Filesystem, trees: Sequence[Tree]) -> None:
    """Assert that nothing is shown that no engine has."""
    paths = {path for tree in trees for path in tree}
    assert {path.encode() for path in shown(found)} <= paths


@pytest.mark.real
def test_nothing_that_containerd_unpacks_is_overlooked(containerd_apply: Path, tmp_path: Path) -> None:
    images = [wild(number) for number in range(1_500)]
    counts = compared(images, unpacked_by_containerd(containerd_apply, images, tmp_path))
    assert counts["equal"] > 400, counts
    assert counts["refused here"] < 150, counts


@pytest.mark.real
def test_what_builders_write_is_the_same_everywhere(containerd_apply: Path, tmp_path: Path) -> None:
    images = [honest(number) for number in range(500)]
    counts = compared(images, unpacked_by_containerd(containerd_apply, images, tmp_path))
    assert counts["equal"] == len(images)


@pytest.mark.real
def test_what_umoci_unpacks(umoci_binary: Path, tmp_path: Path) -> None:
    """Another engine, on layers as builders write them."""
    several = (image for image in map(honest, count()) if len(image) > 1)
    for number, image in enumerate(islice(several, 25)):
        layers = [layer_from_tar(layer) for layer in image]
        layout = write_directory(
            oci_layout({"t": build_image(layers, Settings(None))}), tmp_path / f"{number}"
        )
        bundle = tmp_path / f"{number}-bundle"
        command: list[str | Path] = [umoci_binary, "unpack", "--rootless", "--image", f"{layout}:t", bundle]
        subprocess.run(command, check=True, capture_output=True)
        found = Filesystem([index(layer) for layer in image], ["sha256:0"] * len(image))
        unpacked = walked(bundle / "rootfs")
        assert_not_overlooked(found, unpacked)
        assert_no_ghosts(found, [unpacked])


def walked(root: Path) -> Tree:
    """A folder as an unpacked tree."""
    nodes: dict[bytes, Node] = {}
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            one = Node("symlink", 0o777, str(path.readlink()).encode())
        elif stat.S_ISREG(mode):
            one = Node("file", stat.S_IMODE(mode), path.read_bytes())
        else:
            one = Node("directory" if stat.S_ISDIR(mode) else "fifo", stat.S_IMODE(mode), b"")
        nodes[str(path.relative_to(root)).encode()] = one
    return nodes


def test_the_kit_lays_directories_over_each_other_as_overlayfs_does() -> None:
    folder, one, mark = Node("directory", 0o755, b""), Node("file", 0o644, b"1"), Node("whiteout", 0, b"")
    lower = {b"d": folder, b"d/a": one, b"d/b": one, b"e": one}
    assert mounted([lower, {b"d": folder, b"d/a": mark}]) == {b"d": folder, b"d/b": one, b"e": one}
    opaque = Node("opaque", 0, b"")
    assert mounted([lower, {b"d": folder, b"d/.wh..wh..opq": opaque, b"d/c": one}]) == {
        b"d": folder,
        b"d/c": one,
        b"e": one,
    }
    assert mounted([lower, {b".wh..wh..opq": opaque, b"f": one}]) == {b"f": one}
    assert mounted([lower, {b"d": one}]) == {b"d": one, b"e": one}
