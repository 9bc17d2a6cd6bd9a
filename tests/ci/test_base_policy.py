"""A change is judged by the policy of the branch that it goes to, whatever it brings itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gate.ci import base_policy
from gate.ci.base_policy import Choice, Origin
from gate.ci.event import Event, PullRequest, Repository, Side, origin
from gate.errors import InvalidInput, Unavailable
from gate.policy.load import load
from tests.kit.act import commit

STRICT = "schema: 1\nrules: {non-root: {}, no-shell: {}}\n"
WEAK = "schema: 1\nrules: {non-root: {action: warn}}\n"


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A server with one repository, `acme/shop`, whose main branch has a policy."""
    repository = tmp_path / "server" / "acme" / "shop"
    repository.mkdir(parents=True)
    (repository / ".image-gate.yaml").write_text(STRICT)
    commit(repository)
    return tmp_path / "server"


@pytest.fixture
def checkout(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout of a change that weakens the policy; it is the working directory."""
    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", server / "acme" / "shop", folder], check=True)
    (folder / ".image-gate.yaml").write_text(WEAK)
    commit(folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def variables(server: Path, tmp_path: Path) -> dict[str, str]:
    """The variables of a runner."""
    (tmp_path / "base").mkdir()
    return {
        "GITHUB_SERVER_URL": server.as_uri(),
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REF": "refs/pull/7/merge",
        "FOLDER": str(tmp_path / "base"),
    }


def choose(asked: str | None, event: Event, variables: dict[str, str]) -> Choice:
    """Choose the policy as a step of GitHub Actions does."""
    return base_policy.choose(asked, origin(event, variables), variables, variables["FOLDER"])


def pull_request(server: Path) -> Event:
    """A pull request to the branch as it is."""
    head = ["git", "-C", str(server / "acme" / "shop"), "rev-parse", "HEAD"]
    sha = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    return Event(PullRequest(7, Side(sha)), Repository("main"))


@pytest.mark.parametrize("asked", [None, ".image-gate.yaml"])
def test_the_policy_of_the_branch_counts_and_people_are_told(
    asked: str | None, checkout: Path, server: Path, variables: dict[str, str]
) -> None:
    choice = choose(asked, pull_request(server), variables)
    assert choice.policy is not None
    assert Path(choice.policy).read_text() == STRICT
    assert load(choice.policy).digest in choice.notice


def test_without_the_defence_the_change_judges_itself(checkout: Path) -> None:
    assert [setting.rule.id for setting in load(None).settings] == ["non-root"]


def test_nothing_is_told_where_both_are_the_same(
    checkout: Path, server: Path, variables: dict[str, str]
) -> None:
    (checkout / ".image-gate.yaml").write_text(STRICT)
    assert choose(None, pull_request(server), variables).notice == ""


def test_a_push_to_another_branch_is_judged_by_the_default_one(
    checkout: Path, variables: dict[str, str]
) -> None:
    event = Event(repository=Repository("main"))
    choice = choose(None, event, variables | {"GITHUB_REF": "refs/heads/feature"})
    assert choice.policy is not None
    assert Path(choice.policy).read_text() == STRICT


def test_the_default_branch_is_judged_by_itself(checkout: Path, variables: dict[str, str]) -> None:
    event = Event(repository=Repository("main"))
    assert choose(None, event, variables | {"GITHUB_REF": "refs/heads/main"}).policy is None


@pytest.mark.parametrize("asked", ["strict", "/etc/policy.yaml"])
def test_what_a_change_cannot_edit_stays(
    asked: str, checkout: Path, server: Path, variables: dict[str, str]
) -> None:
    assert choose(asked, pull_request(server), variables).policy == asked


def test_a_link_out_of_the_checkout_is_not_outside(
    checkout: Path, server: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "weak.yaml").write_text(WEAK)
    (checkout / ".image-gate.yaml").unlink()
    (checkout / ".image-gate.yaml").symlink_to(tmp_path / "weak.yaml")
    choice = choose(".image-gate.yaml", pull_request(server), variables)
    assert choice.policy is not None
    assert Path(choice.policy).read_text() == STRICT


def test_a_checkout_that_a_link_names_is_known(
    checkout: Path, server: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(checkout)
    choice = choose(str(tmp_path / "link" / ".image-gate.yaml"), pull_request(server), variables)
    assert choice.policy is not None
    assert Path(choice.policy).read_text() == STRICT


def test_a_branch_without_a_policy_has_the_default_profile(
    checkout: Path, server: Path, variables: dict[str, str]
) -> None:
    (server / "acme" / "shop" / ".image-gate.yaml").unlink()
    commit(server / "acme" / "shop")
    assert choose(None, pull_request(server), variables).policy == "baseline"


def test_a_policy_that_the_branch_lacks_is_a_wrong_request(
    checkout: Path, server: Path, variables: dict[str, str]
) -> None:
    (checkout / "new.yaml").write_text(WEAK)
    with pytest.raises(InvalidInput, match=r"no policy new\.yaml") as caught:
        choose("new.yaml", pull_request(server), variables)
    assert "policy-from: checkout" in caught.value.hint


def test_a_branch_that_cannot_be_fetched_gives_no_verdict(
    checkout: Path, server: Path, variables: dict[str, str]
) -> None:
    with pytest.raises(Unavailable, match="could not be fetched"):
        choose(None, pull_request(server), variables | {"GITHUB_REPOSITORY": "acme/other"})


@pytest.mark.parametrize("sha", ["--upload-pack=touch PWNED", "main", "0" * 39])
def test_only_a_commit_is_fetched(sha: str, checkout: Path, variables: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="names no commit"):
        choose(None, Event(PullRequest(7, Side(sha))), variables)


def test_an_event_that_says_nothing_leaves_the_checkout() -> None:
    assert origin(Event(), {"GITHUB_REF": "refs/heads/main"}) is None


@pytest.mark.parametrize("address", ["--upload-pack=touch PWNED", "ext::sh -c touch% PWNED", "/etc"])
def test_only_a_server_is_fetched_from(address: str, checkout: Path, variables: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="no address"):
        base_policy.choose(None, Origin("0" * 40, address), variables, variables["FOLDER"])


def test_the_token_stands_on_no_command_line(
    checkout: Path, server: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def seen(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, b"", b"no")

    monkeypatch.setattr(subprocess, "run", seen)
    given = Origin("0" * 40, server.as_uri(), "user", "s3cret")
    with pytest.raises(Unavailable):
        base_policy.choose(None, given, variables, variables["FOLDER"])
    assert commands
    assert "s3cret" not in str(commands)
