from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gate import __version__
from gate.errors import InvalidInput
from gate.pipeline import RunSettings, check
from gate.policy.policy import Policy
from gate.rule import Action
from gate.scanners import RawFinding, ScannerReport, ScannerSettings, ScanTarget
from gate.sources import SourceSettings
from gate.verdict import Outcome, Report, Status
from samples.databases.advisories import load
from samples.databases.feeds import write_feeds
from samples.images import builder
from samples.images.builder import INDEX, Blob, Image, Index, build_image, build_index, encode
from samples.images.catalogue import good
from samples.images.entries import Entry
from samples.images.layout import docker_archive, oci_layout, write_archive, write_directory
from tests.kit import hostile_archives, hostile_images, runs, shapes
from tests.kit.hostile import Expected, HostileImage
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE, DIRTY, DIRTY_IMAGE, SETTINGS
from tests.kit.vulnerabilities import opinion

RULES = "{no-shell: {%s}, non-root: {%s}, no-setuid: {%s}, max-age: {days: 90, %s}}"
DENYING = f"schema: 1\nrules: {RULES % (('action: deny',) * 4)}\n"
EXCUSING = f"schema: 1\nrules: {RULES % (('action: warn, on-unknown: warn',) * 4)}\n"
NAMES = "schema: 1\nrules: {allowed-registries: {registries: [registry.example.com]}, pinned-tag: {}}\n"

