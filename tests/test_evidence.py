from __future__ import annotations

import pytest

from gate.errors import Fault, IntegrityError, Unavailable
from gate.evidence import KINDS, Evidence, Opinion, ScanRuns, Secrets, Subject, Vulnerabilities, Vulnerability
from tests.kit.reports import subject

EMPTY = Secrets(())


def test_a_value_is_given() -> None:
    assert Evidence({Secrets: EMPTY, Subject: subject()}).get(Secrets) is EMPTY


@pytest.mark.parametrize(
    "error",
    [Unavailable("x"), IntegrityError("y"), Fault("z", ValueError())],
    ids=lambda error: type(error).__name__,
)
def test_what_is_unavailable_is_raised(error: Unavailable) -> None:
    with pytest.raises(Unavailable) as raised:
        Evidence({Secrets: error}).get(Secrets)
    assert raised.value is error


@pytest.mark.parametrize(
    "values",
    [{}, {Subject: EMPTY}, {Secrets: None}, {Secrets: ()}, {Secrets: subject()}, {Secrets: Secrets}],
    ids=str,
)
def test_what_was_not_collected_is_unavailable_and_never_empty(values: dict[type, object]) -> None:
    with pytest.raises(Fault, match="Secrets was not collected"):
        Evidence(values).get(Secrets)


def test_the_kinds_are_types_of_their_own() -> None:
    """`Evidence.get` tells them apart by type."""
    assert len(KINDS) == 13
    assert {Subject, Secrets, ScanRuns, Vulnerabilities} < KINDS
    assert not any(issubclass(one, other) for one in KINDS for other in KINDS if one is not other)


def test_who_found_a_vulnerability() -> None:
    opinions = tuple(
        Opinion(scanner, "CVE-2026-0001", (), "high", "nvd", {}, {}, (), "unknown")
        for scanner in ("trivy", "grype", "trivy")
    )
    assert Vulnerability("CVE-2026-0001", (), "deb", "a", "1", "", opinions).found_by == ("grype", "trivy")
