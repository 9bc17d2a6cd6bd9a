"""Whole runs against a registry of which every call breaks in every way: no cell ends as a pass, none spoils the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.pipeline import RunSettings, check
from gate.registry import RegistrySettings
from gate.sources import SourceSettings
from gate.verdict import Report, Status
from samples.images.builder import Platform, Settings, build_image, build_index
from samples.images.catalogue import good
from samples.images.entries import file
from samples.images.layers import layer_of
from tests.kit import runs
from tests.kit.registry import KINDS, Fault, Registry, serving_registry
from tests.registry.test_faults import PLACES, SLOW, harmless, settings_of

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC).replace(microsecond=0)
AMD64 = good(NOW)
ARM64 = build_image(
    [layer_of({"app/server": file("arm\n")})], Settings(NOW, Platform("linux", "arm64"), user="1000")
)
INDEX = build_index([AMD64, ARM64], attested=True)
POLICY = "schema: 1\nrules: {no-shell: {}, non-root: {}, max-age: {}}\n"

Run = Callable[..., Report]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Check the image of a registry, with a cache that outlives the run."""
    policy = runs.policy(tmp_path, POLICY)

    def judged(registry: Registry, seconds: float = 20) -> Report:
        sources = SourceSettings(RegistrySettings(**settings_of(registry)))
        settings = RunSettings(sources=sources, cache_dir=tmp_path / "cache", timeout=seconds)
        return check([reference(registry)], policy, settings)

    return judged


def reference(registry: Registry) -> str:
    """Tag and digest: by its tag alone an index is whatever the registry says, and so is one with a bit turned over."""
    return f"docker://{registry.host}/shop/api:1.4@{INDEX.manifest.digest}"


def said(report: Report) -> list[object]:
    """What a report says of the images; the port of the registry apart."""
    found: list[object] = [report.status, len(report.undecided)]
    for verdict in report.verdicts:
        found += [verdict.subject.digest, verdict.subject.platform, verdict.status, verdict.results]
    return found


def serving(*faults: Fault) -> AbstractContextManager[Registry]:
    """Serve the image with these faults; blobs come from a storage, unless it is the registry whose blobs break."""
    own = any(fault.server == "registry" and fault.call in ("config", "layer") for fault in faults)
    return serving_registry(
        {"shop/api:1.4": INDEX}, faults, auth="bearer", token_elsewhere=True, blobs_elsewhere=not own
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What is said of the image where nothing breaks."""
    folder = tmp_path_factory.mktemp("expected")
    with serving() as registry:
        sources = SourceSettings(RegistrySettings(**settings_of(registry)))
        report = check([reference(registry)], runs.policy(folder, POLICY), RunSettings(sources=sources))
    assert report.status is Status.PASS
    assert len(report.verdicts) == 2
    return said(report)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("server", "call"), PLACES)
def test_no_fault_ends_as_a_pass_or_spoils_the_cache(
    server: str, call: str, kind: str, run: Run, expected: list[object], tmp_path: Path
) -> None:
    with serving(Fault(call, kind, server=server)) as registry:
        report = run(registry, 0.8 if kind in SLOW else 20)
        assert registry.hit(call), "the fault was never reached"
    if harmless(server, call, kind):
        assert said(report) == expected
    else:
        assert report.status is Status.UNKNOWN
    for blob in (tmp_path / "cache/v1/blobs/sha256").glob("*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert list((tmp_path / "cache/v1/runs").glob("*")) == []
    with serving() as registry:
        assert said(run(registry)) == expected


@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "cut-1", "cut-50", "cut-99"])
@pytest.mark.parametrize(("server", "call"), PLACES)
def test_what_passes_by_changes_nothing(
    server: str, call: str, kind: str, run: Run, expected: list[object]
) -> None:
    with serving(Fault(call, kind, first=2, server=server)) as registry:
        assert said(run(registry)) == expected
