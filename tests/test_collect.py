from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from msgspec.structs import replace

from gate import inspection as module
from gate.cache import open_cache
from gate.collect import Collector, Wanted
from gate.deadline import Deadline
from gate.errors import Fault, IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.evidence import (
    KINDS,
    LOOKED_UP,
    SIGNED,
    Base,
    Bases,
    Evidence,
    ScanRun,
    ScanRuns,
    Secrets,
    Subject,
    Vulnerabilities,
)
from gate.limits import LIMITS
from gate.oci.filesystem import Filesystem
from gate.oci.image import Image, Origin
from gate.oci.layer import Allowance, Reading, index_layer
from gate.oci.manifest import ImageConfig
from gate.oci.reference import Reference
from gate.packages.inventory import Inventory
from gate.scanners import Basis, Prepared, Scanner, ScannerReport, ScannerSettings, ScanTarget
from gate.sources import Access
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images import debian
from samples.images.builder import build_image
from samples.images.credentials import private_key
from samples.images.entries import Entries, file, hard_link, program, symbolic_link, with_parents
from samples.images.layers import layer_of
from samples.images.layout import docker_archive, oci_layout, write_archive, write_directory
from samples.images.programs import static_program
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE, SETTINGS
from tests.kit.reports import subject
from tests.kit.runs import seeing
from tests.kit.trees import StoredLayer, stored

FROM_FILES = {Filesystem, Inventory, Secrets}
SCANNED = {ScanRuns, Vulnerabilities}
Open = Callable[..., Image]
Collect = Callable[..., Evidence]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open a sample image, or an image of layers with these entries, from a layout or an archive."""
    with ExitStack() as stack:

        def open_(*content: Any, archive: bool = False) -> Image:
            sample = content[0] if not isinstance(content[0], Mapping) else of_entries(*content)
            if archive:
                path = write_archive(docker_archive({"app:1": sample}), tmp_path / "image.tar")
            else:
                path = write_directory(oci_layout({"": sample}), tmp_path / "image")
            (image,) = stack.enter_context(open_source(locate(str(path)), None)).images
            return image

        yield open_


def of_entries(*layers: Entries) -> Any:
    """An image of layers with these entries."""
    return build_image([layer_of(with_parents(entries)) for entries in layers], SETTINGS)


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Collect some kinds of evidence, with these scanners."""

    def run(
        image: Image, kinds: set[type], *scanners: Any, marks: bool = False, deadline: Deadline | None = None
    ) -> Evidence:
        wanted = Wanted(frozenset(kinds), marks, tuple(scanner.name for scanner in scanners), {})
        known = {scanner.name: scanner for scanner in scanners}
        settings = ScannerSettings(tmp_path / "work", tmp_path, tmp_path)
        with open_cache(tmp_path / "work") as cache:
            access = Access.to_files(deadline or Deadline(60), cache)
            return Collector(wanted, known, settings, access).collect(
                image, subject(checked_at=datetime.now(UTC))
            )

    return run


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """Whatever happens, workspaces are removed and threads end."""
    before = set(threading.enumerate())
    yield
    runs = tmp_path / "work/v1/runs"
    assert not runs.exists() or list(runs.iterdir()) == []
    assert set(threading.enumerate()) <= before


