"""Baselines: written, read strictly, part of the policy that names them, and narrow in what they know."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.oci.descriptor import Platform
from gate.policy.baseline import (
    Baseline,
    Known,
    KnownAs,
    baseline_schema,
    baseline_text,
    read_baseline,
)
from gate.policy.policy import Policy
from gate.policy.recognition import Key, fingerprint
from gate.rule import Finding, Location, Severity
from tests.policy.conftest import subject

DAY = date(2026, 11, 1)
NAME, PLATFORM = "registry.example.com/shop/api", "linux/amd64"
IMAGE = subject(f"{NAME}:1.4")
PURL = "pkg:npm/openssl@3.0.11?arch=amd64"
CVE = Finding(
    "CVE-1 in openssl", Location(layer="sha256:a", layer_index=1, path="/db", package=PURL), id="CVE-1"
)
SHELL = Finding("/bin/sh is a shell (dash)", Location(path="/bin/sh"))
KEYS = {
    fingerprint("vulnerabilities", "CVE-1", PURL, "/db", "any"): KnownAs(Severity.HIGH),
    fingerprint("no-shell", "", None, "/bin/sh", SHELL.message): KnownAs(Severity.HIGH),
}
POLICY = "schema: 1\nrules: {no-shell: {}}\nbaseline: {file: b.json, until: 2026-12-31}\n"


def baseline(known: Known | None = None) -> Baseline:
    return Baseline("b.json", DAY, {(NAME, PLATFORM): KEYS} if known is None else known, date(2026, 12, 31))


def moved(finding: Finding, message: str = "", **changes: Any) -> Finding:
    place = {name: getattr(finding.location, name) for name in ("layer", "path", "package")}
    return Finding(message or finding.message, Location(**{**place, **changes}), id=finding.id)


@pytest.mark.parametrize(
    ("rule", "finding"),
    [
        ("vulnerabilities", CVE),
        ("vulnerabilities", moved(CVE, layer="sha256:b")),
        ("vulnerabilities", moved(CVE, "another text")),
        ("vulnerabilities", moved(CVE, package="pkg:npm/openssl@3.0.12-1?arch=arm64")),
        ("no-shell", SHELL),
        ("no-shell", moved(SHELL, layer="sha256:b")),
    ],
)
def test_a_rebuilt_image_has_the_same_findings(rule: str, finding: Finding) -> None:
    for severity in (Severity.HIGH, Severity.LOW, Severity.UNKNOWN):
        assert baseline().covers(rule, finding, severity, IMAGE)
    assert not baseline().covers(rule, finding, Severity.CRITICAL, IMAGE)


@pytest.mark.parametrize(
    ("rule", "finding"),
    [
        ("no-shell", CVE),
        ("vulnerabilities", Finding("x", CVE.location, id="CVE-2")),
        ("vulnerabilities", Finding(CVE.message, CVE.location)),
        ("vulnerabilities", moved(CVE, package="pkg:deb/debian/libssl3@3.0.11-1")),
        ("vulnerabilities", moved(CVE, package="pkg:deb/ubuntu/openssl@3.0.11-1")),
        ("vulnerabilities", moved(CVE, package=None)),
        ("vulnerabilities", moved(CVE, path="/other")),
        ("no-shell", moved(SHELL, path="/bin/bash")),
        ("no-shell", moved(SHELL, "/bin/sh is a shell (bash)")),
    ],
)
def test_anything_else_is_new(rule: str, finding: Finding) -> None:
    assert not baseline().covers(rule, finding, Severity.UNKNOWN, IMAGE)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"{NAME}:1.5"], True),
        ([f"{NAME}:1.5", f"{NAME}:latest"], True),
        ([], False),
        (["registry.example.com/shop/web:1"], False),
        ([f"{NAME}/more:1"], False),
        ([f"{NAME}:1", "docker.io/library/nginx"], False),
    ],
)
def test_it_is_for_images_of_its_names_alone(names: list[str], told: bool) -> None:
    assert baseline().is_for(subject(*names)) is told
    assert baseline().covers("no-shell", SHELL, Severity.LOW, subject(*names)) is told


def test_it_is_for_its_platform_alone() -> None:
    from msgspec.structs import replace

    assert not baseline().covers(
        "no-shell", SHELL, Severity.LOW, replace(IMAGE, platform=Platform("linux", "arm64"))
    )


def test_an_image_without_findings_is_known_to_have_none() -> None:
    empty = baseline({(NAME, PLATFORM): {}})
    assert empty.is_for(IMAGE)
    assert not empty.covers("no-shell", SHELL, Severity.UNKNOWN, IMAGE)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=10)
names = st.text("abc/", min_size=1, max_size=5)
keys: st.SearchStrategy[Key] = st.builds(fingerprint, names, texts, texts, texts, texts)
known_as = st.builds(
    KnownAs,
    st.sampled_from(Severity),
    st.sets(st.sampled_from(["GHSA-a", "GO-1"])).map(lambda found: tuple(sorted(found))),
)
known_ones = st.dictionaries(st.tuples(names, names), st.dictionaries(keys, known_as, max_size=4), max_size=3)


@given(known_ones, st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_what_is_written_is_read(known: dict[tuple[str, str], dict[Key, KnownAs]], day: date) -> None:
    text = baseline_text(day, known)
    assert read_baseline(text.encode(), "b.json") == (day, known)
    assert baseline_text(day, dict(reversed(known.items()))) == text
    jsonschema.Draft202012Validator(baseline_schema()).validate(json.loads(text))


def document(**changes: Any) -> Any:
    found = json.loads(baseline_text(DAY, {(NAME, PLATFORM): KEYS}))
    return {name: value for name, value in {**found, **changes}.items() if value is not ...}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "the file is an empty list"),
        (b'{"schema": 1, "schema": 1}', "twice"),
        (document(created=...), "lacks the key 'created'"),
        (document(created="yesterday"), "created is"),
        (document(created=None), "created is empty"),
        (document(schema=2), "schema is 2"),
        (document(images=...), "lacks the key 'images'"),
        (document(more=1), "there is no key 'more'"),
        (document(images=[{**document()["images"][0], "name": ""}]), "name is an empty text"),
        (document(images=document()["images"] * 2), "stands there twice"),
        (document(images=[{**document()["images"][0], "findings": [{"rule": "x"}]}]), "lacks the key"),
        (
            document(images=[{**document()["images"][0], "findings": [{**document()["images"][0]["findings"][0], "severity": "bad"}]}]),
            "severity is",
        ),
        (b" " * (LIMITS.baseline + 1), "at most"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(InvalidInput) as caught:
        read_baseline(data, "b.json")
    assert words in str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    (place / ".git").mkdir(parents=True)
    (place / "p.yaml").write_text(POLICY)
    (place / "b.json").write_text(baseline_text(DAY, {(NAME, PLATFORM): KEYS}))
    return place


def load(path: str, directory: Path, **environment: str) -> Policy:
    return Policy.load(path, directory=directory, environment=environment)


def test_a_policy_names_it_and_its_digest_covers_it(folder: Path) -> None:
    policy = load("p.yaml", folder)
    found, expected = policy.baseline, baseline()
    assert found is not None
    assert (found.file, found.created, found.known, found.until) == (
        expected.file, expected.created, expected.known, expected.until,
    )  # fmt: skip
    data = (folder / "b.json").read_bytes()
    assert policy.digest == "sha256:" + hashlib.sha256(POLICY.encode() + data).hexdigest()
    (folder / "b.json").write_text(baseline_text(DAY, {}))
    assert load("p.yaml", folder).digest != policy.digest


def test_in_ci_one_from_the_checkout_is_called_that(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "p.yaml"
    outside.write_text(POLICY.replace("b.json", "repository/b.json"))
    policy = load(str(outside), folder, CI="true")
    assert policy.in_checkout
    assert policy.origin.endswith("(repository/b.json from the checkout under test)")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (", until: 2026-12-31", "", "baseline lacks the key 'until'"),
        ("file: b.json, ", "", "baseline lacks the key 'file'"),
        ("2026-12-31", "never", "baseline.until is the text 'never'"),
        ("b.json", "gone.json", "the baseline 'gone.json' cannot be read"),
        ("{file: b.json, until: 2026-12-31}", "b.json", "baseline is the text 'b.json'"),
        ("until", "untill", "baseline has no key 'untill'"),
    ],
)
def test_undated_and_missing_ones_are_refused(old: str, new: str, words: str, folder: Path) -> None:
    (folder / "p.yaml").write_text(POLICY.replace(old, new))
    with pytest.raises(InvalidInput) as caught:
        load("p.yaml", folder)
    assert words in caught.value.message


def test_what_was_made_for_bases_is_no_baseline(folder: Path) -> None:
    (folder / "b.json").write_text('{"schema": 1, "bases": []}')
    with pytest.raises(InvalidInput, match=r"b\.json:1:1"):
        load("p.yaml", folder)


def test_it_ends_with_its_last_day() -> None:
    assert baseline().in_force(date(2026, 12, 31))
    assert not baseline().in_force(date(2027, 1, 1))


def renamed(id_: str, *aliases: str, **changes: Any) -> Finding:
    """The finding under another id, with aliases that its rule tells."""
    found = moved(CVE, **changes)
    return Finding(found.message, found.location, id=id_, details={"aliases": list(aliases)})


WITH_ALIASES = baseline(
    {
        (NAME, PLATFORM): {
            fingerprint("vulnerabilities", "GHSA-a", PURL, "/db", "x"): KnownAs(Severity.HIGH),
            fingerprint("vulnerabilities", "CVE-1", PURL, "/db", "x"): KnownAs(
                Severity.HIGH, ("GHSA-b", "GO-1")
            ),
        }
    }
)


@pytest.mark.parametrize(
    ("finding", "known"),
    [
        (renamed("CVE-2", "GHSA-a"), True),
        (renamed("CVE-2", "GHSA-a", "DSA-1"), True),
        (renamed("GHSA-b"), True),
        (renamed("GO-1"), True),
        (renamed("GHSA-c", "CVE-1"), True),
        (renamed("CVE-2", "GHSA-b"), False),
        (renamed("CVE-2", "GHSA-c"), False),
        (renamed("CVE-2", "GHSA-a", path="/other"), False),
        (renamed("CVE-2", "GHSA-a", package="pkg:deb/debian/other@1"), False),
    ],
)
def test_a_vulnerability_is_recognised_by_another_of_its_names_but_never_by_another_cve(
    finding: Finding, known: bool
) -> None:
    assert WITH_ALIASES.covers("vulnerabilities", finding, Severity.HIGH, IMAGE) is known
    assert not WITH_ALIASES.covers("vulnerabilities", finding, Severity.CRITICAL, IMAGE)
    assert not WITH_ALIASES.covers("no-shell", finding, Severity.LOW, IMAGE)


def test_advisories_on_several_vulnerabilities_recognise_none() -> None:
    known = baseline(
        {
            (NAME, PLATFORM): {
                fingerprint("r", "CVE-1", PURL, "/db", "x"): KnownAs.of(Severity.HIGH, "CVE-1", ["DSA-1"])
            }
        }
    )
    assert known.known[NAME, PLATFORM][fingerprint("r", "CVE-1", PURL, "/db", "x")].aliases == ()
    assert not known.covers("r", renamed("DSA-1"), Severity.LOW, IMAGE)
    assert not known.covers("r", renamed("TEMP-1", "DSA-1"), Severity.LOW, IMAGE)


def test_a_baseline_of_before_there_were_aliases_is_read() -> None:
    found = document()
    for one in found["images"][0]["findings"]:
        del one["aliases"]
    assert read_baseline(json.dumps(found).encode(), "b.json")[1] == {(NAME, PLATFORM): KEYS}


def test_a_package_of_the_distribution_is_as_bad_as_the_worst_entry_of_it() -> None:
    """Baselines of before state a path with it, which no longer counts."""
    entry = {"rule": "r", "id": "CVE-1", "package": "pkg:deb/debian/a", "message": ""}
    places = (("/db", "high"), ("", "low"))
    findings = [{**entry, "path": path, "severity": severity} for path, severity in places]
    image = {"name": NAME, "platform": PLATFORM, "findings": findings}
    data = json.dumps({"schema": 1, "created": "2026-11-01", "images": [image]}).encode()
    known = read_baseline(data, "b.json")[1][NAME, PLATFORM]
    assert known == {("r", "CVE-1", "pkg:deb/debian/a", "", ""): KnownAs(Severity.HIGH)}