Judge = Callable[..., Report]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Judge references, or a layout of these files, under the policy of this text; further words are settings."""

    def run(*references: str | Path | Mapping[str, Entry], policy: str = DENYING, **settings: Any) -> Report:
        paths = [
            write_directory(one, tmp_path / f"image{number}") if isinstance(one, Mapping) else one
            for number, one in enumerate(references)
        ]
        told = RunSettings(**settings)
        return check([str(path) for path in paths], runs.policy(tmp_path, policy), told)

    return run


def fresh(image: Image) -> Image:
    """The sample made now: `max-age` accepts it."""
    return build_image(image.layers, replace(SETTINGS, created=datetime.now(UTC), platform=image.platform))


CLEAN_NOW, DIRTY_NOW = fresh(CLEAN_IMAGE), fresh(DIRTY_IMAGE)
PASSING = oci_layout({"": CLEAN_NOW})


HOSTILE = [
    *hostile_images.cases(),
    *hostile_archives.cases(),
    *(hostile_images.large_layer_count(count) for count in (500, 501, 10_000)),
]


def seen(report: Report, case: HostileImage) -> Expected:
    """What a report made of a case."""
    if report.undecided:
        return Expected.INTEGRITY
    (verdict,) = report.verdicts[-1:]
    if any(result.blocking for result in verdict.results):
        return Expected.INTEGRITY
    asked = [result.outcome for result in verdict.results if result.rule in case.rules or not case.rules]
    if Outcome.FAIL in asked:
        return Expected.VIOLATION
    return Expected.UNKNOWN if Outcome.UNKNOWN in asked else Expected.ACCEPT


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_hostile_images(case: HostileImage, tmp_path: Path, judge: Judge) -> None:
    """Rows J, I, D and C7: what is malformed or ambiguous is unknown, and no policy may excuse it."""
    path = case.write(tmp_path)
    try:
        report = judge(path)
    except InvalidInput:
        report = None
    found = Expected.REQUEST if report is None else seen(report, case)
    assert found in case.expected
    if report is not None and found is Expected.INTEGRITY:
        assert report.status is Status.UNKNOWN
        assert judge(path, policy=EXCUSING).status is Status.UNKNOWN
    elif report is not None and found is not Expected.ACCEPT:
        assert report.status in (Status.FAIL, Status.UNKNOWN)
    for undecided in report.undecided if report else ():
        assert len(undecided.reason + undecided.hint) < 1_000


@pytest.mark.parametrize("case", list(hostile_images.j15_large(300_000, 5 << 20)), ids=str)
def test_large_documents_are_refused_soon(case: HostileImage, tmp_path: Path, judge: Judge) -> None:
    """J15."""
    path = case.write(tmp_path)
    started = time.process_time()
    report = judge(path, policy=EXCUSING)
    assert time.process_time() - started < 2
    assert report.status is Status.UNKNOWN
    assert "at most 4,194,304 are read" in report.undecided[0].reason


def test_the_dirty_platform_is_named(tmp_path: Path, judge: Judge) -> None:
    """I1."""
    (case,) = hostile_images.i1_dirty_platform()
    report = judge(case.write(tmp_path))
    assert {str(verdict.subject.platform): verdict.status.value for verdict in report.verdicts}[
        "linux/arm64"
    ] == "fail"
    assert report.status is Status.FAIL


def other_platform(platform: builder.Platform, user: str = "1000") -> Image:
    """A clean image for another platform."""
    return build_image([CLEAN], replace(SETTINGS, created=datetime.now(UTC), platform=platform, user=user))


ARM64 = other_platform(builder.Platform("linux", "arm64", "v8"))
LAYOUTS = shapes.layouts(CLEAN_NOW, ARM64)
SHAPES = {**shapes.archives(CLEAN_NOW, ARM64), **LAYOUTS}


TWO_PLATFORMS = {"docker-save-containerd", "buildx-oci-two-platforms", "platforms-in-index-json"}


@pytest.mark.parametrize(
    ("shape", "write"),
    [
        *((shape, write_archive) for shape in SHAPES),
        *((shape, write_directory) for shape in LAYOUTS),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_honest_images_of_all_tools_pass(
    shape: str, write: Callable[[shapes.Files, Path], Path], tmp_path: Path, judge: Judge
) -> None:
    report = judge(write(SHAPES[shape], tmp_path / "image"))
    assert [entry.reason for entry in report.undecided] == []
    assert report.status is Status.PASS
    assert len(report.verdicts) == (2 if shape in TWO_PLATFORMS else 1)


def test_what_was_judged_stands_in_the_verdict(judge: Judge) -> None:
    before = datetime.now(UTC)
    report = judge(PASSING)
    (verdict,) = report.verdicts
    subject = verdict.subject
    assert (str(subject.digest), str(subject.config_digest)) == (
        CLEAN_NOW.manifest.digest,
        CLEAN_NOW.config.digest,
    )
    assert (subject.source, str(subject.platform), subject.names) == ("oci", "linux/amd64", ())
    assert before <= subject.checked_at <= datetime.now(UTC)
    assert verdict.evidence["created"]


def test_what_ran_stands_in_the_report(tmp_path: Path, judge: Judge) -> None:
    report = judge(PASSING)
    policy = runs.policy(tmp_path, DENYING)
    assert {**report.run, "started": "", "seconds": 0} == {
        "version": __version__,
        "started": "",
        "seconds": 0,
        "platform": "all",
        "proxied": [],
        "policy": {
            "name": "policy.yaml", "origin": "policy.yaml", "digest": policy.digest, "in_checkout": False, "rules": 4,
            "scanners": [], "expired_exceptions": [], "expiring_exceptions": [], "unused_exceptions": [],
            "broad_exceptions": [],
        },
    }  # fmt: skip
    started = datetime.fromisoformat(str(report.run["started"]))
    assert started.utcoffset() == timedelta()
    assert 0 <= float(str(report.run["seconds"])) < 60
    assert json.dumps(dict(report.run))


def test_an_expired_exception_is_named(judge: Judge) -> None:
    exceptions = "exceptions: [{rule: no-shell, path: /bin/sh, until: 2020-01-01, reason: x}]\n"
    report = judge(oci_layout({"": DIRTY_NOW}), policy=DENYING + exceptions)
    assert report.run["policy"]["expired_exceptions"] == ["no-shell path /bin/sh"]  # type: ignore[index]
    assert report.status is Status.FAIL


@pytest.mark.parametrize(("days", "verdict"), [(0, Status.PASS), (89, Status.PASS), (200, Status.FAIL)])
def test_another_day_is_looked_at_and_never_a_pass(judge: Judge, days: int, verdict: Status) -> None:
    day = datetime.now(UTC).date() + timedelta(days=days)
    report = judge(PASSING, as_of=day)
    assert [one.status for one in report.verdicts] == [verdict]
    assert report.verdicts[0].subject.checked_at.date() == day
    assert (report.as_of, report.status) == (day, Status.FAIL if verdict is Status.FAIL else Status.UNKNOWN)


def test_exceptions_are_those_of_the_other_day(judge: Judge) -> None:
    ends = datetime.now(UTC).date() + timedelta(days=5)
    exceptions = f"exceptions: [{{rule: no-shell, path: /bin/sh, until: {ends}, reason: x}}]\n"
    policy = "schema: 1\nrules: {no-shell: {}}\n" + exceptions
    for days, status in ((0, Status.UNKNOWN), (1, Status.FAIL)):
        report = judge(oci_layout({"": DIRTY_NOW}), policy=policy, as_of=ends + timedelta(days=days))
        assert report.status is status
        named = report.run["policy"]["expired_exceptions"]  # type: ignore[index]
        assert bool(named) is (days == 1)


def test_on_another_day_databases_are_as_old_as_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.gathering._scanners", runs.seeing_scanners)
    policy = runs.policy(
        tmp_path, "schema: 1\nrules: {vulnerabilities: {}, scan-coverage: {}, max-age: {days: 900}}\n"
    )
    settings = runs.settings(tmp_path, as_of=datetime.now(UTC).date() + timedelta(days=60))
    report = check([str(runs.passing_image(tmp_path / "image"))], policy, settings)
    assert [result.outcome for result in report.verdicts[0].results] == [Outcome.PASS] * 3


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns"])
def test_the_time_zone_changes_nothing(zone: str, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates of policies are days in UTC."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        today = datetime.now(UTC).date()
        for until, status in ((today, Status.PASS), (today - timedelta(days=1), Status.FAIL)):
            exceptions = f"exceptions: [{{rule: no-shell, path: /bin/sh, until: {until}, reason: x}}]\n"
            rules = "schema: 1\nrules: {no-shell: {}, max-age: {days: 1}}\n"
            report = judge(oci_layout({"": DIRTY_NOW}), policy=rules + exceptions)
            assert datetime.now(UTC).date() != today or report.status is status
            assert report.verdicts[0].subject.checked_at.utcoffset() == timedelta()
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("platform", "judged", "left_out"),
    [
        ("all", ["linux/amd64", "linux/arm64/v8"], []),
        ("linux/amd64", ["linux/amd64"], ["linux/arm64/v8"]),
        ("linux/x86_64", ["linux/amd64"], ["linux/arm64/v8"]),
        ("linux/arm64", ["linux/arm64/v8"], ["linux/amd64"]),
        ("linux/arm64/v8", ["linux/arm64/v8"], ["linux/amd64"]),
        ("Linux/ARM64", ["linux/arm64/v8"], ["linux/amd64"]),
    ],
)
def test_one_platform_alone(platform: str, judged: list[str], left_out: list[str], judge: Judge) -> None:
    index = build_index([CLEAN_NOW, ARM64], attested=True)
    report = judge(oci_layout({"": index}), platform=platform)
    assert report.status is Status.PASS
    assert [str(verdict.subject.platform) for verdict in report.verdicts] == judged
    (found,) = report.left_out.values()
    assert [name for name in found if name.startswith("linux")] == left_out
    assert list(found.values()).count("an attestation") == 2
    assert report.run["platform"] == platform
    assert bool(report.partial) == bool(left_out)


WITH_PLATFORMS = DENYING + "platforms: {required: [linux/amd64, linux/arm64], leave-out: [windows/*]}\n"
WINDOWS = other_platform(builder.Platform("windows", "amd64"))


@pytest.mark.parametrize(
    ("image", "platform", "status", "partial"),
    [
        (build_index([CLEAN_NOW, ARM64]), "all", Status.PASS, False),
        (build_index([CLEAN_NOW, ARM64, WINDOWS]), "all", Status.PASS, True),
        (build_index([CLEAN_NOW, ARM64]), "linux/amd64", Status.UNKNOWN, True),
        (build_index([CLEAN_NOW]), "all", Status.FAIL, False),
        (build_index([CLEAN_NOW, WINDOWS]), "all", Status.FAIL, True),
        (CLEAN_NOW, "all", Status.FAIL, False),
        (CLEAN_NOW, "linux/arm64", Status.FAIL, True),
        (WINDOWS, "all", Status.FAIL, True),
    ],
)
def test_the_platforms_that_a_policy_requires(
    image: Image | Index, platform: str, status: Status, partial: bool, judge: Judge
) -> None:
    report = judge(oci_layout({"": image}), policy=WITH_PLATFORMS, platform=platform)
    assert (report.status, bool(report.partial)) == (status, partial)


def test_a_policy_says_where_images_come_from(judge: Judge) -> None:
    with pytest.raises(InvalidInput, match="takes images from a registry alone"):
        judge(PASSING, policy=DENYING + "sources: {from: [registry]}\n")
    with pytest.raises(InvalidInput, match="takes images from files alone"):
        judge(PASSING, policy=DENYING + "sources: {from: [file]}\n", sources=SourceSettings(prefer="docker"))
    assert judge(PASSING, policy=DENYING + "sources: {from: [file]}\n").status is Status.PASS


def test_one_image_is_judged_once_however_often_it_is_named(judge: Judge, tmp_path: Path) -> None:
    write_directory(PASSING, tmp_path / "image0")
    told: list[str] = []
    image = str(tmp_path / "image0")
    report = judge(image, f"oci:{image}", f"{image}/", progress=told.append)
    assert [verdict.subject.reference for verdict in report.verdicts] == [image]
    assert told[0] == f"opening {image}"


def test_progress_counts_images(judge: Judge) -> None:
    told: list[str] = []
    judge(PASSING, PASSING, progress=told.append)
    assert [text.partition(" ")[0] for text in told] == ["[1/2]", "[1/2]", "[2/2]", "[2/2]"]


@pytest.mark.parametrize("platform", ["linux/s390x", "windows/amd64"])
@pytest.mark.parametrize("image", [CLEAN_NOW, build_index([CLEAN_NOW, ARM64])], ids=["manifest", "index"])
def test_a_platform_that_is_not_there_is_no_pass(platform: str, image: Image | Index, judge: Judge) -> None:
    report = judge(oci_layout({"": image}), platform=platform)
    assert (report.status, report.verdicts) == (Status.UNKNOWN, ())
    (undecided,) = report.undecided
    assert undecided.platform == platform
    assert (
        "has no image to judge; it has linux/amd64 (not the platform that was asked for)" in undecided.reason
    )


def test_a_failing_platform_that_is_left_out_does_not_count(judge: Judge) -> None:
    root = other_platform(builder.Platform("linux", "arm64"), user="root")
    files = oci_layout({"": build_index([CLEAN_NOW, root])})
    assert judge(files).status is Status.FAIL
    assert judge(files, platform="linux/amd64").status is Status.PASS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ALL",
        "linux",
        "linux/",
        "/amd64",
        "linux/amd64/v1/x",
        "linux/amd 64",
        "linux/ämd64",
        "linux/amd64\n",
        "*",
    ],
)
def test_a_platform_that_is_none_is_a_wrong_request(text: str, judge: Judge) -> None:
    with pytest.raises(InvalidInput, match="is not a platform"):
        judge(PASSING, platform=text)


def test_a_windows_image_is_named_and_unknown_unless_left_out(judge: Judge) -> None:
    windows = other_platform(builder.Platform("windows", "amd64"))
    files = oci_layout({"": build_index([CLEAN_NOW, windows])})
    report = judge(files)
    assert (report.status, len(report.verdicts)) == (Status.UNKNOWN, 1)
    (undecided,) = report.undecided
    assert (undecided.platform, undecided.reason) == (
        "windows/amd64",
        "no rule can judge Windows images",
    )
    assert judge(files, platform="linux/amd64").status is Status.PASS
    assert judge(oci_layout({"": windows})).status is Status.UNKNOWN


def test_an_index_without_images_is_no_pass(judge: Judge) -> None:
    attestations = build_index([CLEAN_NOW], attested=True)
    only = json.loads(attestations.manifest.data)
    only["manifests"] = only["manifests"][1:]
    for data in (encode(only), encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})):
        report = judge(oci_layout({"": Index(Blob(INDEX, data), attestations.images)}))
        assert (report.status, report.verdicts) == (Status.UNKNOWN, ())
        assert "has no image to judge" in report.undecided[0].reason


def test_the_worst_of_several_references_counts(judge: Judge) -> None:
    dirty, broken = oci_layout({"": DIRTY_NOW}), dict(PASSING)
    broken["index.json"] = Entry(broken["index.json"].kind, b"{}")
    for references, status in (
        ([PASSING, PASSING], Status.PASS),
        ([PASSING, broken], Status.UNKNOWN),
        ([broken, PASSING], Status.UNKNOWN),
        ([PASSING, broken, dirty], Status.FAIL),
        ([dirty, PASSING], Status.FAIL),
    ):
        report = judge(*references)
        assert report.status is status
        assert len(report.verdicts) + len(report.undecided) == len(references)


@pytest.mark.parametrize(
    ("references", "settings"),
    [
        ([], {}),
        (["x"] * 10_001, {}),
        (["IMAGE", "./nowhere"], {}),
        (["IMAGE", "Not/A/Name"], {}),
        (["IMAGE", "oci:nowhere:1"], {}),
        (["IMAGE", ""], {}),
        (["IMAGE"], {"platform": "x"}),
        (["IMAGE"], {"name": "Not A Name"}),
        (["IMAGE"], {"name": "https://registry.example.com/x"}),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_wrong_request_is_found_before_any_work(
    references: list[str], settings: dict[str, Any], tmp_path: Path, judge: Judge
) -> None:
    image = write_directory(PASSING, tmp_path / "image")
    told: list[str] = []
    with pytest.raises(InvalidInput) as error:
        judge(
            *(str(image) if one == "IMAGE" else one for one in references), **settings, progress=told.append
        )
    assert error.value.hint or len(references) > 10_000
    assert told == []


def test_a_policy_with_scanners_needs_to_know_them(judge: Judge) -> None:
    policy = "schema: 1\nscanners: {required: [trivy]}\nrules: {vulnerabilities: {}}\n"
    with pytest.raises(InvalidInput, match="asks scanners, and nothing was said about them"):
        judge(PASSING, policy=policy)


def names_of(report: Report) -> list[str]:
    """The names under which the image was judged."""
    return [str(name) for name in report.verdicts[0].subject.names]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (oci_layout({"": CLEAN_NOW}), []),
        (oci_layout({"1.4": CLEAN_NOW}), []),
        (oci_layout({"latest": CLEAN_NOW}), []),
        (oci_layout({"registry.example.com/shop/api:1.4": CLEAN_NOW}), ["registry.example.com/shop/api:1.4"]),
        (oci_layout({"shop/api": CLEAN_NOW}), ["docker.io/shop/api"]),
        (oci_layout({"alpine:3": CLEAN_NOW}), ["docker.io/library/alpine:3"]),
        (oci_layout({"Not A Name:1": CLEAN_NOW}), []),
        (docker_archive({"app:1": CLEAN_NOW}), ["docker.io/library/app:1"]),
        (docker_archive({"localhost:5000/app:1": CLEAN_NOW}), ["localhost:5000/app:1"]),
        (docker_archive({"": CLEAN_NOW}), []),
        (shapes.containerd_archive(CLEAN_NOW, CLEAN_NOW), [shapes.NAME]),
        (shapes.listed((CLEAN_NOW, shapes.containerd_names())), [shapes.NAME]),
        (shapes.listed((CLEAN_NOW, {"annotations": {
            "io.containerd.image.name": "docker.io/library/a:1", "org.opencontainers.image.ref.name": "a:1"}})),
         ["docker.io/library/a:1"]),
        (shapes.listed((CLEAN_NOW, shapes.containerd_names()), (CLEAN_NOW, shapes.containerd_names("evil.test/x:1"))),
         [shapes.NAME, "evil.test/x:1"]),
    ],
)  # fmt: skip
def test_names_that_a_file_carries(
    files: Mapping[str, Entry], names: list[str], tmp_path: Path, judge: Judge
) -> None:
    """A bare tag is none: read as a name it would be an image of Docker Hub."""
    assert names_of(judge(write_archive(files, tmp_path / "image.tar"))) == names


def test_the_name_that_the_caller_gives_counts_alone(judge: Judge) -> None:
    files = oci_layout({"evil.test/x:latest": CLEAN_NOW})
    assert judge(files, policy=NAMES).status is Status.FAIL
    report = judge(files, policy=NAMES, name="registry.example.com/shop/api:1.4")
    assert (report.status, names_of(report)) == (Status.PASS, ["registry.example.com/shop/api:1.4"])
    assert judge(oci_layout({"1.4": CLEAN_NOW}), policy=NAMES).status is Status.UNKNOWN


SCOPED = (
    DENYING
    + "scopes: [{match: registry.example.com/tools, rules: {no-shell: {action: warn}, no-setuid: {action: warn}}}]\n"
)


def test_scopes_apply_by_name(judge: Judge) -> None:
    dirty = build_image([CLEAN, DIRTY], replace(SETTINGS, created=datetime.now(UTC)))
    files = oci_layout({"": dirty})
    assert judge(files, policy=SCOPED, name="registry.example.com/tools/x").status is Status.PASS
    assert judge(files, policy=SCOPED, name="registry.example.com/shop/x").status is Status.FAIL
    assert judge(files, policy=SCOPED).status is Status.FAIL


def test_progress_tells_what_is_done(judge: Judge) -> None:
    told: list[str] = []
    report = judge(oci_layout({"": build_index([CLEAN_NOW, ARM64])}), progress=told.append)
    reference = report.verdicts[0].subject.reference
    assert told == [
        f"opening {reference}",
        f"checking {reference} (linux/amd64)",
        f"checking {reference} (linux/arm64/v8)",
    ]


def test_equal_input_gives_equal_reports(tmp_path: Path, judge: Judge) -> None:
    """Promise 15; times apart."""
    path = write_directory(
        oci_layout({"": good(datetime.now(UTC).replace(microsecond=0))}), tmp_path / "image"
    )
    first, second = judge(path), judge(path)

    def timeless(report: Report) -> str:
        verdicts = [
            (verdict.results, verdict.evidence, verdict.not_run, verdict.subject.digest)
            for verdict in report.verdicts
        ]
        return repr((verdicts, report.left_out, report.undecided, report.run["policy"]))

    assert timeless(first) == timeless(second)


def test_scanners_are_asked_only_by_rules_that_need_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def scanners() -> Mapping[str, Any]:
        asked.append("both")
        return runs.seeing_scanners()

    monkeypatch.setattr("gate.gathering._scanners", scanners)
    image = str(runs.passing_image(tmp_path / "image"))
    both = "schema: 1\nscanners: {required: [grype, trivy]}\nrules: "
    for rules, count in (
        ("{no-shell: {}}\n", 0),
        ("{vulnerabilities: {}}\n", 1),
        ("{scan-coverage: {}}\n", 2),
    ):
        report = check([image], runs.policy(tmp_path, both + rules), runs.settings(tmp_path))
        assert (report.status, len(asked)) == (Status.PASS, count)
        scanned = report.verdicts[0].evidence.get("scanners")
        assert (scanned is not None) is (count > 0)


def test_a_scanner_of_a_refused_version_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the program has no version in its bytes, so that only its report tells."""
    monkeypatch.setattr("gate.gathering._scanners", runs.seeing_scanners)
    image = str(runs.passing_image(tmp_path / "image"))
    text = "schema: 1\nscanners: {required: [grype], refused: [grype 1.0.0]}\nrules: {vulnerabilities: {}}\n"
    report = check([image], runs.policy(tmp_path, text), runs.settings(tmp_path))
    (result,) = report.verdicts[0].results
    assert (report.status, result.outcome) == (Status.UNKNOWN, Outcome.UNKNOWN)
    assert "the policy refuses grype 1.0" in result.reason


