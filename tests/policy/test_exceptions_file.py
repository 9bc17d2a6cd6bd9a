"""Files of exceptions beside a policy: read strictly, covered by its digest, and named where the change can edit them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from gate.errors import InvalidInput
from gate.policy.catalogue import Catalogue
from gate.policy.exceptions_file import exceptions_schema, read_exceptions_file
from gate.policy.policy import Policy

ENTRY = "{rule: no-shell, path: /bin/sh, until: 2026-12-31, reason: r}"
POLICY = f"schema: 1\nrules: {{no-shell: {{}}}}\nexceptions-files: [e.yaml]\nexceptions: [{ENTRY.replace('/bin/sh', '/own')}]\n"
FILE = f"schema: 1\nexceptions:\n  - {ENTRY}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "repository" / "gate"
    place.mkdir(parents=True)
    (place.parent / ".git").mkdir()
    (place / "p.yaml").write_text(POLICY)
    (place / "e.yaml").write_text(FILE)
    return place


def load(path: str, directory: Path, **environment: str) -> Policy:
    return Policy.load(path, directory=directory, environment=environment)


def test_its_exceptions_follow_those_of_the_policy(folder: Path) -> None:
    for directory, path in (
        (folder, "p.yaml"),
        (folder.parent, "gate/p.yaml"),
        (Path("/"), str(folder / "p.yaml")),
    ):
        policy = load(path, directory)
        assert [exception.path for exception in policy.exceptions] == ["/own", "/bin/sh"]
        assert policy.exceptions[1].where == "e.yaml:3:5"


def test_the_digest_covers_every_named_file_in_the_order_of_their_names(folder: Path) -> None:
    texts = {"b.yaml": FILE.replace("/bin/sh", "/b"), "a.yaml": FILE.replace("/bin/sh", "/a")}
    policy = POLICY.replace("[e.yaml]", "[b.yaml, a.yaml]")
    (folder / "p.yaml").write_text(policy)
    for name, text in texts.items():
        (folder / name).write_text(text)
    expected = hashlib.sha256("".join([policy, texts["a.yaml"], texts["b.yaml"]]).encode()).hexdigest()
    loaded = load("p.yaml", folder)
    assert loaded.digest == f"sha256:{expected}"
    assert [exception.path for exception in loaded.exceptions] == ["/own", "/a", "/b"]
    (folder / "a.yaml").write_text(FILE)
    assert load("p.yaml", folder).digest != loaded.digest


def test_in_ci_a_file_from_the_checkout_is_called_that(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "p.yaml"
    outside.write_text(POLICY.replace("e.yaml", "repository/gate/e.yaml"))
    policy = load(str(outside), folder, CI="true")
    assert policy.in_checkout
    assert policy.origin == f"{outside} (repository/gate/e.yaml from the checkout under test)"
    assert not load(str(outside), folder).in_checkout


@pytest.mark.parametrize("missing", [lambda path: path.unlink(), lambda path: (path.unlink(), path.mkdir())])
def test_a_file_that_cannot_be_read_is_an_error(folder: Path, missing: Callable[[Path], object]) -> None:
    missing(folder / "e.yaml")
    with pytest.raises(InvalidInput, match=r"the file of exceptions 'e\.yaml' cannot be read"):
        load("p.yaml", folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "e.yaml:1:1: the document is empty"),
        ("[]", "the file is an empty list"),
        ("schema: 1\n", "lacks the key 'exceptions'"),
        ("exceptions: []\n", "lacks the key 'schema'"),
        ("schema: 2\nexceptions: []\n", "e.yaml:1:9: schema is 2"),
        ("schema: 1\nexceptions: {}\n", "exceptions is a mapping"),
        ("schema: 1\nexceptions:\n", "exceptions is empty"),
        ("schema: 1\nexceptions: [1]\n", "exceptions[0] is 1"),
        (FILE + "rules: {}\n", "e.yaml:4:1: there is no key 'rules'"),
        (FILE.replace("until: 2026-12-31, ", ""), "e.yaml:3:5: exceptions[0] lacks the key 'until'"),
        (FILE.replace("path: /bin/sh", "path: /**"), "would except everything"),
        (FILE.replace("no-shell", "no-shel"), "there is no rule 'no-shel'"),
        (FILE + FILE, "the key 'schema' stands here a second time"),
        ("a: &x 1\n", "anchors"),
    ],
)
def test_it_is_as_strict_as_a_policy(text: str, words: str, folder: Path) -> None:
    (folder / "e.yaml").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load("p.yaml", folder)
    assert words in caught.value.message


def test_an_empty_list_is_no_mistake() -> None:
    assert read_exceptions_file(b"schema: 1\nexceptions: []\n", "e.yaml", Catalogue()) == ()


def test_the_schema_says_what_may_stand_in_it() -> None:
    validator = jsonschema.Draft202012Validator(exceptions_schema(Catalogue()))
    entry = {"rule": "no-shell", "path": "/bin/sh", "until": "2026-12-31", "reason": "r"}
    validator.validate({"schema": 1, "exceptions": [entry]})
    for wrong in ({**entry, "rule": "no-shel"}, {**entry, "odd": 1}, {"rule": "no-shell"}):
        assert list(validator.iter_errors({"schema": 1, "exceptions": [wrong]}))
    assert "versions" in json.dumps(exceptions_schema(Catalogue()))
