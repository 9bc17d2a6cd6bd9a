"""VEX that was attested about an image: only what those sign whom the policy names, and nothing that could not be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from gate.attested_vex import AttestedVex, attested_facts, attested_vex, documents_of
from gate.errors import InvalidInput, Unavailable
from gate.evidence import Attestations, Evidence
from gate.oci.reference import Reference
from gate.pipeline import check
from gate.policy.catalogue import Catalogue
from gate.policy.policy import Policy
from gate.policy.render import render_policy
from gate.policy.schema import policy_schema
from gate.reporters import RenderOptions, reporter
from gate.rules._signers import SignersOptions
from gate.scanners import RawFinding
from gate.verdict import Report, Status
from samples.images.catalogue import good
from tests.conftest import Tools
from tests.kit import runs, vouched
from tests.kit.cosign import OFFLINE, Cosign, pushed
from tests.kit.registry import Fault, Registry, serving_registry
from tests.kit.reports import subject
from tests.kit.sigstore import ISSUER, WORKFLOW, Signing, Sigstore, new_key, public_pem
from tests.kit.stored_signatures import attach
from tests.kit.vex import CVE, analysed, cyclonedx, openvex, statement
from tests.kit.vulnerabilities import opinion

OPENVEX, CYCLONEDX = "https://openvex.dev/ns", "https://cyclonedx.org/bom"
ABOUT = replace(subject(), digest=vouched.MANIFEST, resolved=vouched.INDEX)
TOLD = vouched.options(SignersOptions, signers=[{"key": "a.pub"}, {"key": "b.pub"}])
BARE = statement(products=...)


def said(data: bytes, kind: str = OPENVEX, by: str = "a", **changes: Any) -> Any:
    """An attestation of this document."""
    return replace(vouched.attestation(vouched.key(by), kind, json.loads(data)), **changes)


def looked(*found: Any, told: SignersOptions = TOLD, **more: Any) -> AttestedVex:
    """What is made of these attestations."""
    evidence = Evidence({Attestations: vouched.attestations(told, *found, **more)})
    return attested_vex(evidence, told, ABOUT)


# --- which attestations are documents ---


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (openvex(BARE), OPENVEX),
        (openvex(BARE), f"{OPENVEX}/v0.2.0"),
        (cyclonedx(analysed(affects=[])), CYCLONEDX),
        (cyclonedx(analysed(affects=[])), f"{CYCLONEDX}/v1.6"),
    ],
)
def test_a_statement_without_products_is_about_the_image_that_was_attested(data: bytes, kind: str) -> None:
    found = looked(said(data, kind))
    (document,) = found.documents
    assert document.origin == f"attestation of the key {vouched.fingerprint('a')}"
    (product,) = document.statements[0].products
    assert product.image is not None
    assert (product.image.digest, product.package) == (str(vouched.MANIFEST), "")
    assert (found.refused, found.missing) == ((), ())


def test_a_file_has_no_image_that_it_could_be_about() -> None:
    from gate.vex.read import read_vex

    for data in (openvex(BARE), cyclonedx(analysed(affects=[]))):
        document = read_vex(data, "v.json", "policy")
        assert (document.statements, len(document.refused)) == ((), 1)


def described(**component: Any) -> bytes:
    """A CycloneDX document that describes something, and says that it is not affected as a whole."""
    metadata = {
        "timestamp": "2026-05-01T10:00:00Z",
        "component": {"type": "container", "bom-ref": "it", **component},
    }
    return cyclonedx(analysed(affects=[{"ref": "it"}]), metadata=metadata)


def test_what_a_bill_of_materials_describes_is_the_attested_image_unless_it_says_otherwise() -> None:
    (document,) = looked(said(described(), CYCLONEDX)).documents
    assert document.statements[0].products[0].image.digest == str(vouched.MANIFEST)  # type: ignore[union-attr]
    other = described(purl=f"pkg:oci/other@sha256:{'9' * 64}")
    (document,) = looked(said(other, CYCLONEDX)).documents
    assert document.statements[0].products[0].image.digest == f"sha256:{'9' * 64}"  # type: ignore[union-attr]
    (document,) = looked(said(described(type="library"), CYCLONEDX)).documents
    assert document.statements == ()


@pytest.mark.parametrize(
    "found",
    [
        said(openvex(BARE), "https://slsa.dev/provenance/v1"),
        said(openvex(BARE), f"{OPENVEX}evil"),
        said(cyclonedx(), CYCLONEDX),
        said(cyclonedx({"id": CVE}), CYCLONEDX),
    ],
    ids=["other type", "longer type", "bill of materials", "no analysis"],
)
def test_other_attestations_say_nothing(found: Any) -> None:
    assert looked(found) == AttestedVex()


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (said(openvex(BARE), by="c"), "which the policy does not list"),
        (vouched.refused("its signature does not hold"), "its signature does not hold"),
    ],
)
def test_what_does_not_count_is_told(found: Any, reason: str) -> None:
    result = looked(found)
    assert result.documents == ()
    assert [reason in one.reason for one in result.refused] == [True]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (openvex(BARE, author=...), "is no valid VEX document: Object missing required field `author`"),
        (b"{}", "is no VEX document"),
        (b'{"@context": 3}', "is no VEX document"),
    ],
)
def test_where_a_signer_s_document_cannot_be_read_none_counts(data: bytes, reason: str) -> None:
    """It may be the newest, and say that the image is affected after all; a stranger's is passed over."""
    result = looked(said(openvex(BARE)), said(data))
    assert result.documents == ()
    assert [reason in one.message for one in result.missing] == [True]
    assert len(looked(said(openvex(BARE)), said(data, by="c")).documents) == 1