def test_feeds_are_asked_for_what_was_found_where_a_rule_wants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(target: ScanTarget, settings: ScannerSettings, until: float) -> ScannerReport:
        report = runs.seeing("grype").scan(target, settings, until)
        found = RawFinding("deb", "libc6", "2.36-9", "", opinion("low", "grype", id="CVE-2021-44228"))
        return ScannerReport(report.run, (found,))

    monkeypatch.setattr("gate.gathering._scanners", lambda: runs.seeing_scanners(grype=scan))
    image = str(runs.passing_image(tmp_path / "image"))
    settings = runs.settings(tmp_path)
    assert settings.scanners is not None
    scanners = structs.replace(settings.scanners, feeds=tmp_path / "feeds")
    told = structs.replace(settings, scanners=scanners)
    rules = "schema: 1\nscanners: {required: [grype]}\nrules: {vulnerabilities: {known-exploited: deny}}\n"
    policy = runs.policy(tmp_path, rules)
    report = check([image], policy, told)
    assert report.status is Status.UNKNOWN
    assert "there is no catalogue of exploited vulnerabilities" in report.verdicts[0].results[0].reason
    write_feeds(tmp_path / "feeds", load(), datetime.now(UTC))
    report = check([image], policy, told)
    assert report.status is Status.FAIL
    assert report.verdicts[0].results[0].findings[0].id == "CVE-2021-44228"
    assert set(report.verdicts[0].evidence["feeds"]) == {"kev"}  # type: ignore[call-overload]
    plain = runs.policy(tmp_path, rules.replace("{known-exploited: deny}", "{}"))
    report = check([image], plain, told)
    assert report.status is Status.PASS
    assert "feeds" not in report.verdicts[0].evidence


