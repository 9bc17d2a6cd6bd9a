"""Workflows of GitHub and pipelines of GitLab, by what their certificates say."""

from __future__ import annotations

from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.evidence import Identity
from gate.options import Mark, Node, decode
from gate.rules._signer import SignerEntry
from tests.kit.vouched import GITHUB, WORKFLOW, workflow

APP = "https://github.com/acme/app"
SHARED = "https://github.com/acme/shared/.github/workflows/build.yml@refs/tags/v1"
PIPELINE = "https://gitlab.com/acme/group/app//.gitlab-ci.yml@refs/heads/main"


def entry(**given: Any) -> SignerEntry:
    return decode(Node.of(given, Mark("p", 1, 1)), SignerEntry, "it")


def identity(*arguments: str, **claims: str) -> Identity:
    found = workflow(*arguments, **claims).identity
    assert found is not None
    return found


def github(**given: str) -> SignerEntry:
    return entry(github={"repository": "acme/app", **given})


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"workflow": ".github/workflows/release.yml"},
        {"ref": "refs/heads/main"},
        {"ref": "refs/heads/*"},
        {"trigger": "push"},
        {"repository": APP},
    ],
)
def test_a_workflow_of_a_repository(given: dict[str, str]) -> None:
    assert github(**given).mismatch(identity()) == ""


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"repository": "acme/ap"}, "source-repository-uri"),
        ({"repository": "acme/app2"}, "source-repository-uri"),
        ({"repository": "Acme/app"}, "source-repository-uri"),
        ({"repository": "https://ghe.example.com/acme/app"}, "source-repository-uri"),
        ({"workflow": ".github/workflows/release.ym"}, "build-config-uri"),
        ({"workflow": "release.yml"}, "build-config-uri"),
        ({"ref": "refs/heads/mai"}, "source-repository-ref"),
        ({"ref": "refs/tags/*"}, "source-repository-ref"),
        ({"trigger": "pull_request_target"}, "build-trigger"),
    ],
)
def test_what_differs_is_told(given: dict[str, str], what: str) -> None:
    assert github(**given).mismatch(identity()).startswith(f"its {what} is ")


def test_a_claim_that_is_missing_is_no_match() -> None:
    bare = Identity(WORKFLOW, "uri", GITHUB, {})
    assert github().mismatch(bare) == f"its source-repository-uri is not stated, not {APP}"


def test_a_called_workflow_of_another_repository_must_be_named() -> None:
    """The caller ran, the called one signed: GitHub's subject is the called one, of whomever that is."""
    called = identity(SHARED)
    assert github().mismatch(called) == f"its build-signer-uri is {SHARED}, not {APP}/"
    named = "acme/shared/.github/workflows/build.yml@refs/tags/v1"
    assert entry(github={"repository": "acme/app", "signer-workflow": named}).mismatch(called) == ""
    assert entry(github={"repository": "acme/app", "signer-workflow": named}).mismatch(identity()) != ""
    other = identity(SHARED.replace("v1", "v10"))
    assert entry(github={"repository": "acme/app", "signer-workflow": named}).mismatch(other) != ""


@pytest.mark.parametrize(
    ("ref", "at", "holds"),
    [
        ("refs/tags/v*", "refs/tags/v1", True),
        ("refs/tags/v*", "refs/tags/v1.2.3", True),
        ("refs/tags/v*", "refs/tags/v1/x", False),
        ("refs/tags/v*", "refs/heads/v1", False),
        ("*", "0" * 40, True),
        ("*", "refs/tags/v1", False),
        ("**", "refs/heads/anything", True),
        ("refs/tags/v1", "refs/tags/v10", False),
    ],
)
def test_the_ref_at_which_a_workflow_is_called_can_be_a_pattern(ref: str, at: str, holds: bool) -> None:
    workflow = "acme/shared/.github/workflows/build.yml"
    called = identity(f"https://github.com/{workflow}@{at}")
    found = entry(github={"repository": "acme/app", "signer-workflow": f"{workflow}@{ref}"})
    assert (found.mismatch(called) == "") is holds
    other = identity(f"https://github.com/acme/shared2/.github/workflows/build.yml@{at}")
    assert found.mismatch(other) != ""


@pytest.mark.parametrize(
    "named",
    [
        "acme/shared/.github/workflows/build.yml",
        "acme/shared/.github/workflows/build.yml@",
        "acme/shared/.github/workflows/*@refs/tags/v1",
        "acme/**@refs/tags/v1",
        "**@refs/tags/v1",
        "build.yml@refs/tags/v1",
        "^acme/shared/build.yml@.*",
    ],
)
def test_a_called_workflow_is_named_in_full_and_with_a_ref(named: str) -> None:
    with pytest.raises(InvalidInput):
        entry(github={"repository": "acme/app", "signer-workflow": named})


