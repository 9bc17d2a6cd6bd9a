"""VEX documents of both formats, as their writers make them, with what a test changes."""

from __future__ import annotations

import json
from typing import Any

CVE = "CVE-2023-5363"
LIBSSL = "pkg:deb/debian/libssl3@3.0.9-1"


def statement(**changes: Any) -> dict[str, Any]:
    """A statement of OpenVEX that takes the finding of `tests.kit.vulnerabilities` away; `...` leaves a field out."""
    found = {
        "vulnerability": {"name": CVE},
        "products": [{"@id": LIBSSL}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not ...}


def openvex(*statements: dict[str, Any], **changes: Any) -> bytes:
    """A document of OpenVEX."""
    found = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "Security <security@example.com>",
        "timestamp": "2026-05-01T10:00:00.123456789-06:00",
        "version": 1,
        "statements": list(statements),
        **changes,
    }
    return json.dumps({name: value for name, value in found.items() if value is not ...}).encode()


def analysed(**changes: Any) -> dict[str, Any]:
    """A vulnerability of CycloneDX that is analysed as not affecting a package; `...` leaves a field out."""
    found = {
        "id": CVE,
        "analysis": {"state": "not_affected", "justification": "code_not_reachable", "detail": "no server"},
        "affects": [{"ref": LIBSSL}],
        **changes,
    }
    return {name: value for name, value in found.items() if value is not ...}


def cyclonedx(*vulnerabilities: dict[str, Any], **changes: Any) -> bytes:
    """A document of CycloneDX."""
    found = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "version": 1,
        "metadata": {"timestamp": "2026-05-01T10:00:00Z", "authors": [{"name": "Security"}]},
        "vulnerabilities": list(vulnerabilities),
        **changes,
    }
    return json.dumps({name: value for name, value in found.items() if value is not ...}).encode()


def csaf(*vulnerabilities: dict[str, Any], **changes: Any) -> bytes:
    """A document of CSAF whose products are one package, one image, and that package in it."""
    sha256 = [{"file_hashes": [{"algorithm": "sha256", "value": "a" * 64}], "filename": "manifest.json"}]
    image = {"purl": "pkg:oci/api?repository_url=registry.example.com/shop/api", "hashes": sha256}
    found = {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "publisher": {"category": "vendor", "name": "Supplier", "namespace": "https://example.com"},
            "tracking": {"id": "EX-1", "current_release_date": "2026-05-01T10:00:00Z"},
        },
        "product_tree": {
            "branches": [{"category": "vendor", "branches": [{"product": product("package", purl=LIBSSL)}]}],
            "full_product_names": [product("image", **image), product("nameless")],
            "relationships": [
                {
                    "category": "default_component_of",
                    "product_reference": "package",
                    "relates_to_product_reference": "image",
                    "full_product_name": product("both"),
                }
            ],
            "product_groups": [{"group_id": "all", "product_ids": ["package", "both"]}],
        },
        "vulnerabilities": list(vulnerabilities),
        **changes,
    }
    return json.dumps({name: value for name, value in found.items() if value is not ...}).encode()


def product(id_: str, **helper: Any) -> dict[str, Any]:
    """A product of CSAF."""
    return {"product_id": id_, "name": id_, "product_identification_helper": helper}


def flagged(*products: str, **changes: Any) -> dict[str, Any]:
    """A vulnerability of CSAF that is said not to affect these products, and why; `...` leaves a field out."""
    found = {
        "cve": CVE,
        "product_status": {"known_not_affected": list(products)},
        "flags": [{"label": "vulnerable_code_not_present", "product_ids": list(products)}],
        **changes,
    }
    return {name: value for name, value in found.items() if value is not ...}
