from __future__ import annotations

import pytest

from gate.errors import Unavailable
from gate.oci.reference import Reference
from gate.options import NoOptions
from gate.rules.pinned_digest import RULE, check
from tests.kit.reports import subject

DIGEST = f"sha256:{'a' * 64}"


def run(*names: str) -> list[str]:
    judged = subject(names=tuple(Reference.parse(name) for name in names))
    return [finding.message for finding in check(judged, NoOptions())]


@pytest.mark.parametrize(
    "name", [f"nginx@{DIGEST}", f"nginx:latest@{DIGEST}", f"x.test/a@sha512:{'a' * 128}"]
)
def test_a_digest_passes(name: str) -> None:
    assert run(name) == []


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("x.test/a:1.4.2", "x.test/a:1.4.2"),
        ("nginx", "docker.io/library/nginx"),
        (f"x.test/a:sha256-{'a' * 64}", f"x.test/a:sha256-{'a' * 64}"),  # a tag that only looks like one
    ],
)
def test_a_tag_fails(name: str, full: str) -> None:
    assert run(name) == [f"{full} has no digest"]


def test_every_name_needs_one() -> None:
    assert run(f"x.test/a@{DIGEST}", "x.test/b:1") == ["x.test/b:1 has no digest"]


def test_a_finding_says_what_to_write() -> None:
    (finding,) = check(subject(names=(Reference.parse("x.test/b:1"),)), NoOptions())
    assert (finding.id, finding.details) == ("x.test/b", {"name": "x.test/b:1"})
    assert finding.remediation.startswith("Write x.test/b:1@DIGEST")
    assert "--as" in RULE.remediation


def test_a_file_without_a_name_is_unknown() -> None:
    with pytest.raises(Unavailable) as caught:
        run()
    assert "--as NAME" in caught.value.hint
