"""What the tests of the samples share: one moment of building, and both databases of the shipped advisory list."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from samples.databases.advisories import load
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database


@pytest.fixture(scope="session")
def built() -> datetime:
    """Now, because scanners refuse old databases."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def trivy_cache(tmp_path_factory: pytest.TempPathFactory, built: datetime) -> Path:
    """A cache folder of Trivy with the shipped list."""
    directory = tmp_path_factory.mktemp("trivy")
    write_trivy_database(directory, load(), built)
    return directory


@pytest.fixture(scope="session")
def grype_cache(tmp_path_factory: pytest.TempPathFactory, built: datetime) -> Path:
    """A database folder of Grype with the shipped list."""
    directory = tmp_path_factory.mktemp("grype")
    write_grype_database(directory, load(), built)
    return directory
