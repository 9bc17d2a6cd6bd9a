"""What tar headers say: numbers, names, and the extended headers that change the entry behind them.

Sources: POSIX.1-2017 pax (ustar and pax interchange formats), the GNU tar manual ("Basic Tar Format"), Go `archive/tar`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import MalformedImage, Unavailable

REGULAR, HARD_LINK, SYMBOLIC_LINK = b"0", b"1", b"2"
CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = b"3", b"4", b"5", b"6"
OLD_REGULAR = b"\0"
LINKS = frozenset({HARD_LINK, SYMBOLIC_LINK})
DEVICES = frozenset({CHARACTER_DEVICE, BLOCK_DEVICE})
ENTRIES = frozenset({REGULAR, OLD_REGULAR, DIRECTORY, FIFO}) | LINKS | DEVICES

PAX_GLOBAL = b"g"
_PAX, _LONG_NAME, _LONG_LINK = b"x", b"L", b"K"
EXTENSIONS = frozenset({_PAX, PAX_GLOBAL, _LONG_NAME, _LONG_LINK})

_XATTR = "SCHILY.xattr."
_SPARSE = "GNU.sparse."
_TEXT_RECORDS = frozenset({"path", "linkpath", "uname", "gname"})


class Member(Struct, frozen=True, gc=False):
    """One entry of a tar stream, as its headers state it.

    `name` and `link` are raw bytes, not normalised. `size` is the length of the content that follows; entries of other
    types than `REGULAR` have none. `mtime` is in whole seconds. `head` has the first bytes of the content, up to four:
    enough to tell what a file is. `device` is (major, minor), for devices only.
    """

    name: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    head: bytes = b""
    link: bytes = b""
    device: tuple[int, int] | None = None
    xattrs: Mapping[str, bytes] = {}


def cut_off() -> MalformedImage:
    """Build the error for a stream that ends inside an entry."""
    return MalformedImage("the tar stream is cut off inside an entry")


def number(field: bytes) -> int:
    """Parse a numeric field: octal digits between spaces and NULs, or GNU base-256. Empty is zero, as in Go.

    Python's `int` would take `0o5`, `+7` and `1_0` as well.
    """
    digits = field.strip(b" \0")
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError:
            pass  # the digits 8 and 9
    elif not digits:
        return 0
    elif field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        if field[0] & 0x40:
            value -= 1 << bits
        if not -(2**63) <= value < 2**63:
            raise MalformedImage("a tar header has a number beyond 64 bits")
        return value
    raise MalformedImage(f"a tar header has {digits!r} where an octal number belongs")


def check_sum(header: bytes) -> None:
    """Verify the checksum: the sum of all bytes, with the checksum field itself read as spaces.

    Old archives summed signed bytes, which Go accepts as well.
    """
    blank = header[:148] + b"        " + header[156:]
    total = sum(blank)
    if number(header[148:156]) not in (total, total - 256 * sum(byte > 127 for byte in blank)):
        raise MalformedImage("a tar header has a wrong checksum")


def prefix(header: bytes) -> bytes:
    """Return what precedes the name in a header whose prefix field is in use, with its slash.

    GNU headers keep times in that field. Go before 1.8 wrote a prefix all the same, and reads it back where it cannot
    be a time. Without a known format readers differ, which is malformed.
    """
    magic = header[257:265]
    width = 155
    if magic[:6] == b"ustar\0":
        width = 131 if header[508:512] == b"tar\0" else 155
    elif magic != b"ustar  \0":
        raise MalformedImage("a tar header without a known format has a name prefix; readers differ on it")
    elif _is_time(header[345:357]) and _is_time(header[357:369]):
        return b""
    found = header[345 : 345 + width].partition(b"\0")[0]
    return found + b"/" if magic[:6] == b"ustar\0" or found.isascii() else b""


def _is_time(field: bytes) -> bool:
    """Whether Go reads a time of a GNU header: unused, or a number that ends at the first NUL."""
    if not field[0]:
        return True
    try:
        number(field if field[0] & 0x80 else field.strip(b" \0").partition(b"\0")[0] or b"\0")
    except MalformedImage:
        return False
    return True


class Extension:
    """The extended headers in front of one entry: PAX records, or GNU long names, never both and none twice."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}
        self._long: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._records or self._long)

    def add(self, type_: bytes, data: bytes) -> None:
        """Take an extended header; raises `MalformedImage` for what readers resolve differently."""
        if type_ == PAX_GLOBAL:
            _check_global(_pax_records(data))
        elif type_ == _PAX:
            if self:
                raise MalformedImage(
                    "a tar entry has several extended headers; readers differ on which counts"
                )
            self._records = _pax_records(data)
        else:
            field = "name" if type_ == _LONG_NAME else "link"
            value = data.partition(b"\0")[0]
            if self._records or field in self._long or not value:
                raise MalformedImage(
                    "a tar entry has an empty GNU long name, or several; readers differ on which counts"
                )
            self._long[field] = value

    def apply(self, member: Member) -> Member:
        """Return the entry as the extended headers make it; an empty PAX value keeps the header's own, as in Go."""
        records = self._records
        if any(name.startswith(_SPARSE) for name in records):
            raise Unavailable(
                "a layer holds a sparse file, which is not inspected",
                hint="container engines do not write sparse files; build the image with one",
            )
        name = records.get("path") or self._long.get("name") or member.name
        link = records.get("linkpath") or self._long.get("link") or member.link
        mtime = records.get("mtime")
        return replace(
            member,
            name=name,
            link=link if member.type in LINKS else b"",
            size=_count(records, "size", member.size),
            uid=_count(records, "uid", member.uid),
            gid=_count(records, "gid", member.gid),
            mtime=_time(mtime) if mtime else member.mtime,
            xattrs={key[len(_XATTR) :]: value for key, value in records.items() if key.startswith(_XATTR)},
        )


