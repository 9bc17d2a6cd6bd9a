"""Writers of package databases, each as the package manager's own: what the tests read back, whole or damaged."""

from __future__ import annotations

import lzma
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

from hypothesis import settings

from gate.packages import DatabaseFile

PROMPTLY = settings(deadline=5_000)
"""For properties: hostile bytes take no time. Milliseconds, with room for a busy machine."""

WRITTEN_BY_RPM = Path(__file__).parent / "rpm_databases"
PACKAGES_TABLE = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)"

NAME, VERSION, RELEASE, EPOCH, BUILD_TIME, INSTALL_TIME, ARCH, SOURCE_RPM, OLD_NAMES, DIRINDEXES, BASENAMES, DIRNAMES = (
    1000, 1001, 1002, 1003, 1006, 1008, 1022, 1044, 1027, 1116, 1117, 1118,
)  # fmt: skip


@cache
def written_by_rpm(name: str) -> bytes:
    """Return a file of `rpm_databases/`, unpacked."""
    return lzma.decompress((WRITTEN_BY_RPM / f"{name}.xz").read_bytes())


def database(content: bytes, path: str = "var/lib/x", **beside: bytes) -> DatabaseFile:
    """Wrap bytes as the file of an image; `wal=b"…"` stands for a file beside it."""
    return DatabaseFile(path, content, {f"-{suffix}": data for suffix, data in beside.items()})


def deb822(stanzas: Iterable[Mapping[str, str]]) -> bytes:
    """Write stanzas as dpkg does: an empty line after each."""
    return "".join(
        "".join(f"{name}: {value}\n" for name, value in stanza.items()) + "\n" for stanza in stanzas
    ).encode()


def apk_installed(blocks: Iterable[Sequence[tuple[str, str]]]) -> bytes:
    """Write blocks of letters and values as apk does: an empty line after each."""
    return "".join(
        "".join(f"{letter}:{value}\n" for letter, value in block) + "\n" for block in blocks
    ).encode()


def rpm_header(tags: Mapping[int, str | int | list[str] | tuple[int, ...]]) -> bytes:
    """Write a header without a region: strings (6), 32-bit numbers (4) and lists of strings (8)."""
    index, data = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, int | tuple):
            numbers = (value,) if isinstance(value, int) else value
            data += b"\0" * (-len(data) % 4)
            kind, count, raw = 4, len(numbers), struct.pack(f">{len(numbers)}I", *numbers)
        else:
            strings = [value] if isinstance(value, str) else value
            kind, count = (6, 1) if isinstance(value, str) else (8, len(value))
            raw = b"".join(text.encode() + b"\0" for text in strings)
        index += struct.pack(">IIII", tag, kind, len(data), count)
        data += raw
    return struct.pack(">II", len(index) // 16, len(data)) + index + data


def rpm_package(name: str = "bash", version: str = "5.1", release: str = "1.el9", **tags: str | int) -> bytes:
    """Write the header of a package; `tags` are named as the constants above."""
    numbers = {"epoch": EPOCH, "build_time": BUILD_TIME, "arch": ARCH, "source": SOURCE_RPM}
    return rpm_header(
        {NAME: name, VERSION: version, RELEASE: release}
        | {numbers[tag]: value for tag, value in tags.items()}
    )


def rpm_files(*paths: str, name: str = "bash") -> bytes:
    """Write the header of a package with these files, as rpm does: folders once, and a name and a folder for each file."""
    places = [path.rpartition("/") for path in paths]
    folders = sorted({f"{folder}/" for folder, _, _ in places})
    files: dict[int, list[str] | tuple[int, ...]] = {
        BASENAMES: [base for _, _, base in places],
        DIRNAMES: folders,
        DIRINDEXES: tuple(folders.index(f"{folder}/") for folder, _, _ in places),
    }
    return rpm_header({NAME: name, VERSION: "5.1", RELEASE: "1.el9", **files})


def rpm_sqlite(headers: Sequence[bytes], *statements: str, table: str = PACKAGES_TABLE) -> bytes:
    """Write `rpmdb.sqlite`, then run `statements` on it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(table)
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(header,) for header in headers])
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        return connection.serialize()


def rpm_ndb(headers: Sequence[bytes], pages: int = 1) -> bytes:
    """Write `Packages.db`; the blobs begin behind the pages of slots."""
    slots, blobs, offset = b"", b"", pages * 256
    for index, header in enumerate(headers, 1):
        blob, count = _ndb_blob(index, header)
        slots += struct.pack("<4sIII", b"Slot", index, offset, count)
        blobs += blob
        offset += count
    head = struct.pack("<4sIIII12x", b"RpmP", 0, 1, pages, len(headers) + 1)
    free = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return head + slots + free * (pages * 256 - 2 - len(headers)) + blobs


def _ndb_blob(index: int, header: bytes) -> tuple[bytes, int]:
    count = -(-(16 + len(header) + 12) // 16)
    body = struct.pack("<4sIII", b"BlbS", index, 1, len(header)) + header
    body += bytes(count * 16 - 12 - len(body))
    return body + struct.pack("<II4s", zlib.adler32(body), len(header), b"BlbE"), count


def bdb_page(order: str, number: int, kind: int, body: bytes, following: int = 0, count: int = 0) -> bytes:
    """Write one page of a Berkeley DB file, 512 bytes; `count` is of entries, for an overflow page the length."""
    entries, length = (0, count) if kind == 7 else (count, 0)
    head = struct.pack(order + "8xIIIHHBB", number, 0, following, entries, length, 0, kind)
    assert len(head + body) <= 512
    return head + body + bytes(512 - len(head) - len(body))


def rpm_bdb(headers: Sequence[bytes], order: str = "<") -> bytes:
    """Write `Packages`: one bucket per header, its blob in a chain of overflow pages; record 0 is the counter."""
    pages: list[bytes] = []

    def hash_page(number: int, key: int, value: bytes) -> None:
        items = [b"\1" + struct.pack(order + "I", key), value]
        offsets = [512 - len(items[0]), 512 - len(items[0]) - len(items[1])]
        offset_table = struct.pack(order + "2H", *offsets)
        body = offset_table + bytes(offsets[1] - 26 - len(offset_table)) + items[1] + items[0]
        pages.append(bdb_page(order, number, 13, body, count=2))

    hash_page(1, 0, b"\1" + struct.pack(order + "I", len(headers)))
    for key, header in enumerate(headers, 1):
        first = len(pages) + 2
        hash_page(first - 1, key, struct.pack(order + "B3xII", 3, first, len(header)))
        parts = [header[start : start + 486] for start in range(0, len(header), 486)]
        for position, part in enumerate(parts):
            number = first + position
            following = number + 1 if position + 1 < len(parts) else 0
            pages.append(bdb_page(order, number, 7, part, following, len(part)))
    meta = struct.pack(order + "8xIIIIBBBBIII", 0, 0x00061561, 9, 512, 0, 8, 0, 0, 0, len(pages), 0)
    return meta + bytes(512 - len(meta)) + b"".join(pages)
