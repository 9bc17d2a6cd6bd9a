"""Whole runs: images in a registry, signed in every way, judged under a policy that a user would write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.pipeline import RunSettings, check
from gate.policy.policy import Policy
from gate.registry import HostSettings, RegistrySettings
from gate.sources import SourceSettings
from gate.verdict import Report, Status
from gate.vouching import check_trust
from samples.images.builder import Platform, Settings, build_image, build_index
from samples.images.entries import file
from samples.images.layers import layer_of
from samples.images.layout import blob_files, oci_layout, write_directory
from tests.kit.engine import DOCKER_20, DOCKER_29, classic, containerd, running
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry
from tests.kit.sigstore import (
    GITHUB_CLAIMS,
    ISSUER,
    WORKFLOW,
    Signing,
    Sigstore,
    new_key,
    public_pem,
    statement,
)
from tests.kit.stored_signatures import (
    SIMPLE_SIGNING,
    attach,
    bundle_manifest,
    fall_back,
    layered_manifest,
    tag,
)

NAME = "shop/api"
ARM = build_image([layer_of({"a": file("arm")})], Settings(None, Platform("linux", "arm64", "v8")))
INDEX = build_index([CLEAN_IMAGE, ARM], attested=True)
SUBJECT = CLEAN_IMAGE.manifest
IDENTITY = f"{{identity: '{WORKFLOW}', issuer: '{ISSUER}'}}"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.002)


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="module")
def key() -> Any:
    return new_key()


class Judge:
    """Judges images under a policy whose folder holds `root.json` and `key.pub`."""

    def __init__(self, folder: Path, sigstore: Sigstore, key: Any) -> None:
        self.folder = folder
        (folder / "root.json").write_text(json.dumps(sigstore.trusted_root()))
        (folder / "key.pub").write_bytes(public_pem(key))

    def policy(self, rules: str) -> Policy:
        (self.folder / "policy.yaml").write_text(f"schema: 1\nrules:\n  {rules}\n")
        return Policy.load("policy.yaml", directory=self.folder, environment={})

    def signed(self, signers: str, more: str = "") -> Policy:
        return self.policy(f"signed: {{signers: [{signers}]{more}}}")

    def __call__(self, reference: str, policy: Policy, **settings: Any) -> Report:
        return check([reference], policy, RunSettings(**settings))


@pytest.fixture
def judge(tmp_path: Path, sigstore: Sigstore, key: Any) -> Judge:
    return Judge(tmp_path, sigstore, key)


@contextmanager
def serving(*faults: Fault, **behaviour: Any) -> Iterator[Registry]:
    with serving_registry(
        {f"{NAME}:1.4": CLEAN_IMAGE, f"{NAME}:all": INDEX}, faults, **behaviour
    ) as registry:
        yield registry


def reason(report: Report) -> str:
    """Why the one rule does not pass."""
    (result,) = report.verdicts[0].results
    return result.reason or result.findings[0].message


def test_a_key(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    policy = judge.signed("{key: key.pub}")
    with serving() as registry:
        image = f"docker://{registry.host}/{NAME}:1.4"
        assert reason(judge(image, policy)) == f"there are no signatures of {SUBJECT.digest[:19]}"
        manifest = attach(
            registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=key, log=0))
        )
        report = judge(image, policy)
        assert report.status is Status.PASS
        (remark,) = report.verdicts[0].results[0].remarks
        assert remark.message.startswith("signed by the key sha256:")
        assert remark.message.endswith(f"(manifest {manifest.digest}, at a time that nobody attests)")
        assert registry.count("layer") == 1  # the bundle, and nothing of the image


def test_an_identity(judge: Judge, sigstore: Sigstore) -> None:
    policy = judge.signed(IDENTITY, ", trusted-roots: [root.json]")
    with serving() as registry:
        manifest = attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest))
        report = judge(f"docker://{registry.host}/{NAME}:1.4", policy)
        assert report.status is Status.PASS
        (remark,) = report.verdicts[0].results[0].remarks
        assert remark.message.startswith(
            f"signed by {WORKFLOW} (issuer {ISSUER}) (manifest {manifest.digest}, log https://rekor"
        )


GITHUB = "{github: {repository: acme/app, workflow: .github/workflows/release.yml, ref: refs/heads/*, trigger: push}}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({20: "pull_request_target"}, "its build-trigger is pull_request_target, not push"),
        ({14: "refs/pull/1/merge"}, "its source-repository-ref is refs/pull/1/merge, not refs/heads/*"),
        (
            {12: "https://github.com/acme/app-evil"},
            "its source-repository-uri is https://github.com/acme/app-evil",
        ),
        ({9: WORKFLOW.replace("acme", "evil")}, "its build-signer-uri is "),
    ],
)
def test_a_workflow_by_the_certificates_own_extensions(
    changes: dict[int, str], said: str, judge: Judge, sigstore: Sigstore
) -> None:
    policy = judge.signed(GITHUB, ", trusted-roots: [root.json]")
    with serving() as registry:
        signing = Signing(claims={**GITHUB_CLAIMS, **changes})
        attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, signing))
        report = judge(f"docker://{registry.host}/{NAME}:1.4", policy)
        assert report.status is (Status.FAIL if said else Status.PASS)
        assert not said or said in reason(report)


# --- the layouts ---

Store = Callable[[Registry, Sigstore], object]


def _bundle_by_tag(registry: Registry, sigstore: Sigstore) -> None:
    bundle = sigstore.signature(SUBJECT.digest)
    manifest = bundle_manifest(SUBJECT, bundle)
    registry.put(NAME, manifest, [bundle])
    registry.repositories[NAME].referrers.clear()  # it was pushed before the registry had the API
    fall_back(registry, NAME, SUBJECT, manifest)


def _older_referrer(registry: Registry, sigstore: Sigstore) -> None:
    layer = sigstore.legacy_signature(SUBJECT.digest)
    registry.put(NAME, layered_manifest(SIMPLE_SIGNING, [layer], SUBJECT), [layer[0]])


LAYOUTS: dict[str, Store] = {
    "A: a tag": lambda registry, sigstore: tag(
        registry, NAME, SUBJECT, ".sig", [sigstore.legacy_signature(SUBJECT.digest)]
    ),
    "C: a bundle": lambda registry, sigstore: attach(
        registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest)
    ),
    "C: a bundle by the tag": _bundle_by_tag,
    "D: an older payload as a referrer": _older_referrer,
}


@pytest.mark.parametrize("api", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(layout: str, api: bool, judge: Judge, sigstore: Sigstore) -> None:
    """What refers to the image is found by the API alone, what a tag names with it and without."""
    policy = judge.signed(IDENTITY, ", trusted-roots: [root.json]")
    with serving(referrers=api) as registry:
        LAYOUTS[layout](registry, sigstore)
        report = judge(f"docker://{registry.host}/{NAME}:1.4", policy)
        assert report.status is (Status.PASS if api or "tag" in layout else Status.FAIL)


def test_attestations_in_both_layouts(judge: Judge, sigstore: Sigstore) -> None:
    wanted = "https://example.com/review"
    policy = judge.policy(
        f"attested: {{signers: [{IDENTITY}], trusted-roots: [root.json], required: [{{type: '{wanted}'}}]}}"
    )
    with serving() as registry:
        image = f"docker://{registry.host}/{NAME}:1.4"
        tag(registry, NAME, SUBJECT, ".att", [sigstore.legacy_attestation(statement(SUBJECT.digest, wanted))])
        assert judge(image, policy).status is Status.PASS
    with serving() as registry:
        image = f"docker://{registry.host}/{NAME}:1.4"
        attach(registry, NAME, SUBJECT, sigstore.attestation(SUBJECT.digest, wanted, {}))
        assert judge(image, policy).status is Status.PASS
        signed = judge.signed(IDENTITY, ", trusted-roots: [root.json]")
        assert "only a signature counts as one" in reason(judge(image, signed))


# --- none, no answer, refused ---


@pytest.mark.parametrize("status", ["401", "403", "500", "503"])
def test_no_answer_is_unknown(status: str, judge: Judge) -> None:
    with serving(Fault("referrers", status)) as registry:
        report = judge(f"docker://{registry.host}/{NAME}:1.4", judge.signed("{key: key.pub}"))
        assert report.status is Status.UNKNOWN
        assert status in reason(report)


def test_no_answer_elsewhere_does_not_hurt_a_good_signature(
    judge: Judge, sigstore: Sigstore, key: Any
) -> None:
    with serving(Fault("referrers", "500")) as registry:
        signed = sigstore.legacy_signature(SUBJECT.digest, Signing(key=key, log=0))
        tag(registry, NAME, SUBJECT, ".sig", [signed])
        report = judge(f"docker://{registry.host}/{NAME}:1.4", judge.signed("{key: key.pub}"))
        assert report.status is Status.PASS


def test_refused_says_why(judge: Judge, sigstore: Sigstore) -> None:
    with serving() as registry:
        attach(
            registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=new_key(), log=0)), b"{}"
        )
        report = judge(f"docker://{registry.host}/{NAME}:1.4", judge.signed("{key: key.pub}"))
        assert report.status is Status.FAIL
        assert "none of the trusted keys" in reason(report)
        assert "unknown type" in reason(report)


# --- an index, and what lies in it ---


@pytest.mark.parametrize("accepted", [True, False])
def test_a_signed_index_counts_for_its_images(
    accepted: bool, judge: Judge, sigstore: Sigstore, key: Any
) -> None:
    policy = judge.signed("{key: key.pub}", "" if accepted else ", index: false")
    with serving() as registry:
        attach(
            registry, NAME, INDEX.manifest, sigstore.signature(INDEX.manifest.digest, Signing(key=key, log=0))
        )
        report = judge(f"docker://{registry.host}/{NAME}:all", policy)
        assert len(report.verdicts) == 2
        assert {verdict.status for verdict in report.verdicts} == {Status.PASS if accepted else Status.FAIL}
        alone = judge(f"docker://{registry.host}/{NAME}@{SUBJECT.digest}", policy)
        assert reason(alone) == f"there are no signatures of {SUBJECT.digest[:19]}"


def test_an_index_is_asked_for_once(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    with serving() as registry:
        bundle = sigstore.signature(INDEX.manifest.digest, Signing(key=key, log=0))
        manifest = attach(registry, NAME, INDEX.manifest, bundle)
        assert (
            judge(f"docker://{registry.host}/{NAME}:all", judge.signed("{key: key.pub}")).status
            is Status.PASS
        )
        asked = [call.target for call in registry.calls]
        assert sum(INDEX.manifest.digest in target and "referrers" in target for target in asked) == 1
        assert sum(manifest.digest in target for target in asked) == 1


def test_the_same_index_elsewhere_is_asked_for_there(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    with serving() as registry:
        registry.add("team/copy:all", INDEX)
        bundle = sigstore.signature(INDEX.manifest.digest, Signing(key=key, log=0))
        attach(registry, "team/copy", INDEX.manifest, bundle)
        names = [f"docker://{registry.host}/{name}:all" for name in (NAME, "team/copy")]
        report = check(names, judge.signed("{key: key.pub}"), RunSettings())
        assert [verdict.status for verdict in report.verdicts] == [Status.FAIL] * 2 + [Status.PASS] * 2


def test_one_platform_may_be_signed_alone(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    with serving() as registry:
        attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=key, log=0)))
        report = judge(f"docker://{registry.host}/{NAME}:all", judge.signed("{key: key.pub}"))
        assert sorted(verdict.status for verdict in report.verdicts) == [Status.FAIL, Status.PASS]


def test_a_signature_that_was_moved_to_another_image(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    """Whoever can push attaches the good signature of one image to another."""
    with serving() as registry:
        attach(registry, NAME, SUBJECT, sigstore.signature(ARM.manifest.digest, Signing(key=key, log=0)))
        tag(
            registry,
            NAME,
            SUBJECT,
            ".sig",
            [sigstore.legacy_signature(ARM.manifest.digest, Signing(key=key, log=0))],
        )
        report = judge(f"docker://{registry.host}/{NAME}:1.4", judge.signed("{key: key.pub}"))
        assert f"it is about another image: {ARM.manifest.digest[:19]}" in reason(report)


# --- other places ---


def test_a_repository_of_signatures(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    with serving() as registry:
        attach(
            registry, "team/signatures", SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=key, log=0))
        )
        image, policy = f"docker://{registry.host}/{NAME}:1.4", judge.signed("{key: key.pub}")
        assert judge(image, policy).status is Status.FAIL
        hosts = {registry.host: HostSettings(signature_repository=f"{registry.host}/team/signatures")}
        report = judge(image, policy, sources=SourceSettings(registry=RegistrySettings(hosts)))
        assert report.status is Status.PASS


def layout(folder: Path, *manifests: Any, blobs: tuple[bytes, ...] = ()) -> str:
    """A layout that holds the image, and further manifests with their blobs."""
    files = oci_layout({"1.4": CLEAN_IMAGE}) | blob_files(*blobs, *(one.data for one in manifests))
    index = json.loads(files["index.json"].content)
    index["manifests"] += [one.descriptor() for one in manifests]
    files["index.json"] = file(json.dumps(index).encode())
    return f"oci:{write_directory(files, folder / 'layout')}:1.4"


def test_signatures_beside_an_image_in_its_layout(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    bundle = sigstore.signature(SUBJECT.digest, Signing(key=key, log=0))
    image = layout(judge.folder, bundle_manifest(SUBJECT, bundle), blobs=(bundle,))
    assert judge(image, judge.signed("{key: key.pub}")).status is Status.PASS


def test_signatures_of_a_layout_in_the_registry_that_the_caller_names(
    judge: Judge, sigstore: Sigstore, key: Any
) -> None:
    image, policy = layout(judge.folder), judge.signed("{key: key.pub}")
    with serving() as registry:
        attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=key, log=0)))
        assert judge(image, policy).status is Status.FAIL
        assert registry.calls == []
        assert judge(image, policy, name=f"{registry.host}/{NAME}:1.4").status is Status.PASS


def test_signatures_in_files(judge: Judge, sigstore: Sigstore, key: Any) -> None:
    signing = Signing(key=key, log=0)
    lines = [sigstore.signature(ARM.manifest.digest, signing), sigstore.signature(SUBJECT.digest, signing)]
    (judge.folder / "all.jsonl").write_bytes(b"\n".join(lines))
    image, policy = layout(judge.folder), judge.signed("{key: key.pub}")
    assert judge(image, policy, bundles=(str(judge.folder / "all.jsonl"),)).status is Status.PASS
    (judge.folder / "other.json").write_bytes(lines[0])
    assert judge(image, policy, bundles=(str(judge.folder / "other.json"),)).status is Status.FAIL


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_an_image_of_an_engine_is_asked_for_where_it_was_pulled(
    store: str, judge: Judge, sigstore: Sigstore, key: Any
) -> None:
    policy = judge.signed("{key: key.pub}")
    with serving() as registry:
        attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest, Signing(key=key, log=0)))
        name = f"{registry.host}/{NAME}:1.4"
        pulled = f"{registry.host}/{NAME}@{SUBJECT.digest}"
        if store == "classic":
            engine, held = DOCKER_20, classic(CLEAN_IMAGE, name, digests=(pulled,))
        else:
            engine, held = DOCKER_29, containerd(CLEAN_IMAGE, CLEAN_IMAGE, name)
        with running(engine, held) as server:
            report = judge(f"docker-daemon:{name}", policy, sources=SourceSettings(engine=server.address))
            assert report.status is Status.PASS


def test_an_image_that_an_engine_built_is_unknown(judge: Judge) -> None:
    with running(DOCKER_20, classic(CLEAN_IMAGE, "shop/api:1.4")) as server:
        settings = SourceSettings(engine=server.address)
        report = judge("docker-daemon:shop/api:1.4", judge.signed("{key: key.pub}"), sources=settings)
        assert report.status is Status.UNKNOWN
        assert reason(report).startswith(
            "the container engine knows no digest of this image that a registry has"
        )


# --- what is wrong with the request is found before any work ---


@pytest.mark.parametrize(
    ("signers", "more", "what"),
    [
        ("{key: gone.pub}", "", "the file of keys or trusted roots 'gone.pub' cannot be read"),
        ("{key: root.json}", "", "root.json holds no public key"),
        (IDENTITY, ", trusted-roots: [key.pub]", "key.pub is not valid JSON"),
        (IDENTITY, ", trusted-roots: [gone.json]", "'gone.json' cannot be read"),
    ],
)
def test_files_that_cannot_be_used(signers: str, more: str, what: str, judge: Judge) -> None:
    with pytest.raises(InvalidInput) as raised:
        judge("docker://gone.example.com/a:1", judge.signed(signers, more))
    assert what in str(raised.value)


def test_bundles_that_nobody_asks_for(judge: Judge) -> None:
    with pytest.raises(InvalidInput, match="selects no rule that asks for any"):
        judge("docker://gone.example.com/a:1", judge.policy("non-root: {}"), bundles=("a.json",))
    with pytest.raises(InvalidInput, match=r"the bundle 'gone\.json' cannot be read"):
        judge("docker://gone.example.com/a:1", judge.signed("{key: key.pub}"), bundles=("gone.json",))


def test_keys_and_roots_are_part_of_the_policy(judge: Judge) -> None:
    before = judge.signed(f"{{key: key.pub}}, {IDENTITY}", ", trusted-roots: [root.json]")
    assert before.named_files == ("key.pub", "root.json")
    for name in before.named_files:
        path = judge.folder / name
        data = path.read_bytes()
        path.write_bytes(data + b"\n")
        changed = Policy.load("policy.yaml", directory=judge.folder, environment={})
        assert changed.digest != before.digest
        path.write_bytes(data)


def test_what_reports_tell(judge: Judge, sigstore: Sigstore) -> None:
    """For machines: what holds, with who signed it, and why the rest does not; each once, whatever rules asked."""
    signers = f"signers: [{IDENTITY}], trusted-roots: [root.json]"
    policy = judge.policy(f"signed: {{{signers}}}\n  sbom-attested: {{{signers}, index: false}}")
    with serving() as registry:
        manifest = attach(registry, NAME, SUBJECT, sigstore.signature(SUBJECT.digest), b"{}")
        report = judge(f"docker://{registry.host}/{NAME}:1.4", policy)
        found: Any = report.verdicts[0].evidence["signatures"]
        (verified,) = found["verified"]
        assert verified["type"] == "signature"
        assert (verified["identity"], verified["issuer"]) == (WORKFLOW, ISSUER)
        assert (verified["about"], verified["of_index"]) == (SUBJECT.digest, False)
        assert verified["log_index"] is not None
        assert verified["signed_at"] == "2026-01-15T12:00:00+00:00"
        (refused,) = found["refused"]
        assert refused["manifest"] == manifest.digest
        assert refused["reason"].startswith("the bundle is of the unknown type")
        assert found["no_answer"] == []


def test_keys_in_scopes_are_read_too(judge: Judge) -> None:
    (judge.folder / "policy.yaml").write_text(
        "schema: 1\nrules: {non-root: {}}\nscopes:\n"
        "  - match: registry.example.com/a\n    rules: {signed: {signers: [{key: root.json}]}}\n"
    )
    policy = Policy.load("policy.yaml", directory=judge.folder, environment={})
    with pytest.raises(InvalidInput, match="holds no public key"):
        check_trust(policy)