def _pax_records(data: bytes) -> dict[str, bytes]:
    r"""Parse PAX records, `"%d %s=%s\n"` each, where the number counts the whole record."""
    records: dict[str, bytes] = {}
    position = 0
    while position < len(data):
        digits = data[position : position + 8].partition(b" ")[0]
        if not digits.isdigit() or len(digits) > 7:
            raise MalformedImage("a PAX record has no valid length")
        end = position + int(digits)
        key, equals, value = data[position + len(digits) + 1 : end - 1].partition(b"=")
        if not position < end <= len(data) or data[end - 1] != 10 or not equals or not key or b"\0" in key:
            raise MalformedImage("a PAX record is broken")
        name = key.decode("utf-8", "backslashreplace")
        if name in records:
            raise MalformedImage(f"a PAX header has the record {name[:100]!r} twice")
        if name in _TEXT_RECORDS and (b"\0" in value or not value):
            raise MalformedImage(f"the PAX record {name!r} is empty or holds a NUL")
        records[name] = value
        position = end
    return records


def _check_global(records: Mapping[str, bytes]) -> None:
    """Accept a global header only if it changes nothing: `git archive` writes a comment.

    Readers differ on whether, and to what, other records apply.
    """
    if not records.keys() <= {"comment"}:
        raise MalformedImage("the tar stream has a global PAX header, which readers apply differently")


def _count(records: Mapping[str, bytes], record: str, default: int) -> int:
    """Read a whole number that a record states."""
    value = records.get(record)
    if not value:
        return default
    if not value.isdigit() or len(value) > 18:
        raise MalformedImage(f"the PAX record {record!r} is not a number")
    return int(value)


def _time(value: bytes) -> int:
    """Read the whole seconds of a decimal time, the earlier of two as in Go."""
    seconds, _, fraction = value.partition(b".")
    if (
        not seconds.removeprefix(b"-").isdigit()
        or len(seconds) > 18
        or not (fraction.isdigit() or not fraction)
    ):
        raise MalformedImage("the PAX record 'mtime' is not a time")
    return int(seconds) - (seconds[:1] == b"-" and fraction.strip(b"0") != b"")