class Noted(StoredLayer):
    """A layer that notes when it is opened, and how much of it is read; or does something else as it is read."""

    opened: list[Any]
    read: Callable[[], object]

    def __init__(
        self, layer: StoredLayer, opened: list[Any], read: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(layer.descriptor, layer.diff_id, layer.data)
        object.__setattr__(self, "opened", opened)
        object.__setattr__(self, "read", read)

    def open(self) -> BinaryIO:
        self.opened.append(self.diff_id)
        stream = super().open()
        read = stream.read

        def noted(size: int = -1) -> bytes:
            self.read()
            return read(min(size, 100_000))

        stream.read = noted  # type: ignore[method-assign]
        return stream


def large(number: int) -> StoredLayer:
    """A layer of 3 MB that does not compress."""
    return stored(layer_of({f"file{number}": file(random.Random(number).randbytes(3_000_000))}))


def with_layers(image: Image, *layers: Any) -> Image:
    """The image with other layers."""
    return replace(image, layers=tuple(layers))


@pytest.mark.parametrize(
    "kinds",
    [
        set(),
        {Subject},
        {Subject, ImageConfig},
        {Origin},
        {Filesystem},
        {Inventory, Secrets},
        KINDS - LOOKED_UP - SIGNED,
    ],
    ids=len,
)
def test_only_what_is_wanted_is_collected(kinds: set[type], opened: Open, collect: Collect) -> None:
    image = opened(CLEAN_IMAGE)
    evidence = (
        collect(image, kinds, seeing("trivy"), seeing("grype")) if kinds & SCANNED else collect(image, kinds)
    )
    assert set(evidence.values) == kinds
    assert [kind for kind, value in evidence.values.items() if not isinstance(value, kind)] == []


def test_layers_are_not_read_for_what_is_known_without(opened: Open, collect: Collect) -> None:
    seen: list[Any] = []
    image = with_layers(opened(CLEAN_IMAGE), Noted(stored(CLEAN), seen))
    collect(image, {Subject, ImageConfig})
    assert seen == []
    collect(image, {Filesystem})
    assert len(seen) == 1


@pytest.mark.parametrize("count", [1, 40, LIMITS.layers])
def test_a_blob_is_read_once_however_often_it_is_listed(count: int, opened: Open, collect: Collect) -> None:
    """C7."""
    seen: list[Any] = []
    image = with_layers(opened(CLEAN_IMAGE), *[Noted(stored(CLEAN), seen)] * count)
    assert len(collect(image, {Filesystem}).get(Filesystem).diff_ids) == count
    assert len(seen) == 1


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("change", [{"size": 1}, {"media_type": "application/x"}], ids=str)
def test_one_digest_described_in_two_ways_is_read_in_both(
    change: dict[str, Any], order: int, opened: Open, collect: Collect
) -> None:
    """J12: a wrong size beside a right one."""
    layer = stored(CLEAN)
    lying = StoredLayer(replace(layer.descriptor, **change), layer.diff_id, layer.data)
    image = with_layers(opened(CLEAN_IMAGE), *[layer, lying][::order])
    assert isinstance(collect(image, {Filesystem}).values[Filesystem], Unavailable)


def test_an_image_without_layers(opened: Open, collect: Collect) -> None:
    evidence = collect(opened(build_image([], SETTINGS)), FROM_FILES)
    assert list(evidence.get(Filesystem).entries()) == []
    assert (evidence.get(Inventory), evidence.get(Secrets)) == (Inventory(), Secrets(()))


def test_a_layer_that_fails_leaves_nothing_of_the_files(opened: Open, collect: Collect) -> None:
    layer = stored(CLEAN)
    broken = StoredLayer(layer.descriptor, layer.diff_id, layer.data[:-1])
    for scanners in ((), (seeing("trivy"),)):
        evidence = collect(
            with_layers(opened(CLEAN_IMAGE), broken),
            FROM_FILES | {Subject, ImageConfig, Vulnerabilities},
            *scanners,
        )
        errors = [evidence.values[kind] for kind in FROM_FILES]
        assert isinstance(errors[0], IntegrityError)
        assert errors == [errors[0]] * 3
        assert isinstance(evidence.values[Vulnerabilities], IntegrityError if scanners else Unavailable)
        assert isinstance(evidence.values[ImageConfig], ImageConfig)


def test_the_first_layer_that_fails_is_the_reason(opened: Open, collect: Collect) -> None:
    """And not the fastest, so that equal input gives equal reports."""
    layers = [large(number) for number in range(4)]
    slow = Noted(
        StoredLayer(layers[1].descriptor, layers[1].diff_id, layers[1].data[:-1]),
        [],
        lambda: time.sleep(0.01),
    )
    fast = StoredLayer(layers[2].descriptor, layers[2].diff_id, b"")
    evidence = collect(with_layers(opened(CLEAN_IMAGE), layers[0], slow, fast, layers[3]), {Filesystem})
    error = evidence.values[Filesystem]
    assert isinstance(error, IntegrityError)
    assert layers[1].descriptor.digest.short in error.message


def test_the_others_stop_when_a_layer_fails(opened: Open, collect: Collect) -> None:
    reads: list[Any] = []
    layers = [large(number) for number in range(3)]
    broken = StoredLayer(layers[0].descriptor, layers[0].diff_id, b"")

    def slowly() -> None:
        reads.append(1)
        time.sleep(0.02)

    others = [Noted(layer, [], slowly) for layer in layers[1:]]
    evidence = collect(with_layers(opened(CLEAN_IMAGE), broken, *others), {Filesystem})
    assert isinstance(evidence.values[Filesystem], IntegrityError)
    assert len(reads) < 20  # of the sixty that it takes to read them


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), OSError(5, "x"), KeyError("x")], ids=repr)
@pytest.mark.parametrize("place", ["index_layer", "_inventory", "_secrets", "read_contents", "Filesystem"])
def test_a_bug_is_a_fault_and_blocks(
    error: Exception, place: str, opened: Open, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = debian.status_file(debian.RELEASE_12_0)
    linked = {"opt/status": next(iter(status.values())), "var/lib/dpkg/status": symbolic_link("/opt/status")}

    def broken(*_: object, **__: object) -> None:
        raise error

    image = opened(linked)
    if place == "Filesystem":
        monkeypatch.setattr(Filesystem, "__init__", broken)
    else:
        monkeypatch.setattr(module, place, broken)
    for scanners in ((), (seeing("trivy"),)):
        values = collect(image, FROM_FILES | SCANNED, *scanners).values
        faults = [value for kind, value in values.items() if isinstance(value, Fault) and kind in FROM_FILES]
        assert len(faults) == (1 if place in ("_inventory", "_secrets") else 3)
        assert all(fault.blocks and type(error).__name__ in fault.message for fault in faults)


E5 = {
    "symbolic link": {"opt/status": None, "var/lib/dpkg/status": symbolic_link("/opt/status")},
    "relative link": {"opt/status": None, "var/lib/dpkg/status": symbolic_link("../../../opt/status")},
    "link to a link": {
        "opt/a": None,
        "opt/b": symbolic_link("a"),
        "var/lib/dpkg/status": symbolic_link("/opt/b"),
    },
    "linked folder": {"opt/dpkg/status": None, "var/lib/dpkg": symbolic_link("/opt/dpkg")},
    "hard link": {"opt/status": None, "var/lib/dpkg/status": hard_link("opt/status")},
    "hard link from below": {"var/lib/dpkg/status": None, "opt/status": hard_link("var/lib/dpkg/status")},
}


@pytest.mark.parametrize("name", E5)
@pytest.mark.parametrize("split", [False, True], ids=["one layer", "two layers"])
def test_a_database_behind_links_is_read_on_a_second_look(
    name: str, split: bool, opened: Open, collect: Collect
) -> None:
    """E5: Trivy misses those."""
    status = next(iter(debian.status_file(debian.RELEASE_12_0).values()))
    entries = {path: entry or status for path, entry in E5[name].items()}
    layers = [{path: entry} for path, entry in entries.items()] if split else [entries]
    inventory = collect(opened(*layers), {Inventory}).get(Inventory)
    assert len(inventory.packages) == len(debian.RELEASE_12_0)
    assert inventory.problems == ()


def test_a_second_look_keeps_no_more_than_a_first(
    opened: Open, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links in a database folder to a large file in each of many layers would fill memory."""
    monkeypatch.setattr(module, "Reading", partial(Reading, allowance=Allowance(2_500)))
    packages = [
        {
            f"opt/{number}": file("Package: a\n".ljust(1_000)),
            f"var/lib/dpkg/status.d/{number}": symbolic_link(f"/opt/{number}"),
        }
        for number in range(4)
    ]
    problems = collect(opened(*packages), {Inventory}).get(Inventory).problems
    assert (
        len([problem for problem in problems if "more than the pass may keep" in problem.error.message]) == 2
    )


@pytest.mark.slow
def test_package_database_files_are_bounded(opened: Open, collect: Collect) -> None:
    """Hundreds of thousands of links to one file took a GiB, and longer than the run may take."""
    links = {
        f"var/lib/dpkg/status.d/{number}": symbolic_link("/opt/x")
        for number in range(LIMITS.database_files + 1)
    }
    error = collect(opened({"opt/x": file("Package: a\n"), **links}), {Inventory}).values[Inventory]
    assert isinstance(error, MalformedImage)
    assert error.message == "the image has more than 10,000 package database files"


@pytest.mark.slow
def test_other_files_in_their_folders_do_not_count(opened: Open, collect: Collect) -> None:
    """Beside `desc`, pacman keeps two files and a folder for each package."""
    other = {
        f"var/lib/pacman/local/{number}/{name}": file()
        for number in range(3_400)
        for name in ("files", "mtree", "x")
    }
    assert collect(opened(other), {Inventory}).get(Inventory).problems == ()


def test_what_many_links_lead_to_is_read_to_a_limit(opened: Open, collect: Collect) -> None:
    package = file("Package: a\nVersion: 1\nStatus: install ok installed\nX: " + "y" * 100_000 + "\n")
    links = {f"var/lib/dpkg/status.d/{number}": symbolic_link("/opt/x") for number in range(1_100)}
    error = collect(opened({"opt/x": package, **links}), {Inventory}).values[Inventory]
    assert isinstance(error, MalformedImage)
    assert "more than 100,663,296 bytes, with all links to them" in error.message


def test_credentials_and_marks_are_searched_where_someone_asks(opened: Open, collect: Collect) -> None:
    image = opened(
        {
            "app/key": file(private_key()),
            "app/x": program(static_program("busybox", embedded=b"BusyBox v1.36.1")),
        }
    )
    assert len(collect(image, {Secrets}).get(Secrets).found) == 1
    for marks, scanners, found in ((False, (), False), (True, (), True), (False, (seeing("trivy"),), True)):
        kinds = {Filesystem, ScanRuns} if scanners else {Filesystem}
        tree = collect(image, kinds, *scanners, marks=marks).get(Filesystem)
        assert bool(list(tree.marked())) is found
        assert list(tree.credentials()) == []


def test_a_deleted_key_is_still_a_secret(opened: Open, collect: Collect) -> None:
    image = opened({"root/key": file(private_key())}, {"root/.wh.key": file()})
    (secret,) = collect(image, {Secrets}).get(Secrets).found
    assert (secret.path, secret.layer_index, secret.deleted) == ("/root/key", 0, True)


@pytest.mark.parametrize("scanners", [(), (seeing("trivy"),)], ids=["alone", "with-scanners"])
def test_the_deadline_ends_it(scanners: tuple[Any, ...], opened: Open, collect: Collect) -> None:
    reads: list[Any] = []

    def slowly() -> None:
        reads.append(1)
        time.sleep(0.05)

    slow = Noted(large(0), [], slowly)
    image = with_layers(opened(CLEAN_IMAGE), slow)
    values = collect(image, FROM_FILES | SCANNED, *scanners, deadline=Deadline(0.1)).values
    errors = [values[kind] for kind in FROM_FILES]
    assert all(isinstance(error, Unavailable) and not error.blocks for error in errors)
    assert {str(error) for error in errors} == {"the time limit of 0.1 s is over (allow more with --timeout)"}
    assert len(reads) < 10  # of thirty


def test_the_deadline_counts_for_the_second_look(
    opened: Open, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = next(iter(debian.status_file(debian.RELEASE_12_0).values()))
    image = opened({"opt/status": status, "var/lib/dpkg/status": symbolic_link("/opt/status")})
    deadline = Deadline(60)

    def then_over(*arguments: Any, **more: Any) -> Any:
        try:
            return index_layer(*arguments, **more)
        finally:
            deadline.at = 0

    monkeypatch.setattr(module, "index_layer", then_over)
    error = collect(image, {Inventory}, deadline=deadline).values[Inventory]
    assert isinstance(error, Unavailable)
    assert "the time limit" in error.message


def test_a_run_that_was_stopped_goes_no_further(opened: Open, collect: Collect) -> None:
    deadline = Deadline(60)
    deadline.cancelled.set()
    for scanners in ((), (seeing("trivy"),)):
        error = collect(opened(CLEAN_IMAGE), {Filesystem, ScanRuns}, *scanners, deadline=deadline).values[
            Filesystem
        ]
        assert isinstance(error, Unavailable)
        assert error.message == "the run was stopped"


def test_scanners_run_side_by_side_on_a_private_copy(opened: Open, collect: Collect, tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=10)
    targets: list[ScanTarget] = []

    def scan(name: str, target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
        both.wait()
        assert target.layout.is_relative_to(settings.work_dir)
        assert settings.work_dir.is_relative_to(tmp_path / "work")
        targets.append(target)
        return seeing(name).scan(target, settings, deadline)

    image = opened(CLEAN_IMAGE)
    names = ("grype", "trivy")
    evidence = collect(image, SCANNED, *(seeing(name, partial(scan, name)) for name in names))
    assert set(evidence.get(ScanRuns).runs) == set(names)
    assert evidence.get(Vulnerabilities).found == ()
    assert {(target.manifest_digest, target.config_digest) for target in targets} == {
        (CLEAN_IMAGE.manifest.digest, CLEAN_IMAGE.config.digest)
    }
    assert not targets[0].layout.exists()


def test_scanners_and_layers_are_read_at_the_same_time(
    opened: Open, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanning = threading.Event()

    def wait(*arguments: Any, **more: Any) -> Any:
        assert scanning.wait(10)
        return index_layer(*arguments, **more)

    def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
        monkeypatch.setattr(module, "index_layer", index_layer)
        scanning.set()
        return seeing("trivy").scan(target, settings, deadline)

    monkeypatch.setattr(module, "index_layer", wait)
    assert collect(opened(CLEAN_IMAGE), SCANNED, seeing("trivy", scan)).get(Vulnerabilities).found == ()


@pytest.mark.parametrize("cores", [2, 3])
def test_layers_wait_while_scanners_keep_all_cores_busy(
    cores: int, opened: Open, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, one_ended = threading.Event(), threading.Event()

    def noted(*arguments: Any, **more: Any) -> Any:
        assert one_ended.is_set() == (cores == 2)
        reading.set()
        return index_layer(*arguments, **more)

    def scan(name: str, target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
        if cores == 3 or name == "grype":
            assert reading.wait(10)
        else:
            assert not reading.wait(0.05)
            one_ended.set()
        return seeing(name).scan(target, settings, deadline)

    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr(module, "index_layer", noted)
    scanners = (seeing(name, partial(scan, name)) for name in ("grype", "trivy"))
    assert collect(opened(CLEAN_IMAGE), SCANNED, *scanners).get(Vulnerabilities).found == ()


@pytest.mark.parametrize("archive", [False, True], ids=["layout", "archive"])
def test_who_swaps_the_image_changes_nothing(
    archive: bool, opened: Open, collect: Collect, tmp_path: Path
) -> None:
    """D8: the verdict is for the bytes that were hashed, and the scanners read those as well."""
    image = opened(CLEAN_IMAGE, archive=archive)

    def swap() -> None:
        if archive:
            path = tmp_path / "image.tar"
            path.write_bytes(bytes(path.stat().st_size))
        else:
            for path in (tmp_path / "image/blobs/sha256").iterdir():
                path.write_bytes(b"swapped")

    def scan(target: ScanTarget, settings: ScannerSettings, deadline: float) -> ScannerReport:
        swap()
        return seeing("trivy").scan(target, settings, deadline)

    evidence = collect(image, FROM_FILES | SCANNED, seeing("trivy", scan))
    assert evidence.get(Vulnerabilities).found == ()
    assert evidence.get(Filesystem).get("/bin/sh") is None
    error = collect(image, {Filesystem}).values[Filesystem]  # without scanners there is no copy
    assert isinstance(error, IntegrityError)


def test_what_does_not_arrive_whole_in_the_copy_is_seen_by_nobody(opened: Open, collect: Collect) -> None:
    started: list[Any] = []
    layer = stored(CLEAN)
    image = with_layers(
        opened(CLEAN_IMAGE), StoredLayer(layer.descriptor, layer.diff_id, b"x" * layer.descriptor.size)
    )
    values = collect(image, FROM_FILES | SCANNED, seeing("trivy", lambda *_: started.append(1))).values  # type: ignore[arg-type]
    assert started == []
    assert {type(value) for value in values.values()} == {IntegrityError}


def test_a_work_folder_that_cannot_be_used_is_a_wrong_request(
    opened: Open, collect: Collect, tmp_path: Path
) -> None:
    (tmp_path / "work").touch()
    try:
        with pytest.raises(InvalidInput, match="--cache-dir"):
            collect(opened(CLEAN_IMAGE), SCANNED, seeing("trivy"))
    finally:
        (tmp_path / "work").unlink()


def test_without_scanners_nothing_counts_as_scanned(opened: Open, collect: Collect, tmp_path: Path) -> None:
    evidence = collect(opened(CLEAN_IMAGE), {ScanRuns, Vulnerabilities})
    assert evidence.get(ScanRuns) == ScanRuns({})
    with pytest.raises(Unavailable, match="no scanner was asked"):
        evidence.get(Vulnerabilities)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("answer", [None, True, [], object()], ids=lambda answer: type(answer).__name__)
def test_what_is_no_report_is_a_fault(answer: object, opened: Open, collect: Collect) -> None:
    evidence = collect(opened(CLEAN_IMAGE), SCANNED, seeing("trivy", lambda *_: answer))  # type: ignore[arg-type]
    assert isinstance(evidence.get(ScanRuns).runs["trivy"], Fault)
    with pytest.raises(Unavailable, match="a fault of image-gate in a scanner: TypeError") as error:
        evidence.get(Vulnerabilities)
    assert error.value.blocks


def remembering(name: str, *, fails: bool = False) -> tuple[Scanner, list[ScanTarget]]:
    """A scanner whose reports can be reused, or that cannot be prepared; and the targets that it really scanned."""
    scanned: list[ScanTarget] = []
    basis = Basis("sha256:1", (name,), (None,))

    def prepare(settings: ScannerSettings, until: float) -> Prepared:
        if fails:
            raise Unavailable(f"{name} is not installed")
        return Prepared(basis)

    def scan(target: ScanTarget, settings: ScannerSettings, until: float) -> ScannerReport:
        scanned.append(target)
        assert settings.renewed, "what is due was renewed when the scanner was prepared"
        return replace(seeing(name).scan(target, settings, until), basis=basis)

    return Scanner(name, scan, prepare), scanned


def test_a_run_in_which_all_scans_are_known_makes_no_copy(
    opened: Open, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = opened(CLEAN_IMAGE)
    scanners = [remembering(name) for name in ("grype", "trivy")]
    programs = [scanner for scanner, _ in scanners]
    first = collect(image, KINDS - LOOKED_UP - SIGNED, *programs)
    monkeypatch.setattr("gate.cache.layout.store", None)  # what copies is not called
    again = collect(image, KINDS - LOOKED_UP - SIGNED, *programs)
    assert [len(scanned) for _, scanned in scanners] == [1, 1]
    assert again.get(Vulnerabilities) == first.get(Vulnerabilities)
    assert again.get(Inventory) == first.get(Inventory)
    runs = again.get(ScanRuns)
    assert runs.problems == {"grype": (), "trivy": ()}
    assert all(isinstance(run, ScanRun) and run.reused is not None for run in runs.runs.values())


def test_what_is_known_of_one_scanner_leaves_the_other_to_run(opened: Open, collect: Collect) -> None:
    image = opened(CLEAN_IMAGE)
    (trivy, by_trivy), (grype, by_grype) = remembering("trivy"), remembering("grype")
    collect(image, SCANNED, trivy)
    runs = collect(image, SCANNED, grype, trivy).get(ScanRuns).runs
    assert (len(by_trivy), len(by_grype)) == (1, 1)
    assert {name: isinstance(run, ScanRun) and run.reused is not None for name, run in runs.items()} == {
        "grype": False,
        "trivy": True,
    }


def test_another_image_is_scanned(opened: Open, collect: Collect) -> None:
    trivy, scanned = remembering("trivy")
    collect(opened(CLEAN_IMAGE), SCANNED, trivy)
    collect(opened({"etc/x": file()}), SCANNED, trivy)
    assert len(scanned) == 2


def test_what_a_scanner_could_see_is_measured_anew(
    opened: Open, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evidence is kept, and nothing that was made of it."""
    image, (trivy, scanned) = opened(CLEAN_IMAGE), remembering("trivy")
    assert collect(image, SCANNED, trivy).get(ScanRuns).problems == {"trivy": ()}
    monkeypatch.setattr("gate.scanners.coverage.DATABASE_MAX_AGE", timedelta(seconds=-1))
    again = collect(image, SCANNED, trivy)
    assert len(scanned) == 1
    assert "its database is of" in again.get(ScanRuns).problems["trivy"][0]
    with pytest.raises(Unavailable, match="its database is of"):
        again.get(Vulnerabilities)


def test_known_scans_do_not_excuse_layers_that_are_not_the_images(
    opened: Open, collect: Collect, tmp_path: Path
) -> None:
    image, (trivy, scanned) = opened(CLEAN_IMAGE), remembering("trivy")
    collect(image, SCANNED, trivy)
    for path in (tmp_path / "image/blobs/sha256").iterdir():
        path.write_bytes(b"swapped")
    values = collect(image, FROM_FILES | SCANNED, trivy).values
    assert len(scanned) == 1
    assert isinstance(values[Vulnerabilities], IntegrityError)


def test_a_scanner_that_cannot_be_prepared_is_not_run(opened: Open, collect: Collect) -> None:
    trivy, scanned = remembering("trivy", fails=True)
    evidence = collect(opened(CLEAN_IMAGE), SCANNED, trivy, seeing("grype"))
    assert scanned == []
    runs = evidence.get(ScanRuns).runs
    assert str(runs["trivy"]) == "trivy is not installed"
    assert isinstance(runs["grype"], ScanRun)


def test_a_run_without_a_cache_reuses_nothing(opened: Open, tmp_path: Path) -> None:
    asked: list[ScannerSettings] = []

    def scan(target: ScanTarget, settings: ScannerSettings, until: float) -> ScannerReport:
        asked.append(settings)
        return seeing("trivy").scan(target, settings, until)

    def prepare(settings: ScannerSettings, until: float) -> Prepared:
        raise AssertionError("nothing to look for")

    wanted = Wanted(frozenset({ScanRuns}), False, ("trivy",), {})
    settings = ScannerSettings(tmp_path, tmp_path, tmp_path)
    image = opened(CLEAN_IMAGE)
    for _ in range(2):
        access = Access.to_files(Deadline(60))
        collector = Collector(wanted, {"trivy": Scanner("trivy", scan, prepare)}, settings, access)
        run = collector.collect(image, subject()).get(ScanRuns).runs["trivy"]
        assert isinstance(run, ScanRun)
        assert run.reused is None
    assert [settings.memory for settings in asked] == [None, None]


def interrupt() -> None:
    """What Ctrl-C does."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_an_interrupt_ends_scanners_and_layers(opened: Open, collect: Collect) -> None:
    """Ctrl-C, while the main thread waits for either."""
    deadline = Deadline(60)

    def scan(target: ScanTarget, settings: ScannerSettings, until: float) -> ScannerReport:
        time.sleep(0.2)  # a pool does not wait for a thread in whose start it was interrupted
        interrupt()
        assert settings.cancelled.wait(10)
        raise Unavailable("stopped")

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        collect(opened(CLEAN_IMAGE), SCANNED, seeing("trivy", scan), deadline=deadline)
    assert deadline.cancelled.is_set()
    assert time.monotonic() - started < 5


def test_an_interrupt_while_layers_are_read_does_not_wait_for_them(opened: Open, collect: Collect) -> None:
    reads: list[Any] = []

    def slowly() -> None:
        reads.append(1)
        if len(reads) == 4:
            interrupt()
        time.sleep(0.05)

    layers = [Noted(large(number), [], slowly) for number in range(3)]
    with pytest.raises(KeyboardInterrupt):
        collect(with_layers(opened(CLEAN_IMAGE), *layers), {Filesystem})
    assert len(reads) < 15  # of ninety


def known_bases(image: Image, *layers: int) -> Bases:
    """Bases of as many of the image's lowest layers."""
    diff_ids = tuple(str(layer.diff_id) for layer in image.layers)
    names = (Reference.parse(f"x.test/base{count}:1") for count in layers)
    return Bases(
        tuple(
            Base(name, image.digest, image.digest, image.platform, diff_ids[:count])
            for name, count in zip(names, layers, strict=True)
        )
    )


def with_bases(tmp_path: Path, image: Image, *layers: int) -> Any:
    """The evidence of bases, after the layers were read."""
    wanted = Wanted(frozenset({Bases, Filesystem}), False, (), {})
    collector = Collector(
        wanted, {}, ScannerSettings(tmp_path, tmp_path, tmp_path), Access.to_files(Deadline(60))
    )
    return collector.collect(image, subject(), {Bases: known_bases(image, *layers)}).values[Bases]


PACKAGES = debian.RELEASE_12_0


def test_the_packages_of_the_recognised_base_are_read_from_its_layers(tmp_path: Path, opened: Open) -> None:
    image = opened(
        {**debian.release_files(), **debian.status_file(PACKAGES[:3])},
        debian.status_file(PACKAGES),
        {"app": file()},
    )
    for count, packages in ((1, PACKAGES[:3]), (2, PACKAGES), (3, PACKAGES)):
        found = with_bases(tmp_path, image, count)
        assert found.packages == {("deb", package.name, package.version) for package in packages}
    assert with_bases(tmp_path, image, 1, 2).packages == with_bases(tmp_path, image, 2).packages


def test_packages_are_read_only_of_a_base_that_is_recognised(tmp_path: Path, opened: Open) -> None:
    image = opened({**debian.release_files(), **debian.status_file(PACKAGES)})
    assert with_bases(tmp_path, image).packages is None
    assert with_bases(tmp_path, image, 0).packages is None


def test_a_base_without_packages_lists_none(tmp_path: Path, opened: Open) -> None:
    assert with_bases(tmp_path, opened({"app": file()}), 1).packages == frozenset()


def test_databases_of_the_base_that_cannot_be_read_leave_its_packages_open(
    tmp_path: Path, opened: Open
) -> None:
    image = opened({"var/lib/dpkg/status": file("no database")}, debian.status_file(PACKAGES))
    assert with_bases(tmp_path, image, 1).packages is None


@pytest.mark.parametrize("function", ["_inventory", "Filesystem.lower"])
def test_a_bug_while_they_are_read_is_no_base(
    function: str, tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("x")

    monkeypatch.setattr(f"gate.inspection.{function}", broken)
    assert isinstance(with_bases(tmp_path, opened({"app": file()}), 1), Fault)


def test_where_an_image_came_from_is_known_also_without_being_told(opened: Open, collect: Collect) -> None:
    assert collect(opened(CLEAN_IMAGE), {Origin}).get(Origin) == Origin(subject().source)
