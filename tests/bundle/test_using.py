"""Using a bundle: everything is verified before anything takes its place, and nothing approves itself."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.bundle import ARTIFACT_TYPE, contents, reading
from gate.bundle.reading import opened
from gate.bundle.record import read_record, traced
from gate.bundle.using import use
from gate.bundle.writing import write
from gate.deadline import Deadline
from gate.errors import ImageGateError, IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.policy.policy import Policy
from gate.scanners import Approval
from gate.scanners.databases import KINDS
from gate.vouching import check_trust
from samples.databases.advisories import load
from samples.databases.feeds import write_feeds
from tests.bundle.conftest import APPROVED, BUILT, PROGRAM, machine
from tests.kit.sigstore import Sigstore

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def used(path: Path, folder: Path, approval: Approval = APPROVED, digest: str = "") -> tuple[Path, ...]:
    with opened(path, Deadline(60), digest) as bundle:
        return use(bundle, machine(folder, approval), Deadline(60))


def content(folder: Path) -> dict[str, bytes]:
    """Every file but locks and notes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".image-gate.lock"
    }


def test_everything_arrives(source: Path, written: tuple[Path, str], tmp_path: Path) -> None:
    path, digest = written
    places = used(path, tmp_path / "new", digest=digest)
    assert [str(place.relative_to(tmp_path / "new")) for place in places] == [
        "trivy/db", "trivy/java-db", "grype/6", "feeds/kev", "feeds/epss", "bin/grype", "policy/prod.yaml", "trust-root",
    ]  # fmt: skip
    here, there = machine(source).settings, machine(tmp_path / "new").settings
    for kind in KINDS.values():
        assert kind.look(kind.place(there)) == kind.look(kind.place(here))
    assert (tmp_path / "new" / "bin" / "grype").read_bytes() == PROGRAM
    assert (tmp_path / "new" / "bin" / "grype").stat().st_mode & 0o777 == 0o755
    policy = Policy.load(str(tmp_path / "new" / "policy" / "prod.yaml"))
    assert policy.digest == Policy.load(str(source / "policies" / "prod.yaml")).digest
    assert (tmp_path / "new" / "trust-root" / "trusted_root.json").exists()
    before = content(tmp_path / "new")
    used(path, tmp_path / "new")
    assert content(tmp_path / "new").keys() == before.keys(), "the same again is no harm"


def test_reports_say_what_came_from_it(written: tuple[Path, str], tmp_path: Path) -> None:
    used(written[0], tmp_path)
    record = read_record(tmp_path)
    assert record is not None
    assert record.digest == written[1]
    grype = KINDS["grype"].look(tmp_path / "grype").digest
    facts = {
        "scanners": {"grype": {"database": {"digest": grype}}, "trivy": {"database": {"digest": "sha256:0"}}},
        "layers": [{"digest": grype}],
    }
    marked = traced(facts, record)
    assert marked["scanners"] == {
        "grype": {"database": {"digest": grype, "bundle": written[1]}},
        "trivy": {"database": {"digest": "sha256:0"}},
    }
    assert marked["layers"] == facts["layers"]
    assert traced(facts, None) == facts
    (tmp_path / "bundle.json").write_text("{")
    assert read_record(tmp_path) is None


def test_a_bundle_approves_no_program(written: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="brings a grype that is not approved here") as caught:
        used(written[0], tmp_path, Approval())
    assert "--policy" in caught.value.hint
    with pytest.raises(Unavailable, match="not approved here: the policy refuses"):
        used(written[0], tmp_path, Approval(programs=APPROVED.programs, refused=APPROVED.programs))
    assert content(tmp_path) == {}