def test_a_repository_that_calls_ours_is_not_ours() -> None:
    foreign = identity(source_repository_uri="https://github.com/evil/app")
    assert (
        github().mismatch(foreign) == f"its source-repository-uri is https://github.com/evil/app, not {APP}"
    )


def test_a_subject_that_is_not_the_claimed_workflow_is_no_forges() -> None:
    assert "build-signer-uri" in github().mismatch(identity(build_signer_uri=f"{APP}/other@refs/heads/main"))


def test_the_issuer_is_githubs_unless_another_is_stated() -> None:
    elsewhere = identity(WORKFLOW, "https://evil.test")
    assert github().mismatch(elsewhere) == f"its issuer is https://evil.test, not {GITHUB}"
    assert github().mismatch(identity(WORKFLOW, f"{GITHUB}/acme")) != ""
    own = entry(github={"repository": "acme/app"}, issuer=f"{GITHUB}/acme")
    assert own.mismatch(identity(WORKFLOW, f"{GITHUB}/acme")) == ""


@pytest.mark.parametrize(
    "issuer", [f"{GITHUB}.evil.test", f"{GITHUB}/", GITHUB[:-1], "https://evil.test/" + GITHUB, ""]
)
def test_an_issuer_is_compared_as_a_whole(issuer: str) -> None:
    found = identity(WORKFLOW, issuer)
    for signer in (github(), entry(identity=WORKFLOW, issuer=GITHUB)):
        assert signer.mismatch(found) == f"its issuer is {issuer}, not {GITHUB}"


def gitlab_identity(subject: str = PIPELINE, issuer: str = "https://gitlab.com", **claims: str) -> Identity:
    told = {
        "build-config-uri": subject,
        "source-repository-uri": "https://gitlab.com/acme/group/app",
        "source-repository-ref": "refs/heads/main",
        "build-trigger": "push",
        **{name.replace("_", "-"): value for name, value in claims.items()},
    }
    return Identity(subject, "uri", issuer, told)


def gitlab(**given: str) -> SignerEntry:
    return entry(gitlab={"project": "acme/group/app", **given})


@pytest.mark.parametrize(
    "given", [{}, {"config": ".gitlab-ci.yml"}, {"ref": "refs/heads/main"}, {"trigger": "push"}]
)
def test_a_pipeline_of_a_project(given: dict[str, str]) -> None:
    assert gitlab(**given).mismatch(gitlab_identity()) == ""


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"project": "acme/group"}, "source-repository-uri"),
        ({"project": "acme/group/app2"}, "source-repository-uri"),
        ({"config": ".gitlab-ci.ym"}, "build-config-uri"),
        ({"ref": "refs/heads/other"}, "source-repository-ref"),
        ({"trigger": "web"}, "build-trigger"),
    ],
)
def test_what_differs_of_a_pipeline_is_told(given: dict[str, str], what: str) -> None:
    assert gitlab(**given).mismatch(gitlab_identity()).startswith(f"its {what} is ")


def test_a_configuration_of_another_project_is_not_the_projects() -> None:
    foreign = gitlab_identity("https://gitlab.com/evil/app//.gitlab-ci.yml@refs/heads/main")
    assert gitlab().mismatch(foreign).startswith("its build-config-uri is ")


def test_a_project_of_ones_own_server() -> None:
    own = entry(gitlab={"project": "https://gitlab.example.com/a/b"}, issuer="https://gitlab.example.com")
    subject = "https://gitlab.example.com/a/b//.gitlab-ci.yml@refs/heads/main"
    found = gitlab_identity(
        subject, "https://gitlab.example.com", source_repository_uri="https://gitlab.example.com/a/b"
    )
    assert own.mismatch(found) == ""
    assert gitlab().mismatch(found) != ""


def test_what_signers_are_called() -> None:
    assert str(entry(key="a.pub")) == "key a.pub"
    assert str(github()) == "GitHub acme/app"
    assert str(gitlab()) == "GitLab acme/group/app"
    assert str(entry(identity=WORKFLOW, issuer=GITHUB)) == f"{WORKFLOW} of {GITHUB}"


def test_a_key_is_no_identity() -> None:
    assert entry(key="a.pub").mismatch(identity()) == "a key was expected"
    assert entry(identity=f"{APP}/other", issuer=GITHUB).mismatch(identity()) == f"its identity is {WORKFLOW}"
