from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import InvalidInput
from gate.policy import load as loading
from gate.policy.document import DOCUMENT_LIMIT
from gate.policy.load import PARSED_PROFILES, PROFILE_FOLDER, find, verify_digest
from gate.policy.policy import Policy

TEXT = "schema: 1\nextends: strict\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a folder in it, inside a folder that holds a policy of someone else."""
    (tmp_path / ".image-gate.yaml").write_text("schema: 1\nextends: audit\n")
    folder = tmp_path / "repository" / "services" / "api"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    return folder


def test_without_a_file_the_baseline_counts_and_says_so(checkout: Path) -> None:
    policy = Policy.load(directory=checkout, environment={"CI": "true"})
    assert (policy.name, policy.origin) == ("baseline", "profile baseline (no policy file found)")
    assert not policy.in_checkout


def test_a_file_is_found_upward_to_the_root_of_the_repository(checkout: Path) -> None:
    root = checkout.parent.parent
    (root / ".image-gate.yml").write_text(TEXT)
    assert find(checkout) == str(root / ".image-gate.yml")
    policy = Policy.load(directory=checkout, environment={})
    assert (policy.name, policy.origin) == (".image-gate.yml", "../../.image-gate.yml")
    (checkout / ".image-gate.yaml").write_text("schema: 1\nextends: audit\n")
    assert Policy.load(directory=checkout, environment={}).origin == ".image-gate.yaml"


def test_a_worktree_is_a_repository_too(checkout: Path) -> None:
    (checkout / ".git").write_text("gitdir: elsewhere")
    (checkout.parent / ".image-gate.yaml").write_text(TEXT)
    assert find(checkout) is None


def test_outside_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / ".image-gate.yaml").write_text(TEXT)
    assert find(inner) is None
    assert find(tmp_path) == str(tmp_path / ".image-gate.yaml")


def test_both_spellings_side_by_side_are_refused(checkout: Path) -> None:
    for name in (".image-gate.yaml", ".image-gate.yml"):
        (checkout / name).write_text(TEXT)
    with pytest.raises(InvalidInput, match=r"both .*\.image-gate\.yaml and \.image-gate\.yml exist"):
        Policy.load(directory=checkout)


def test_a_file_that_is_there_and_cannot_be_read_is_not_passed_over(checkout: Path) -> None:
    (checkout / ".image-gate.yaml").symlink_to("nowhere")
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        Policy.load(directory=checkout)


def test_errors_name_the_file_as_it_was_found(checkout: Path) -> None:
    (checkout.parent / ".image-gate.yaml").write_text("schema: 1\nrules: {x: {}}\n")
    with pytest.raises(InvalidInput, match=r"^\.\./\.image-gate\.yaml:2:9: there is no rule 'x'"):
        Policy.load(directory=checkout)


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_in_ci_a_policy_from_the_checkout_is_called_that(checkout: Path, value: str) -> None:
    (checkout / ".image-gate.yaml").write_text(TEXT)
    for name in (None, ".image-gate.yaml", "../api/.image-gate.yaml"):
        policy = Policy.load(name, directory=checkout, environment={"CI": value})
        assert policy.in_checkout
        assert policy.origin.endswith("(from the checkout under test)")


def test_elsewhere_or_from_outside_it_is_not(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".image-gate.yaml").write_text(TEXT)
    for environment in ({}, {"CI": ""}, {"CI": "false"}):
        assert not Policy.load(directory=checkout, environment=environment).in_checkout
    outside = tmp_path / "central.yaml"
    outside.write_text(TEXT)
    assert not Policy.load(str(outside), directory=checkout, environment={"CI": "true"}).in_checkout
    assert not Policy.load("strict", directory=checkout, environment={"CI": "true"}).in_checkout


def test_a_link_out_of_the_checkout_is_judged_by_where_it_leads(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "central.yaml").write_text(TEXT)
    (checkout / "policy.yaml").symlink_to(tmp_path / "central.yaml")
    assert not Policy.load("policy.yaml", directory=checkout, environment={"CI": "true"}).in_checkout


def test_a_profile_is_named_by_its_name_and_a_file_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "strict").write_text("schema: 1\nextends: audit\n")
    assert Policy.load("strict", directory=tmp_path).origin == "profile strict"
    assert Policy.load("./strict", directory=tmp_path, environment={}).origin == "./strict"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("basline", "the policy 'basline' cannot be read: No such file", "did you mean 'baseline'?"),
        ("dir/none.yaml", "the policy 'dir/none.yaml' cannot be read: No such file", "a built-in profile"),
        (".", "the policy '.' cannot be read: Is a directory", ""),
        ("", "the policy '' cannot be read", ""),
        ("a\0b", "the policy 'a\\x00b' cannot be read: embedded null", ""),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Policy.load(name, directory=tmp_path)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"#\n" * DOCUMENT_LIMIT)
    with pytest.raises(InvalidInput, match="more than 1,048,576 bytes"):
        Policy.load("p.yaml", directory=tmp_path)
    with pytest.raises(InvalidInput, match="more than 1,048,576 bytes"):
        Policy.load("/dev/zero", directory=tmp_path)


