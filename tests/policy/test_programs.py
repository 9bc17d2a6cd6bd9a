"""What a policy says of scanners' programs: which are approved, and which never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import InvalidInput
from gate.gathering import approval_of
from gate.policy.policy import Policy
from gate.policy.render import render_policy
from gate.policy.schema import PROFILES
from gate.scanners import Approval, ScannerReport, ScannerSettings, ScanTarget
from tests.kit import runs

DIGEST = "sha256:" + "0a" * 32
HEAD = "schema: 1\nextends: baseline\n"


def loaded(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + text)
    return Policy.load(str(path), environment={})


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_let_any_program_run_that_is_not_refused(profile: str) -> None:
    assert approval_of(Policy.load(profile)) == Approval()


def test_a_policy_approves_and_refuses(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path,
        f"scanners: {{approved: listed, programs: ['{DIGEST}'], refused: [trivy 0.77.1, '{DIGEST}']}}\n",
    )
    expected = Approval(True, (DIGEST,), ("trivy 0.77.1", DIGEST))
    assert approval_of(policy) == expected
    (tmp_path / "shown.yaml").write_text(render_policy(policy))
    assert approval_of(Policy.load(str(tmp_path / "shown.yaml"), environment={})) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("approved: all", "any"),
        (f"programs: ['{DIGEST.upper()}']", "is no digest"),
        (f"programs: ['{DIGEST}0']", "is no digest"),
        ("programs: [trivy]", "is no digest"),
        ("refused: [trivy]", "names no program"),
        ("refused: [syft 1.0.0]", "names no program"),
        ('refused: ["trivy 0.77.1\\n"]', "names no program"),
        ("approve: listed", "approved"),
    ],
)
def test_mistakes_have_a_place(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        loaded(tmp_path, f"scanners: {{{text}}}\n")
    assert "policy.yaml:3:" in caught.value.message


def test_what_the_policy_says_reaches_the_scanners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Approval] = []

    def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
        told.append(settings.approval)
        return runs.seeing("trivy").scan(target, settings, deadline)

    from gate import gathering, pipeline

    monkeypatch.setattr(gathering, "_scanners", lambda: runs.seeing_scanners(trivy=scan))
    image = runs.passing_image(tmp_path / "image")
    policy = loaded(tmp_path, f"scanners: {{approved: listed, programs: ['{DIGEST}']}}\n")
    pipeline.check([f"oci:{image}"], policy, runs.settings(tmp_path))
    assert told == [Approval(True, (DIGEST,))]
