from __future__ import annotations

import pytest

from gate.errors import (
    Fault,
    ImageGateError,
    IntegrityError,
    InvalidInput,
    MalformedImage,
    Unavailable,
    joined,
    kept,
)

FAULT = Fault("the rule no-shell", KeyError("x"))


def test_a_message_says_what_happened_and_what_to_do() -> None:
    error = Unavailable("nobody answered", hint="ask again")
    assert (error.message, error.hint) == ("nobody answered", "ask again")
    assert str(error) == "nobody answered (ask again)"
    assert str(Unavailable("nobody answered")) == "nobody answered"


@pytest.mark.parametrize(
    ("error", "blocks"),
    [
        (Unavailable("x"), False),
        (IntegrityError("x"), True),
        (MalformedImage("x"), True),
        (FAULT, True),
    ],
)
def test_contradicted_content_and_bugs_block(error: Unavailable, blocks: bool) -> None:
    assert error.blocks is blocks


def test_the_families() -> None:
    assert issubclass(MalformedImage, IntegrityError)
    assert issubclass(IntegrityError, Unavailable)
    assert issubclass(Fault, Unavailable)
    assert not issubclass(Fault, IntegrityError)
    assert not issubclass(InvalidInput, Unavailable)
    assert issubclass(Unavailable, ImageGateError)


@pytest.mark.parametrize(
    ("errors", "kind", "blocks"),
    [
        ([Unavailable("a")], Unavailable, False),
        ([Unavailable("a"), Unavailable("b")], Unavailable, False),
        ([Unavailable("a"), FAULT], Unavailable, True),
        ([Unavailable("a"), MalformedImage("b")], IntegrityError, True),
        ([IntegrityError("a"), Unavailable("b")], IntegrityError, True),
    ],
)
def test_several_errors_are_as_bad_as_the_worst(
    errors: list[Unavailable], kind: type[Unavailable], blocks: bool
) -> None:
    found = joined(errors)
    assert (type(found), found.blocks) == (kind, blocks)
    assert found.message == "; ".join(error.message for error in errors)


def test_several_errors_give_each_hint_once() -> None:
    assert (
        joined([Unavailable("a", hint="x"), Unavailable("b", hint="x"), Unavailable("c", hint="y")]).hint
        == "x; y"
    )
    assert joined([Unavailable("a")]).hint == ""
    assert not Unavailable.blocks


def test_a_fault_says_where_and_that_it_is_not_the_image() -> None:
    assert FAULT.message == "a fault of image-gate in the rule no-shell: KeyError: 'x'"
    assert FAULT.hint == "this is not about the image; please report it"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable("x", hint="y"), Unavailable),
        (MalformedImage("x", hint="y"), MalformedImage),
        (InvalidInput("x"), Fault),
        (ValueError("x"), Fault),
    ],
)
def test_an_error_is_kept_as_the_reason(error: Exception, kind: type[Unavailable]) -> None:
    def failing() -> None:
        raise error

    found = kept(failing)
    assert type(found) is kind
    assert found is error or isinstance(found, Fault)


def test_what_is_there_is_kept() -> None:
    assert kept(lambda: 7) == 7
