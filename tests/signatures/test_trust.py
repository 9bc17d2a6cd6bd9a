from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.signatures import trust
from tests.kit.sigstore import Sigstore, spki
from tests.kit.transparency_log import b64, canonical

INSTANCE = Sigstore()
START = datetime(2025, 12, 16, 12, tzinfo=UTC)

Document = dict[str, Any]


def test_a_root_is_read() -> None:
    data = canonical(INSTANCE.trusted_root())
    (root,) = trust.from_bytes(data, "root.json")
    assert (root.name, root.document) == ("root.json", data)
    assert [log.name for log in root.logs] == ["https://rekor.sigstore.test", "https://log.sigstore.test"]
    assert [log.log_id for log in root.logs] == [INSTANCE.logs[1].log_id, INSTANCE.logs[2].log_id]
    (ct,) = root.certificate_logs
    assert (ct.spki, ct.window.start, ct.window.end) == (spki(INSTANCE.certificate_log_key), START, None)
    assert [len(authority.chain) for authority in (*root.authorities, *root.timestamp_authorities)] == [2, 2]


def test_the_public_root_is_shipped() -> None:
    root = trust.public_good()
    assert root.name == "the public Sigstore instance"
    assert "https://rekor.sigstore.dev" in [log.name for log in root.logs]
    assert all((root.authorities, root.certificate_logs, root.timestamp_authorities))


def test_that_the_public_root_is_gone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_SHIPPED", ("nowhere",))
    with pytest.raises(Unavailable, match="brings no trusted root"):
        trust.public_good()


def test_several_roots_stand_on_lines() -> None:
    """As `gh attestation trusted-root` prints them; one is of timestamps alone."""
    lines = [
        canonical(INSTANCE.trusted_root()),
        canonical(INSTANCE.trusted_root() | {"tlogs": [], "ctlogs": []}),
    ]
    roots = trust.from_bytes(b"\n".join(lines) + b"\n", "roots.jsonl")
    assert [root.name for root in roots] == ["roots.jsonl, root 1", "roots.jsonl, root 2"]
    assert [len(root.logs) for root in roots] == [2, 0]
    assert roots[0].document == lines[0]


def test_what_zeros_leave_out_is_empty() -> None:
    """GitHub's root has neither kind of log, and says so by leaving them out."""
    document = INSTANCE.trusted_root()
    del document["tlogs"], document["ctlogs"]
    (root,) = trust.from_bytes(canonical(document), "root.json")
    assert (root.logs, root.certificate_logs) == ((), ())


def test_a_log_without_an_id_is_named_by_its_key() -> None:
    document = INSTANCE.trusted_root()
    del document["ctlogs"][0]["logId"]
    (root,) = trust.from_bytes(canonical(document), "root.json")
    (log,) = root.certificate_logs
    assert log.log_id == hashlib.sha256(log.spki).digest()


def test_a_key_of_an_unknown_kind_is_no_reason_to_demand_less() -> None:
    document = INSTANCE.trusted_root()
    document["tlogs"] = [document["tlogs"][0]]
    document["tlogs"][0]["publicKey"]["rawBytes"] = b64(b"a key of tomorrow")
    (root,) = trust.from_bytes(canonical(document), "root.json")
    assert len(root.logs) == 1


def log(document: Document) -> Document:
    found: Document = document["tlogs"][0]
    return found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda root: root.update(mediaType="x"), "is no trusted root: its type is 'x'"),
        (
            lambda root: root.update(tlogs=[], timestampAuthorities=[]),
            "neither a log nor a timestamp authority",
        ),
        (lambda root: root.update(tlogs={}), "tlogs is an object, not a list"),
        (lambda root: root.update(tlogs=[{}] * 65), "has 65 items; at most 64 are read"),
        (lambda root: root.update(Tlogs=[]), "readers that ignore case see 'tlogs'"),
        (lambda root: log(root).pop("publicKey"), "tlogs[0] has no publicKey"),
        (lambda root: log(root)["publicKey"].pop("validFor"), "does not say since when its key is valid"),
        (lambda root: log(root)["publicKey"].update(validFor={"end": "2026-01-01T00:00:00Z"}), "since when"),
        (lambda root: log(root)["publicKey"].update(validFor={"start": "yesterday"}), "is not a time"),
        (lambda root: log(root).update(logId={"keyId": b64(b"abc")}), "has an id of 3 bytes"),
        (
            lambda root: root["certificateAuthorities"][0].update(certChain={"certificates": []}),
            "certificateAuthorities[0] has an empty chain of certificates",
        ),
        (
            lambda root: root["timestampAuthorities"][0].pop("certChain"),
            "timestampAuthorities[0] has no certChain",
        ),
    ],
)
def test_other_roots_are_refused(change: Callable[[Document], object], reason: str) -> None:
    document = INSTANCE.trusted_root()
    change(document)
    with pytest.raises(InvalidInput) as refused:
        trust.from_bytes(canonical(document), "root.json")
    assert refused.value.message.startswith("root.json")
    assert reason in refused.value.message


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "root.json holds 0 roots"),
        (b"\n\n", "root.json holds 0 roots"),
        (b"garbage", "root.json is not valid JSON"),
        (b"{}\n" * (LIMITS.trusted_roots + 1), "root.json holds 17 roots; 1 to 16 are read"),
        (b'{"a":1}\n{"a":', "root.json is not valid JSON"),
        (b"{" + b" " * LIMITS.document + b"\n}", "at most 4,194,304 are read"),
    ],
)
def test_other_files_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        trust.from_bytes(data, "root.json")
    assert reason in refused.value.message
