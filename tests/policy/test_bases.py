"""Files of recorded bases: written, read strictly, and part of the policy that names them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.evidence import Base
from gate.limits import LIMITS
from gate.oci.descriptor import Platform
from gate.oci.reference import Reference
from gate.policy.bases import bases_schema, bases_text, read_bases
from gate.policy.policy import Policy
from tests.kit.known_bases import base, digest

TODAY = date(2026, 11, 23)
DEBIAN = base("debian:12", "ab", recorded=None)
POLICY = "schema: 1\nrules: {base-image: {file: bases.json}}\n"


def document(**changes: Any) -> Any:
    """A file with one base, of which fields are changed; a field that is ... is left out."""
    (entry,) = json.loads(bases_text([DEBIAN], TODAY))["bases"]
    entry = {name: value for name, value in {**entry, **changes}.items() if value is not ...}
    return {"schema": 1, "bases": [entry]}


def read(document: Any) -> tuple[Base, ...]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_bases(data, "bases.json")


def test_what_is_written_is_read() -> None:
    text = bases_text([DEBIAN], TODAY)
    assert read(text.encode()) == (base("debian:12", "ab", recorded=TODAY),)
    assert text.endswith("}\n")
    assert json.loads(text)["schema"] == 1


digests = st.sampled_from("0123456789abcdef").map(digest)
platforms = st.builds(
    Platform, st.just("linux"), st.sampled_from(["amd64", "arm64"]), st.sampled_from(["", "v8"])
)
recorded = st.builds(
    Base,
    st.sampled_from(["debian:12", "x.test/a:1", "x.test:5000/b/c"]).map(Reference.parse),
    digests,
    digests,
    platforms,
    st.lists(digests.map(str), min_size=1, max_size=4).map(tuple),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
)


@given(st.lists(recorded, max_size=8))
def test_any_bases_survive_in_one_order(bases: list[Base]) -> None:
    text = bases_text(bases, TODAY)
    found = read(text.encode())
    assert set(found) <= set(bases)
    assert {(one.name, one.digest, one.platform) for one in found} == {
        (one.name, one.digest, one.platform) for one in bases
    }
    assert bases_text(reversed(found), TODAY) == text
    jsonschema.Draft202012Validator(bases_schema()).validate(json.loads(text))


def test_what_was_recorded_again_stands_once_as_of_the_first_day() -> None:
    first, second = (base("debian:12", "ab", recorded=day) for day in (date(2026, 6, 1), TODAY))
    moved = base("debian:12", "cd", "2", recorded=TODAY)
    for order in ([first, second, moved], [moved, second, first]):
        assert read(bases_text(order, TODAY).encode()) == (first, moved)


@pytest.mark.slow
def test_a_file_is_bounded() -> None:
    many = [base(f"x.test/a:{number}", "a") for number in range(LIMITS.bases + 1)]
    assert len(read(bases_text(many[:-1], TODAY).encode())) == LIMITS.bases
    with pytest.raises(InvalidInput, match="1,001 bases; a file holds at most 1,000"):
        bases_text(many, TODAY)
    entries = document()["bases"] * (LIMITS.bases + 1)
    with pytest.raises(InvalidInput, match="bases"):
        read({"schema": 1, "bases": entries})
    with pytest.raises(InvalidInput, match="bytes; at most 4,194,304 are read"):
        read(b" " * (LIMITS.document + 1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (b"", "bases.json is not valid JSON"),
        (b"null", "bases.json:1:1: the file is empty"),
        (b"[]", "bases.json:1:1: the file is an empty list"),
        (b"\xff", "bases.json is not valid UTF-8"),
        (b'{"schema": 1, "schema": 1, "bases": []}', "'schema' twice"),
        (b"[" * 200_000, "nests deeper"),
        (b'{"schema": 1}', "lacks the key 'bases'"),
        ({"schema": 2, "bases": []}, "schema is 2"),
        ({"schema": 1, "bases": {}}, "bases is a mapping"),
        ({"schema": 1, "bases": [], "more": 1}, "there is no key 'more'"),
        (document(more=1), r"bases\[0\] has no key 'more'"),
        (document(digest=...), r"bases\[0\] lacks the key 'digest'"),
        (document(diff_ids=[]), r"bases\[0\].diff_ids"),
        (document(diff_ids="sha256:1"), r"bases\[0\].diff_ids is the text"),
        (document(diff_ids=["sha256:" + "a" * 64] * 501), r"bases\[0\].diff_ids"),
        (document(diff_ids=["sha256:" + "A" * 64]), r"bases\[0\]: diff ID .* lower-case"),
        (document(diff_ids=["sha256:../../etc/x"]), r"bases\[0\]: diff ID"),
        (document(digest="md5:" + "a" * 32), r"bases\[0\]: digest uses the algorithm 'md5'"),
        (document(digest=None), r"bases\[0\].digest is empty"),
        (document(manifest="x"), r"bases\[0\]: manifest 'x' is not a digest"),
        (document(name="Debian"), r"bases\[0\]: 'Debian' is not an image name"),
        (document(name=f"debian@{digest('1')}"), r"bases\[0\]: the name has no digest of its own"),
        (document(name=["debian"]), r"bases\[0\].name is a list"),
        (document(platform="linux"), "the platform is OS/ARCHITECTURE"),
        (document(platform="/amd64"), "the platform is OS/ARCHITECTURE"),
        (document(recorded="yesterday"), r"bases\[0\].recorded is the text 'yesterday'"),
        (document(recorded=1), r"bases\[0\].recorded is 1"),
    ],
)
def test_anything_else_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(wrong)


def test_a_field_in_another_case_is_none() -> None:
    with pytest.raises(InvalidInput, match="no key 'Digest'"):
        read(document(Digest="sha256:" + "a" * 64))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_the_bytes_only_one_error_is_raised(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_bases(data, "bases.json")


@pytest.mark.parametrize(
    "wrong", [document(more=1), document(diff_ids=[]), {"schema": 2, "bases": []}, document(name=...)]
)
def test_the_schema_refuses_what_the_reader_refuses(wrong: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(bases_schema()).validate(wrong)


# --- in a policy ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a policy that names a file of bases beside itself."""
    place = tmp_path / "repository" / "gate"
    place.mkdir(parents=True)
    (place.parent / ".git").mkdir()
    (place / "p.yaml").write_text(POLICY)
    (place / "bases.json").write_text(bases_text([DEBIAN], TODAY))
    return place