def test_a_run_has_one_copy_of_each_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ScannerSettings] = []

    def scan(target: ScanTarget, settings: ScannerSettings, until: float) -> ScannerReport:
        seen.append(settings)
        return runs.seeing("grype").scan(target, settings, until)

    monkeypatch.setattr("gate.gathering._scanners", lambda: runs.seeing_scanners(grype=scan))
    images = [str(runs.passing_image(tmp_path / name)) for name in ("one", "two")]
    text = "schema: 1\nscanners: {required: [grype]}\nrules: {vulnerabilities: {}}\n"
    check(images, runs.policy(tmp_path, text), runs.settings(tmp_path))
    first, second = seen
    assert first.work_dir != second.work_dir
    assert first.copies is second.copies is not None


def test_rules_decide_whether_contents_are_searched(tmp_path: Path, judge: Judge) -> None:
    """A policy of configuration rules does not read the layers at all: a broken one changes nothing."""
    (case,) = (case for case in hostile_images.j11_other_bytes() if case.name == "layer")
    path = case.write(tmp_path)
    assert judge(path, policy="schema: 1\nrules: {required-labels: {action: warn}}\n").status is Status.PASS
    assert judge(path, policy="schema: 1\nrules: {no-shell: {action: warn}}\n").status is Status.UNKNOWN


