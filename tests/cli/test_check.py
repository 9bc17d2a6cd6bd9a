"""`image-gate check` on real images, as users run it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gate import pipeline
from gate.cli.exits import Exit, run
from gate.cli.output import EXITS
from gate.pipeline import RunSettings
from gate.policy.policy import Policy
from gate.registry import RegistrySettings
from gate.sources import Location, SourceSettings
from gate.sources.locate import locate
from gate.verdict import Report, Status
from samples.images.builder import Settings, build_image
from samples.images.entries import file
from samples.images.layers import Compression, layer_of
from tests.cli.conftest import Program
from tests.kit.registry import serving_registry
from tests.kit.reports import passing_report

CHECK = ("check", "--policy", "policy.yaml")


@pytest.mark.parametrize(("image", "code", "status"), [("good", 0, "pass"), ("bad", 1, "fail")])
def test_the_json_report_stands_alone_on_standard_output(
    image: str, code: int, status: str, place: Path, program: Program
) -> None:
    done = program(*CHECK, f"oci:{image}", "--format", "json")
    assert done.returncode == code
    report = json.loads(done.stdout)
    assert (report["schema"], report["status"]) == (1, status)
    assert [result["rule"] for result in report["verdicts"][0]["results"]] == [
        "max-age", "no-shell", "non-root", "required-labels",
    ]  # fmt: skip
    assert "image-gate: checking oci:" in done.stderr


def test_the_text_report_ends_with_what_the_code_means(place: Path, inside: Program) -> None:
    done = inside(*CHECK, "oci:bad", "--quiet")
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("✗ FAIL  oci:bad  linux/amd64 · ")
    done = inside(*CHECK, "oci:good")
    assert (done.returncode, done.stdout.splitlines()[-1][:12]) == (0, "exit 0: pass")


def test_several_images_are_one_run_and_the_worst_counts(place: Path, inside: Program) -> None:
    done = inside(*CHECK, "oci:good", "./bad", "--output", "json=report.json", "--output", "text=report.txt")
    assert done.returncode == 1
    assert "2 images: 1 pass · 1 fail" in done.stdout
    report = json.loads((place / "report.json").read_text())
    assert [verdict["status"] for verdict in report["verdicts"]] == ["pass", "fail"]
    assert "2 images: 1 pass · 1 fail" in (place / "report.txt").read_text()


def test_nothing_is_left_behind(place: Path, program: Program) -> None:
    before = sorted(path.name for path in place.iterdir())
    program(*CHECK, "oci:bad", "--quiet")
    assert sorted(path.name for path in place.iterdir()) == sorted([*before, "tmp"])
    assert list((place / "tmp").iterdir()) == []


def test_variables_stand_for_options_and_the_command_line_wins(place: Path, inside: Program) -> None:
    variables = {
        "IMAGE_GATE_POLICY": "policy.yaml",
        "IMAGE_GATE_FORMAT": "json",
        "IMAGE_GATE_OUTPUT": "json=a.json text=b.txt",
    }
    done = inside("check", "oci:good", variables=variables)
    assert json.loads(done.stdout)["status"] == "pass"
    assert (place / "a.json").exists()
    assert (place / "b.txt").exists()
    done = inside("check", "oci:good", "--policy", "nowhere.yaml", variables=variables)
    assert done.returncode == 2


def test_an_empty_variable_is_none(place: Path, inside: Program) -> None:
    variables = dict.fromkeys(
        ("IMAGE_GATE_POLICY", "IMAGE_GATE_FORMAT", "IMAGE_GATE_PLATFORM", "IMAGE_GATE_TIMEOUT"), ""
    )
    assert inside("check", "oci:good", "--policy", "policy.yaml", variables=variables).returncode == 0


def test_only_the_policy_that_was_named_is_accepted(place: Path, inside: Program) -> None:
    digest = Policy.load(str(place / "policy.yaml")).digest
    assert inside(*CHECK, "oci:good", "--policy-digest", digest).returncode == 0
    done = inside(*CHECK, "oci:good", "--policy-digest", f"sha256:{'0' * 64}", "--output", "json=report.json")
    assert done.returncode == 2
    assert digest in done.stderr
    assert not (place / "report.json").exists()


def test_a_missing_scanner_is_unknown_and_says_how_to_get_it(place: Path, inside: Program) -> None:
    (place / "policy.yaml").write_text(
        "schema: 1\nscanners: {required: [trivy]}\nrules: {vulnerabilities: {}}\n"
    )
    done = inside(*CHECK, "oci:good", "--trivy", "nowhere/trivy")
    assert done.returncode == 3
    assert "COULD NOT TELL" in done.stdout
    assert "trivy" in done.stdout


def test_a_damaged_image_is_unknown(place: Path, inside: Program) -> None:
    for blob in (place / "good" / "blobs" / "sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    done = inside(*CHECK, "oci:good", "--format", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["status"] == "unknown"


def test_the_help_holds_the_exit_codes(inside: Program) -> None:
    text = inside("check", "--help").stdout
    assert all(
        f"  {code:d}  {name}" in text
        for code, name in ((0, "pass"), (1, "fail"), (2, "wrong"), (3, "unknown"))
    )


def test_only_a_pass_is_exit_0() -> None:
    assert EXITS == {Status.PASS: 0, Status.FAIL: 1, Status.UNKNOWN: 3}


class Judge:
    """Takes the place of the pipeline and keeps what it was given."""

    def __init__(self) -> None:
        self.given: tuple[Sequence[Location], Policy, RunSettings] | None = None

    def __call__(self, references: Sequence[Location], policy: Policy, settings: RunSettings) -> Report:
        settings.progress("judging \x1b[2J")
        self.given = references, policy, settings
        return passing_report()


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judge:
    judge = Judge()
    monkeypatch.setattr(pipeline, "check", judge)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("IMAGE_GATE_")]:
        monkeypatch.delenv(name)
    return judge


def test_what_is_not_stated(judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run(["check", "a", "b"]) is Exit.PASS
    assert judge.given
    references, policy, settings = judge.given
    assert references == (locate("a"), locate("b"))
    assert settings.sources == SourceSettings(registry=RegistrySettings(environment=dict(os.environ)))
    assert policy.name == "baseline"
    assert (settings.platform, settings.name, settings.timeout) == ("all", "", 900)
    scanners = settings.scanners
    assert scanners
    ours = tmp_path / "cache" / "image-gate"
    assert (scanners.work_dir, scanners.trivy_cache, scanners.grype_database) == (
        ours,
        ours / "trivy",
        ours / "grype",
    )
    assert (scanners.trivy, scanners.grype, scanners.timeout, scanners.offline) == (None, None, 600, False)


def test_every_option_arrives(judge: Judge, tmp_path: Path) -> None:
    options = "--policy strict --platform linux/arm64 --as shop/api:1 --trivy t --grype g --trivy-cache tc --grype-db gd"
    options += " --as-of 2026-12-31"
    more = "--scanner-timeout 90s --offline --timeout 1h --cache-dir c --verbose"
    assert run(["check", "x", *options.split(), *more.split()]) is Exit.PASS
    assert judge.given
    _, policy, settings = judge.given
    assert policy.name == "strict"
    assert (settings.platform, settings.name, settings.timeout) == ("linux/arm64", "shop/api:1", 3600)
    assert settings.as_of == date(2026, 12, 31)
    scanners = settings.scanners
    assert scanners
    assert (scanners.trivy, scanners.grype, scanners.timeout, scanners.offline) == ("t", "g", 90, True)
    assert [str(path) for path in (scanners.trivy_cache, scanners.grype_database)] == ["tc", "gd"]
    assert scanners.work_dir == tmp_path / "c"


@pytest.mark.parametrize(
    "text",
    ["tomorrow", "2026-02-30", "20261231", "2026-12-31T00:00", "2012-12-31", "2100-01-01", "", "²026-01-01"],
)
def test_what_is_no_day(text: str, judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "x", "--as-of", text]) is Exit.WRONG_REQUEST
    assert judge.given is None
    assert "--as-of" in capfd.readouterr().err


def test_a_look_at_another_day_opens_nothing(place: Path, inside: Program) -> None:
    today = datetime.now(UTC).date()
    told = ("check", str(place / "good"), "--policy", "policy.yaml", "--output", "json=report.json")
    assert inside(*told).returncode == 0
    ran = inside(*told, "--as-of", str(today))
    assert ran.returncode == 3
    assert ran.stdout.startswith(f"! as of {today}: only a look at another day, no verdict;")
    assert "exit 3: only a look at another day, no verdict" in ran.stdout.splitlines()[-1]
    document = json.loads((place / "report.json").read_text())
    assert (document["status"], document["as_of"]) == ("unknown", str(today))
    assert document["verdicts"][0]["status"] == "pass"
    quiet = inside(*told, "--quiet", variables={"IMAGE_GATE_AS_OF": str(today)})
    assert (quiet.returncode, quiet.stdout[:2]) == (3, "! ")


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1), ("90", 90), ("90s", 90), ("15m", 900), ("24h", 86_400), ("0015m", 900)]
)
def test_times(text: str, seconds: float, judge: Judge) -> None:
    assert run(["check", "x", "--timeout", text]) is Exit.PASS
    assert judge.given
    assert judge.given[2].timeout == seconds


@pytest.mark.parametrize(
    "text", ["0", "-1", "25h", "1d", "m", "", "1.5", "inf", "²", "9" * 5000, "1 m", "86401"]
)
def test_there_is_no_unlimited_time(text: str, judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "x", "--timeout", text]) is Exit.WRONG_REQUEST
    assert judge.given is None
    assert "--timeout" in capfd.readouterr().err


def test_progress_goes_to_standard_error_and_is_safe(judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "x"]) is Exit.PASS
    out, err = capfd.readouterr()
    assert err == "image-gate: judging \\x1b[2J\n"
    assert "judging" not in out
    assert run(["check", "x", "--quiet"]) is Exit.PASS
    assert capfd.readouterr().err == ""


LARGE = layer_of({"data": file(os.urandom(1_500_000))}, Compression.NONE)


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "no-cache"])
def test_what_is_left_of_a_registrys_image(keep: bool, place: Path, program: Program) -> None:
    """Layers and an index in the cache, and the key in the state folder; with --no-cache nothing at all."""
    image = build_image([LARGE], Settings(datetime.now(UTC), user="1000"))
    folders = {name: place / name for name in ("cache", "state", "tmp")}
    with serving_registry({"shop/api:1": image}) as registry:
        options = [] if keep else ["--no-cache"]
        variables = {"XDG_STATE_HOME": str(folders["state"])}
        done = program(*CHECK, f"docker://{registry.host}/shop/api:1", *options, variables=variables)
    assert done.returncode == 0, done.stderr
    left = {name: [path for path in folder.rglob("*") if path.is_file()] for name, folder in folders.items()}
    assert left["tmp"] == []
    if keep:
        kept = {path.parent.name for path in left["cache"]} - {"v1"}
        assert kept == {"sha256", "index"}
        assert [path.name for path in left["state"]] == ["cache.key"]
    else:
        assert left["cache"] == left["state"] == []


def test_a_folder_and_no_cache_contradict_each_other(place: Path, inside: Program) -> None:
    done = inside(*CHECK, "oci:good", "--no-cache", "--cache-dir", "here")
    assert done.returncode == 2
    assert "--cache-dir and --no-cache contradict each other" in done.stderr
