"""`image-gate attest`: what it signs, where it puts it, and what it does not sign."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gate.signatures import Trust, bundle, keys
from gate.signatures.statement import Statement, statement_of
from gate.signatures.verdict_statement import DETAILS, SUMMARY
from gate.signatures.verify import verify
from samples.images.catalogue import bad, good, multi_platform
from samples.images.layout import oci_layout, write_directory
from tests.cli.conftest import Program
from tests.kit.registry import Fault, Registry, serving_registry

NOW = datetime.now(UTC).replace(microsecond=0)
GOOD, BAD, MANY = good(NOW), bad(NOW), multi_platform(NOW)
VERIFIER = "https://ci.example.com/image-gate"
POLICY = """\
schema: 1
rules: {no-shell: {}, non-root: {}}
platforms: {leave-out: [windows/*]}
"""


@pytest.fixture
def key(tmp_path: Path) -> ec.EllipticCurvePrivateKey:
    """A key in `gate.key`, and `policy.yaml`."""
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "gate.key").write_bytes(pem)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return made


def options(*more: str) -> tuple[str, ...]:
    return ("--verifier", VERIFIER, "--key", "gate.key", "--policy", "policy.yaml", *more)


def verified(data: bytes, key: ec.EllipticCurvePrivateKey) -> Statement:
    """Verify a bundle and return what it states."""
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    material = bundle.from_bytes(data)
    verify(material, Trust(keys=keys.from_pem(public, "gate.pub")))
    return statement_of(material)


def attached(registry: Registry, key: ec.EllipticCurvePrivateKey) -> dict[tuple[str, str], Any]:
    """Return the predicates of all bundles that a registry holds, by the digest and type that they state."""
    held = registry.repositories["shop/api"]
    found = {}
    for entries in held.referrers.values():
        for entry in entries:
            manifest = json.loads(held.manifests[entry["digest"]].data)
            statement = verified(held.blobs[manifest["layers"][0]["digest"]], key)
            (subject,) = statement.subjects
            assert str(subject.digest) == manifest["subject"]["digest"]
            found[str(subject.digest), statement.predicate_type] = statement.predicate
    return found


@pytest.mark.parametrize(("image", "code", "result"), [(GOOD, 0, "PASSED"), (BAD, 1, "FAILED")])
def test_a_verdict_is_attached_to_its_image(
    image: Any, code: int, result: str, key: ec.EllipticCurvePrivateKey, inside: Program
) -> None:
    with serving_registry({"shop/api:1.4": image}) as registry:
        done = inside("attest", f"{registry.host}/shop/api:1.4", *options())
        assert done.returncode == code, done.stderr
        assert f"signed the verdict of {image.manifest.digest} (linux/amd64)" in done.stderr
        found = attached(registry, key)
    assert set(found) == {(image.manifest.digest, SUMMARY), (image.manifest.digest, DETAILS)}
    summary = found[image.manifest.digest, SUMMARY]
    assert summary["verificationResult"] == result
    assert summary["verifier"]["id"] == VERIFIER
    assert summary["resourceUri"].endswith(f"{registry.host}/shop/api")


def test_each_platform_of_an_index_gets_its_own(key: ec.EllipticCurvePrivateKey, inside: Program) -> None:
    with serving_registry({"shop/api:1.4": MANY}) as registry:
        done = inside("attest", f"{registry.host}/shop/api:1.4", *options("--format", "json"))
        found = attached(registry, key)
    report = json.loads(done.stdout)
    judged = {each["subject"]["digest"]: each["status"] for each in report["verdicts"]}
    assert len(judged) == 2
    results = {digest: found[digest, SUMMARY]["verificationResult"] for digest in judged}
    assert results == {
        digest: {"pass": "PASSED", "fail": "FAILED"}[status] for digest, status in judged.items()
    }
    assert MANY.manifest.digest not in results


def test_bundles_go_to_a_file_instead(
    key: ec.EllipticCurvePrivateKey, inside: Program, tmp_path: Path
) -> None:
    write_directory(oci_layout({"registry.example.com/shop/api:1": GOOD}), tmp_path / "image")
    done = inside("attest", "oci:image", *options("--output", "verdict.jsonl", "--quiet"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "verdict.jsonl").read_bytes().splitlines()
    assert [verified(line, key).predicate_type for line in lines] == [SUMMARY, DETAILS]


def test_an_encrypted_key_and_a_key_on_standard_input(
    key: ec.EllipticCurvePrivateKey, program: Program, tmp_path: Path
) -> None:
    write_directory(oci_layout({"registry.example.com/shop/api:1": GOOD}), tmp_path / "image")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"opensesame"))
    done = program(
        *("attest", "oci:image", "--output", "x.jsonl", "--policy", "policy.yaml"),
        *("--verifier", VERIFIER, "--key", "-"),
        variables={"IMAGE_GATE_KEY_PASSWORD": "opensesame"},
        input=pem.decode(),
    )
    assert done.returncode == 0, done.stderr
    verified((tmp_path / "x.jsonl").read_bytes().splitlines()[0], key)


def test_nothing_is_signed_where_anything_is_unknown(
    key: ec.EllipticCurvePrivateKey, inside: Program, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text("schema: 1\nrules: {no-shell: {}, tag-moved: {}}\n")
    with serving_registry({"shop/api:1.4": GOOD}, [Fault("layer", "403")]) as registry:
        done = inside("attest", f"{registry.host}/shop/api:1.4", *options())
        assert attached(registry, key) == {}
        assert registry.count("write") == 0
    assert done.returncode == 3
    assert "only pass and fail can be signed" in done.stderr


def test_what_cannot_be_written_is_no_verdict(key: ec.EllipticCurvePrivateKey, inside: Program) -> None:
    with serving_registry({"shop/api:1.4": GOOD}, [Fault("write", "403")]) as registry:
        done = inside("attest", f"{registry.host}/shop/api:1.4", *options())
    assert done.returncode == 3
    assert "allowed to push" in done.stderr
    assert "pass" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("oci:image", *options()), "in no registry"),
        (("registry.example.com/x", *options("--trust-config", "x")), "exclude each other"),
        (("registry.example.com/x", "--key", "gate.key"), "--verifier"),
        (("registry.example.com/x", "--verifier", "me", "--key", "gate.key"), "is no URI"),
        (("registry.example.com/x", "--verifier", VERIFIER, "--key", "absent.key"), "cannot be read"),
        (("registry.example.com/x", "--verifier", VERIFIER), "neither a key nor the identity of a job"),
        (
            (
                "registry.example.com/x",
                "--verifier",
                VERIFIER,
                "--key",
                "-",
                "--password-stdin",
                "--username",
                "x",
            ),
            "both read standard input",
        ),
    ],
)
def test_wrong_requests(
    arguments: tuple[str, ...],
    message: str,
    key: ec.EllipticCurvePrivateKey,
    inside: Program,
    tmp_path: Path,
) -> None:
    write_directory(oci_layout({"": GOOD}), tmp_path / "image")
    done = inside("attest", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_variable_for_reports_is_not_taken_for_the_bundles(
    key: ec.EllipticCurvePrivateKey, inside: Program, tmp_path: Path
) -> None:
    with serving_registry({"shop/api:1.4": GOOD}) as registry:
        variables = {"IMAGE_GATE_OUTPUT": "json=report.json"}
        done = inside("attest", f"{registry.host}/shop/api:1.4", *options(), variables=variables)
        assert done.returncode == 0, done.stderr
        assert len(attached(registry, key)) == 2
    assert not (tmp_path / "report.json").exists()
    assert not (tmp_path / "json=report.json").exists()