def skopeo(binary: Path, source: str, target: str) -> str:
    """Copy an image with skopeo; the target."""
    command = [str(binary), "copy", "--quiet", "--all", "--insecure-policy", source, target]
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        env={**os.environ, "TMPDIR": str(Path(target.split(":")[1]).parent)},
    )
    return target


@pytest.mark.real
@pytest.mark.parametrize(("kind", "count"), [("oci", 2), ("oci-archive", 2), ("docker-archive", 1)])
def test_what_skopeo_writes_passes(
    kind: str, count: int, skopeo_binary: Path, tmp_path: Path, judge: Judge
) -> None:
    """An index of two platforms to a layout; docker archives hold one image."""
    image = build_index([CLEAN_NOW, ARM64]) if count == 2 else CLEAN_NOW
    source = write_directory(oci_layout({"1.4": image}), tmp_path / "source")
    tag = "registry.example.com/shop/api:1.4" if kind == "docker-archive" else "1.4"
    target = skopeo(skopeo_binary, f"oci:{source}:1.4", f"{kind}:{tmp_path}/target:{tag}")
    for reference in (target, target.removesuffix(f":{tag}"), f"{tmp_path}/target"):
        report = judge(reference)
        assert (report.status, len(report.verdicts), report.undecided) == (Status.PASS, count, ())
        assert str(report.verdicts[0].subject.config_digest) == CLEAN_NOW.config.digest


