"""Attested lists of contents."""

from __future__ import annotations

from typing import Any

import pytest

from gate.rules.sbom_attested import SbomAttestedOptions, check
from tests.kit.trees import messages
from tests.kit.vouched import attestation, attestations, key, options

SPDX, CYCLONEDX = "https://spdx.dev/Document", "https://cyclonedx.org/bom"


def run(predicate_type: str, predicate: dict[str, Any], **given: Any) -> list[str]:
    told = options(SbomAttestedOptions, **given)
    return messages(list(check(attestations(told, attestation(key("a"), predicate_type, predicate)), told)))


@pytest.mark.parametrize(
    ("predicate_type", "predicate"),
    [
        (SPDX, {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]}),
        (f"{SPDX}/v2.3", {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]}),
        (SPDX, {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": [{}]}),
        (CYCLONEDX, {"bomFormat": "CycloneDX", "components": [{"name": "a"}]}),
        (f"{CYCLONEDX}/v1.6", {"bomFormat": "CycloneDX", "components": [{"name": "a"}]}),
    ],
)
def test_a_list_of_contents(predicate_type: str, predicate: dict[str, Any]) -> None:
    assert run(predicate_type, predicate) == []


@pytest.mark.parametrize(
    ("predicate_type", "predicate", "what"),
    [
        (SPDX, {}, "it states no spdxVersion"),
        (SPDX, {"bomFormat": "CycloneDX", "components": [{}]}, "it states no spdxVersion"),
        (SPDX, {"spdxVersion": 2, "packages": [{}]}, "it states no spdxVersion"),
        (SPDX, {"spdxVersion": "SPDX-2.3"}, "it lists nothing"),
        (SPDX, {"spdxVersion": "SPDX-2.3", "packages": []}, "it lists nothing"),
        (SPDX, {"spdxVersion": "SPDX-2.3", "packages": {"a": 1}}, "it lists nothing"),
        (CYCLONEDX, {"components": [{}]}, "its bomFormat is not CycloneDX"),
        (CYCLONEDX, {"bomFormat": "CycloneDX"}, "it lists nothing"),
        (f"{SPDX}s", {"spdxVersion": "SPDX-2.3", "packages": [{}]}, "there are no attested lists"),
        ("https://slsa.dev/provenance/v1", {}, "there are no attested lists"),
    ],
)
def test_what_is_none(predicate_type: str, predicate: dict[str, Any], what: str) -> None:
    (message,) = run(predicate_type, predicate)
    assert what in message


def test_formats() -> None:
    spdx = (SPDX, {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]})
    assert run(*spdx, formats=["spdx"]) == []
    assert run(*spdx, formats=["cyclonedx"])[0].startswith(
        "there are no attested lists of contents (cyclonedx)"
    )
