"""`image-gate except`: the policy is edited where it must be, validated, and left alone otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate.policy.policy import Policy
from tests.cli.conftest import Program

TODAY = datetime.now(UTC).date()
FAR, SOON, PAST = (str(TODAY + timedelta(days=days)) for days in (100, 5, -1))
POLICY = f"""\
# ours
schema: 1
rules: {{no-shell: {{}}, max-age: {{days: 9}}}}   # few
exceptions:
  # legacy
  - {{rule: no-shell, path: /old, until: {PAST}, reason: over, owner: shop}}
  - rule: no-shell
    path: /soon
    until: {SOON}
    reason: 'soon'  # soon

# the end
"""
SELECTED = ("--path", "/bin/sh", "--until", FAR, "--reason", "it is needed: SEC-1")


@pytest.fixture
def program(inside: Program) -> Program:
    """The program without a process of its own; tests/cli/test_check.py runs it as users do."""
    return inside


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / ".image-gate.yaml"
    path.write_text(POLICY)
    return path


def loaded(path: Path) -> Policy:
    return Policy.load(str(path), directory=path.parent, environment={})


def test_an_exception_is_added_and_nothing_else_changes(policy: Path, program: Program) -> None:
    done = program(
        "except", "add", "no-shell", "--id", "X-1", "--package", "bash", "--versions", "<5.3", *SELECTED,
        "--images", "registry.example.com/shop/*", "--images", "sha256:" + "a" * 64, "--owner", "me", "--link", "https://x.test/1",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f".image-gate.yaml: excepted until {FAR}: no-shell X-1 package bash <5.3 path /bin/sh in "
    )
    text = policy.read_text()
    start, end = text.index("  - rule: no-shell\n    id: X-1\n"), text.index("\n# the end")
    assert text[:start] + text[end:] == POLICY
    added = loaded(policy).exceptions[-1]
    assert (added.id, added.package, added.versions, added.path) == ("X-1", "bash", "<5.3", "/bin/sh")
    assert (str(added.until), added.reason, added.owner, added.link) == (
        FAR, "it is needed: SEC-1", "me", "https://x.test/1",
    )  # fmt: skip
    assert len(added.images) == 2


def test_a_linked_policy_is_edited_where_it_lies_and_stays_as_open_as_it_was(
    policy: Path, program: Program
) -> None:
    place = policy.parent / "elsewhere.yaml"
    policy.rename(place)
    place.chmod(0o640)
    policy.symlink_to(place.name)
    assert program("except", "add", "no-shell", *SELECTED).returncode == 0
    assert policy.is_symlink()
    assert "/bin/sh" in place.read_text()
    assert place.stat().st_mode & 0o777 == 0o640


def test_a_policy_without_exceptions_gets_its_first(policy: Path, program: Program) -> None:
    policy.write_text("schema: 1\nextends: baseline\n")
    assert program("except", "add", "no-shell", *SELECTED).returncode == 0
    assert policy.read_text().startswith("schema: 1\nextends: baseline\n\nexceptions:\n  - rule: no-shell\n")
    assert [exception.path for exception in loaded(policy).exceptions] == ["/bin/sh"]


def test_what_it_excepts_is_excepted(place: Path, program: Program) -> None:
    (place / "p.yaml").write_text("schema: 1\nrules: {max-age: {days: 30}}\n")
    assert program("check", "./bad", "--policy", "p.yaml", "--as", "x.test/shop/api:1").returncode == 1
    arguments = ("--images", "x.test/shop/api", "--until", str(TODAY), "--reason", "r", "--file", "p.yaml")
    assert program("except", "add", "max-age", *arguments).returncode == 0
    done = program("check", "./bad", "--policy", "p.yaml", "--as", "x.test/shop/api:1")
    assert done.returncode == 0
    assert "1 excepted" in done.stdout
    assert program("check", "./bad", "--policy", "p.yaml", "--as", "x.test/shop/web:1").returncode == 1


def test_a_file_of_its_own_is_made_and_added_to(tmp_path: Path, program: Program) -> None:
    done = program("except", "add", "no-shell", *SELECTED, "--file", "e.yaml")
    assert done.returncode == 0
    assert "name it in the policy: `exceptions-files: [e.yaml]`" in done.stdout
    done = program("except", "add", "non-root", *SELECTED, "--file", "e.yaml")
    assert (done.returncode, "is new" in done.stdout) == (0, False)
    (tmp_path / "p.yaml").write_text("schema: 1\nrules: {no-shell: {}}\nexceptions-files: [e.yaml]\n")
    assert [exception.rule for exception in loaded(tmp_path / "p.yaml").exceptions] == [
        "no-shell",
        "non-root",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-shel", *SELECTED], "there is no rule 'no-shel'"),
        (["no-shell", *SELECTED[2:]], "would except everything that no-shell finds"),
        (["no-shell", "--path", "bin/sh", *SELECTED[2:]], "matches nothing"),
        (["no-shell", "--package", "x", "--versions", "1.2", *SELECTED[2:]], "is no range of versions"),
        (["no-shell", "--images", "*", *SELECTED[2:]], "is not an image name"),
        (["no-shell", *SELECTED[:2], "--until", PAST, "--reason", "r"], f"--until {PAST} has passed"),
        (["no-shell", *SELECTED[:2], "--until", "tomorrow", "--reason", "r"], "is no day"),
        (["no-shell", *SELECTED[:2], "--until", "20991231", "--reason", "r"], "is no day"),
        (["no-shell", *SELECTED[:2], "--until", FAR, "--reason", ""], "reason is an empty text"),
        (["no-shell", *SELECTED[:2], "--until", FAR, "--reason", "a\u202eb"], "cannot be edited"),
        (["no-shell", *SELECTED[:2], "--until", FAR], "--reason"),
        (["no-shell", *SELECTED, "--file", "no/such/file.yaml"], "cannot be written"),
        (["no-shell", *SELECTED, "--file", "."], "cannot be read"),
    ],
)
def test_what_would_not_be_valid_is_not_written(
    arguments: list[str], message: str, policy: Path, program: Program
) -> None:
    done = program("except", "add", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert policy.read_text() == POLICY
    assert list(policy.parent.glob(".image-gate-*")) == []


def test_they_are_listed_with_what_becomes_of_them(policy: Path, program: Program) -> None:
    policy.write_text(POLICY.replace("exceptions:\n", "exceptions-files: [e.yaml]\nexceptions:\n"))
    (policy.parent / "e.yaml").write_text(
        f"schema: 1\nexceptions: [{{rule: max-age, id: x, until: {FAR}, reason: r, link: l}}]\n"
    )
    done = program("except", "list")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"expired 1 d ago   {PAST}  no-shell path /old: over, owner shop [.image-gate.yaml:7:5]",
        f"expires in 5 d    {SOON}  no-shell path /soon: soon [.image-gate.yaml:8:5]",
        f"active for 100 d  {FAR}  max-age x: r, link l [e.yaml:2:14]",
        "3 exceptions, 1 expired",
    ]
    assert program("except", "list", "e.yaml").stdout.splitlines()[-1] == "1 exception, 0 expired"
    policy.write_text(POLICY.replace("schema: 1\n", "schema: 1\nexceptions-notice-days: 4\n"))
    assert "active for 5 d" in program("except", "list").stdout


def test_expired_ones_are_removed_from_the_policy_and_its_files(policy: Path, program: Program) -> None:
    text = POLICY.replace("exceptions:\n", "exceptions-files: [e.yaml]\nexceptions:\n")
    policy.write_text(text)
    other = policy.parent / "e.yaml"
    other.write_text(
        f"schema: 1\nexceptions: # x\n  - {{rule: max-age, id: x, until: {PAST}, reason: r}} # y\n"
    )
    done = program("except", "prune")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "2 expired exceptions removed"
    assert "no-shell path /old: over" in done.stdout
    assert policy.read_text() == "".join(line for line in text.splitlines(True) if "/old" not in line)
    assert other.read_text() == "schema: 1\nexceptions: [] # x\n"
    before = policy.stat().st_ino
    assert program("except", "prune").stdout == "0 expired exceptions removed\n"
    assert policy.stat().st_ino == before


def test_without_a_policy_there_is_nothing_to_edit(tmp_path: Path, program: Program) -> None:
    for arguments in (["add", "no-shell", *SELECTED], ["list"], ["prune"]):
        done = program("except", *arguments)
        assert done.returncode == 2
        assert "there is no policy file here" in done.stderr


def test_a_policy_that_is_not_valid_is_not_edited(policy: Path, program: Program) -> None:
    policy.write_text(POLICY.replace("no-shell: {}", "no-shel: {}"))
    for arguments in (["add", "no-shell", *SELECTED], ["list"], ["prune"]):
        done = program("except", *arguments)
        assert done.returncode == 2
        assert "there is no rule 'no-shel'" in done.stderr