@pytest.mark.real
def test_what_umoci_writes_passes(umoci_binary: Path, tmp_path: Path, judge: Judge) -> None:
    """A layout made from nothing: an empty image, unpacked, with a file more, packed again, and a user."""
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    image = f"{layout}:1.4"

    def umoci(*arguments: str | Path) -> None:
        subprocess.run([umoci_binary, *arguments], check=True, capture_output=True)

    umoci("init", "--layout", layout)
    umoci("new", "--image", image)
    umoci("unpack", "--rootless", "--image", image, bundle)
    (bundle / "rootfs/etc").mkdir()
    (bundle / "rootfs/etc/motd").write_text("hello\n")
    umoci("repack", "--image", image, bundle)
    umoci("config", "--image", image, "--config.user", "1000", "--os", "linux")
    for reference in (f"oci:{layout}", f"oci:{layout}:1.4", str(layout)):
        report = judge(reference)
        assert (report.status, report.undecided) == (Status.PASS, ())


@pytest.mark.real
@pytest.mark.parametrize("kind", ["oci", "docker-archive"])
def test_a_real_distribution_is_read_from_every_shape(
    kind: str, debian_layout: Path, debian_archive: Path, judge: Judge
) -> None:
    reference = (
        f"oci:{debian_layout}:bookworm"
        if kind == "oci"
        else f"docker-archive:{debian_archive}:debian:bookworm"
    )
    report = judge(reference)
    results = {result.rule: result.outcome for result in report.verdicts[0].results}
    assert (report.status, results["no-shell"], results["no-setuid"]) == (
        Status.FAIL,
        Outcome.FAIL,
        Outcome.FAIL,
    )


def test_actions_of_the_policies_above(tmp_path: Path) -> None:
    """Else the rows above would prove less than they say."""
    for text, action in ((DENYING, Action.DENY), (EXCUSING, Action.WARN)):
        policy: Policy = runs.policy(tmp_path, text)
        settings: Sequence[Any] = policy.settings
        assert [(setting.action, setting.on_unknown) for setting in settings] == [(action, action)] * 4
