"""Fields and extended headers: what Go's `archive/tar` reads is read the same way, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.errors import MalformedImage, Unavailable
from gate.oci.tar_header import (
    DIRECTORY,
    HARD_LINK,
    PAX_GLOBAL,
    REGULAR,
    SYMBOLIC_LINK,
    Extension,
    Member,
    check_sum,
    number,
    prefix,
)
from samples.images.layers import pax_record
from tests.kit.mutated_tar import corrected
from tests.kit.raw_tar import BLOCK, Header

PLAIN = Member(b"name", REGULAR, 0o644, 1, 2, 3, 4, link=b"link")
X, LONG_NAME, LONG_LINK = b"x", b"L", b"K"


def records(**pairs: bytes) -> bytes:
    """PAX records; two underscores stand for a dot."""
    return b"".join(pax_record(key.replace("__", "."), value) for key, value in pairs.items())


def applied(data: bytes, member: Member = PLAIN) -> Member:
    """A member with the PAX records in `data`."""
    extension = Extension()
    extension.add(X, data)
    return extension.apply(member)


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000755\0", 0o755),
        (b"0000755 ", 0o755),
        (b"    755\0", 0o755),
        (b"\0\x00755\0\0\0", 0o755),
        (b"755", 0o755),
        (b"\0" * 8, 0),
        (b" " * 8, 0),
        (b"777777777777", 8**12 - 1),
        (b"\x80" + bytes(10) + b"\x05", 5),
        (b"\xff" * 12, -1),
        (b"\xff" * 8, -1),
        (b"\x80\0\0\0\x7f" + b"\xff" * 7, 2**63 - 1),
        (b"\xff\xff\xff\xff\x80" + bytes(7), -(2**63)),
        (b"\x81" + bytes(7), 1 << 56),
        (b"\xc0" + bytes(7), -(1 << 62)),
    ],
)
def test_numbers(field: bytes, value: int) -> None:
    assert number(field) == value


@pytest.mark.parametrize(
    "field",
    [
        *(
            b"0o5",
            b"+7",
            b"-7",
            b"1_0",
            b"1 0",
            b"0x1",
            b"8",
            b"9",
            b"1\x00junk",
            b"7\t",
            b"7\xb2",
            "7٣".encode(),
        ),
        b"\x80\0\0\0\x80" + bytes(7),
        b"\x80\0\0\1" + bytes(8),
        b"\xff\xff\xff\xff\x7f" + b"\xff" * 7,
        b"\xc0" + bytes(11),
    ],
)
def test_what_is_no_number_or_beyond_64_bits(field: bytes) -> None:
    with pytest.raises(MalformedImage, match=r"octal number belongs|beyond 64 bits"):
        number(field)


@given(st.integers(0, 8**11 - 1), st.sampled_from([b"%011o\0", b"%011o ", b"%12o", b" %o \0"]))
def test_octal_numbers_are_what_was_written(value: int, form: bytes) -> None:
    assert number(form % value) == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_base_256_numbers_are_what_was_written(value: int) -> None:
    field = bytearray(value.to_bytes(12, "big", signed=True))
    field[0] |= 0x80
    assert number(bytes(field)) == value


# --- check sums --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"bin/sh", b"caf\xc3\xa9", b"\x7f\x80"])
def test_unsigned_and_signed_check_sums(name: bytes) -> None:
    block = Header(name).block()
    check_sum(block)
    unsigned = sum(block[:148]) + sum(block[156:]) + 8 * 32
    signed = unsigned - 256 * sum(byte > 127 for byte in block)
    check_sum(block[:148] + b"%06o\0 " % signed + block[156:])
    with pytest.raises(MalformedImage, match="wrong checksum"):
        check_sum(block[:148] + b"%06o\0 " % (unsigned + 1) + block[156:])


# --- prefixes ----------------------------------------------------------------------------------------------------

USTAR, GNU, OLD = b"ustar\x0000", b"ustar  \0", bytes(8)
TIME = b"00000000000\0"


@pytest.mark.parametrize(
    ("magic", "field", "expected"),
    [
        (USTAR, b"usr/lib", b"usr/lib/"),
        (USTAR, b"p" * 156, b"p" * 155 + b"/"),
        (USTAR, b"usr/\xff", b"usr/\xff/"),
        (b"ustar\x0099", b"usr/lib", b"usr/lib/"),
        (USTAR, b"q" * 155 + bytes(8) + b"tar\0", b"q" * 131 + b"/"),
        (USTAR, b"q" * 155 + bytes(8) + b"tar\1", b"q" * 155 + b"/"),
        (GNU, TIME, b""),
        (GNU, TIME + TIME, b""),
        (GNU, b"\x80" + bytes(10) + b"\x05", b""),
        (GNU, b"usr/lib", b"usr/lib/"),
        (GNU, b"p" * 156, b"p" * 155 + b"/"),
        (GNU, b"00000000000 00000000000 0", b""),
        (GNU, b"x0000000000\0", b"x0000000000/"),
        (GNU, b"00000000000x", b"00000000000x/"),
        (GNU, TIME + b"junk", TIME[:-1] + b"/"),
        (GNU, TIME + b"x0000000000\0", TIME[:-1] + b"/"),
        (GNU, TIME + b"00000000000x", TIME[:-1] + b"/"),
        (GNU, TIME + b"\xc0" + bytes(11), TIME[:-1] + b"/"),
        (GNU, b"usr/\xff", b""),
    ],
)
def test_prefixes(magic: bytes, field: bytes, expected: bytes) -> None:
    assert prefix(Header(b"sh", magic=magic, prefix=field).block()) == expected


@pytest.mark.parametrize("field", [TIME + b"\0junk", b"12\0junk", b" 12\0+", b" \0"])
def test_times_that_go_reads_up_to_a_nul_are_no_prefix(field: bytes) -> None:
    """Taken for a prefix, they would move `bin/sh` to another place than the engine's."""
    assert prefix(Header(b"bin/sh", magic=GNU, prefix=field).block()) == b""


