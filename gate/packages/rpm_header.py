"""The rpm header: one package as a binary index of tags, the same in every rpm database format.

Big-endian throughout: the number of index entries, the number of data bytes, then entries of (tag, type, offset, count),
then the data. Source: rpm's docs/manual/format_header.md and lib/header.cc (hdrblobInit, hdrblobVerifyInfo), whose
checks of lengths are repeated here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

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
_FILES = frozenset({1027, 1117, 1118})  # OLDFILENAMES, BASENAMES, DIRNAMES
_KEY = "gpg-pubkey"


def _values(file: DatabaseFile, blob: bytes) -> tuple[dict[int, bytes | int], bool]:
    """Return the wanted tags of a header, and whether it lists files."""
    if len(blob) < _LENGTHS.size:
        raise file.malformed("a package header is cut off")
    entries, size = _LENGTHS.unpack_from(blob)
    start = _LENGTHS.size + entries * _ENTRY.size
    if not 0 < entries <= _TAGS_LIMIT or start + size != len(blob):
        raise file.malformed(
            f"a package header of {len(blob)} bytes states {entries} tags and {size} bytes of data"
        )
    values: dict[int, bytes | int] = {}
    has_files = False
    for tag, kind, offset, count in _ENTRY.iter_unpack(blob[_LENGTHS.size : start]):
        if kind not in _TYPES or offset > size or not 0 < count <= size:
            raise file.malformed(f"tag {tag} of a package header lies outside of it")
        if tag in _FILES:
            has_files = True
        if tag not in _WANTED:
            continue
        if tag in values:
            raise file.malformed(f"a package header has the tag {tag} twice")
        values[tag] = _value(file, blob, kind, start + offset)
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