def load(path: str, directory: Path, **environment: str) -> Policy:
    return Policy.load(path, directory=directory, environment=environment)


def test_its_path_starts_from_the_policys_folder(folder: Path) -> None:
    for directory, path in (
        (folder, "p.yaml"),
        (folder.parent, "gate/p.yaml"),
        (Path("/"), str(folder / "p.yaml")),
    ):
        policy = load(path, directory)
        assert policy.recorded_bases == {"bases.json": (base("debian:12", "ab", recorded=TODAY),)}


def test_the_digest_covers_it(folder: Path) -> None:
    bases = (folder / "bases.json").read_bytes()
    assert load("p.yaml", folder).digest == "sha256:" + hashlib.sha256(POLICY.encode() + bases).hexdigest()
    (folder / "bases.json").write_text(bases_text([base("evil.test/x:1", "c")], TODAY))
    changed = load("p.yaml", folder).digest
    assert changed != "sha256:" + hashlib.sha256(POLICY.encode() + bases).hexdigest()
    (folder / "p.yaml").write_text("schema: 1\nrules: {no-shell: {}}\n")
    assert (
        load("p.yaml", folder).digest
        == "sha256:" + hashlib.sha256((folder / "p.yaml").read_bytes()).hexdigest()
    )


def test_files_are_covered_in_the_order_of_their_names(folder: Path) -> None:
    text = "schema: 1\nrules: {base-image: {file: b.json}, base-outdated: {file: a.json}}\n"
    (folder / "p.yaml").write_text(text)
    contents = [bases_text([base(f"x.test/{name}:1", name)], TODAY).encode() for name in "ab"]
    for name, content in zip("ab", contents, strict=True):
        (folder / f"{name}.json").write_bytes(content)
    expected = hashlib.sha256(b"".join([text.encode(), *contents])).hexdigest()
    assert load("p.yaml", folder).digest == f"sha256:{expected}"


def test_a_file_that_a_scope_names_is_read_too(folder: Path) -> None:
    (folder / "p.yaml").write_text(
        "schema: 1\nrules: {no-shell: {}}\nscopes:\n  - {match: x.test, rules: {base-image: {file: bases.json}}}\n"
    )
    assert set(load("p.yaml", folder).recorded_bases) == {"bases.json"}
    (folder / "bases.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"bases\.json:1:1"):
        load("p.yaml", folder)


@pytest.mark.parametrize("missing", [lambda path: path.unlink(), lambda path: (path.unlink(), path.mkdir())])
def test_a_file_that_cannot_be_read_is_an_error(folder: Path, missing: Callable[[Path], object]) -> None:
    missing(folder / "bases.json")
    with pytest.raises(InvalidInput, match=r"the file of bases 'bases\.json' cannot be read") as caught:
        load("p.yaml", folder)
    assert "base record" in caught.value.hint


def test_in_ci_a_file_from_the_checkout_is_called_that(folder: Path, tmp_path: Path) -> None:
    """Whoever makes the change can then choose the bases, although the policy lies elsewhere."""
    outside = tmp_path / "p.yaml"
    outside.write_text("schema: 1\nrules: {base-image: {file: repository/gate/bases.json}}\n")
    policy = load(str(outside), folder, CI="true")
    assert policy.in_checkout
    assert policy.origin == f"{outside} (repository/gate/bases.json from the checkout under test)"
    assert not load(str(outside), folder).in_checkout
    assert load("p.yaml", folder, CI="true").origin == "p.yaml (from the checkout under test)"


def test_a_policy_without_a_file_reads_none(folder: Path) -> None:
    (folder / "p.yaml").write_text("schema: 1\nrules: {base-image: {bases: [debian]}}\n")
    assert load("p.yaml", folder).recorded_bases == {}
