"""Rows T1 to T30 of the hostile inputs: tar archives with two readings, without an end, or too large.

One function per row yields its cases. The payload is a setuid `bin/sh`, which no reader may overlook.
Sources: CVE-2024-6232, CVE-2025-8194 and CVE-2025-13462 (Python's `tarfile`), and differences seen between
Python, Go's `archive/tar`, GNU tar and containerd.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from samples.images.entries import directory, file, hard_link, program, symbolic_link
from samples.images.layers import Layer, layer_of, pax_record, tar_of
from tests.kit.hostile import Expected, HostileLayers, one_layer
from tests.kit.raw_tar import (
    BLOCK,
    END,
    Header,
    extended,
    long_name,
    member,
    negative_base256,
    padded,
    records,
)

SHELL = b"#!/bin/false\n"
SETUID = b"0004755"
ACCEPT, VIOLATION, UNKNOWN, INTEGRITY = (
    Expected.ACCEPT,
    Expected.VIOLATION,
    Expected.UNKNOWN,
    Expected.INTEGRITY,
)
NOT_OVERLOOKED = INTEGRITY | VIOLATION

Cases = Iterator[HostileLayers]


def payload(name: bytes = b"bin/sh") -> bytes:
    """The setuid shell that the construction tries to hide."""
    return member(name, SHELL, SETUID)


def t1_global_path() -> Cases:
    """A PAX global header renames what follows.

    Containerd unpacks `bin/sh`, Python sees only the other name.
    """
    tar = extended(records(path=b"usr/share/doc/x"), b"g") + payload() + END
    yield one_layer("T1", "global-path", NOT_OVERLOOKED, tar, ("bin/sh",))


def t2_global_size() -> Cases:
    """A PAX global header states size 0; Python then sees empty files and reads their data as headers."""
    tar = extended(records(size=b"0"), b"g") + member(b"etc/motd", b"x" * 600) + payload() + END
    yield one_layer("T2", "global-size", NOT_OVERLOOKED, tar, ("bin/sh", "etc/motd"))


def t4_solaris_header() -> Cases:
    """A Solaris `X` header renames the next entry for Python; Go takes it for an unknown type."""
    yield one_layer(
        "T4", "solaris-path", INTEGRITY, extended(records(path=b"usr/share/x"), b"X") + payload() + END
    )


def t5_two_extended_headers() -> Cases:
    """Two names for one entry: Python takes the first of two paths, Go the last, or the long name of GNU."""
    tar = extended(records(path=b"harmless")) + extended(records(path=b"bin/sh")) + payload(b"a") + END
    yield one_layer("T5", "two-paths", NOT_OVERLOOKED, tar, ("bin/sh",))
    tar = long_name(b"harmless") + long_name(b"bin/sh") + payload(b"a") + END
    yield one_layer("T5", "two-long-names", NOT_OVERLOOKED, tar, ("bin/sh",))
    tar = long_name(b"harmless") + extended(records(path=b"bin/sh")) + payload(b"a") + END
    yield one_layer("T5", "long-name-and-path", INTEGRITY, tar)
    twice = extended(pax_record("path", b"harmless") + pax_record("path", b"bin/sh"))
    yield one_layer(
        "T5", "path-twice-in-one-header", NOT_OVERLOOKED, twice + payload(b"a") + END, ("bin/sh",)
    )


def t9_long_name_of_directory() -> Cases:
    """CVE-2025-13462: type NUL and a short name ending in `/` is a directory, if no long name is given."""
    old = Header(b"x/", b"\0", 5, mode=SETUID, magic=b"ustar  \0").block() + padded(b"shell")
    tar = long_name(b"bin/sh") + old + member(b"bin/bash", SHELL) + END
    yield one_layer("T9", "long-name-over-slash", NOT_OVERLOOKED, tar, ("bin/sh", "bin/bash"))


def t12_wrong_checksum() -> Cases:
    """A wrong checksum in the middle: Python ends silently before what follows."""
    tar = member(b"etc/motd", b"hello") + Header(b"etc/x", checksum=b"000000\0 ").block() + payload() + END
    yield one_layer("T12", "wrong-checksum", INTEGRITY, tar)


def t13_lone_zero_block() -> Cases:
    """One zero block where two would end the archive, then more entries: Python ends silently."""
    yield one_layer(
        "T13", "lone-zero-block", INTEGRITY, member(b"etc/motd", b"hello") + bytes(BLOCK) + payload() + END
    )


def t14_after_the_end() -> Cases:
    """Entries or bytes behind the end marker, which today's readers ignore and tomorrow's may not."""
    yield one_layer(
        "T14", "entries-after-end", INTEGRITY, member(b"etc/motd", b"hello") + END + payload() + END
    )
    yield one_layer("T14", "bytes-after-end", INTEGRITY, member(b"etc/motd", b"hello") + END + b"x" * BLOCK)
    yield one_layer(
        "T14", "padding-after-end", ACCEPT | VIOLATION, payload() + END + bytes(8 * BLOCK), ("bin/sh",)
    )


def t15_cut() -> Cases:
    """A cut archive is an error inside a header or data.

    Without an end marker it is complete, as some tools write it, and without the padding in front of that.
    """
    whole = payload() + member(b"etc/motd", b"x" * 600)
    yield one_layer("T15", "cut-in-header", INTEGRITY, payload() + member(b"etc/motd")[:100])
    yield one_layer("T15", "cut-in-data", INTEGRITY, whole[: len(whole) - BLOCK - 100])
    yield one_layer("T15", "cut-in-padding", ACCEPT | VIOLATION, whole[:-10], ("bin/sh",))
    yield one_layer("T15", "no-end-marker", ACCEPT | VIOLATION, whole, ("bin/sh",))
    yield one_layer(
        "T15", "one-zero-block-at-end", ACCEPT | VIOLATION | INTEGRITY, whole + bytes(BLOCK), ("bin/sh",)
    )
    yield one_layer("T15", "empty", ACCEPT | INTEGRITY, b"")


def t16_negative_size() -> Cases:
    """CVE-2025-8194: a negative base-256 size sends Python back, for ever."""
    for size in (-BLOCK, -1):
        tar = Header(b"etc/motd", size=negative_base256(size)).block() + payload() + END
        yield one_layer("T16", f"size{size}", INTEGRITY, tar)
    tar = Header(b"etc/motd", size=b"\x80" + b"\x7f" + bytes(10)).block() + payload() + END
    yield one_layer("T16", "size-of-2-to-the-87", INTEGRITY, tar)


def t17_long_record_length() -> Cases:
    """CVE-2024-6232: the length of a PAX record has 60,000 digits; converting them takes Python seconds."""
    yield one_layer(
        "T17", "60000-digits", INTEGRITY, extended(b"9" * 60_000 + b" path=bin/x\n") + payload() + END
    )


def t18_odd_numbers() -> Cases:
    """Number fields that hold no octal numbers, whether a reader needs them to stay in step or not."""
    for number in (b"0o5", b"+7", b"1_0", b"1 0", b"-1", b"0x1", b"9"):
        tar = Header(b"etc/motd", size=number).block() + payload() + END
        yield one_layer("T18", f"size-{number.decode()}", INTEGRITY, tar)
    yield one_layer(
        "T18",
        "modified-junk",
        INTEGRITY,
        Header(b"etc/motd", modified=b"yesterday").block() + payload() + END,
    )
    yield one_layer("T18", "mode-junk", INTEGRITY, Header(b"bin/sh", mode=b"rwxr-xr").block() + END)
    yield one_layer("T18", "owner-junk", INTEGRITY, Header(b"bin/sh", owner=b"root").block() + END)
    spaced = Header(b"bin/sh", size=b"         15 ", mode=b"  4755 ").block() + padded(SHELL) + END
    yield one_layer("T18", "spaces-around", NOT_OVERLOOKED, spaced, ("bin/sh",))


def t19_bad_records() -> Cases:
    """PAX records with a wrong length, without `=`, or with NUL in a path, where readers in C cut it."""
    for name, record in {
        "length-too-short": b"9 path=bin/x\n",
        "length-too-long": b"99 path=bin/x\n",
        "length-zero": b"0 path=bin/x\n",
        "no-equals": b"14 path-bin/x\n",
        "no-key": pax_record("", b"bin/x"),
        "no-line-end": b"14 path=bin/x.",
        "nul-in-path": pax_record("path", b"bin/sh\0.txt"),
        "nul-in-link": pax_record("linkpath", b"bin/sh\0.txt"),
        "empty": b" ",
    }.items():
        yield one_layer("T19", name, INTEGRITY, extended(record) + payload(b"a") + END)


def t20_unknown_type() -> Cases:
    """An unknown type flag: Python takes the entry for a file, containerd refuses it."""
    yield one_layer(
        "T20", "type-Z", INTEGRITY, Header(b"bin/sh", b"Z", len(SHELL)).block() + padded(SHELL) + END
    )


def t21_size_without_data() -> Cases:
    """A size on an entry that has no data; who skips that much loses step, and the next entry."""
    for name, typeflag in (("directory", b"5"), ("hard-link", b"1"), ("symbolic-link", b"2"), ("fifo", b"6")):
        first = payload(b"opt/target") + Header(b"opt/x", typeflag, 600, linkname=b"opt/target").block()
        yield one_layer("T21", f"{name}-with-size", VIOLATION, first + payload() + END, ("bin/sh",))
    link = extended(records(size=b"600")) + Header(b"opt/x", b"2", linkname=b"y").block()
    yield one_layer("T21", "symbolic-link-with-pax-size", VIOLATION, link + payload() + END, ("bin/sh",))


def t22_sparse() -> Cases:
    """A sparse file of 256 GiB in an image of a few KB, in GNU's old form and in PAX form 1.0."""
    real = 256 << 30
    # Old GNU: four (offset, length) pairs, the flag of a further block and the real size stand in the fields
    # from byte 386 on.
    prefix = bytes(41) + b"%011o\0%011o\0" % (0, 6) + bytes(72) + b"\0\x80" + real.to_bytes(11, "big")
    old = Header(b"var/lib/dpkg/status", b"S", 6, magic=b"ustar  \0", prefix=prefix).block() + padded(
        b"status"
    )
    yield one_layer("T22", "gnu-sparse", INTEGRITY | UNKNOWN, old + END)
    keys = {
        "GNU.sparse.major": b"1",
        "GNU.sparse.minor": b"0",
        "GNU.sparse.name": b"var/lib/dpkg/status",
        "GNU.sparse.realsize": b"%d" % real,
    }
    header = extended(b"".join(pax_record(key, value) for key, value in keys.items()))
    data = padded(b"1\n0\n6\n") + b"status"
    tar = header + member(b"GNUSparseFile.0/status", data) + END
    yield one_layer("T22", "pax-sparse-1.0", INTEGRITY | UNKNOWN, tar)


