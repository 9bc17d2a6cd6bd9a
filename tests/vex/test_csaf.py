from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.vex import Document, ImageIdentity, Product
from gate.vex.read import read_vex
from tests.kit.vex import CVE, LIBSSL, csaf, flagged, product

DIGEST = "sha256:" + "a" * 64
IMAGE = ImageIdentity(DIGEST, "registry.example.com/shop/api")
PRODUCTS = {"package": Product(None, LIBSSL), "image": Product(IMAGE), "both": Product(IMAGE, LIBSSL)}


def read(*vulnerabilities: dict[str, Any], **changes: Any) -> Document:
    return read_vex(csaf(*vulnerabilities, **changes), "v.json", "policy")


def test_a_statement_and_where_it_is_from() -> None:
    found = read(flagged("package", ids=[{"system_name": "GitHub", "text": "GHSA-a"}]))
    assert (found.format, found.id, found.author) == ("CSAF", "EX-1", "Supplier")
    (one,) = found.statements
    assert (one.number, one.ids) == (1, frozenset({CVE, "GHSA-a"}))
    assert (one.status, one.justification) == ("not_affected", "vulnerable_code_not_present")
    assert (one.dated, one.products) == (datetime(2026, 5, 1, 10, tzinfo=UTC), (PRODUCTS["package"],))


@pytest.mark.parametrize("name", PRODUCTS)
def test_what_a_product_is(name: str) -> None:
    assert read(flagged(name, "nameless", "gone")).statements[0].products == (PRODUCTS[name],)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("fixed", "fixed"),
        ("first_fixed", "fixed"),
        ("known_affected", "affected"),
        ("first_affected", "affected"),
        ("last_affected", "affected"),
        ("under_investigation", "under_investigation"),
    ],
)
def test_statuses_that_need_no_flag(word: str, status: str) -> None:
    said = flagged(flags=..., product_status={word: ["package"], "recommended": ["image"]})
    (one,) = read(said).statements
    assert (one.status, one.justification, one.products) == (status, "", (PRODUCTS["package"],))


def flag(label: str, **where: Any) -> dict[str, Any]:
    return {"label": label, **where}


def test_each_justification_is_a_statement_of_its_own_and_groups_have_members() -> None:
    flags = [
        flag("component_not_present", product_ids=["image"]),
        flag("vulnerable_code_not_present", group_ids=["all"]),
    ]
    found = read(flagged("image", "package", "both", flags=flags))
    assert [(one.number, one.justification, one.products) for one in found.statements] == [
        (1, "component_not_present", (PRODUCTS["image"],)),
        (2, "vulnerable_code_not_present", (PRODUCTS["package"], PRODUCTS["both"])),
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (flagged("package", flags=...), "it is known_not_affected without one flag that says why"),
        (
            flagged("package", flags=..., threats=[{"category": "impact", "details": "trust us"}]),
            "it is known_not_affected without one flag that says why",
        ),
        (
            flagged(
                "package",
                flags=[
                    flag("component_not_present", product_ids=["package"]),
                    flag("vulnerable_code_not_present", product_ids=["package"]),
                ],
            ),
            "it is known_not_affected without one flag that says why",
        ),
        (flagged("package", cve=...), "it names no vulnerability"),
        (flagged("nameless"), "it names no image"),
        (flagged("gone"), "it names no image"),
    ],
)
def test_a_statement_that_says_too_little_does_not_count(said: dict[str, Any], reason: str) -> None:
    found = read(said)
    assert found.statements == ()
    assert [one.reason.startswith(reason) for one in found.refused] == [True]


def tree(*products: dict[str, Any], **relationship: str) -> dict[str, Any]:
    facts = {
        "category": "default_component_of",
        "product_reference": "inner",
        "relates_to_product_reference": "outer",
    }
    part = {**facts, **relationship, "full_product_name": product("part")}
    return {"full_product_names": list(products), "relationships": [part]}


INNER, OUTER = product("inner", purl=LIBSSL), product("outer", purl=f"pkg:oci/api@{DIGEST}")
HASHED = [{"file_hashes": [{"algorithm": "sha256", "value": "a" * 64}], "filename": "x"}]


def test_a_package_of_an_image_is_one() -> None:
    assert read(flagged("part"), product_tree=tree(INNER, OUTER)).statements[0].products == (
        Product(ImageIdentity(DIGEST), LIBSSL),
    )


@pytest.mark.parametrize(
    "given",
    [
        tree(INNER, OUTER, category="installed_with"),
        tree(INNER, product("outer", purl="pkg:generic/linux")),
        tree(INNER, product("outer", cpe="cpe:/o:example:linux:9")),
        tree(product("inner", purl=f"pkg:oci/other@{DIGEST}"), OUTER),
        tree(product("inner", purl=LIBSSL, hashes=HASHED), OUTER),
        tree(INNER, product("outer", purl=f"pkg:oci/api@sha256:{'b' * 64}", hashes=HASHED)),
        tree(INNER, OUTER, product_reference="gone"),
        tree(INNER, product("outer", purl="pkg:oci/api", hashes=HASHED * 2)),
    ],
)
def test_what_cannot_be_told_is_no_product(given: dict[str, Any]) -> None:
    assert read(flagged("part"), product_tree=given).statements == ()


def test_an_id_that_means_two_things_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"v\.json states a product_id twice"):
        read(product_tree={"full_product_names": [INNER, INNER]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"category": "csaf_base"}, "Invalid enum value 'csaf_base'"),
        ({"csaf_version": "2.1"}, "Invalid enum value '2.1'"),
        ({"publisher": {}}, "required field `name`"),
        ({"tracking": {"id": "x"}}, "required field `current_release_date`"),
    ],
)
def test_what_is_not_as_specified_is_a_wrong_request(change: dict[str, Any], words: str) -> None:
    header = json.loads(csaf())["document"] | change
    with pytest.raises(InvalidInput) as caught:
        read(document=header)
    assert words in caught.value.message


def test_a_flag_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Invalid enum value 'fine'"):
        read(flagged("package", flags=[flag("fine")]))