def test_several_signers_must_have_attested_the_same_document() -> None:
    told = replace(TOLD, threshold=2)
    one, other = openvex(BARE), openvex(BARE, author="Somebody else")
    for found in ([said(one)], [said(one), said(one)], [said(one), said(other, by="b")]):
        result = looked(*found, told=told)
        assert result.documents == ()
        assert {one.reason for one in result.refused} == {
            "1 of 2 signers that are needed attested this VEX document"
        }
    (document,) = looked(said(one), said(one, by="b"), told=told).documents
    assert document.origin.count("the key sha256:") == 2


def test_an_index_counts_unless_the_policy_does_not_want_it() -> None:
    indexed = said(openvex(BARE), about=vouched.INDEX, of_index=True)
    assert len(looked(indexed).documents) == 1
    assert looked(indexed, told=replace(TOLD, index=False)).documents == ()


def test_no_answer_takes_nothing_away_and_is_told() -> None:
    gone = Unavailable("the registry gives no answer")
    assert attested_vex(Evidence({Attestations: gone}), TOLD, ABOUT) == AttestedVex(missing=(gone,))
    assert attested_vex(Evidence(), TOLD, ABOUT).missing != ()
    found = looked(said(openvex(BARE)), missing=(gone,))
    assert (found.documents, found.missing) == ((), (gone,))
    assert attested_facts({}) == {}
    facts: Any = attested_facts({"a": found})
    (image,) = facts["attested_vex"]
    assert image["no_answer"] == ["the registry gives no answer"]


def test_a_defect_of_a_reader_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("gate.attested_vex.read_predicate", broken)
    found = looked(said(openvex(BARE)))
    assert (found.documents, len(found.missing)) == ((), 1)


def test_a_document_about_an_index_is_listed_once() -> None:
    found = looked(said(openvex(BARE)))
    assert documents_of([found, found]) == found.documents


# --- whole runs ---

POLICY = """\
schema: 1
scanners: {required: [grype, trivy]}
rules: {vulnerabilities: {}}
vex: {attested: {signers: [SIGNER]}}
"""
KEY = "{key: key.pub}"
PEOPLE = f"{{identity: '{WORKFLOW}', issuer: '{ISSUER}'}}], trusted-roots: [root.json"


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="module")
def key() -> Any:
    return new_key()


IMAGE = good(datetime(2026, 1, 15, tzinfo=UTC))
Judge = Callable[..., Report]


@contextmanager
def serving(*faults: Fault) -> Iterator[Registry]:
    with serving_registry({"shop/api:1.4": IMAGE}, faults) as registry:
        yield registry


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sigstore: Sigstore, key: Any) -> Judge:
    """Judge the image of a registry, in which both scanners find one vulnerability."""
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.002)
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    (tmp_path / "key.pub").write_bytes(public_pem(key))

    def finding(name: str) -> runs.Scan:
        honest = runs.seeing(name).scan
        found = (RawFinding("deb", "libssl3", "3.0.9-1", "", opinion(scanner=name, id=CVE)),)
        return lambda target, settings, deadline: replace(honest(target, settings, deadline), findings=found)

    scanners = runs.seeing_scanners(**{name: finding(name) for name in ("grype", "trivy")})
    monkeypatch.setattr("gate.gathering._scanners", lambda: scanners)

    def judged(place: Registry | Reference, signer: str = KEY) -> Report:
        policy = runs.policy(tmp_path, POLICY.replace("SIGNER", signer))
        name = place if isinstance(place, Reference) else f"{place.host}/shop/api:1.4"
        return check([f"docker://{name}"], policy, runs.settings(tmp_path))

    return judged


def as_text(report: Report, **options: Any) -> str:
    return reporter("text").render(report, RenderOptions(width=400, **options))