def t24_huge_record(size: int = 512 << 20) -> Cases:
    """One PAX record of 512 MiB that compresses to half a megabyte: Python keeps it whole."""
    start = b"%d comment=" % (size - 1)
    parts = [
        Header(b"PaxHeaders.0/x", b"x", size).block(),
        start,
        *_zeros(size - len(start) - 1),
        b"\n",
        bytes(-size % BLOCK),
        payload(),
        END,
    ]
    yield HostileLayers("T24", f"record-of-{size}", INTEGRITY, (streamed_layer(parts),))


def t25_many_entries(count: int = 300_000, expected: Expected = ACCEPT) -> Cases:
    """Very many empty entries in a small blob; accepted up to the stated limit, an error above it."""
    block = Header(b"n/0000000", mode=b"0000644").block()
    total = int(block[148:154], 8) - 7 * ord("0")
    names = (b"%07d" % number for number in range(count))
    # Only name and check sum differ: building each header anew would take longer than reading it.
    blocks = (b"n/%b%b%06o%b" % (name, block[9:148], total + sum(name), block[154:]) for name in names)
    yield HostileLayers("T25", f"{count}-entries", expected, (streamed_layer([*_joined(blocks, 4096), END]),))


def t26_deep_path(depth: int = 30_000) -> Cases:
    """One path of 30,000 components."""
    path = b"d/" * depth + b"sh"
    yield one_layer(
        "T26", f"{depth}-components", INTEGRITY, extended(records(path=path)) + payload(b"a") + END
    )
    yield one_layer("T26", f"{depth}-components-gnu", INTEGRITY, long_name(path) + payload(b"a") + END)


