"""The rpm header: one package as a binary index of tags, the same in every rpm database format.

Big-endian throughout: the number of index entries, the number of data bytes, then entries of (tag, type, offset, count),
then the data. Source: rpm's docs/manual/format_header.md and lib/header.cc (hdrblobInit, hdrblobVerifyInfo), whose
checks of lengths are repeated here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Set

from gate.packages import DatabaseFile, Entries, Package

_LENGTHS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIII")
_INT32 = struct.Struct(">I")

_TAGS_LIMIT = 0xFFFF  # rpm's own HEADER_TAGS_MAX
_TYPES = range(1, 10)
_TYPE_INT32, _TYPE_STRING, _TYPE_STRING_ARRAY, _TYPE_I18N_STRING = 4, 6, 8, 9
_STRINGS = (_TYPE_STRING, _TYPE_STRING_ARRAY, _TYPE_I18N_STRING)

# rpm's include/rpm/rpmtag.h
_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_BUILD_TIME, _INSTALL_TIME, _ARCHITECTURE, _SOURCE_RPM = 1006, 1008, 1022, 1044
_WANTED = frozenset(
    {_NAME, _VERSION, _RELEASE, _EPOCH, _BUILD_TIME, _INSTALL_TIME, _ARCHITECTURE, _SOURCE_RPM}
)
_OLD_FILE_NAMES, _DIRECTORY_INDEXES, _BASE_NAMES, _DIRECTORY_NAMES = 1027, 1116, 1117, 1118
_FILES = frozenset({_OLD_FILE_NAMES, _BASE_NAMES, _DIRECTORY_NAMES})
_KEY = "gpg-pubkey"


def _tags(file: DatabaseFile, blob: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield the index of a header: tag, type, position in the header, and count."""
    if len(blob) < _LENGTHS.size:
        raise file.malformed("a package header is cut off")
    entries, size = _LENGTHS.unpack_from(blob)
    start = _LENGTHS.size + entries * _ENTRY.size
    if not 0 < entries <= _TAGS_LIMIT or start + size != len(blob):
        raise file.malformed(
            f"a package header of {len(blob)} bytes states {entries} tags and {size} bytes of data"
        )
    for tag, kind, offset, count in _ENTRY.iter_unpack(blob[_LENGTHS.size : start]):
        if kind not in _TYPES or offset > size or not 0 < count <= size:
            raise file.malformed(f"tag {tag} of a package header lies outside of it")
        yield tag, kind, start + offset, count


def _values(file: DatabaseFile, blob: bytes) -> tuple[dict[int, bytes | int], bool]:
    """Return the wanted tags of a header, and whether it lists files."""
    values: dict[int, bytes | int] = {}
    has_files = False
    for tag, kind, position, _ in _tags(file, blob):
        if tag in _FILES:
            has_files = True
        if tag not in _WANTED:
            continue
        if tag in values:
            raise file.malformed(f"a package header has the tag {tag} twice")
        values[tag] = _value(file, blob, kind, position)
    return values, has_files


def _value(file: DatabaseFile, blob: bytes, kind: int, position: int) -> bytes | int:
    """Return the string or 32-bit number at `position` of the header."""
    if kind in _STRINGS:
        end = blob.find(b"\0", position)
        if end < 0:
            raise file.malformed("a string of a package header has no end")
        return blob[position:end]
    if kind != _TYPE_INT32 or position + _INT32.size > len(blob):
        raise file.malformed("a number of a package header has the wrong type or lies outside of it")
    return int(_INT32.unpack_from(blob, position)[0])


def source_of(source_rpm: str, name: str, version: str) -> tuple[str, str]:
    """Split `glibc-2.35-2.cm2.src.rpm` into name and version; the package's own where the tag is missing or of another shape."""
    stem, _, kind = source_rpm.removesuffix(".rpm").rpartition(".")
    parts = stem.rsplit("-", 2)
    if kind not in ("src", "nosrc") or len(parts) != 3:
        return name, version
    return parts[0], f"{parts[1]}-{parts[2]}"


