"""Hostile text becomes visible, on one line, and loses its credentials."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.printable import age, byte_size, count, printable, redacted, shown
from tests.kit.reports import NOW

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text(
    "\x1b\u202e\n:#[]aerox/ @\udc80", max_size=60
)

GITHUB_COMMAND = re.compile(r"^\s*::[A-Za-z-]+(?: [^:]*)?::|##\[[A-Za-z-]+", re.MULTILINE)
"""How GitHub's runner finds commands in a log (ActionCommand.TryParseV2 and TryParse)."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "plain, with 100 % of the usual: /usr/bin/x-1.0~rc",
            "plain, with 100 % of the usual: /usr/bin/x-1.0~rc",
        ),
        ("grün 日本 é", "grün 日本 é"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("no\xa0break\u2028line\u200bzero\ufeff", r"no\xa0break\u2028line\u200bzero\ufeff"),
        ("\x00\x7f\x9b\udc80\U000e0041", r"\x00\x7f\x9b\udc80\U000e0041"),
        ("::error::x", r"\x3a:error::x"),
        ("a ::set-output name=v::pass", r"a \x3a:set-output name=v::pass"),
        ("Foo::Bar", "Foo::Bar"),
        ("fe80::1", "fe80::1"),
        ("x ##[error]y ##vso[task.complete]", r"x #\x23[error]y #\x23vso[task.complete]"),
        ("##teamcity[x", r"#\x23teamcity[x"),
        ("## heading", "## heading"),
    ],
)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_the_limit_counts_what_is_read_and_says_that_something_is_missing() -> None:
    assert printable("abcdef", 4) == "abc…"
    assert printable("abcd", 4) == "abcd"
    assert printable("abcdef") == "abcdef"


@given(ANY_TEXT)
def test_nothing_invisible_and_no_command_is_left(text: str) -> None:
    found = printable(text)
    assert found.isprintable()
    assert not GITHUB_COMMAND.search(found)


@given(st.text(":#[]aer o", max_size=40), st.integers(0, 40))
def test_no_command_appears_where_a_line_is_folded(text: str, at: int) -> None:
    found = printable(text)
    assert not GITHUB_COMMAND.search(f"{found[:at]}\n{found[at:]}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user:secret@registry.example.com/x", "user:***@registry.example.com/x"),
        ("user:se@cr@et@host/x", "user:***@host/x"),
        ("user:pw@host:5000/a:1@sha256:abc", "user:***@host:5000/a:1@sha256:abc"),
        ("https://user:secret@host/x?y", "https://***@host/x?y"),
        ("https://token@host", "https://***@host"),
        ("https://user:se/cr#et@host/x", "https://***@host/x"),
        ("'user:secret@host/x' is not an image name", "'user:***@host/x' is not an image name"),
        ("https_proxy=http://a:b@proxy:3128", "https_proxy=http://***@proxy:3128"),
        ("PROXY=a:b@proxy", "PROXY=a:***@proxy"),
        ("registry.example.com/api:1.4@sha256:abc", "registry.example.com/api:1.4@sha256:abc"),
        ("api:1.4@sha512:abc", "api:1.4@sha512:abc"),
        ("oci:build/a@sha256:abc", "oci:build/a@sha256:abc"),
        ("oci:some/path@2/x", "oci:some/path@2/x"),
        ("pkg:npm/%40scope/name@1.0", "pkg:npm/%40scope/name@1.0"),
        ("https://example.com/lodash@4.17", "https://example.com/lodash@4.17"),
        ("http://localhost:8080/x@1", "http://localhost:8080/x@1"),
        ("someone@example.com", "someone@example.com"),
        ("no credentials: here", "no credentials: here"),
    ],
)
def test_redacted(text: str, expected: str) -> None:
    assert redacted(text) == expected


USERS = st.text("abcXYZ019._-", min_size=1, max_size=12).filter(lambda user: user not in ("oci", "pkg"))
PASSWORDS = st.text("abcXYZ019$!&%+=:.,;@", min_size=1, max_size=20).map(lambda text: f"Zq{text}qZ")


@given(USERS, PASSWORDS, st.sampled_from(["", "https://", "docker://"]))
def test_no_password_in_front_of_a_host_is_shown(user: str, password: str, scheme: str) -> None:
    assert password not in shown(f"cannot use {scheme}{user}:{password}@registry.example.com/shop/api:1 now")


@pytest.mark.parametrize(
    "piece", ["::a ", "##", "u:", "a@", "http://a:", "u:p@", "'", "(a:", "\x1b", "://", "@:"]
)
@pytest.mark.parametrize("end", ["", "@", " @", "::", "["])
def test_hostile_texts_take_no_time(piece: str, end: str) -> None:
    text = piece * (200_000 // len(piece)) + end
    started = time.process_time()
    shown(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (142_100_000, "142 MB"),
        (10**15, "1000 TB"),
    ],
)
def test_a_size_in_bytes_for_people(number: int, expected: str) -> None:
    assert byte_size(number) == expected


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (NOW - timedelta(minutes=59), "0 h"),
        (NOW - timedelta(hours=47), "47 h"),
        (NOW - timedelta(hours=48), "2 days"),
        ("2026-11-23T06:00:00Z", "6 h"),
        ("2026-11-23T06:00:00", "6 h"),
        ("2020-11-23T12:00:00Z", "2,191 days"),
        ("2199-01-01T00:00:00Z", ""),
        ("0001-01-01T00:00:00+14:00", ""),
        ("1980-01-01T00:00:01Z", ""),
        ("yesterday", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_age(since: object, expected: str) -> None:
    assert age(since, NOW) == expected


def test_counts() -> None:
    assert (count(1, "rule"), count(0, "rule"), count(1234, "rule")) == ("1 rule", "0 rules", "1,234 rules")
