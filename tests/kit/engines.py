"""Layers as container engines read and unpack them: containerd's own code and Go's `archive/tar`, asked in batches."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class GoMember:
    """One entry of an archive as Go's `archive/tar` gives it; `content` is the SHA-256 in hexadecimal."""

    name: bytes
    type: bytes
    size: int
    mode: int
    user: int
    group: int
    time: int
    link: bytes
    device: tuple[int, int]
    content: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What Go read of an archive, and the error that ended it, if any."""

    members: tuple[GoMember, ...]
    error: str


@dataclass(frozen=True, slots=True)
class Node:
    """One path of an unpacked tree: a `file`, `directory`, `symlink`, `fifo`, `whiteout` or `opaque` mark.

    `text` is the content of a file or the target of a link.
    """

    type: str
    mode: int
    text: bytes


Tree = Mapping[bytes, Node]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What containerd made of an image, or None where it refused; `native` without and `overlay` with overlayfs."""

    native: Tree | None
    overlay: Tree | None
    errors: tuple[str, str]


def listed_by_go(program: Path, archives: Sequence[bytes]) -> list[Listing]:
    """Read archives with Go's `archive/tar`; `program` is built from tests/tools/tar_headers."""
    found = _asked(program, (_framed(archive) for archive in archives))
    return [Listing(tuple(map(_member, each["members"])), each["error"]) for each in found]


def written_by_go(program: Path, archive: bytes) -> Mapping[str, bytes]:
    """Write the entries of an archive with Go's `archive/tar`, once for each format that can hold them, by its name."""
    (written,) = _asked(program, [_framed(archive)], arguments=("write",))
    return {name: base64.b64decode(data) for name, data in written.items()}


def unpacked_by_containerd(program: Path, images: Sequence[Sequence[bytes]], folder: Path) -> list[Unpacked]:
    """Unpack images, given as tar streams of their layers; `program` is built from tests/tools/containerd_apply."""
    requests = (len(image).to_bytes(8, "big") + b"".join(map(_framed, image)) for image in images)
    results = []
    for each in _asked(program, requests, folder):
        native, overlay = each["native"], each["overlay"]
        results.append(
            Unpacked(
                native=None if native["error"] else _tree(native["trees"][0]),
                overlay=None
                if overlay["error"]
                else mounted([_tree(tree) for tree in overlay["trees"] or ()]),
                errors=(native["error"], overlay["error"]),
            )
        )
    return results


def mounted(layers: Iterable[Tree]) -> Tree:
    """Lay directories over each other as overlayfs shows them: directories merge, all else covers what is below."""
    result: dict[bytes, Node] = {}
    for layer in layers:
        opaque = {path.rpartition(b"/")[0] for path, node in layer.items() if node.type == "opaque"}
        if b"" in opaque:
            result.clear()
        for path, node in sorted(layer.items()):
            below = result.get(path)
            merged = below is not None and below.type == node.type == "directory" and path not in opaque
            if below is not None and not merged:
                for covered in [other for other in result if (other + b"/").startswith(path + b"/")]:
                    del result[covered]
            if node.type not in ("whiteout", "opaque"):
                result[path] = node
    return result


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data


def _asked(
    program: Path, requests: Iterable[bytes], folder: Path | None = None, arguments: Sequence[str] = ()
) -> Iterator[Any]:
    """Send all requests to one run of a program and yield its answers."""
    variables = {} if folder is None else {"TMPDIR": str(folder)}
    command = [str(program), *arguments]
    done = subprocess.run(
        command, input=b"".join(requests), env=variables, stdout=subprocess.PIPE, check=True, timeout=300
    )
    return map(json.loads, done.stdout.splitlines())


def _member(found: Mapping[str, Any]) -> GoMember:
    decoded = {name: bytes.fromhex(found[name]) for name in ("name", "type", "link")}
    device = (found["device"][0], found["device"][1])
    return GoMember(**{**found, **decoded, "device": device})


def _tree(nodes: Sequence[Mapping[str, Any]]) -> Tree:
    found = {}
    for node in nodes:
        type_ = node["type"]
        mode = (
            0o777 if type_ == "symlink" else node["mode"]
        )  # what systems state of links differs and means nothing
        found[bytes.fromhex(node["path"])] = Node(type_, mode, bytes.fromhex(node["text"]))
    return found
