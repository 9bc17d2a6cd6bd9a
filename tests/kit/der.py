"""Write DER (X.690), as much of it as certificates' extensions and timestamps need."""

from __future__ import annotations

from datetime import datetime


def value(tag: int, content: bytes) -> bytes:
    """Return tag, length and content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*items: bytes) -> bytes:
    return value(0x30, b"".join(items))


def set_of(*items: bytes) -> bytes:
    return value(0x31, b"".join(sorted(items)))


def integer(number: int) -> bytes:
    return value(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def octets(content: bytes) -> bytes:
    return value(0x04, content)


def utf8(text: str) -> bytes:
    return value(0x0C, text.encode())


def time(when: datetime) -> bytes:
    return value(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def tagged(number: int, content: bytes) -> bytes:
    """Return content in an explicit tag of its context."""
    return value(0xA0 | number, content)


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = b""
    for number in (40 * first + second, *rest):
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | number & 0x7F)
        content += bytes(reversed(digits))
    return value(0x06, content)
