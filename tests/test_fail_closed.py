"""The promise that only *pass* opens the gate: whatever breaks, wherever, a run under the strictest policy does not pass.

A run that passes is broken in one place at a time. It ends with a report that is no pass, or with an exception, which the
command line turns into an exit code that is not 0.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from msgspec.structs import replace

from gate.collect import Collector
from gate.errors import Fault, IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.evaluate import evaluate
from gate.evidence import KINDS, Base, Evidence, ScannedPackage, ScanRun, Subject
from gate.lookups import base_of
from gate.oci.reference import Reference
from gate.pipeline import RunSettings, check
from gate.policy.bases import bases_text
from gate.policy.policy import Policy
from gate.rule import Action
from gate.scanners import ScannerReport, ScannerSettings, ScanTarget
from gate.sources.locate import locate
from gate.sources.open import open_source
from gate.verdict import Report, Status, Verdict
from tests.kit import runs
from tests.kit.asked_registry import AskedRegistry
from tests.kit.sigstore import Signing, Sigstore, new_key, public_pem

ERRORS: tuple[Exception, ...] = (
    Unavailable("x"), IntegrityError("x"), MalformedImage("x"), InvalidInput("x"), ValueError("x"), MemoryError(),
    RecursionError("x"), KeyError("x"), OSError(5, "Input/output error"), Fault("x", ValueError()), StopIteration(), AttributeError("x"),
)  # fmt: skip

STAGES = (
    "locate", "open_layout", "open_files", "resolve", "open_image", "workspace", "store", "stored_manifest",
    "_Run._judge_image", "Gathering.collect", "_Run.report", "Collector.collect", "Collector._scanned", "Collector._judged",
    "Inspection.evidence", "Inspection.read", "Inspection._filesystem", "Inspection._index", "Inspection._look_again", "index_layer", "tar_stream",
    "Filesystem.__init__", "_inventory", "read_inventory", "_secrets", "look", "scan_runs", "vulnerabilities", "evaluate", "_ask",
    "_result", "facts_of", "Lookups.collect", "Lookups._bases", "Lookups._base_tags", "Lookups._tag_digest", "Lookups._once",
    "Bases.under", "with_packages", "Vouching.collect", "Vouching.found", "subjects_of", "Searches.items", "collected", "in_file",
    "from_bytes", "verify", "said_by", "statement_of", "judged",
)  # fmt: skip
"""What is broken in many ways; everything else is broken in one way each."""

HARMLESS: Mapping[tuple[str, str], type[Exception]] = {("gate.cache.key", "_read"): OSError}
"""A key that the disk does not give is replaced by one for this run: nothing is known from earlier ones, and all is read."""


POLICY = """\
schema: 1
extends: strict
rules:
  base-image: {file: bases.json}
  base-outdated: {file: bases.json}
  signed: {signers: [{key: key.pub}]}
  attested: {signers: [{key: key.pub}], required: [{type: 'https://example.com/review'}]}
"""
BASE = Reference.parse("registry.example.com/base:1")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image that passes."""
    return runs.passing_image(tmp_path_factory.mktemp("image") / "image")


@pytest.fixture(scope="module")
def base(image: Path) -> Base:
    """What the image is built on: its lowest layer."""
    with open_source(locate(str(image)), None) as opened:
        whole = base_of(BASE, opened.digest, opened.images[0])
    return replace(whole, diff_ids=whole.diff_ids[:1])


@pytest.fixture(scope="module")
def signing() -> Signing:
    """Whose signatures count: a key's."""
    return Signing(key=new_key(), log=0)