def test_another_bundle_than_the_pinned_one(written: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is the bundle sha256:"):
        used(written[0], tmp_path, digest="sha256:" + "0" * 64)
    assert content(tmp_path) == {}


def test_older_ones_come_in_only_where_that_is_meant(written: tuple[Path, str], tmp_path: Path) -> None:
    from datetime import timedelta

    write_feeds(tmp_path / "feeds", load(), BUILT + timedelta(days=1))
    before = content(tmp_path)
    with pytest.raises(Unavailable, match="older than the one that is here"):
        used(written[0], tmp_path)
    assert content(tmp_path) == before
    with opened(written[0], Deadline(60)) as bundle:
        use(bundle, replace(machine(tmp_path), older=True), Deadline(60))
    assert content(tmp_path) != before


class Forged(NamedTuple):
    """A layer that anyone could make."""

    media_type: str
    data: bytes
    annotations: dict[str, str]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def layer(kind: str, name: str, *files: tuple[str, bytes] | tarfile.TarInfo, **more: str) -> Forged:
    """A layer with these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for file in files:
            info = file if isinstance(file, tarfile.TarInfo) else tarfile.TarInfo(file[0])
            data = b"" if isinstance(file, tarfile.TarInfo) else file[1]
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    data = zstd.compress(out.getvalue())
    annotations = {"vnd.image-gate.name": name, **more}
    return Forged(f"application/vnd.image-gate.{kind}.v1.tar+zstd", data, annotations)


def forged(path: Path, *layers: Forged, **changes: object) -> Path:
    """A bundle of such layers whose digests are all right."""
    blobs = [one.data for one in layers]
    manifest: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{sha256(b'{}')}", "size": 2},
        "layers": [
            {"mediaType": one.media_type, "digest": f"sha256:{sha256(one.data)}", "size": len(one.data), "annotations": one.annotations}
            for one in layers
        ],
        **changes,
    }  # fmt: skip
    data = json.dumps(manifest).encode()
    entry = {"mediaType": manifest["mediaType"], "digest": f"sha256:{sha256(data)}", "size": len(data)}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(),
    }
    files |= {f"blobs/sha256/{sha256(blob)}": blob for blob in (b"{}", data, *blobs)}
    with tarfile.open(path, "w") as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return path


def link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


ROOT = json.dumps(Sigstore().trusted_root()).encode()
POLICY = ("p.yaml", b"schema: 1\nextends: baseline\n")
BAD = {
    "above": ([layer("policy", "p.yaml", POLICY, ("../evil", b"x"))], "does not belong there"),
    "absolute": ([layer("policy", "p.yaml", POLICY, ("/etc/evil", b"x"))], "does not belong there"),
    "link": ([layer("policy", "p.yaml", POLICY, link("q.yaml"))], "does not belong there"),
    "twice": ([layer("policy", "p.yaml", POLICY, POLICY)], "or twice"),
    "empty part": ([layer("policy", "p.yaml")], "is empty"),
    "policy missing": ([layer("policy", "p.yaml", ("q.yaml", b"x"))], "holds no p.yaml"),
    "policy wrong": ([layer("policy", "p.yaml", ("p.yaml", b"schema: 1\nrules: {}\n"))], "selects no rule"),
    "part name": ([layer("policy", "../p.yaml", POLICY)], "no part of a bundle"),
    "part name of dots": ([layer("policy", "..", POLICY)], "no part of a bundle"),
    "kind": ([layer("plugin", "p.yaml", POLICY)], "no part of a bundle"),
    "database": ([layer("database", "snyk", POLICY)], "not known here"),
    "scanner": ([layer("scanner", "snyk", POLICY)], "not known here"),
    "trust root": ([layer("trust-root", "other", POLICY)], "not known here"),
    "file of a database": ([layer("database", "kev", ("feed", b"x"), ("other", b"x"))], "does not belong there"),
    "no feed": ([layer("database", "kev", ("feed", b"x"), ("fetched.json", b"{}"))], "cannot be read"),
    "part twice": ([layer("policy", "p.yaml", POLICY)] * 2, "one of them twice"),
    "two policies": ([layer("policy", "p.yaml", POLICY), layer("policy", "q.yaml", ("q.yaml", b"x"))], "two policies"),
    "no part": ([], "has no part"),
    "date": ([layer("policy", "p.yaml", POLICY, **{"org.opencontainers.image.created": "soon"})], "which is none"),
    "zone": ([layer("policy", "p.yaml", POLICY, **{"org.opencontainers.image.created": "2026-01-01"})], "no time zone"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bundle_that_is_no_good_changes_nothing(tmp_path: Path, case: str) -> None:
    layers, reason = BAD[case]
    good = layer("trust-root", "sigstore", ("root.json", ROOT))
    path = forged(tmp_path / "bad.tar", *([good, *layers] if layers else []))
    (tmp_path / "new" / "policy").mkdir(parents=True)
    (tmp_path / "new" / "policy" / "mine.yaml").write_text("mine")
    with pytest.raises(ImageGateError, match=reason):
        used(path, tmp_path / "new")
    assert content(tmp_path / "new") == {"policy/mine.yaml": b"mine"}


@pytest.mark.parametrize(
    "data", [b"{}", b"not JSON", ROOT[:-2], ROOT.replace(b'"start": "', b'"start": "x', 1)]
)
def test_what_is_no_trust_root_is_not_installed(data: bytes, tmp_path: Path) -> None:
    path = forged(tmp_path / "bad.tar", layer("trust-root", "sigstore", ("a", ROOT), ("b", data)))
    with pytest.raises(InvalidInput, match="'b' in the bundle"):
        used(path, tmp_path / "new")
    assert content(tmp_path / "new") == {}


def test_a_policy_brings_the_keys_and_roots_that_it_names(tmp_path: Path) -> None:
    """Nothing else is needed where it is used: they lie beside it, and its digest covers them."""
    folder = tmp_path / "here"
    (folder / "trust").mkdir(parents=True)
    (folder / "trust" / "root.json").write_bytes(ROOT)
    (folder / "p.yaml").write_text(
        "schema: 1\nrules: {signed: {signers: [{identity: a@example.com, issuer: 'https://x.test'}],"
        " trusted-roots: [trust/root.json]}}\n"
    )
    before = Policy.load(str(folder / "p.yaml"))
    write([contents.policy(str(folder / "p.yaml"), before)], tmp_path / "b.tar", Deadline(60))
    (place,) = used(tmp_path / "b.tar", tmp_path / "new")
    after = Policy.load(str(place))
    assert (after.digest, after.trust_files) == (before.digest, {"trust/root.json": ROOT})
    check_trust(after)


def test_a_database_that_is_another_than_the_manifest_says(source: Path, tmp_path: Path) -> None:
    files = [(name, (source / "feeds" / "kev" / name).read_bytes()) for name in ("feed", "fetched.json")]
    lying = layer("database", "kev", *files, **{"vnd.image-gate.identity": "sha256:" + "0" * 64})
    with pytest.raises(IntegrityError, match="the database kev in the bundle is sha256:"):
        used(forged(tmp_path / "bad.tar", lying), tmp_path / "new")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"artifactType": "application/vnd.cncf.helm.chart.v1"}, "is no bundle of image-gate"),
        ({"schemaVersion": 1}, "is no bundle"),
        ({"config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}}, "has a configuration"),
        ({"Layers": []}, "readers that ignore case"),
    ],
)  # fmt: skip
def test_what_is_no_bundle(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    path = forged(tmp_path / "bad.tar", layer("policy", "p.yaml", POLICY), **changes)
    with pytest.raises(MalformedImage, match=reason), opened(path, Deadline(60)):
        pytest.fail("it was opened")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60_000])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def member_added(path: Path) -> None:
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("./index.json"))


@pytest.mark.parametrize("spoil", [cut, flip, member_added])
def test_a_bundle_that_was_altered_on_the_way(
    bundle: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(bundle)
    with pytest.raises(IntegrityError):
        used(bundle, tmp_path / "new")
    assert not (tmp_path / "new").exists() or content(tmp_path / "new") == {}


@given(st.integers(0, 400_000), st.integers(1, 255))
@settings(max_examples=10, deadline=None)
def test_no_changed_byte_gets_past_the_pinned_digest(
    written: tuple[Path, str],
    source: Path,
    tmp_path_factory: pytest.TempPathFactory,
    position: int,
    change: int,
) -> None:
    """A byte of the padding between members is nobody's; any other is noticed."""
    data = bytearray(written[0].read_bytes())
    data[position % len(data)] ^= change
    folder = tmp_path_factory.mktemp("changed")
    (folder / "bundle.tar").write_bytes(data)
    try:
        used(folder / "bundle.tar", folder / "new", digest=written[1])
    except ImageGateError:
        assert content(folder / "new") == {}
        return
    for name in ("trivy/db/trivy.db", "grype/6/vulnerability.db", "feeds/kev/feed", "feeds/epss/feed"):
        assert (folder / "new" / name).read_bytes() == (source / name).read_bytes()


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, reason in (
        (tmp_path / "none", "cannot be read"),
        (tmp_path, "cannot be read|not a regular file"),
    ):
        with pytest.raises(InvalidInput, match=reason), opened(path, Deadline(60)):
            pytest.fail("it was opened")
    (tmp_path / "empty.tar").write_bytes(bytes(10_240))
    with (
        pytest.raises(MalformedImage, match="there is no oci-layout"),
        opened(tmp_path / "empty.tar", Deadline(60)),
    ):
        pytest.fail("it was opened")
    path = forged(tmp_path / "large.tar", layer("trust-root", "sigstore", ("a", bytes(2_000))))
    monkeypatch.setattr("gate.bundle.using.LIMITS", replace(LIMITS, baseline=1_000))
    with pytest.raises(MalformedImage, match="more than 1,000 bytes"):
        used(path, tmp_path / "new")
    monkeypatch.setattr(reading, "LIMITS", replace(LIMITS, bundle_files=0))
    with pytest.raises(MalformedImage, match="too many files"):
        used(forged(tmp_path / "many.tar", layer("trust-root", "sigstore", ("a", b"x"))), tmp_path / "new")
