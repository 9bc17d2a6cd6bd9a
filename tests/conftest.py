"""Real tools for tests, and the rule that nothing is left out in silence.

`make test` provides the tools (tests/tools/provide.py) and writes down where they are. A test takes one by a
fixture below and is marked `real`. Where the tool is missing the test is skipped with the tool's name, and counted at
the end of the run; where `CI` is set it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings

from tests.kit.servers import docker_engine, docker_registry, referrers_registry

TOOLS_FILE = Path(sys.prefix) / "tools.json"

settings.register_profile(
    "image-gate", deadline=None
)  # how long an example takes says more of the machine than of the code
settings.load_profile("image-gate")
settings.register_profile("fast", max_examples=20, deadline=None)
settings.register_profile("mutation", max_examples=25, derandomize=True, database=None, deadline=None)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the program keeps for its user goes to a folder of the tests."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


@dataclass(frozen=True, slots=True)
class Tools:
    """What was provided: name to path, and what was not: name to reason."""

    paths: Mapping[str, str]
    missing: Mapping[str, str]

    def path(self, name: str) -> Path:
        """Return where a tool is, or skip the test that asked for it."""
        if name not in self.paths:
            pytest.skip(f"needs {name}: {self.missing.get(name, 'not provided; run `make test`')}")
        return Path(self.paths[name])


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Every tool that was provided."""
    if not TOOLS_FILE.exists():
        return Tools({}, {})
    found: dict[str, Any] = json.loads(TOOLS_FILE.read_text())
    return Tools(found["paths"], found["missing"])


@pytest.fixture(scope="session")
def trivy_binary(tools: Tools) -> Path:
    """The unmodified Trivy."""
    return tools.path("trivy")


@pytest.fixture(scope="session")
def grype_binary(tools: Tools) -> Path:
    """The unmodified Grype, built from its published sources."""
    return tools.path("grype")


@pytest.fixture(scope="session")
def trivy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trivy's database of the sample advisories, made today; do not change it."""
    from samples.databases.advisories import load
    from samples.databases.trivy import write_trivy_database

    folder = tmp_path_factory.mktemp("databases") / "trivy"
    write_trivy_database(folder, load(), datetime.now(UTC))
    return folder


@pytest.fixture(scope="session")
def chromium_binary(tools: Tools) -> Path:
    """A browser."""
    return tools.path("chromium")


@pytest.fixture(scope="session")
def skopeo_binary(tools: Tools) -> Path:
    """skopeo, another implementation of every image format."""
    return tools.path("skopeo")


@pytest.fixture(scope="session")
def umoci_binary(tools: Tools) -> Path:
    """umoci, another writer of OCI layouts."""
    return tools.path("umoci")


@pytest.fixture(scope="session")
def static_program(tools: Tools) -> Path:
    """A static Go program that prints `hello`."""
    return tools.path("static_program")


@pytest.fixture(scope="session")
def gnu_tar_binary(tools: Tools) -> Path:
    """GNU tar, another writer of archives."""
    return tools.path("gnu_tar")


@pytest.fixture(scope="session")
def bsdtar_binary(tools: Tools) -> Path:
    """The bsdtar of libarchive, another writer of archives."""
    return tools.path("bsdtar")


@pytest.fixture(scope="session")
def tar_headers(tools: Tools) -> Path:
    """The program that lists archives as Go's `archive/tar` reads them (tests/kit/engines.py asks it)."""
    return tools.path("tar_headers")


@pytest.fixture(scope="session")
def containerd_apply(tools: Tools) -> Path:
    """The program that unpacks layers with containerd's code (tests/kit/engines.py asks it)."""
    return tools.path("containerd_apply")


@pytest.fixture(scope="session")
def debian_root(tools: Tools) -> Path:
    """The tar of a Debian root as mmdebstrap made it this week: apt, bash and dash are in it."""
    return tools.path("debian_root")


@pytest.fixture(scope="session")
def debian_programs(tools: Tools) -> Mapping[str, Path]:
    """Real shells and package managers of Debian by file name, such as bash, busybox, mksh, zsh-static, dpkg and rpm."""
    folder = tools.path("debian_programs")
    files = [path for where in ("bin", "usr/bin") for path in sorted((folder / where).glob("*"))]
    return {path.name: path for path in files if not path.is_symlink() and os.access(path, os.X_OK)}


@pytest.fixture(scope="session")
def debian_layout(debian_root: Path, umoci_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout of the Debian root that umoci wrote, tagged `bookworm`; do not change it."""
    layout = tmp_path_factory.mktemp("debian") / "layout"
    image = f"{layout}:bookworm"
    for arguments in (
        ["init", "--layout", str(layout)],
        ["new", "--image", image],
        ["raw", "add-layer", "--image", image, "--history.created_by", "mmdebstrap", str(debian_root)],
        ["config", "--image", image, "--config.cmd", "bash", "--os", "linux"],
    ):
        subprocess.run([umoci_binary, *arguments], check=True, capture_output=True)
    return layout


@pytest.fixture(scope="session")
def debian_archive(debian_layout: Path, skopeo_binary: Path) -> Path:
    """The same image as the docker archive `debian:bookworm` that skopeo wrote; do not change it."""
    archive = debian_layout.parent / "debian.tar"
    target = f"docker-archive:{archive}:debian:bookworm"
    subprocess.run(
        [skopeo_binary, "copy", "-q", f"oci:{debian_layout}:bookworm", target],
        check=True,
        capture_output=True,
    )
    return archive


@pytest.fixture(scope="session")
def debian_servers(tools: Tools) -> Path:
    """Debian's packages of a container engine and a registry, unpacked; tests/kit/servers.py runs them."""
    return tools.path("debian_servers")


@pytest.fixture(scope="session")
def docker_engine_address(debian_servers: Path) -> Iterator[str]:
    """The address of a Docker engine of the tests' own, which has no network; it holds what tests put there."""
    with docker_engine(debian_servers) as address:
        yield address


@pytest.fixture(scope="session")
def docker_registry_host(debian_servers: Path) -> Iterator[str]:
    """`HOST:PORT` of Debian's docker-registry, open to everyone on this machine."""
    with docker_registry(debian_servers) as host:
        yield host


@pytest.fixture(scope="session")
def referrers_registry_host(tools: Tools) -> Iterator[str]:
    """`HOST:PORT` of a registry with the referrers API of the distribution specification 1.1."""
    with referrers_registry(tools.path("referrers_registry")) as host:
        yield host


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage in slow tests: it doubles their time, and they repeat what quick ones show, with more or larger cases."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")


AnyReport = TypeVar("AnyReport", pytest.TestReport, pytest.CollectReport)


def in_ci_a_failure(report: AnyReport) -> AnyReport:
    """Turn "left out" into a failure where `CI` is set; an expected failure was not left out."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.outcome = "failed"
        report.longrepr = f"left out, which CI does not allow: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Apply the rule to tests."""
    return in_ci_a_failure((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Apply the rule to modules that leave themselves out."""
    return in_ci_a_failure((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was left out, so that it is seen."""
    left_out = terminalreporter.stats.get("skipped", [])
    if left_out:
        terminalreporter.write_line(f"LEFT OUT: {len(left_out)} tests did not run, for the reasons below")
