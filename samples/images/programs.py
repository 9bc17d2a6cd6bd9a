"""Programs made from bytes: tiny static ELF files that print one line and end, for x86-64 and arm64.

They stand where a real image has its programs, so that no foreign binary is kept in the repository.
`embedded` puts bytes into the read-only data, for example the version text by which a shell is recognised
under another name.
"""

from __future__ import annotations

import struct

BASE = 0x400000
HEADERS = 64 + 2 * 56
PAGE = 0x1000
# Values of e_machine in the ELF header.
X86_64, ARM64 = 62, 183
_MACHINES = {"amd64": X86_64, "arm64": ARM64}

_ELF_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")

GO_MAGIC = b"\xff Go buildinf:"
_GO_RUNTIME = b"all goroutines are asleep - deadlock!"
"""A message of Go's runtime, which every Go program holds."""
_GO_START = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
_GO_END = bytes.fromhex("f932433186182072008242104116d8f2")


def static_program(message: str, architecture: str = "amd64", embedded: bytes = b"") -> bytes:
    """A static ELF program that writes `message` and a line end to standard output and exits with 0."""
    return _elf(message.encode() + b"\n", architecture, embedded, b"")


def go_program(modules: dict[str, str], go_version: str = "go1.21.3", architecture: str = "amd64") -> bytes:
    """A program that carries Go build information naming these modules (path -> version).

    Written inline as Go 1.18 and later do, in the section `.go.buildinfo`, where `debug/buildinfo` looks for
    it.
    """
    lines = ["path\texample.com/shop/server", "mod\texample.com/shop/server\t(devel)"]
    lines += [f"dep\t{path}\t{version}" for path, version in modules.items()]
    lines += [
        "build\t-compiler=gc",
        "build\tCGO_ENABLED=0",
        f"build\tGOARCH={architecture}",
        "build\tGOOS=linux",
    ]
    text = _GO_START + "".join(f"{line}\n" for line in lines).encode() + _GO_END
    # 14 bytes of magic, the pointer size, flags (2: strings follow inline); the strings start at byte 32.
    data = (GO_MAGIC + b"\x08\x02").ljust(32, b"\0") + _go_string(go_version.encode()) + _go_string(text)
    return _elf(b"server\n", architecture, _GO_RUNTIME, data)


def _go_string(text: bytes) -> bytes:
    length, prefix = len(text), bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(prefix) + bytes([length]) + text


def _elf(message: bytes, architecture: str, embedded: bytes, build_information: bytes) -> bytes:
    code = _code(architecture, len(message))
    readable = HEADERS + len(code) + len(message) + len(embedded)
    start = -(-readable // PAGE) * PAGE
    names, sections = b"", b""
    if build_information:
        names, sections = _sections(start, len(build_information))
    end = start + len(build_information) + len(names)
    header = _ELF_HEADER.pack(
        b"\x7fELF\x02\x01\x01", 2, _MACHINES[architecture], 1, BASE + HEADERS, 64, end if sections else 0, 0,
        64, 56, 2, 64, len(sections) // 64, 2 if sections else 0,
    )  # fmt: skip
    # Program headers: read and execute (5) the whole start of the file; read and write (6) the data behind
    # it.
    segments = _SEGMENT.pack(1, 5, 0, BASE, BASE, readable, readable, PAGE)
    segments += _SEGMENT.pack(
        1, 6, start, BASE + start, BASE + start, len(build_information), len(build_information), PAGE
    )
    program = header + segments + code + message + embedded
    return (
        program.ljust(start, b"\0") + build_information + names + sections if build_information else program
    )


def _sections(start: int, size: int) -> tuple[bytes, bytes]:
    """Section names and headers: a null section, the build information at `start`, the names behind it."""
    names = b"\0.go.buildinfo\0.shstrtab\0"
    build_information = _SECTION.pack(1, 1, 3, BASE + start, start, size, 0, 0, 16, 0)
    strings = _SECTION.pack(names.index(b".shstrtab"), 3, 0, 0, start + size, len(names), 0, 0, 1, 0)
    return names, bytes(64) + build_information + strings


def _code(architecture: str, length: int) -> bytes:
    """Instructions for write(1, message, length) and exit(0); the message follows them directly."""
    if architecture == "amd64":
        end = bytes.fromhex("0f05 b83c000000 31ff 0f05")
        last = b"\xba" + struct.pack("<I", length)
        # mov eax,1; mov edi,1; lea rsi,[rip+message]; mov edx,length; syscall; mov eax,60; xor edi,edi;
        # syscall
        return (
            bytes.fromhex("b801000000 bf01000000 488d35")
            + struct.pack("<I", len(last) + len(end))
            + last
            + end
        )
    address = 6 * 4  # bytes from `adr` to the message
    # mov x8,#64; mov x0,#1; adr x1,message; mov x2,#length; svc; mov x8,#93; mov x0,#0; svc
    adr = 0x10000001 | (address & 3) << 29 | (address >> 2) << 5
    words = (
        0xD2800808,
        0xD2800020,
        adr,
        0xD2800002 | length << 5,
        0xD4000001,
        0xD2800BA8,
        0xD2800000,
        0xD4000001,
    )
    return struct.pack(f"<{len(words)}I", *words)
