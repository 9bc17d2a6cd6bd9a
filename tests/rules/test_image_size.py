from __future__ import annotations

import msgspec
import pytest

from gate.rules._size import in_bytes, printable_size
from gate.rules.image_size import ImageSizeOptions, check
from samples.images.entries import file, hard_link, symbolic_link, whiteout, whiteout_of
from tests.kit.trees import filesystem, messages

TREE = filesystem(
    {"a": file(b"x" * 2_000), "b": hard_link("a"), "c": symbolic_link("a")}, {"big": file(b"y" * 8_000)}
)


def test_a_size_equal_to_the_limit_passes() -> None:
    assert list(check(TREE, ImageSizeOptions(max_size="10 kB"))) == []


def test_a_larger_image_is_a_finding_that_says_where_to_begin() -> None:
    (finding,) = check(TREE, ImageSizeOptions(max_size="9.999 kB"))
    assert finding.message == (
        "unpacked 9.8 KiB, allowed 9.999 kB; most in layer 1; largest files: /big (7.8 KiB), /a (2.0 KiB), /b (2.0 KiB)"
    )
    assert finding.details["bytes"] == 10_000


def test_what_a_later_layer_deletes_does_not_count() -> None:
    tree = filesystem({"big": file(b"y" * 8_000)}, {whiteout_of("big"): whiteout(), "small": file("x")})
    assert messages(list(check(tree, ImageSizeOptions(max_size="1 B")))) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [("500 MB", 500_000_000), ("1GiB", 2**30), ("0.5 KiB", 512), ("7 B", 7), ("1 kB", 1_000)],
)
def test_reads_sizes_as_people_write_them(text: str, size: int) -> None:
    assert in_bytes(msgspec.convert({"max-size": text}, ImageSizeOptions).max_size) == size


@pytest.mark.parametrize("text", ["500", "-1 MB", "1 TB", "1e9 B", " 1 MB", "1 mb", "", "1 MB\n"])
def test_refuses_other_sizes(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"max-size": text}, ImageSizeOptions)
    if text != "-1 MB":
        return
    with pytest.raises(ValueError, match="not a size"):
        in_bytes(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1_023, "1,023 B"), (1_024, "1.0 KiB"), (10**9, "953.7 MiB"), (2**40, "1,024.0 GiB")],
)
def test_prints_sizes(size: int, text: str) -> None:
    assert printable_size(size) == text
