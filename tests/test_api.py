"""The public API: what `gate` names, and that `check` is what the command line runs."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

import gate
from gate import Policy, Status, check
from gate.errors import InvalidInput
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory
from tests.kit.registry import serving_registry


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    now = datetime.now(UTC).replace(microsecond=0)
    for name, build in (("good", good), ("bad", bad)):
        write_directory(oci_layout({"": build(now)}), tmp_path / name)
    Path("policy.yaml").write_text("schema: 1\nrules: {no-shell: {}, non-root: {}}\n")
    return Policy.load("policy.yaml")


def test_one_image_or_several(policy: Policy) -> None:
    assert check("oci:good", policy).status is Status.PASS
    report = check(["oci:good", "oci:bad"], policy)
    assert report.status is Status.FAIL
    assert [verdict.status for verdict in report.verdicts] == [Status.PASS, Status.FAIL]


def test_an_image_of_a_registry(policy: Policy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's logins count, and its layers are kept."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    image = good(datetime.now(UTC).replace(microsecond=0))
    with serving_registry({"shop/api:1.4": image}, auth="basic") as registry:
        reference = f"docker://{registry.host}/shop/api:1.4"
        assert check(reference, policy).status is Status.UNKNOWN
        login = f"{registry.behaviour.username}:{registry.behaviour.password}".encode()
        entry = {"auths": {registry.host: {"auth": b64encode(login).decode()}}}
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker/config.json").write_text(json.dumps(entry))
        assert check(reference, policy).status is Status.PASS
        sent = registry.count("layer")
        assert check(reference, policy).status is Status.PASS
        assert registry.count("layer") == sent == len(image.layers)


def test_a_wrong_request_is_raised(policy: Policy) -> None:
    wrong: list[str | list[str]] = ["oci:nowhere", "", []]
    for reference in wrong:
        with pytest.raises(InvalidInput):
            check(reference, policy)


def test_it_names_what_it_offers() -> None:
    assert [getattr(gate, name) for name in gate.__all__] == [Policy, Status, gate.__version__, check]
    with pytest.raises(AttributeError, match="nothing"):
        _ = gate.nothing
