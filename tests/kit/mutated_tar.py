"""Tar archives on which readers may differ: odd headers in odd order, then damaged. The same number gives the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from samples.images.layers import pax_record
from tests.kit.raw_tar import BLOCK, END, Header, extended, long_name, padded

_NAMES = (
    b"a",
    b"bin/sh",
    b"usr/bin/tool",
    b"./etc/passwd",
    b"d/",
    b"x" * 99 + b"/",
    b"y" * 100,
    b"",
    b"\xff\xfe",
    b"\xc3\xa9",
)
_NUMBERS = (
    *(b"", b"0", b"5", b"0000644\0", b"   644 ", b"777 777", b"12\x00junk", b"\0012", b"+5", b"-1", b"8", b"0x5", b"7" * 12),
    *(b"\x80" + bytes(10) + b"\x05", b"\xff" * 12, b"\x80" + b"\x7f" * 11, b"\xc0" + bytes(11), b"\xff" + bytes(10) + b"\x01"),
)  # fmt: skip
_ENGINE_TYPES = (b"0", b"0", b"0", b"0", b"\0", b"1", b"2", b"3", b"5", b"6")
_TYPES = (*_ENGINE_TYPES, b"4", b"7", b"S", b"V", b"Z", b"X", b"M")
_MAGICS = (b"ustar\x0000", b"ustar  \0", bytes(8), b"ustar\x0099", b"ustar \x0000", b"tarred\0\0")
_PREFIXES = (
    *(b"usr/lib", b"00000000000\0", b"00000000000\x0000000000000\0", b"00000000000\0\0junk", b"7\0x", b"junk"),
    *(b"\0" * 12 + b"junk", b"\xff\xfe", b"\x80" + bytes(10) + b"\x05", b"p" * 155, b"q" * 155 + b"\0" * 8 + b"tar\0"),
)  # fmt: skip
_COUNTS = (b"", b"0", b"5", b"512", b"+5", b"-5", b"1.5", b"9" * 20)
_PATHS = (b"", b"bin/other", b"d/", b"a\0b", b"\xff", b"p" * 300)
_VALUES: Mapping[str, Sequence[bytes]] = {
    "path": _PATHS,
    "linkpath": _PATHS,
    "size": _COUNTS,
    "uid": _COUNTS,
    "gid": _COUNTS,
    "mtime": (*_COUNTS, b"-1.5", b"1e3", b"1.", b".5", b"-", b"-0.25"),
    "uname": (b"root", b"a\0b"),
    "comment": (b"x",),
    "SCHILY.xattr.user.x": (b"x", b"a\0b", b""),
    "GNU.sparse.major": (b"0", b"1", b"5"),
    "GNU.sparse.name": (b"bin/sparse",),
    "GNU.sparse.map": (b"0,3",),
}
_KEYS = tuple(_VALUES)
_BROKEN_RECORDS = (
    b"5 a=\n",
    b"0",
    b"7 a=b\n\n",
    b"6 a=b\nrest",
    b"12 path=a\n",
    b" ",
    b"\0" * 9,
    b"+8 a=bc\n",
    b"010 path=a\n",
)
_ENDS = (b"", bytes(BLOCK), bytes(BLOCK) + END, bytes(100), END + b"x", END + bytes(9 * BLOCK))
_WAYS = ("type", "number", "name", "prefix", "extension", "extension", "record", "end", "sum")


def mutated(number: int) -> bytes:
    """One archive of up to five entries, odd in one or two ways, which one case in two damages."""
    chance = random.Random(number)
    odd = frozenset(chance.choices(_WAYS, k=chance.choice((1, 1, 2))))
    parts = [
        _entry(chance, odd if chance.random() < 0.5 else frozenset()) for _ in range(chance.randrange(1, 6))
    ]
    archive = b"".join(parts) + (chance.choice(_ENDS) if "end" in odd else END)
    for _ in range(chance.choice((0, 0, 1, 2))):
        archive = chance.choice(_DAMAGES)(archive, chance)
    return archive


def corrected(block: bytes) -> bytes:
    """A header block with the check sum that its bytes have."""
    total = sum(block[:148]) + sum(block[156:BLOCK]) + 8 * ord(" ")
    return block[:148] + b"%06o\0 " % total + block[156:]


def _entry(chance: random.Random, odd: frozenset[str]) -> bytes:
    """One entry with its content, and before it the extended headers that change it."""
    type_ = chance.choice(_TYPES) if "type" in odd else chance.choice(_ENGINE_TYPES)
    content = chance.randbytes(chance.choice((0, 3, 511, 512, 513))) if type_ in b"0" else b""
    fields = [b"%011o" % len(content), b"0000755", b"0000000", b"00000000000"]
    if "number" in odd:
        fields[chance.randrange(4)] = chance.choice(_NUMBERS)
    size, mode, owner, modified = fields
    header = Header(
        chance.choice(_NAMES) if "name" in odd else b"usr/%d" % chance.randrange(100),
        type_,
        size,
        linkname=chance.choice(_NAMES) if "name" in odd or type_ in b"12" else b"",
        mode=mode,
        owner=owner,
        modified=modified,
        magic=chance.choice(_MAGICS if "prefix" in odd else _MAGICS[:3]),
        prefix=chance.choice(_PREFIXES) if "prefix" in odd else b"",
        checksum=b"\x80\0\0\0\0\0\x10\x00" if "sum" in odd else None,
    )
    before = b"".join(
        _extension(chance, odd) for _ in range(chance.choice((1, 1, 2, 3)) if "extension" in odd else 0)
    )
    return before + header.block() + padded(content)


def _extension(chance: random.Random, odd: frozenset[str]) -> bytes:
    kind = chance.choice((b"x", b"x", b"x", b"L", b"K", b"g"))
    if kind in b"LK":
        return long_name(chance.choice(_NAMES) * chance.choice((1, 3)), kind)
    keys = chance.sample(_KEYS, chance.randrange(1, 4))
    data = b"".join(pax_record(key, chance.choice(_VALUES[key])) for key in keys)
    if "record" in odd:
        data += chance.choice(_BROKEN_RECORDS)
    return extended(
        data if kind == b"x" else b"", kind, b"pax_global_header" if kind == b"g" else b"PaxHeaders.0/x"
    )


def _flip(archive: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(archive))
    return archive[:place] + bytes([archive[place] ^ 1 << chance.randrange(8)]) + archive[place + 1 :]


def _cut(archive: bytes, chance: random.Random) -> bytes:
    return archive[: max(1, chance.randrange(len(archive)))]


def _swap(archive: bytes, chance: random.Random) -> bytes:
    blocks = [archive[start : start + BLOCK] for start in range(0, len(archive), BLOCK)]
    one, other = chance.randrange(len(blocks)), chance.randrange(len(blocks))
    blocks[one], blocks[other] = blocks[other], blocks[one]
    return b"".join(blocks)


def _edit(archive: bytes, chance: random.Random) -> bytes:
    """Change a few bytes of one block and make its check sum right again."""
    start = BLOCK * chance.randrange((len(archive) + BLOCK - 1) // BLOCK)
    block = bytearray(archive[start : start + BLOCK].ljust(BLOCK, b"\0"))
    for _ in range(chance.choice((1, 1, 2, 4))):
        block[chance.choice((*range(90, 160), *range(256, 266), *range(340, 372), *range(BLOCK)))] = (
            chance.choice(b"\0 0157/x\x80\xff")
        )
    return archive[:start] + corrected(bytes(block)) + archive[start + BLOCK :]


_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _cut, _swap, _edit, _edit, _edit)
