from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.vex import read as reading
from gate.vex.read import read_vex
from tests.kit.vex import LIBSSL, analysed, csaf, cyclonedx, flagged, openvex, statement


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not valid JSON"),
        (b"\xff", "is not valid UTF-8"),
        (b"[]", "is no VEX document"),
        (b"{}", "is no VEX document"),
        (b'{"bomFormat": "SPDX"}', "is no VEX document"),
        (b'{"bomFormat": "CycloneDX", "bomFormat": "x"}', "has the key 'bomFormat' twice"),
        (b"[" * 100, "nests deeper than"),
        (b" " * (LIMITS.vex + 1), "at most"),
        (openvex(**{"@context": "https://openvex.dev/ns/v9"}), "Invalid enum value"),
        (openvex(**{"@id": ...}), "required field `@id`"),
        (openvex(author=""), "length >= 1 - at `$.author`"),
        (openvex(author=...), "required field `author`"),
        (openvex(timestamp=...), "required field `timestamp`"),
        (openvex(timestamp="2026-05-01T10:00:00"), "timestamp"),
        (openvex(statement(), timestamp="0001-01-01T00:00:00+14:00"), "a date at the end of all calendars"),
        (openvex(timestamp="2026-05-01"), "Invalid RFC3339"),
        (openvex(statements=...), "required field `statements`"),
        (openvex(statements={}), "Expected `array`"),
        (openvex(statement(status=...)), "required field `status`"),
        (openvex(statement(status="fine")), "Invalid enum value 'fine' - at `$.statements[0].status`"),
        (openvex(statement(vulnerability="CVE-1")), "Expected `object`"),
        (openvex(statement(vulnerability={"name": ""})), "length >= 1"),
        (openvex(statement(products=[LIBSSL])), "Expected `object`"),
        (cyclonedx(specVersion="1.3"), "Invalid enum value '1.3'"),
        (cyclonedx(specVersion=...), "required field `specVersion`"),
        (cyclonedx(analysed(analysis={"state": "fine"})), "Invalid enum value 'fine'"),
        (cyclonedx(analysed(affects=[{}])), "required field `ref`"),
        (
            cyclonedx(analysed(), metadata={"timestamp": "9999-12-31T23:00:00-14:00"}),
            "a date at the end of all calendars",
        ),
        (cyclonedx(metadata={"timestamp": "yesterday"}), "Invalid RFC3339"),
    ],
)
def test_what_is_not_as_specified_is_a_wrong_request(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_vex(data, "v.json", "policy")
    assert "v.json" in caught.value.message
    assert words in caught.value.message
    assert "OpenVEX 0.2" in caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        openvex(statement(products=[{"@id": "sha256:" + "a" * 64, "subcomponents": [{"@id": LIBSSL}] * 3}])),
        openvex(statement(), statement(), statement()),
        cyclonedx(analysed(affects=[{"ref": LIBSSL}, {"ref": LIBSSL, "versions": [{}, {}]}])),
        csaf(flagged("package", "image", "both")),
    ],
    ids=["sub-components", "statements", "versions", "products"],
)
def test_products_are_bounded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIMITS", replace(LIMITS, vex_products=3))
    read_vex(data, "v.json", "policy")
    monkeypatch.setattr(reading, "LIMITS", replace(LIMITS, vex_products=2))
    with pytest.raises(InvalidInput, match="names more than 2 products"):
        read_vex(data, "v.json", "policy")


words = st.sampled_from(
    ["", "sha256:x", "pkg:", "pkg:oci/x@1", "pkg:a/b?c=d", LIBSSL, "\x00", "urn:cdx:#", "é"]
)
plain: st.SearchStrategy[Any] = st.one_of(
    words,
    st.none(),
    st.booleans(),
    st.lists(st.dictionaries(st.sampled_from(["@id", "ref", "purl", "hashes", "subcomponents"]), words)),
    st.dictionaries(st.sampled_from(["name", "state", "purl", "component", "sha-256"]), words),
)
fields = st.sampled_from(
    [
        "vulnerability",
        "products",
        "status",
        "id",
        "analysis",
        "affects",
        "metadata",
        "components",
        "justification",
        "product_status",
        "flags",
        "product_tree",
    ]
)


@given(st.dictionaries(fields, plain, max_size=4))
def test_hostile_documents_are_read_or_refused(changes: dict[str, Any]) -> None:
    for data in (
        openvex(statement(**changes)),
        openvex(**changes),
        cyclonedx(analysed(**changes)),
        cyclonedx(analysed(), **changes),
        csaf(flagged("package", **changes)),
        csaf(flagged("package"), **changes),
    ):
        try:
            found = read_vex(data, "v.json", "policy")
        except InvalidInput:
            continue
        else:
            assert all(one.products for one in found.statements)
            assert len(found.statements) + len(found.refused) <= 1