@pytest.mark.parametrize("signer", [KEY, PEOPLE], ids=["key", "identity"])
@pytest.mark.parametrize("kind", [OPENVEX, CYCLONEDX])
def test_one_attested_document_clears_the_finding_of_both_scanners(
    signer: str, kind: str, judge: Judge, sigstore: Sigstore, key: Any
) -> None:
    data = openvex(BARE) if kind == OPENVEX else cyclonedx(analysed(affects=[]))
    signing = Signing(key=key, log=0) if signer == KEY else Signing()
    with serving() as registry:
        assert judge(registry, signer).status is Status.FAIL
        attach(
            registry,
            "shop/api",
            IMAGE.manifest,
            sigstore.attestation(IMAGE.manifest.digest, kind, json.loads(data), signing),
        )
        report = judge(registry, signer)
    assert report.status is Status.PASS
    (taken,) = report.verdicts[0].results[0].vex
    assert taken.finding.details["found_by"] == ["grype", "trivy"]
    assert taken.claim.document.origin.startswith("attestation of ")
    text = as_text(report)
    assert "1 taken away by VEX" in text
    assert "counts: attestation of " in text
    told: Any = report.run["vex"]
    (document,) = told
    assert (document["used"], document["unused"]) == (1, 0)


BARE_DOCUMENT = json.loads(openvex(BARE))


@pytest.mark.parametrize(
    ("about", "predicate", "mine", "reason"),
    [
        (
            IMAGE.manifest.digest,
            BARE_DOCUMENT,
            False,
            "does not count: it was made by none of the trusted keys",
        ),
        (
            f"sha256:{'9' * 64}",
            BARE_DOCUMENT,
            True,
            "does not count: it is about another image: sha256:999999999999",
        ),
        (
            IMAGE.manifest.digest,
            {**BARE_DOCUMENT, "author": 3},
            True,
            "is not known in full, so nothing of it counts: ",
        ),
    ],
    ids=["another key", "moved from another image", "not as specified"],
)
def test_nothing_else_takes_it_away(
    about: str, predicate: Any, mine: bool, reason: str, judge: Judge, sigstore: Sigstore, key: Any
) -> None:
    signing = Signing(key=key if mine else new_key(), log=0)
    with serving() as registry:
        attestation = sigstore.attestation(about, OPENVEX, predicate, signing)
        attach(registry, "shop/api", IMAGE.manifest, attestation)
        report = judge(registry)
    assert report.status is Status.FAIL
    assert report.verdicts[0].results[0].vex == ()
    (line,) = [line for line in as_text(report).splitlines() if "attested VEX of docker://" in line]
    assert reason in line


def test_a_registry_without_an_answer_leaves_the_finding(judge: Judge) -> None:
    with serving(Fault("referrers", "500")) as registry:
        report = judge(registry)
    assert report.status is Status.FAIL
    assert "is not known in full, so nothing of it counts" in as_text(report)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["openvex", "cyclonedx"])
def test_what_cosign_attests(
    kind: str, judge: Judge, key: Any, tools: Tools, tmp_path: Path, referrers_registry_host: str
) -> None:
    cosign = Cosign(tools.path("cosign"), tmp_path)
    cosign.key("key", key)
    data = openvex(BARE) if kind == "openvex" else cyclonedx(analysed(affects=[]))
    (tmp_path / "vex.json").write_bytes(data)
    name = pushed(referrers_registry_host, f"vex/{kind}", IMAGE)
    assert judge(name).status is Status.FAIL
    cosign.must(
        *("attest", "--type", kind, "--predicate", "vex.json"), *OFFLINE, *("--key", "key.key", str(name))
    )
    assert judge(name).status is Status.PASS


def test_the_policy_says_who_and_its_files_are_part_of_it(tmp_path: Path, key: Any) -> None:
    (tmp_path / "key.pub").write_bytes(public_pem(key))
    text = POLICY.replace("SIGNER", KEY)
    policy = runs.policy(tmp_path, text)
    assert policy.named_files == ("key.pub",)
    assert "attested:" in render_policy(policy)
    again = runs.policy(tmp_path, render_policy(policy))
    assert again.vex_signers == policy.vex_signers
    with pytest.raises(InvalidInput, match=r"policy\.yaml:4:.*vex\.attested"):
        runs.policy(tmp_path, text.replace(f"signers: [{KEY}]", "signers: []"))
    with pytest.raises(InvalidInput, match=r"policy\.yaml:4:.*vex\.attested"):
        runs.policy(tmp_path, text.replace("signers", "people"))
    with pytest.raises(InvalidInput, match="cannot be read"):
        runs.policy(tmp_path, POLICY.replace("SIGNER", "{key: gone.pub}"))
    assert Policy.load("strict", environment={}).vex_signers is None


def test_the_schema_knows_it() -> None:
    validator = jsonschema.Draft202012Validator(policy_schema(Catalogue()))
    policy: dict[str, Any] = {"schema": 1, "extends": "strict"}
    validator.validate({**policy, "vex": {"attested": {"signers": [{"key": "a.pub"}]}}})
    wrong_ones: list[dict[str, Any]] = [{}, {"signers": []}, {"signers": [{"key": "a.pub"}], "odd": 1}]
    for wrong in wrong_ones:
        assert list(validator.iter_errors({**policy, "vex": {"attested": wrong}})) != []
