"""Identities and what may stand for several of them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.rules._identity_patterns import IdentityPattern, Issuer, RefPattern, matches

ACME = "https://github.com/acme"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (f"{ACME}/app/.github/workflows/a.yml@refs/heads/main",) * 2,
        (f"{ACME}/**", f"{ACME}/app/.github/workflows/a.yml@refs/heads/main"),
        (
            f"{ACME}/app/.github/workflows/*@refs/tags/v*",
            f"{ACME}/app/.github/workflows/a.yml@refs/tags/v1.2",
        ),
        ("*@example.com", "alice@example.com"),
        ("alice+*@example.com", "alice+ci@example.com"),
        (
            "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/**",
            "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/x/y",
        ),
    ],
)
def test_what_matches(pattern: str, text: str) -> None:
    assert IdentityPattern.parse(pattern).matches(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (f"{ACME}/app", f"{ACME}/app2"),
        (f"{ACME}/app", f"{ACME}/ap"),
        (f"{ACME}/app", f"{ACME}/app\n"),
        (f"{ACME}/app", f"{ACME}/App"),
        (f"{ACME}/**", "https://github.com/acme-evil/app/x"),
        (f"{ACME}/**", "https://evil.test/https://github.com/acme/app"),
        (f"{ACME}/**", "https://githubxcom/acme/app"),
        (f"{ACME}/*", f"{ACME}/app/more"),
        (
            f"{ACME}/app/.github/workflows/*@refs/heads/main",
            f"{ACME}/app/.github/workflows/a@refs/heads/x@refs/heads/main",
        ),
        ("*@example.com", "alice@example.com.evil.test"),
        ("*@example.com", "alice@evil.test@example.com"),
        ("*@example.com", "https://evil.test/@example.com"),
        (f"{ACME}/**", f"{ACME}/" + "x" * 3_000),
    ],
)
def test_what_does_not(pattern: str, text: str) -> None:
    assert not IdentityPattern.parse(pattern).matches(text)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("*", "of owners that nobody named"),
        ("**", "of owners that nobody named"),
        ("https://*", "of owners that nobody named"),
        ("https://github.com/*", "of owners that nobody named"),
        ("https://github.com/**", "of owners that nobody named"),
        ("https://github.com/acme*/app", "of owners that nobody named"),
        ("https://*.com/acme/app", "of owners that nobody named"),
        ("*github.com/acme/app", "of owners that nobody named"),
        ("alice@*", "of owners that nobody named"),
        ("*@*.com", "of owners that nobody named"),
        (f"^{ACME}/app$", "reads as a regular expression"),
        (f"{ACME}/app$", "reads as a regular expression"),
        (f"{ACME}/.*", "reads as a regular expression"),
        (r"https://github\.com/acme/app", "reads as a regular expression"),
        (f"{ACME}/.+", "reads as a regular expression"),
        (f"{ACME}/***", "too many wildcards"),
        (f"{ACME}/*a*b*c*d*", "too many wildcards"),
        ("", "cannot be compared"),
        (" ", "cannot be compared"),
        (f"{ACME}/\u202eapp", "cannot be compared"),
        ("x" * 2_001, "cannot be compared"),
    ],
)
def test_patterns_that_are_refused(value: str, what: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        IdentityPattern.parse(value)
    assert what in raised.value.message
    assert raised.value.hint


@given(st.text("ab/@*", max_size=10), st.text("ab/@\n", max_size=12))
def test_patterns_mean_what_they_say(pattern: str, text: str) -> None:
    """The same as a regular expression, which would take ever longer with some texts."""
    words = {"**": "(?s:.*)", "*": "[^/@]*"}
    expression = "".join(words.get(part) or re.escape(part) for part in re.split(r"(\*{1,2})", pattern))
    assert matches(pattern, text) is (re.fullmatch(expression, text) is not None)


def test_a_text_that_was_made_to_take_long() -> None:
    started = time.monotonic()
    assert not IdentityPattern.parse(f"{ACME}/*a*a*a*").matches(f"{ACME}/" + "a" * 1_900 + "/")
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize(
    "value", ["refs/heads/main", "refs/tags/v*", "refs/heads/release/**", "refs/pull/1/merge"]
)
def test_refs(value: str) -> None:
    assert RefPattern.parse(value).matches(value.replace("*", "1"))
    assert not RefPattern.parse(value).matches(f"x{value}")


@pytest.mark.parametrize("value", ["main", "v1.0", "heads/main", "refs/*", "refs/**", "*", "^refs/tags/v.*$"])
def test_refs_that_are_refused(value: str) -> None:
    with pytest.raises(InvalidInput):
        RefPattern.parse(value)


@pytest.mark.parametrize(
    "value", ["https://gitlab.example.com", "https://token.actions.githubusercontent.com/acme"]
)
def test_issuers(value: str) -> None:
    assert Issuer.parse(value) == value


@pytest.mark.parametrize(
    "value", [".*", "*", "https://*.example.com", "^https://a$", "a", "https://a b", "https://"]
)
def test_an_issuer_is_one(value: str) -> None:
    with pytest.raises(InvalidInput):
        Issuer.parse(value)
