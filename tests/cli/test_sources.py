"""What the options say about where images come from: it arrives, and a password arrives nowhere else."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from gate import pipeline
from gate.cli.exits import Exit, run
from gate.limits import LIMITS
from gate.pipeline import RunSettings
from gate.policy.policy import Policy
from gate.registry import HostSettings, Login
from gate.sources import Location
from gate.verdict import Report
from tests.cli.conftest import Program
from tests.kit.reports import passing_report

SECRET = "hunter2-Zq8vLw0pXr"
LOGIN = ["--username", "me", "--password-stdin"]


class Judge:
    """Takes the place of the pipeline and keeps what it was given."""

    locations: Sequence[Location]
    policy: Policy
    settings: RunSettings

    def __call__(self, locations: Sequence[Location], policy: Policy, settings: RunSettings) -> Report:
        self.locations, self.policy, self.settings = locations, policy, settings
        return passing_report()

    @property
    def texts(self) -> list[str]:
        return [location.text for location in self.locations]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judge:
    """The program with an empty working and configuration folder."""
    judge = Judge()
    monkeypatch.setattr(pipeline, "check", judge)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in [name for name in os.environ if name.startswith("IMAGE_GATE_") or name == "CI"]:
        monkeypatch.delenv(name)
    return judge


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes, *, terminal: bool = False) -> None:
    """Give standard input these bytes."""
    stream = SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: terminal)
    monkeypatch.setattr(sys, "stdin", stream)


@pytest.mark.parametrize(
    ("arguments", "prefer"),
    [([], ""), (["--from", "daemon"], "docker-daemon"), (["--from", "registry"], "docker")],
)
def test_where_plain_names_are_looked_for(arguments: list[str], prefer: str, judge: Judge) -> None:
    assert run(["check", "alpine", *arguments]) is Exit.PASS
    assert (judge.settings.sources.prefer, judge.settings.sources.fallback) == (prefer, True)


def test_a_login(judge: Judge, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for data in (f"{SECRET}\n", SECRET, f"{SECRET}\r\n"):
        stdin(monkeypatch, data.encode())
        assert run(["check", "x.test/a", "x.test/b", "docker-daemon:c", "--verbose", *LOGIN]) is Exit.PASS
        assert judge.settings.sources.registry.login == Login("me", SECRET, ("x.test",))
    assert SECRET not in repr(judge.settings)
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty or has several lines"),
        (b"\n", "is empty or has several lines"),
        (f"{SECRET}\n{SECRET}".encode(), "is empty or has several lines"),
        (f"{SECRET}\0".encode(), "is empty or has several lines"),
        (SECRET.encode() + b"\xff", "is not UTF-8"),
        (SECRET.encode() * (LIMITS.password // len(SECRET) + 1), "has more than 65,536 bytes"),
    ],
)
def test_what_is_no_password(
    data: bytes, what: str, judge: Judge, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, data)
    assert run(["check", "x.test/a", *LOGIN]) is Exit.WRONG_REQUEST
    err = capfd.readouterr().err
    assert what in err
    assert SECRET not in err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["x.test/a", "--username", "me"], "belong together"),
        (["x.test/a", "--password-stdin"], "belong together"),
        (["x.test/a", "evil.test/b", *LOGIN], "the references name 2: evil.test, x.test"),
        (["docker-daemon:a", *LOGIN], "the references name 0: none"),
        (["x.test/a", "--username", "a:b", "--password-stdin"], "--username holds a colon"),
        (["x.test/a", "--images", "list", *LOGIN], "--username and --images exclude each other"),
    ],
)
def test_a_password_goes_to_one_registry_that_the_caller_names(
    arguments: list[str],
    what: str,
    judge: Judge,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path("list").write_text("evil.test/b\n")
    stdin(monkeypatch, SECRET.encode())
    assert run(["check", *arguments]) is Exit.WRONG_REQUEST
    err = capfd.readouterr().err
    assert what in err
    assert SECRET not in err


def test_no_password_is_asked_of_a_terminal_or_taken_from_a_variable(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, b"", terminal=True)
    monkeypatch.setenv("IMAGE_GATE_PASSWORD", SECRET)
    assert run(["check", "x.test/a", *LOGIN]) is Exit.WRONG_REQUEST
    assert run(["check", "--images", "-"]) is Exit.WRONG_REQUEST
    assert run(["check", "x.test/a", "--password", SECRET]) is Exit.WRONG_REQUEST
    assert "reads no terminal" in capfd.readouterr().err
    assert run(["check", "x.test/a"]) is Exit.PASS
    assert judge.settings.sources.registry.login is None


def test_a_configuration_and_a_ca_file(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ca.pem").touch()
    Path("c.yaml").write_text(
        "schema: 1\nregistries: {x.test: {mirrors: [m.test/x]}}\nproxy: http://p.test:1\n"
        "scanners: {trivy-sources: [m.test/trivy-db:2], grype-sources: ['https://m.test/grype']}\n"
    )
    expected = {"x.test": HostSettings(mirrors=("m.test/x",))}
    for arguments, variables in (
        (["--config", "c.yaml", "--ca-file", "ca.pem"], {}),
        ([], {"IMAGE_GATE_CONFIG": "c.yaml", "IMAGE_GATE_CA_FILE": "ca.pem"}),
    ):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert run(["check", "x.test/a", *arguments]) is Exit.PASS
        registry, scanners = judge.settings.sources.registry, judge.settings.scanners
        assert (registry.hosts, registry.proxy, registry.ca_file) == (
            expected,
            "http://p.test:1",
            str(tmp_path / "ca.pem"),
        )
        assert scanners
        assert (scanners.trivy_sources, scanners.trivy_java_sources) == (("m.test/trivy-db:2",), ())
        assert scanners.grype_sources == ("https://m.test/grype",)


@pytest.mark.parametrize(
    "arguments",
    [["--config", "gone.yaml"], ["--ca-file", "gone.pem"], ["--from", "engine"], ["--ca-file", "."]],
)
def test_what_is_not_there_is_a_wrong_request(arguments: list[str], judge: Judge) -> None:
    assert run(["check", "x.test/a", *arguments]) is Exit.WRONG_REQUEST
    assert not hasattr(judge, "settings")


def test_nothing_in_the_working_directory_is_configuration(judge: Judge) -> None:
    for name in (
        "config.yaml",
        ".image-gate-config.yaml",
        "image-gate/config.yaml",
        ".config/image-gate/config.yaml",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("schema: 1\nproxy: http://evil.test\n")
    assert run(["check", "x.test/a"]) is Exit.PASS
    assert judge.settings.sources.registry.proxy == ""


def test_a_list_and_references_are_one_run(judge: Judge) -> None:
    Path("list").write_text("# all\nx.test/b:1\nx.test/a\ndocker.io/library/alpine\n")
    assert run(["check", "x.test/a:latest", "alpine", "--images", "list"]) is Exit.PASS
    assert judge.texts == ["x.test/a:latest", "alpine", "x.test/b:1"]
    assert run(["check", "--images", "list"]) is Exit.PASS
    assert judge.texts == ["x.test/b:1", "x.test/a", "docker.io/library/alpine"]


def test_a_list_on_standard_input(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"services: {a: {image: 'x.test/a:${TAG:-1}'}}")
    assert run(["check", "--images", "-"]) is Exit.PASS
    assert judge.texts == ["x.test/a:1"]
    Path(".env").write_text("TAG=3\n")
    stdin(monkeypatch, b"services: {a: {image: 'x.test/a:${TAG:-1}'}}")
    assert run(["check", "--images", "-"]) is Exit.WRONG_REQUEST
    stdin(monkeypatch, b"services: {a: {image: 'x.test/a:${TAG:-1}'}}")
    monkeypatch.setenv("TAG", "2")
    assert run(["check", "--images", "-"]) is Exit.PASS
    assert judge.texts == ["x.test/a:2"]


def test_what_the_file_beside_a_list_sets_is_not_guessed(judge: Judge) -> None:
    Path("below").mkdir()
    Path("below/list").write_text("services: {a: {image: 'x.test/a:${TAG:-1}'}}")
    assert run(["check", "--images", "below/list"]) is Exit.PASS
    Path("below/.env").write_text("TAG=3\n")
    assert run(["check", "--images", "below/list"]) is Exit.WRONG_REQUEST


@pytest.mark.parametrize("text", ["", "# none\n", "services: {}", "x y", "Alpine:\n"])
def test_an_empty_or_broken_list_is_no_pass(text: str, judge: Judge) -> None:
    Path("list").write_text(text)
    assert run(["check", "x.test/a", "--images", "list"]) is Exit.WRONG_REQUEST
    assert run(["check", "--images", "gone"]) is Exit.WRONG_REQUEST
    assert run(["check"]) is Exit.WRONG_REQUEST
    assert not hasattr(judge, "settings")


def test_an_older_report_does_not_survive_a_wrong_reference(judge: Judge) -> None:
    Path("report.json").write_text('{"status": "pass"}')
    assert run(["check", "Alpine", "--output", "json=report.json"]) is Exit.WRONG_REQUEST
    assert not Path("report.json").exists()


def test_a_list_of_layouts_is_judged(place: Path, program: Program) -> None:
    (place / "list").write_text("oci:good\n./bad  # a comment\noci:good\n")
    done = program("check", "--policy", "policy.yaml", "--images", "list", "--format", "json")
    assert done.returncode == 1
    verdicts = json.loads(done.stdout)["verdicts"]
    assert [(one["subject"]["reference"], one["status"]) for one in verdicts] == [
        ("oci:good", "pass"),
        ("./bad", "fail"),
    ]
    assert "image-gate: [2/2] checking ./bad (linux/amd64)\n" in done.stderr


def test_inspect_takes_the_same_options(place: Path, program: Program) -> None:
    done = program("inspect", "oci:good", "--from", "registry", "--config", "gone.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "gone.yaml" in done.stderr
    assert program("inspect", "oci:good", "--from", "registry").returncode == 0
