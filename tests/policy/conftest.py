from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.evidence import Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.policy.policy import Policy

MANIFEST = Digest("sha256", "a" * 64)
CONFIG = Digest("sha256", "b" * 64)


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Policy]:
    """Load a policy from its text; errors call the file `p.yaml`."""

    def loaded(text: str) -> Policy:
        (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
        return Policy.load("p.yaml", directory=tmp_path, environment={})

    return loaded


def subject(*names: str) -> Subject:
    """An image of these names."""
    return Subject(
        reference="image.tar",
        source="docker-archive",
        digest=MANIFEST,
        config_digest=CONFIG,
        platform=Platform("linux", "amd64"),
        names=tuple(Reference.parse(name) for name in names),
        checked_at=datetime(2026, 6, 1, tzinfo=UTC),
    )
