"""Which images a Dockerfile takes content from, as BuildKit reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.dockerfile import Source
from gate.dockerfile.sources import sources
from gate.errors import ImageGateError, InvalidInput


def names(text: str, **arguments: str) -> list[str]:
    """The names of the images, each with its line, those that nobody can tell with a question mark."""
    return [f"{one.line}:{one.name or '?'}" for one in sources(text.encode(), arguments)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM debian:12", ["1:debian:12"]),
        ("from debian:12\n", ["1:debian:12"]),
        ("\n# comment\n  FROM debian:12  \n", ["3:debian:12"]),
        ("\ufeffFROM debian", ["1:debian"]),
        ("FROM debian\r\nRUN x\r\n", ["1:debian"]),
        ("FROM --platform=linux/amd64 debian AS build\nFROM scratch", ["1:debian"]),
        ("FROM a AS one\nFROM one AS two\nFROM TWO\n", ["1:a"]),
        ("FROM one AS one\nFROM one", ["1:one"]),
        ("FROM a\nFROM b", ["1:a", "2:b"]),
        ("FROM \\\n  # why\n\n  debian:12", ["1:debian:12"]),
        ('FROM "debian:12"', ["1:debian:12"]),
        ("FROM a\nRUN echo \\\nFROM b", ["1:a"]),
        ("FROM a\nRUN echo \\\\\nFROM b", ["1:a", "3:b"]),
        ("# escape=`\nFROM a\nRUN echo `\nFROM b", ["2:a"]),
        ("# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN dir c:\\\nFROM b", ["3:a", "5:b"]),
        ("#\n# escape=`\nFROM a\nRUN echo `\nFROM b", ["3:a", "5:b"]),
        ("FROM a\nRUN <<EOF\nFROM b\nEOF\nFROM c", ["1:a", "5:c"]),
        ("FROM a\nRUN <<-'EOF' sh\nFROM b\n\tEOF\nFROM c", ["1:a", "5:c"]),
        ("FROM a\nCOPY <<A <<B /x/\nFROM b\nA\nFROM c\nB\nFROM d", ["1:a", "7:d"]),
        ('FROM a\nRUN echo "<<EOF"\nFROM b', ["1:a", "3:b"]),
        ("FROM a AS x\nFROM b\nCOPY --from=x /1 /1\nCOPY --chown=1 --from=busybox:1 /1 /1", ["1:a", "2:b", "4:busybox:1"]),
        ("FROM a\nFROM b\nCOPY --from=0 /1 /1", ["1:a", "2:b"]),
        ("FROM a\nRUN --mount=type=bind,from=tools:2,target=/t /t/x", ["1:a", "2:tools:2"]),
        ("ARG V=12\nFROM debian:${V}", ["2:debian:12"]),
        ("ARG V=12\nARG B=debian:$V\nFROM $B", ["3:debian:12"]),
        ("ARG V\nFROM debian:${V:-11}", ["2:debian:11"]),
        ("ARG V=1\nFROM debian${V:+:slim}", ["2:debian:slim"]),
        ("ARG V\nFROM debian${V+:slim}", ["2:debian"]),
        ("FROM a\nARG V=2\nFROM b:${V}", ["1:a", "3:?"]),
        ("ARG V\nFROM debian:$V", ["2:?"]),
        ("FROM debian:${V#1}", ["1:?"]),
        ("FROM tools-$TARGETARCH", ["1:?"]),
        ("ARG V\nFROM $V", ["2:?"]),
        ("FROM a\nCOPY --from=$X /1 /1", ["1:a", "2:?"]),
        ("FROM scratch\nCOPY --from=scratch / /", []),
    ],
)  # fmt: skip
def test_what_it_takes_from(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_arguments_of_the_command_line_win() -> None:
    assert names("ARG V=12\nFROM debian:$V", V="13") == ["2:debian:13"]
    assert names("ARG V\nFROM debian:$V", V="13") == ["2:debian:13"]


def test_why_nobody_can_tell_is_said() -> None:
    (source,) = sources(b"FROM debian:$V")
    assert source == Source(1, "FROM", "debian:$V", problem="the argument V has no value", final=True)


@pytest.mark.parametrize(("target", "base"), [("", "c"), ("two", "a"), ("ONE", "a"), ("0", "a"), ("2", "c")])
def test_the_base_of_what_is_built_is_marked(target: str, base: str) -> None:
    text = b"FROM a AS one\nFROM one AS two\nFROM c AS three"
    assert [one.name for one in sources(text, target=target) if one.final] == [base]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no FROM"),
        (b"RUN x", "has no FROM"),
        (b"FROM", "cannot be read"),
        (b"FROM a b", "cannot be read"),
        (b"FROM --platform=x", "cannot be read"),
        (b"FROM \xff", "not UTF-8"),
        (b"# escape=x\nFROM a", "escape character"),
        (b"FROM a\nRUN <<EOF\nx", "does not end"),
        (b"FROM a\n" + b"#" * (5 << 20), "bytes"),
    ],
)
def test_what_is_no_dockerfile_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        sources(data)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no stage 'x'"):
        sources(b"FROM a", target="x")


@given(st.lists(st.sampled_from(["FROM a", " AS x", "\n", "\\", "<<E", "ARG V=", "$V", "${", "}", "#", "COPY --from=", "RUN "])))  # fmt: skip
def test_no_text_breaks_it(parts: list[str]) -> None:
    try:
        found = sources("".join(parts).encode())
    except ImageGateError:
        return
    assert all(bool(one.name) != bool(one.problem) for one in found)