@pytest.fixture(scope="module")
def bundles(base: Base, signing: Signing, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a signature of the image, and with what else somebody attested of it."""
    digest = str(base.manifest)
    found = [
        Sigstore().signature(digest, signing),
        Sigstore().attestation(digest, "https://example.com/review", {}, signing),
    ]
    path = tmp_path_factory.mktemp("bundles") / "bundles.jsonl"
    path.write_bytes(b"\n".join(found))
    return path


@pytest.fixture(scope="module")
def strict(base: Base, signing: Signing, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The profile `strict` with the rules about bases and signatures, made to excuse nothing."""
    folder = tmp_path_factory.mktemp("policy")
    (folder / "bases.json").write_text(bases_text([base], date(2026, 6, 1)))
    assert signing.key is not None
    (folder / "key.pub").write_bytes(public_pem(signing.key))
    policy = runs.policy(folder, POLICY)
    return replace(
        policy, settings=tuple(replace(setting, on_unknown=Action.DENY) for setting in policy.settings)
    )


class Judge:
    """Judges an image that passes, with scanners that see all of it, or do something else instead.

    The registry says that the tag of its base names what it did.
    """

    def __init__(self, folder: Path, policy: Policy, image: Path, base: Base, bundles: Path) -> None:
        self.folder = folder
        self._bundles = (str(bundles),)
        self._policy = policy
        self._image = image
        self._registry = AskedRegistry({})
        self._registry.tags[str(BASE)] = base.digest

    def __call__(
        self, instead: Mapping[str, runs.Scan] | None = None, settings: RunSettings | None = None
    ) -> Report:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gate.gathering._scanners", lambda: runs.seeing_scanners(**(instead or {})))
            patch.setattr("gate.sources.Access.registry", self._registry)
            told = replace(settings or runs.settings(self.folder), bundles=self._bundles)
            return check([str(self._image)], self._policy, told)


@pytest.fixture(scope="module")
def judge(
    strict: Policy, image: Path, base: Base, bundles: Path, tmp_path_factory: pytest.TempPathFactory
) -> Judge:
    """The run that passes."""
    return Judge(tmp_path_factory.mktemp("run"), strict, image, base, bundles)


@pytest.fixture(scope="module")
def functions(judge: Judge) -> list[FunctionType]:
    """Every function of the gate that the run calls."""
    return functions_called_by(judge)


def outcome(run: Callable[[], Report]) -> str:
    """The status of a run, or the name of the exception that ended it."""
    try:
        return run().status.value
    except Exception as error:  # noqa: BLE001 -- of whatever kind
        return type(error).__name__


def functions_called_by(run: Callable[[], object]) -> list[FunctionType]:
    """Every function of the gate that a run calls, by name; those made in a call apart, which their makers stand for.

    And apart from what is computed once for all runs, which nothing can break any more.
    """
    run()
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("gate."):
            codes.add(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    found = [
        thing for thing in gc.get_objects() if isinstance(thing, FunctionType) and thing.__code__ in codes
    ]
    return sorted(
        (one for one in found if not one.__code__.co_freevars and "<locals>" not in one.__qualname__),
        key=lambda function: (function.__module__, function.__qualname__),
    )


def raising(error: BaseException) -> CodeType:
    """The code of a function that takes anything and raises this."""

    def function(*_: object, **__: object) -> None:
        raise "the error"  # type: ignore[misc]  # noqa: B016 -- a place for the error

    constants = tuple(error if value == "the error" else value for value in function.__code__.co_consts)
    return function.__code__.replace(co_consts=constants)


class broken:  # noqa: N801 -- reads as a word: `with broken(function, error)`
    """Has a function raise an error, under whatever name it was imported."""

    def __init__(self, function: FunctionType, error: BaseException) -> None:
        self._function, self._code, self._error = function, function.__code__, error

    def __enter__(self) -> None:
        self._function.__code__ = raising(self._error)

    def __exit__(self, *_: object) -> None:
        self._function.__code__ = self._code


def test_the_run_passes_while_nothing_is_broken(judge: Judge) -> None:
    """Else nothing below would prove anything."""
    report = judge()
    assert report.status is Status.PASS
    assert len(report.verdicts[0].results) >= 23
    assert [str(found.name) for found in report.verdicts[0].bases] == [str(BASE)]


@pytest.mark.slow
def test_every_function_broken_once(judge: Judge, functions: list[FunctionType]) -> None:
    assert len(functions) > 250
    passed = []
    for function, error in zip(functions, cycle(ERRORS), strict=False):
        harmless = HARMLESS.get((function.__module__, function.__qualname__), ())
        with broken(function, error):
            if outcome(judge) == "pass" and not isinstance(error, harmless):
                passed.append((function.__qualname__, error))
    assert passed == []
    assert judge().status is Status.PASS


@pytest.mark.slow
def test_every_stage_broken_in_many_ways(judge: Judge, functions: list[FunctionType]) -> None:
    stages = [function for function in functions if function.__qualname__ in STAGES]
    assert {function.__qualname__ for function in stages} == set(STAGES)
    passed = []
    for function in stages:
        for error in ERRORS[:9]:
            with broken(function, error):
                if outcome(judge) == "pass":
                    passed.append((function.__qualname__, error))
    assert passed == []


@pytest.fixture
def evidence(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> tuple[Evidence, Subject]:
    """The evidence of the run that passes."""
    kept: list[tuple[Evidence, Subject]] = []
    collect = Collector.collect

    def noted(self: Collector, image: Any, subject: Subject, *more: Any) -> Evidence:
        kept.append((collect(self, image, subject, *more), subject))
        return kept[-1][0]

    with monkeypatch.context() as context:
        context.setattr(Collector, "collect", noted)
        judge()
    return kept[-1]  # a scanner of the kit collects for itself before


def verdict(strict: Policy, evidence: Evidence, subject: Subject) -> Verdict:
    """What the strict policy says of some evidence."""
    return evaluate(strict, evidence, subject)


@pytest.mark.parametrize("kind", sorted(KINDS, key=str), ids=str)
def test_evidence_that_is_missing(kind: type, strict: Policy, evidence: tuple[Evidence, Subject]) -> None:
    """Whatever is put in the place of one kind of evidence, or nothing at all."""
    found, subject = evidence
    assert verdict(strict, found, subject).status is Status.PASS
    others = {other: value for other, value in found.values.items() if other is not kind}
    assert len(others) == len(found.values) - 1
    for value in (
        Unavailable("x"),
        IntegrityError("x"),
        Fault("x", ValueError()),
        None,
        object(),
        (),
        ValueError("x"),
    ):
        assert verdict(strict, Evidence({**others, kind: value}), subject).status is Status.UNKNOWN
    assert verdict(strict, Evidence(others), subject).status is Status.UNKNOWN


@pytest.mark.parametrize("scanner", ["grype", "trivy"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_scanner_that_breaks(scanner: str, error: Exception, judge: Judge) -> None:
    def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
        raise error

    report = judge({scanner: scan})
    assert report.status is Status.UNKNOWN
    unknown = [result for result in report.verdicts[0].results if result.closes]
    assert [result.rule for result in unknown] == ["scan-coverage", "vulnerabilities"]
    blocks = not isinstance(error, Unavailable) or error.blocks
    assert [result.blocking for result in unknown] == [blocks, blocks]


LIES: dict[str, Callable[[ScanRun], object]] = {
    "no packages": lambda run: replace(run, packages=()),
    "one package too few": lambda run: replace(run, packages=run.packages[1:]),
    "other packages": lambda run: replace(run, packages=(ScannedPackage("deb", "x", "1", ""),)),
    "other versions": lambda run: replace(run, packages=tuple(replace(p, version="0") for p in run.packages)),
    "no distribution": lambda run: replace(run, os_family="", os_version=""),
    "another release": lambda run: replace(run, os_version="9"),
    "a release without advisories": lambda run: replace(run, uncovered=("debian 12",)),
    "an old database": lambda run: replace(
        run, database=replace(run.database, built=run.database.built - timedelta(days=4))
    ),
    "a database of the future": lambda run: replace(
        run, database=replace(run.database, built=run.database.built + timedelta(days=4))
    ),
    "no report": lambda _: None,
    "a pass": lambda _: True,
    "a run without findings": lambda run: run,
}


@pytest.mark.parametrize("scanner", ["grype", "trivy"])
@pytest.mark.parametrize("lie", LIES)
def test_a_scanner_that_saw_something_else(scanner: str, lie: str, judge: Judge) -> None:
    """Promise 10: its finding nothing counts only with evidence that it could have found something."""
    honest = runs.seeing(scanner)

    def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> Any:
        report = honest.scan(target, settings, deadline)
        told = LIES[lie](report.run)
        wrapped = isinstance(told, ScanRun) and lie != "a run without findings"
        return replace(report, run=told) if wrapped else told

    report = judge({scanner: scan})
    assert report.status is Status.UNKNOWN
    assert [result.rule for result in report.verdicts[0].results if result.closes][-1] == "vulnerabilities"


def test_a_scanner_that_hangs(judge: Judge) -> None:
    def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
        while time.monotonic() < deadline and not settings.cancelled.is_set():
            time.sleep(0.01)
        raise Unavailable("it did not end")

    started = time.monotonic()
    assert judge({"trivy": scan}, runs.settings(judge.folder, timeout=0.3)).status is Status.UNKNOWN
    assert time.monotonic() - started < 5


def test_scanners_that_are_not_there(image: Path, tmp_path: Path) -> None:
    report = check([str(image)], runs.policy(tmp_path), runs.settings(tmp_path))
    assert report.status is Status.UNKNOWN
    closing = {result.rule: result.reason for result in report.verdicts[0].results if result.closes}
    assert set(closing) == {"scan-coverage", "vulnerabilities"}
    assert "/gone/grype" in closing["vulnerabilities"]
    assert "/gone/trivy" in closing["vulnerabilities"]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9])
def test_no_time_at_all(seconds: float, judge: Judge) -> None:
    report = judge(settings=runs.settings(judge.folder, timeout=seconds))
    assert report.status is Status.UNKNOWN
    assert any("the time limit of" in result.reason for result in report.verdicts[0].results)


@pytest.mark.parametrize("stage", ["index_layer", "store", "read_inventory", "evaluate", "open_image"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_wish_to_end_ends_the_run(
    stage: str, kind: type[BaseException], judge: Judge, functions: list[FunctionType]
) -> None:
    (function,) = (one for one in functions if one.__qualname__ == stage)
    with broken(function, kind()), pytest.raises(kind):
        judge()


@pytest.fixture(autouse=True)
def nothing_is_left(judge: Judge) -> Iterator[None]:
    """Every run ends its threads and removes its files."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    runs_left = judge.folder / "work/v1/runs"
    assert not runs_left.exists() or list(runs_left.iterdir()) == []
