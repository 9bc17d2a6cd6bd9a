"""Bundles in files, and what else people name as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.errors import InvalidInput
from gate.evidence import RefusedSignature
from gate.limits import LIMITS
from gate.signatures.discovery import Budget, Candidate, Exhausted, Item
from gate.signatures.discovery_files import in_file, read_bundles

BUNDLE = b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","n":1}'
OLDER = b'{"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2"}'


def items(name: str, data: bytes) -> list[Item]:
    return list(in_file(name, data, Budget()))


def test_a_json_file_is_one_bundle() -> None:
    pretty = BUNDLE.replace(b",", b",\n")
    assert items("x.sigstore.json", pretty) == [
        Candidate(pretty, "", {}, "x.sigstore.json", "x.sigstore.json")
    ]


def test_a_jsonl_file_has_one_a_line() -> None:
    found = items("sha256:1.jsonl", BUNDLE + b"\n\r\n" + OLDER + b"\n")
    assert [item.place for item in found if isinstance(item, Candidate)] == [
        "line 1 of sha256:1.jsonl",
        "line 3 of sha256:1.jsonl",
    ]


def test_an_empty_file_has_none() -> None:
    assert items("x.jsonl", b"") == []


def test_one_that_is_too_large_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.signatures.discovery_files.LIMITS", replace(LIMITS, signature=80))
    (refused, good) = items("x.jsonl", b"x" * 81 + b"\n" + BUNDLE)
    assert isinstance(refused, RefusedSignature)
    assert refused.reason.startswith("it has 81 bytes")
    assert isinstance(good, Candidate)


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.signatures.discovery.LIMITS", replace(LIMITS, signatures=2))
    found = in_file("x.jsonl", b"\n".join([BUNDLE] * 3), Budget())
    assert isinstance(next(found), Candidate)
    next(found)
    with pytest.raises(Exhausted, match="more than 2 signatures"):
        next(found)


def test_a_file_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        read_bundles(str(path))
    path.write_bytes(BUNDLE)
    assert read_bundles(str(path)) == (str(path), BUNDLE)
    monkeypatch.setattr("gate.signatures.discovery_files.LIMITS", replace(LIMITS, signatures_total=5))
    with pytest.raises(InvalidInput, match="more than 5 bytes"):
        read_bundles(str(path))
