from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from gate import limits
from gate.limits import GIB, KIB, LIMITS, MIB, Limits

ROOT = Path(__file__).parent.parent
NAMES = Limits.__struct_fields__

STATED = {
    "document": 4_194_304,
    "documents": 33_554_432,
    "json_depth": 64,
    "json_digits": 32,
    "manifests": 1_000,
    "index_depth": 4,
    "layers": 500,
    "chunk": 524_288,
    "layer_expanded": 68_719_476_736,
    "layer_ratio": 200,
    "ratio_floor": 1_073_741_824,
    "member_size": 48,
    "members_floor": 1_000,
    "tar_record": 1_048_576,
    "path": 4_096,
    "path_components": 255,
    "layer_entries": 500_000,
    "image_entries": 1_000_000,
    "index_total": 134_217_728,
    "links": 40,
    "link_steps": 5_000_000,
    "lookup_steps": 1_024,
    "kept_file": 67_108_864,
    "kept_total": 100_663_296,
    "database_files": 10_000,
    "archive_members": 10_000,
    "engine_export": 137_438_953_472,
    "engine_answer": 16_777_216,
    "engine_seconds": 60.0,
    "engine_silence": 120.0,
    "references": 10_000,
    "cache_bytes": 21_474_836_480,
    "cached_index": 33_554_432,
    "cached_scan": 67_108_864,
    "signed_scans": 4_194_304,
    "bases": 1_000,
    "baseline": 16_777_216,
    "vex": 16_777_216,
    "vex_products": 200_000,
    "lookups": 20_000,
    "list_file": 8_388_608,
    "list_line": 1_048_576,
    "list_values": 500_000,
    "list_depth": 128,
    "report": 536_870_912,
    "password": 65_536,
    "answer": 1_048_576,
    "redirects": 5,
    "retries": 3,
    "pages": 1_000,
    "tags": 100_000,
    "referrers": 1_000,
    "connect_seconds": 10.0,
    "silence_seconds": 30.0,
    "request_seconds": 60.0,
    "blob_rate": 32_768,
    "resume_progress": 8_388_608,
    "helper_seconds": 30.0,
    "run_seconds": 900.0,
    "scanner_seconds": 600.0,
    "scanner_output": 268_435_456,
    "scanner_log": 8_388_608,
    "scanner_program": 1_073_741_824,
    "database": 17_179_869_184,
    "signature": 16_777_216,
    "signatures": 1_000,
    "signatures_total": 67_108_864,
    "signature_manifests": 1_000,
    "signature_bytes": 4_096,
    "certificate": 65_536,
    "certificates": 10,
    "log_entries": 8,
    "timestamps": 32,
    "proof_hashes": 64,
    "checkpoint": 65_536,
    "signed_certificate_timestamps": 16,
    "statement_subjects": 10_000,
    "trusted_keys": 64,
    "trusted_roots": 16,
    "authorities": 64,
    "rsa_bits": 8_192,
    "feed": 67_108_864,
    "bundle_parts": 50,
    "bundle_files": 1_000,
}
"""Promise 6: what passes is stated, so a change here is one of what users can rely on."""


def test_the_limits_are_the_stated_ones() -> None:
    assert {name: getattr(LIMITS, name) for name in NAMES} == STATED
    assert (KIB, MIB, GIB) == (1_024, 1_048_576, 1_073_741_824)


@pytest.mark.parametrize("name", NAMES)
def test_every_limit_is_enforced_somewhere(name: str) -> None:
    """A limit that nothing asks for is a promise that nothing keeps."""
    users = [
        path
        for path in (ROOT / "gate").rglob("*.py")
        if path.name != "limits.py" and f"LIMITS.{name}" in path.read_text()
    ]
    assert users


def test_every_limit_gives_its_reason() -> None:
    body = ast.parse(inspect.getsource(limits)).body
    (definition,) = (node for node in body if isinstance(node, ast.ClassDef))
    nodes = definition.body[1:]
    fields, reasons = nodes[::2], nodes[1::2]
    assert [ast.unparse(node.target) for node in fields if isinstance(node, ast.AnnAssign)] == list(NAMES)
    for reason in reasons:
        assert isinstance(reason, ast.Expr)
        assert isinstance(reason.value, ast.Constant)
        assert len(str(reason.value.value)) > 20


def test_nobody_changes_them() -> None:
    with pytest.raises(AttributeError):
        LIMITS.layers = 1_000  # type: ignore[misc]


def test_they_fit_together() -> None:
    assert LIMITS.json_depth < 1_000  # where recursive readers break
    assert LIMITS.layer_entries <= LIMITS.image_entries
    assert LIMITS.document <= LIMITS.documents
    assert LIMITS.kept_file <= LIMITS.kept_total
    assert LIMITS.kept_total + LIMITS.index_total <= 256 * MIB  # what the gate may take
    assert LIMITS.tar_record >= LIMITS.path
    assert LIMITS.layer_expanded <= LIMITS.engine_export
    assert LIMITS.scanner_seconds <= LIMITS.run_seconds
    assert LIMITS.engine_seconds <= LIMITS.engine_silence <= LIMITS.run_seconds
    assert LIMITS.connect_seconds <= LIMITS.silence_seconds <= LIMITS.request_seconds < LIMITS.run_seconds
    assert LIMITS.answer <= LIMITS.document