def test_the_digest_is_that_of_the_file_and_then_the_profile(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("schema: 1\nrules: {no-shell: {}}\n")
    extending = tmp_path / "p.yaml"
    extending.write_text(TEXT)
    strict = Path(PROFILE_FOLDER, "strict.yaml").read_bytes()
    assert Policy.load(str(own)).digest == "sha256:" + hashlib.sha256(own.read_bytes()).hexdigest()
    assert (
        Policy.load(str(extending)).digest == "sha256:" + hashlib.sha256(TEXT.encode() + strict).hexdigest()
    )
    assert Policy.load("strict").digest == "sha256:" + hashlib.sha256(strict).hexdigest()


def test_only_the_named_digest_passes() -> None:
    policy = Policy.load("strict")
    verify_digest(policy, policy.digest)
    other = Policy.load("audit").digest
    with pytest.raises(InvalidInput, match=rf"has the digest {policy.digest}, not {other}"):
        verify_digest(policy, other)
    for wrong in (
        "",
        "sha256:",
        policy.digest.upper(),
        policy.digest + "\n",
        policy.digest[7:],
        "sha512:" + "a" * 64,
    ):
        with pytest.raises(InvalidInput, match="is not a policy digest"):
            verify_digest(policy, wrong)


def test_a_stale_parsed_profile_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forged = json.loads(Path(PARSED_PROFILES).read_bytes())
    for entry in forged.values():
        entry["document"]["rules"] = {"pinned-tag": {"action": "warn"}}
    (tmp_path / "parsed.json").write_text(json.dumps(forged))
    monkeypatch.setattr(loading, "PARSED_PROFILES", str(tmp_path / "parsed.json"))
    assert len(Policy.load("strict").settings) == 1  # the digest fits, so this is the form that is used
    forged["strict"]["sha256"] = "0" * 64
    (tmp_path / "parsed.json").write_text(json.dumps(forged))
    assert len(Policy.load("strict").settings) > 1
    (tmp_path / "parsed.json").unlink()
    assert len(Policy.load("strict").settings) > 1


def test_the_working_directory_and_the_process_count_unless_others_are_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / ".image-gate.yaml").write_text(TEXT)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("CI", "true")
    assert Policy.load().origin == ".image-gate.yaml (from the checkout under test)"
    assert os.fspath(checkout) not in Policy.load().origin


def test_a_profile_that_names_a_rule_that_is_not_there_is_refused(tmp_path: Path) -> None:
    known = {name: rule for name, rule in Policy.load("strict").rules.items() if name != "no-shell"}
    (tmp_path / "p.yaml").write_text(TEXT)
    for name in ("strict", "p.yaml"):
        with pytest.raises(InvalidInput, match="there is no rule 'no-shell'"):
            Policy.load(name, directory=tmp_path, rules=known)


def test_what_is_not_stated_of_sources_and_platforms(load: Callable[[str], Policy]) -> None:
    policy = load(TEXT)
    assert (policy.sources.from_, policy.sources.fallback) == (("registry", "daemon", "file"), True)
    assert (policy.platforms.required, policy.platforms.leave_out) == ((), ())


@pytest.mark.parametrize(
    ("section", "place", "what"),
    [
        ("sources: {from: [engine]}", "p.yaml:3:18", "sources.from[0] is the text 'engine'"),
        ("sources: {from: []}", "p.yaml:3:17", "sources.from is an empty list"),
        ("sources: {from: registry}", "p.yaml:3:17", "sources.from is the text 'registry'"),
        ("sources: {form: [registry]}", "p.yaml:3:11", "sources has no key 'form'"),
        ("sources: {fallback: no}", "p.yaml:3:21", "sources.fallback is the text 'no'"),
        ("sources:", "p.yaml:3:1", "sources is empty"),
        ("platforms: {required: [linux/*]}", "p.yaml:3:24", "'linux/*' stands for several platforms"),
        ("platforms: {required: [amd64]}", "p.yaml:3:24", "'amd64' is not a platform"),
        ("platforms: {required: [1]}", "p.yaml:3:24", "where a text belongs"),
        ("platforms: {leave-out: ['']}", "p.yaml:3:25", "'' is not a platform"),
        ("platforms: {leave-out: [linux/arm], required: [linux/arm/v7]}", "p.yaml:3:12", "is required, and linux/arm is left out"),
        ("platforms: {leave-out: ['*/*'], required: [linux/amd64]}", "p.yaml:3:12", "is required, and */* is left out"),
    ],
)  # fmt: skip
def test_mistakes_in_sources_and_platforms(
    load: Callable[[str], Policy], section: str, place: str, what: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        load(f"{TEXT}{section}\n")
    assert error.value.message.startswith(f"{place}: ")
    assert what in str(error.value)