@pytest.mark.parametrize("magic", [OLD, b"tarred\0\0", b"ustar \x0000", b"ustar  \1", b"ustar\1\0\0"])
def test_a_prefix_without_a_known_format_is_refused(magic: bytes) -> None:
    with pytest.raises(MalformedImage, match="without a known format"):
        prefix(Header(b"sh", magic=magic, prefix=b"bin").block())


# --- extended headers --------------------------------------------------------------------------------------------


def test_a_member_is_a_value() -> None:
    with pytest.raises(AttributeError):
        PLAIN.size = 5  # type: ignore[misc]


def test_records_replace_fields() -> None:
    data = records(path=b"p", linkpath=b"l", size=b"5", uid=b"6", gid=b"7", mtime=b"8.9", comment=b"\0")
    data += records(SCHILY__xattr__user__x=b"a\0b", SCHILY__xattr__security__capability=b"\1")
    xattrs = {"user.x": b"a\0b", "security.capability": b"\1"}
    link = replace(PLAIN, type=HARD_LINK)
    assert applied(data, link) == Member(b"p", HARD_LINK, 0o644, 6, 7, 5, 8, link=b"l", xattrs=xattrs)


def test_only_links_have_targets() -> None:
    assert applied(records(linkpath=b"l")).link == b""
    assert applied(records(linkpath=b"l"), replace(PLAIN, type=SYMBOLIC_LINK)).link == b"l"


def test_empty_values_keep_what_the_header_says() -> None:
    assert applied(records(size=b"", uid=b"", mtime=b"", gid=b"")) == replace(PLAIN, link=b"")


def test_long_names_replace_fields() -> None:
    extension = Extension()
    extension.add(LONG_LINK, b"l" * 200 + b"\0")
    extension.add(LONG_NAME, b"n" * 200)
    member = extension.apply(replace(PLAIN, type=SYMBOLIC_LINK))
    assert (member.name, member.link) == (b"n" * 200, b"l" * 200)


@pytest.mark.parametrize(
    "headers",
    [
        [(X, records(path=b"a")), (X, records(path=b"b"))],
        [(X, records(path=b"a")), (X, b"")],
        [(X, records(path=b"a")), (LONG_NAME, b"b")],
        [(LONG_NAME, b"b"), (X, records(path=b"a"))],
        [(LONG_NAME, b"a"), (LONG_NAME, b"b")],
        [(LONG_LINK, b"a"), (LONG_LINK, b"b")],
        [(LONG_NAME, b"")],
        [(LONG_LINK, b"\0rest")],
    ],
)
def test_several_headers_for_one_entry_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    extension = Extension()
    for type_, data in headers[:-1]:
        extension.add(type_, data)
    with pytest.raises(MalformedImage, match="several"):
        extension.add(*headers[-1])