def t27_odd_names() -> Cases:
    """Names that climb or are empty are errors; names that only are written oddly mean what they mean."""
    for name in (b"../bin/sh", b"usr/../../bin/sh", b"..", b""):
        yield one_layer(
            "T27", f"name-{name.decode() or 'empty'}".replace("/", "!"), INTEGRITY, payload(name) + END
        )
    for name in (b"/bin/sh", b"bin//sh", b"./bin/sh", b"bin/./sh", b"usr/../bin/sh"):
        case = f"name-{name.decode()}".replace("/", "!")
        yield one_layer(
            "T27", case, NOT_OVERLOOKED if b".." in name else VIOLATION, payload(name) + END, ("bin/sh",)
        )
    root = Header(b"./", b"5").block() + payload(b"./bin/sh") + END
    yield one_layer("T27", "root-directory", VIOLATION, root, ("bin/sh",))


def t29_links() -> Cases:
    """A hard link to a setuid file of a lower layer, links in a circle, and a link to nothing."""
    lower = layer_of({"opt/tool": program(SHELL, 0o4755)})
    upper = layer_of({"bin/sh": hard_link("opt/tool")})
    yield HostileLayers("T29", "link-to-setuid-below", VIOLATION, (lower, upper), ("bin/sh",))
    circle = tar_of({"bin/a": hard_link("bin/b"), "bin/b": hard_link("bin/a")})
    yield one_layer("T29", "hard-links-in-a-circle", INTEGRITY, circle)
    yield one_layer("T29", "hard-link-to-itself", INTEGRITY, tar_of({"bin/sh": hard_link("bin/sh")}))
    yield one_layer("T29", "hard-link-to-nothing", INTEGRITY, tar_of({"bin/sh": hard_link("bin/missing")}))
    symbolic = tar_of(
        {"bin/a": symbolic_link("b"), "bin/b": symbolic_link("a"), "bin/sh": program(SHELL, 0o4755)}
    )
    yield one_layer("T29", "symbolic-links-in-a-circle", ACCEPT | VIOLATION, symbolic, ("bin/sh",))