def parse_header(file: DatabaseFile, blob: bytes) -> tuple[Package, bool]:
    """Read one header; the second value says whether it is an imported signing key, which rpm keeps like a package."""
    values, has_files = _values(file, blob)

    def text(tag: int, what: str) -> str:
        value = values.get(tag, b"")
        if not isinstance(value, bytes):
            raise file.malformed(f"{what} of a package is a number")
        return file.word(value, what) if value else ""

    def number(tag: int) -> int | None:
        value = values.get(tag)
        if isinstance(value, bytes):
            raise file.malformed(f"the number with the tag {tag} of a package is a string")
        return value

    name, version, release = (
        text(_NAME, "the name"),
        text(_VERSION, "the version"),
        text(_RELEASE, "the release"),
    )
    if not name or not version or not release:
        raise file.malformed(f"package {name!a} lacks its name, version or release")
    evr = f"{version}-{release}"
    source_rpm = text(_SOURCE_RPM, "the source")
    source_name, source_version = source_of(source_rpm, name, evr)
    if epoch := number(_EPOCH):
        evr = f"{epoch}:{evr}"
    architecture = text(_ARCHITECTURE, "the architecture")
    package = Package(
        "rpm",
        name,
        evr,
        architecture,
        source_name,
        source_version,
        number(_BUILD_TIME),
        number(_INSTALL_TIME),
    )
    is_key = name == _KEY and not has_files and source_rpm in ("", "(none)")
    return package, is_key


def parse_headers(file: DatabaseFile, blobs: Iterable[bytes]) -> Entries:
    """Read all headers of a database; signing keys are `inactive`, for they install nothing."""
    packages: list[Package] = []
    keys: list[Package] = []
    for blob in blobs:
        package, is_key = parse_header(file, blob)
        (keys if is_key else packages).append(package)
        file.bounded(packages)
    return Entries(tuple(packages), tuple(keys))


def listed_files(file: DatabaseFile, blobs: Iterable[bytes], wanted: Set[bytes]) -> Iterator[bytes]:
    """Yield those of the `wanted` paths, without leading slashes, that the packages of a database list.

    A path is a folder and a name, each stored once; long ago it was stored whole. Packages list some 100,000 files and few
    are asked for, so only folders of files with the right name are looked at.
    """
    names = {path.rpartition(b"/")[2] for path in wanted}
    for blob in blobs:
        found = {tag: (kind, position, count) for tag, kind, position, count in _tags(file, blob)}
        if _OLD_FILE_NAMES in found:
            yield from {path[1:] for path in _texts(file, blob, *found[_OLD_FILE_NAMES])} & wanted
        if _BASE_NAMES not in found:
            continue
        own = _texts(file, blob, *found[_BASE_NAMES])
        if names.isdisjoint(own):
            continue
        if not {_DIRECTORY_NAMES, _DIRECTORY_INDEXES} <= found.keys():
            raise file.malformed("a package lists files without their folders")
        folders = _texts(file, blob, *found[_DIRECTORY_NAMES])
        numbers = _numbers(file, blob, *found[_DIRECTORY_INDEXES])
        if len(numbers) != len(own) or max(numbers) >= len(folders):
            raise file.malformed("the files of a package do not fit its folders")
        for name, number in zip(own, numbers, strict=True):
            if name in names and (path := folders[number][1:] + name) in wanted:
                yield path


def _texts(file: DatabaseFile, blob: bytes, kind: int, position: int, count: int) -> list[bytes]:
    """Return the strings of an array."""
    texts = blob[position:].split(b"\0", count)
    if kind not in _STRINGS or len(texts) <= count:
        raise file.malformed("a list of names of a package header is cut off, or none")
    return texts[:count]


def _numbers(file: DatabaseFile, blob: bytes, kind: int, position: int, count: int) -> tuple[int, ...]:
    """Return the 32-bit numbers of an array."""
    if kind != _TYPE_INT32 or position + count * _INT32.size > len(blob):
        raise file.malformed("a list of numbers of a package header is cut off, or none")
    return struct.unpack_from(f">{count}I", blob, position)