def test_an_extension_without_content_changes_nothing() -> None:
    extension = Extension()
    assert not extension
    extension.add(X, b"")
    extension.add(PAX_GLOBAL, records(comment=b"0123"))
    extension.add(PAX_GLOBAL, b"")
    assert not extension


@pytest.mark.parametrize(
    "data", [records(path=b"bin/sh"), records(size=b"0"), records(comment=b"x", uid=b"0")]
)
def test_global_headers_that_change_something_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedImage, match="global"):
        Extension().add(PAX_GLOBAL, data)


@pytest.mark.parametrize("key", ["GNU__sparse__major", "GNU__sparse__map", "GNU__sparse__name"])
def test_sparse_files_are_not_inspected(key: str) -> None:
    with pytest.raises(Unavailable, match="sparse") as caught:
        applied(records(**{key: b"1"}))
    assert not isinstance(caught.value, MalformedImage)
    assert caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"9 path=bin/x\n",
        b"99 path=bin/x\n",
        b"0 path=bin/x\n",
        b"-5 path=bin/x\n",
        b"+15 path=bin/x\n",
        b"14 path-bin/x\n",
        b"14 path=bin/x.",
        b"14 path=bin/x\t",
        b"6 =bin\n",
        b"4 =\n",
        b"3 \n",
        b"1",
        b"12",
        b" ",
        b"\0",
        b"9" * 60_000 + b" path=bin/x\n",
        b"00000020 path=bin/x\n",
        b"1000000xcomment=".ljust(999_999, b"y") + b"\n",
        records(path=b"a") + b"\0\0\0",
        records(path=b"bin/sh\0.txt"),
        records(path=b""),
        records(linkpath=b"bin/sh\0"),
        records(linkpath=b""),
        records(uname=b"a\0"),
        records(gname=b""),
        pax_record("a\0b", b"c"),
        records(path=b"a") + records(path=b"b"),
        records(comment=b"a") + records(comment=b"a"),
        *(records(**{key: value}) for key in ("size", "uid", "gid") for value in (b"-1", b"+1", b"1.5", b"1e3", b"9" * 19, b" 1", b"x")),
        *(records(mtime=value) for value in (b"-", b".5", b"+1", b"1.x", b"1.5.5", b"1e9", b"9" * 19, b"--1", b" 1")),
    ],
)  # fmt: skip
def test_broken_records_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedImage, match="PAX"):
        applied(data)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0),
        (b"1.", 1),
        (b"1.999999999", 1),
        (b"1795447346.123456789123", 1795447346),
        (b"-1", -1),
        (b"-1.0", -1),
        (b"-1.5", -2),
        (b"-0.25", -1),
        (b"9" * 18, 10**18 - 1),
        (b"-" + b"9" * 17, 1 - 10**17),
    ],
)
def test_times_are_cut_to_the_earlier_second(value: bytes, seconds: int) -> None:
    assert applied(records(mtime=value)).mtime == seconds


@pytest.mark.parametrize("key", ["size", "uid", "gid"])
def test_numbers_of_records_may_have_eighteen_digits(key: str) -> None:
    assert getattr(applied(records(**{key: b"9" * 18})), key) == 10**18 - 1


def test_a_message_shows_the_start_of_a_long_name() -> None:
    """What a hostile archive makes long does not make a message long."""
    with pytest.raises(MalformedImage) as caught:
        applied(pax_record("k" * 300, b"1") + pax_record("k" * 300, b"2"))
    assert str(caught.value).count("k") == 100


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="=\0"), min_size=1, max_size=20)


@given(st.dictionaries(KEYS, st.binary(max_size=100), max_size=5))
def test_attributes_are_what_was_written(found: dict[str, bytes]) -> None:
    data = b"".join(pax_record(f"SCHILY.xattr.{key}", value) for key, value in found.items())
    assert applied(data).xattrs == found


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_malformed(data: bytes) -> None:
    try:
        applied(data)
    except MalformedImage:
        return
    assert not data or data.endswith(b"\n")


def test_headers_in_the_kit_are_corrected() -> None:
    block = Header(b"bin/sh", DIRECTORY).block()
    assert len(block) == BLOCK
    check_sum(corrected(block[:50] + b"x" + block[51:]))
