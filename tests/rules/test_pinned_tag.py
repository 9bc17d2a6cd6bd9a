from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gate.errors import Unavailable
from gate.evidence import Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.rules.pinned_tag import PinnedTagOptions, check

DIGEST = Digest("sha256", "a" * 64)


def run(*names: str, options: PinnedTagOptions | None = None) -> list[str]:
    parsed = tuple(Reference.parse(name) for name in names)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    subject = Subject("image", "registry", DIGEST, DIGEST, Platform("linux", "amd64"), parsed, now)
    return [finding.message for finding in check(subject, options or PinnedTagOptions())]


@pytest.mark.parametrize(
    "name",
    [
        "x.test/a:1.4",
        "x.test/a:latest-1",
        "x.test/a:Latest",
        f"x.test/a@{DIGEST}",
        f"x.test/a:latest@{DIGEST}",
    ],
)
def test_versions_and_digests_pass(name: str) -> None:
    assert run(name) == []


def test_latest_and_no_tag_fail() -> None:
    assert run("x.test/a:latest", "x.test/a:1", "nginx") == [
        "x.test/a:latest uses the moving tag latest",
        "docker.io/library/nginx has no tag, which means latest",
    ]


def test_other_moving_tags_can_be_named() -> None:
    options = PinnedTagOptions(moving=("edge", "main"))
    assert run("x.test/a:edge", "x.test/a:latest", "x.test/a", options=options) == [
        "x.test/a:edge uses the moving tag edge"
    ]


def test_a_digest_can_be_required() -> None:
    options = PinnedTagOptions(require_digest=True)
    assert run("x.test/a:1.4", f"x.test/b:1.4@{DIGEST}", options=options) == ["x.test/a:1.4 has no digest"]


def test_a_file_without_a_name_is_unknown() -> None:
    with pytest.raises(Unavailable) as caught:
        run()
    assert "--as NAME" in caught.value.hint