def t30_replaced() -> Cases:
    """A file replaced by a directory, or a parent by a file, in an upper layer: no ghosts remain."""
    lower = layer_of({"opt": directory(), "opt/a": file("a"), "opt/tool": file("x")})
    upper = layer_of({"opt/tool": directory(), "opt/tool/sh": program(SHELL)})
    final = ("opt/a", "opt/tool/sh")
    yield HostileLayers("T30", "file-to-directory", ACCEPT | VIOLATION, (lower, upper), final)
    lower = layer_of({"opt": directory(), "opt/bin": directory(), "opt/bin/sh": program(SHELL)})
    upper = layer_of({"opt/bin": file("x")})
    yield HostileLayers(
        "T30", "directory-to-file", ACCEPT | VIOLATION, (lower, upper), ("opt/bin",), ("opt/bin/sh",)
    )
    upper = layer_of({"opt/bin": symbolic_link("/usr/bin")})
    yield HostileLayers(
        "T30", "directory-to-link", ACCEPT | VIOLATION, (lower, upper), ("opt/bin",), ("opt/bin/sh",)
    )


SMALL: tuple[Callable[[], Cases], ...] = (
    t1_global_path,
    t2_global_size,
    t4_solaris_header,
    t5_two_extended_headers,
    t9_long_name_of_directory,
    t12_wrong_checksum,
    t13_lone_zero_block,
    t14_after_the_end,
    t15_cut,
    t16_negative_size,
    t17_long_record_length,
    t18_odd_numbers,
    t19_bad_records,
    t20_unknown_type,
    t21_size_without_data,
    t22_sparse,
    t26_deep_path,
    t27_odd_names,
    t29_links,
    t30_replaced,
)
"""Every row but T24 and T25, which take seconds to build and are called with the size a test needs."""


def cases() -> list[HostileLayers]:
    """Every case of the small rows, in order."""
    return [case for row in SMALL for case in row()]


def streamed_layer(parts: Iterable[bytes]) -> Layer:
    """A gzip layer whose tar is never held in memory as a whole."""
    stream, diff_id = io.BytesIO(), hashlib.sha256()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=5, mtime=0) as archive:
        for part in parts:
            diff_id.update(part)
            archive.write(part)
    return Layer(stream.getvalue(), f"sha256:{diff_id.hexdigest()}")


def _zeros(size: int) -> Iterator[bytes]:
    piece = b"0" * (1 << 20)
    for start in range(0, size, len(piece)):
        yield piece[: size - start]


def _joined(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    while group := b"".join(islice(blocks, count)):
        yield group
