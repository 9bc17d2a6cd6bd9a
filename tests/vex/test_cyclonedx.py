from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.vex import Document, ImageIdentity, Product
from gate.vex.read import read_vex
from tests.kit.vex import CVE, LIBSSL, analysed, cyclonedx

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"
NAMELESS = "pkg:deb/debian/libssl3"


def read(*vulnerabilities: dict[str, Any], **changes: Any) -> Document:
    return read_vex(cyclonedx(*vulnerabilities, **changes), "v.json", "policy")


def products(affects: Any, **changes: Any) -> tuple[Product, ...]:
    """What `affects` comes to, nothing where the statement is refused for it."""
    found = read(analysed(affects=affects), **changes)
    assert len(found.statements) + len(found.refused) == 1
    return found.statements[0].products if found.statements else ()


def described(**component: Any) -> dict[str, Any]:
    """Metadata of a document that describes this."""
    return {"timestamp": "2026-05-01T10:00:00Z", "component": {"type": "container", **component}}


def test_a_statement_and_where_it_is_from() -> None:
    found = read(analysed(references=[{"id": "GHSA-a"}, {"id": "DSA-1"}]))
    assert (found.format, found.author) == ("CycloneDX", "Security")
    assert found.id == "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"
    (one,) = found.statements
    assert (one.ids, one.status, one.justification, one.note) == (
        frozenset({CVE, "GHSA-a"}),
        "not_affected",
        "code_not_reachable",
        "no server",
    )
    assert (one.dated, one.products) == (datetime(2026, 5, 1, 10, tzinfo=UTC), (Product(None, LIBSSL),))


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
def test_versions_that_are_read(version: str) -> None:
    assert read(analysed(), specVersion=version).statements


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("resolved", "fixed"),
        ("resolved_with_pedigree", "fixed"),
        ("exploitable", "affected"),
        ("in_triage", "under_investigation"),
    ],
)
def test_states_that_need_no_justification(state: str, status: str) -> None:
    assert read(analysed(analysis={"state": state})).statements[0].status == status


@pytest.mark.parametrize("state", ["not_affected", "false_positive"])
def test_states_that_do(state: str) -> None:
    (refused,) = read(analysed(analysis={"state": state, "detail": "trust us"})).refused
    assert refused.reason == f"it is {state} without a justification"
    (refused,) = read(analysed(analysis={"state": state, "justification": "we_like_it"})).refused
    assert refused.reason == "there is no justification 'we_like_it'"
    given = {"state": state, "justification": "protected_at_runtime"}
    assert read(analysed(analysis=given)).statements[0].status == "not_affected"


def test_what_is_not_analysed_says_nothing() -> None:
    found = read(analysed(analysis=...), analysed(analysis={"detail": "later"}), analysed())
    assert ([one.number for one in found.statements], found.refused) == ([3], ())


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ({"firstIssued": "2026-04-01T00:00:00Z"}, 1),
        ({"firstIssued": "2026-04-01T00:00:00Z", "lastUpdated": "2026-04-03T00:00:00Z"}, 3),
    ],
)
def test_an_analysis_may_have_dates_of_its_own(dates: dict[str, str], day: int) -> None:
    analysis = {"state": "resolved", **dates}
    assert read(analysed(analysis=analysis)).statements[0].dated == datetime(2026, 4, day, tzinfo=UTC)


def test_without_any_date_it_could_not_be_told_what_is_newer() -> None:
    (refused,) = read(analysed(), metadata=...).refused
    assert refused.reason == "neither it nor its document states a date"


@pytest.mark.parametrize(
    ("affects", "expected"),
    [
        ([{"ref": LIBSSL}], [LIBSSL]),
        ([{"ref": f"urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#{LIBSSL}"}], [LIBSSL]),
        ([{"ref": "urn:cdx:x/1#pkg%3Anpm%2Fa%401"}], ["pkg:npm/a@1"]),
        ([{"ref": "a"}, {"ref": "inner"}, {"ref": "gone"}], ["pkg:npm/a@1", "pkg:npm/inner@2"]),
        (
            [{"ref": NAMELESS, "versions": [{"version": "1", "status": "unaffected"}, {"version": "2"}]}],
            ["pkg:deb/debian/libssl3@1"],
        ),
        ([{"ref": LIBSSL, "versions": [{"version": "3.0.9-1", "status": "unaffected"}]}], [LIBSSL]),
        ([{"ref": LIBSSL, "versions": [{"version": "3.0.8-1", "status": "unaffected"}]}], []),
        ([{"ref": NAMELESS, "versions": [{"range": "vers:deb/<3", "status": "unaffected"}]}], []),
        ([{"ref": NAMELESS, "versions": [{"version": "1", "status": "affected"}]}], []),
        ([], []),
        ([{"ref": "gone"}], []),
        ([{"ref": "nameless"}], []),
    ],
)
def test_which_packages_are_meant(affects: Any, expected: list[str]) -> None:
    inner = {"bom-ref": "inner", "purl": "pkg:npm/inner@2"}
    components = [
        {"type": "library", "bom-ref": "a", "purl": "pkg:npm/a@1", "components": [inner]},
        {"type": "library", "bom-ref": "nameless", "hashes": [{"alg": "SHA-256", "content": HEX}]},
    ]
    assert products(affects, components=components) == tuple(Product(None, purl) for purl in expected)


@pytest.mark.parametrize(
    ("component", "image"),
    [
        ({"purl": f"pkg:oci/api@{DIGEST}"}, ImageIdentity(DIGEST)),
        ({"hashes": [{"alg": "SHA-256", "content": HEX}]}, ImageIdentity(DIGEST)),
        ({"name": "api", "version": DIGEST}, ImageIdentity(DIGEST)),
        (
            {"purl": "pkg:oci/api?repository_url=registry.example.com/shop/api"},
            ImageIdentity(repository="registry.example.com/shop/api"),
        ),
        (
            {"purl": "pkg:docker/shop/api@1.4?repository_url=registry.example.com", "type": "application"},
            ImageIdentity(repository="registry.example.com/shop/api", tag="1.4"),
        ),
    ],
)
def test_a_document_about_an_image_is_about_packages_in_it_alone(
    component: dict[str, Any], image: ImageIdentity
) -> None:
    metadata = described(**{"bom-ref": "it", **component})
    assert products([{"ref": LIBSSL}], metadata=metadata) == (Product(image, LIBSSL),)
    assert products([{"ref": "it"}], metadata=metadata) == (Product(image),)


@pytest.mark.parametrize(
    "component",
    [
        {"name": "api"},
        {"name": "api", "version": "1.4"},
        {"purl": "pkg:oci/api"},
        {"purl": f"pkg:oci/api@{DIGEST}", "hashes": [{"alg": "SHA-256", "content": "b" * 64}]},
    ],
)
def test_a_document_about_an_image_that_cannot_be_told_is_about_none(component: dict[str, Any]) -> None:
    assert products([{"ref": LIBSSL}], metadata=described(**component)) == ()


def test_a_document_about_an_application_is_about_packages_wherever_they_are() -> None:
    metadata = described(type="application", purl="pkg:golang/example.com/server@v1")
    assert products([{"ref": LIBSSL}], metadata=metadata) == (Product(None, LIBSSL),)


def test_a_reference_that_means_two_things_is_refused() -> None:
    twice = [{"bom-ref": "a", "purl": "pkg:npm/a@1"}, {"bom-ref": "a", "purl": "pkg:npm/b@1"}]
    with pytest.raises(InvalidInput, match=r"v.json has the bom-ref 'a' twice"):
        read(components=twice)
