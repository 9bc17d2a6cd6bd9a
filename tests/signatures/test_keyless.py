"""Signing without a key, as far as no server is needed; tests/end_to_end/test_private_sigstore.py has the rest."""

from __future__ import annotations

import json
import os

import pytest

from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.signatures.keyless import _require_time, require_identity, with_identity
from tests.kit.identity_provider import IdentityProvider
from tests.kit.sigstore import Signing, Sigstore

NOWHERE = "http://127.0.0.1:1"
SIGSTORE = Sigstore()


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(
            ("GITHUB_", "ACTIONS_", "GITLAB_", "SIGSTORE_", "BUILDKITE", "CIRCLECI", "GOOGLE_")
        ):
            monkeypatch.delenv(name)


def trust_config(address: str = NOWHERE) -> bytes:
    """Return a configuration all of whose services are at an address."""
    service = {"majorApiVersion": 1, "validFor": {"start": "2026-01-01T00:00:00Z"}, "operator": "test"}
    signing = {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [{"url": address, **service}],
        "oidcUrls": [{"url": address, **service}],
        "rekorTlogUrls": [{"url": address, **service}],
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": [{"url": address, **service}],
        "tsaConfig": {"selector": "ANY"},
    }
    kind = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
    root = SIGSTORE.trusted_root()
    return json.dumps({"mediaType": kind, "trustedRoot": root, "signingConfig": signing}).encode()


def in_gitlab(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this be a job of GitLab."""
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", IdentityProvider().gitlab("acme/app"))


def test_where_there_is_no_job_there_is_no_identity() -> None:
    with pytest.raises(InvalidInput, match="neither a key nor the identity") as error:
        require_identity()
    assert "--key" in error.value.hint


def test_a_job_that_may_not_have_a_token_is_told_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(Unavailable, match="could not be asked for") as error:
        require_identity()
    assert "id-token: write" in error.value.hint


def test_a_job_has_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    in_gitlab(monkeypatch)
    require_identity()


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"\xff", b"[]", json.dumps(SIGSTORE.trusted_root()).encode(), b"{" + b" " * LIMITS.document],
)
def test_what_is_no_trust_config(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    in_gitlab(monkeypatch)
    with pytest.raises(InvalidInput, match="trust configuration"), with_identity(data):
        pass


def test_services_that_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    in_gitlab(monkeypatch)
    with pytest.raises(Unavailable, match="no certificate was given"), with_identity(trust_config()):
        pass


@pytest.mark.parametrize(
    ("signing", "timed"),
    [(Signing(log=1), True), (Signing(log=2), False), (Signing(log=2, stamped=True), True)],
    ids=["promise", "nothing", "timestamp"],
)
def test_a_signature_whose_time_nobody_knows_is_none(signing: Signing, timed: bool) -> None:
    """The sigstore package only logs a warning where no timestamp authority answers."""
    bundle = SIGSTORE.attestation(f"sha256:{'1' * 64}", "https://example.com/x", {}, signing)
    if timed:
        _require_time(bundle)
        return
    with pytest.raises(Unavailable, match="without a time"):
        _require_time(bundle)
