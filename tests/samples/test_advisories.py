"""The shipped advisory list: facts, each with its sources, and nothing that only looks like a record."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from samples.databases.advisories import SHIPPED, Affected, KnownExploited, Range, load

SEVERITIES = {"critical", "high", "medium", "low", "negligible", "unknown"}


def test_the_shipped_list() -> None:
    advisories = load()
    assert len(advisories) == 227
    assert len({advisory.id for advisory in advisories}) == 227
    assert sum(len(advisory.affected) for advisory in advisories) == 245
    assert {advisory.severity for advisory in advisories} <= SEVERITIES
    assert all(advisory.sources and advisory.affected for advisory in advisories)


def test_only_facts() -> None:
    """No titles or descriptions, which are their authors' texts."""
    text = "id aliases severity published modified cvss cwes known_exploited affected references sources"
    known = set(text.split(" "))
    assert all(record.keys() <= known for record in json.loads(SHIPPED.read_text())["advisories"])


def test_every_source_is_attributed() -> None:
    described = json.loads(SHIPPED.read_text())["sources"]
    assert {source for advisory in load() for source in advisory.sources} == described.keys()
    attribution = SHIPPED.with_name("ATTRIBUTION.md").read_text()
    for key, source in described.items():
        row = re.search(rf"^\| `{key}` \|.*$", attribution, re.MULTILINE)
        assert row is not None
        assert source["url"] in row[0]
        licence = source["license"].partition(";")[0]
        assert licence in row[0]


def test_a_record_in_full() -> None:
    log4shell = next(advisory for advisory in load() if advisory.id == "CVE-2021-44228")
    ranges = (Range("2.13.0", "2.15.0"), Range("0", "2.3.1"), Range("2.4", "2.12.2"))
    package = "org.apache.logging.log4j:log4j-core"
    assert log4shell.affected == (Affected("maven", package, ranges, advisory="GHSA-jfh8-c2jp-5v3q"),)
    assert log4shell.severity == "critical"
    assert [score.score for score in log4shell.cvss] == [10.0]
    assert log4shell.known_exploited == KnownExploited(
        vendor="Apache", product="Log4j2", added="2021-12-10", due="2021-12-24", ransomware="known"
    )
    assert set(log4shell.sources) == {"github", "kev"}


@pytest.mark.parametrize(
    "document",
    [
        {"schema": 2, "sources": {}, "advisories": []},
        {"schema": 1, "sources": {}, "advisories": [{"id": "CVE-1", "affected": [], "sources": ["nobody"]}]},
    ],
)
def test_refuses_other_lists(document: object, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="schema 1"):
        load(path)
