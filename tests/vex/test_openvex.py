from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.vex import Document, ImageIdentity, Product
from gate.vex.read import read_vex
from tests.kit.vex import CVE, LIBSSL, openvex, statement

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"
IMAGE = f"pkg:oci/api@sha256%3A{HEX}?repository_url=registry.example.com/shop/api"
IDENTITY = ImageIdentity(DIGEST, "registry.example.com/shop/api")


def read(*statements: dict[str, Any], **changes: Any) -> Document:
    return read_vex(openvex(*statements, **changes), "v.json", "policy")


def products(*given: dict[str, Any]) -> tuple[Product, ...]:
    """What products come to, none where the statement is refused for them."""
    found = read(statement(products=list(given)))
    assert len(found.statements) + len(found.refused) == 1
    return found.statements[0].products if found.statements else ()


def test_a_statement_and_where_it_is_from() -> None:
    found = read(
        statement(vulnerability={"name": CVE, "aliases": ["GHSA-a", "DSA-1"]}, impact_statement="no")
    )
    assert (found.name, found.origin, found.format) == ("v.json", "policy", "OpenVEX")
    assert (found.id, found.author) == ("https://example.com/vex/1", "Security <security@example.com>")
    assert found.digest.startswith("sha256:")
    (one,) = found.statements
    assert one.ids == {CVE, "GHSA-a"}, "an advisory on several vulnerabilities names none of them"
    assert (one.number, one.status, one.justification, one.note) == (
        1,
        "not_affected",
        "vulnerable_code_not_in_execute_path",
        "no",
    )
    assert one.dated == datetime(2026, 5, 1, 16, 0, 0, 123457, tzinfo=UTC)
    assert one.dated.tzinfo is UTC


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ({"timestamp": "2026-04-01T00:00:00Z"}, 1),
        ({"timestamp": "2026-04-01T00:00:00Z", "last_updated": "2026-04-03T00:00:00Z"}, 3),
        ({"timestamp": "2026-04-04T00:00:00Z", "last_updated": "2026-04-03T00:00:00Z"}, 4),
    ],
)
def test_a_statement_may_be_older_or_newer_than_its_document(dates: dict[str, str], day: int) -> None:
    assert read(statement(**dates)).statements[0].dated == datetime(2026, 4, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"justification": ...}, "it is not_affected without a justification"),
        ({"justification": ""}, "it is not_affected without a justification"),
        (
            {"justification": ..., "impact_statement": "trust us"},
            "it is not_affected without a justification",
        ),
        ({"justification": "we_like_it"}, "there is no justification 'we_like_it'"),
        ({"products": []}, "it names no image"),
        ({"products": ...}, "it names no image"),
        ({"products": [{"@id": "Unknown Product"}]}, "it names no image"),
    ],
)
def test_a_statement_that_says_too_little_does_not_count_and_stays_in_sight(
    changes: dict[str, Any], reason: str
) -> None:
    found = read(statement(**changes), statement())
    assert [one.number for one in found.statements] == [2]
    ((refused),) = found.refused
    assert (refused.number, refused.id) == (1, CVE)
    assert refused.reason.startswith(reason)


@pytest.mark.parametrize("status", ["fixed", "affected", "under_investigation"])
def test_only_what_is_not_affected_needs_a_justification(status: str) -> None:
    assert read(statement(status=status, justification=...)).statements[0].status == status


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"@id": LIBSSL}, Product(None, LIBSSL)),
        ({"identifiers": {"purl": LIBSSL}}, Product(None, LIBSSL)),
        ({"@id": "https://example.com/x", "identifiers": {"purl": LIBSSL}}, Product(None, LIBSSL)),
        ({"@id": LIBSSL, "identifiers": {"purl": LIBSSL}}, Product(None, LIBSSL)),
        ({"@id": IMAGE}, Product(IDENTITY)),
        ({"@id": DIGEST}, Product(ImageIdentity(DIGEST))),
        ({"@id": "https://example.com/x", "hashes": {"sha-256": HEX}}, Product(ImageIdentity(DIGEST))),
        ({"@id": IMAGE.replace(f"@sha256%3A{HEX}", ""), "hashes": {"sha-256": HEX}}, Product(IDENTITY)),
        ({"@id": IMAGE, "subcomponents": [{"@id": LIBSSL}]}, Product(IDENTITY, LIBSSL)),
        (
            {"@id": IMAGE, "subcomponents": [{"@id": "nothing"}, {"identifiers": {"purl": LIBSSL}}]},
            Product(IDENTITY, LIBSSL),
        ),
    ],
)
def test_what_a_product_is(given: dict[str, Any], expected: Product) -> None:
    assert products(given) == (expected,)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"@id": "registry.example.com/shop/api:1.4"},
        {"@id": LIBSSL, "identifiers": {"purl": "pkg:deb/debian/other"}},
        {"@id": LIBSSL, "identifiers": {"purl": IMAGE}},
        {"@id": LIBSSL, "hashes": {"sha-256": HEX}},
        {"@id": "https://x", "identifiers": {"purl": LIBSSL}, "hashes": {"sha-256": HEX}},
        {"@id": IMAGE, "hashes": {"sha-256": "b" * 64}},
        {"@id": IMAGE, "hashes": {"sha-256": "nothing"}},
        {"@id": LIBSSL, "subcomponents": [{"@id": "pkg:npm/x"}]},
        {"@id": IMAGE, "subcomponents": [{"@id": "nothing"}]},
        {"@id": IMAGE, "subcomponents": [{"@id": IMAGE}]},
        {"@id": IMAGE, "subcomponents": [{"@id": LIBSSL, "hashes": {"sha-256": HEX}}]},
        {"identifiers": {"cpe23": "cpe:2.3:a:x:y:*:*:*:*:*:*:*:*"}},
    ],
)
def test_what_cannot_be_told_is_no_product(given: dict[str, Any]) -> None:
    assert products(given) == ()
