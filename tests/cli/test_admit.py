"""`image-gate admit`: who may pass on a signed verdict, and with what reason the others may not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.cli.exits import Exit, run
from gate.limits import LIMITS
from gate.signatures.verdict_statement import DETAILS, SUMMARY
from samples.images.builder import MANIFEST, Blob, encode
from samples.images.catalogue import good, multi_platform
from samples.images.layout import oci_layout, write_directory
from tests.cli.conftest import Program
from tests.kit.registry import Fault, Registry, serving_registry
from tests.kit.sigstore import ISSUER, WORKFLOW, Signing, Sigstore, new_key, public_pem
from tests.kit.stored_signatures import attach, bundle_manifest

NOW = datetime.now(UTC).replace(microsecond=0)
GOOD, MANY = good(NOW), multi_platform(NOW)
DIGEST = GOOD.manifest.digest
VERIFIER = "https://ci.example.com/image-gate"
POLICY = f"sha256:{'a' * 64}"
KEY, OTHER = new_key(), new_key()
SIGSTORE = Sigstore(now=NOW)
BY_KEY, BY_WORKFLOW = Signing(key=KEY, log=0), Signing(at=NOW)
NAME = "registry.example.com/shop/api"


@pytest.fixture(autouse=True)
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files `gate.pub` and `root.json` in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("gate.pub").write_bytes(public_pem(KEY))
    Path("root.json").write_text(json.dumps(SIGSTORE.trusted_root()))


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving_registry({"shop/api:1.4": GOOD, "shop/many:1.4": MANY}) as serving:
        yield serving


def summary(resource: str, age: timedelta = timedelta(0), **changes: object) -> Mapping[str, Any]:
    """Return a summary that admits the image, but for `changes`."""
    last = resource.rpartition("/")[2]
    predicate: dict[str, object] = {
        "verifier": {"id": VERIFIER},
        "timeVerified": (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resourceUri": f"pkg:oci/{last}?repository_url={resource}",
        "policy": {"digest": {"sha256": "a" * 64}},
        "verificationResult": "PASSED",
    }
    return predicate | changes


def options(*more: str, signer: tuple[str, ...] = ("--key", "gate.pub")) -> list[str]:
    return ["--verifier", VERIFIER, "--policy-digest", POLICY, "--max-age", "24h", *signer, *more]


BY_IDENTITY = ("--identity", WORKFLOW, "--issuer", ISSUER, "--trusted-root", "root.json")


def store(registry: Registry, bundle: bytes, manifest: Blob = GOOD.manifest, where: str = "shop/api") -> None:
    attach(registry, where, manifest, bundle)


@pytest.mark.parametrize(
    ("signing", "signer"),
    [(BY_KEY, ("--key", "gate.pub")), (BY_WORKFLOW, BY_IDENTITY)],
    ids=["key", "identity"],
)
def test_a_signed_pass_admits(
    signing: Signing, signer: tuple[str, ...], registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{registry.host}/shop/api"
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name), signing))
    store(registry, SIGSTORE.attestation(DIGEST, DETAILS, {}, signing))
    assert run(["admit", f"{name}:1.4", *options(signer=signer)]) is Exit.PASS
    out = capsys.readouterr().out
    assert out.startswith(f"admitted {DIGEST} (linux/amd64): passed at ")
    assert VERIFIER in out
    assert registry.count("layer") <= 2  # the bundles: no layer of the image is read


@pytest.mark.parametrize(
    ("changes", "signing", "reason"),
    [
        ({"verificationResult": "FAILED"}, BY_KEY, "the verification ended with 'FAILED'"),
        ({"verifier": {"id": "https://evil.test"}}, BY_KEY, "its verifier is 'https://evil.test'"),
        ({"policy": {"digest": {"sha256": "b" * 64}}}, BY_KEY, "was judged under the policy 'bbbb"),
        ({"timeVerified": "2020-01-01T00:00:00Z"}, BY_KEY, "and 24 h 00 min are allowed"),
        ({"resourceUri": "pkg:oci/api?repository_url=a.test/api"}, BY_KEY, "it is about 'pkg:oci/api"),
        ({}, Signing(key=OTHER, log=0), "made by none of the trusted keys"),
        ({}, BY_WORKFLOW, "no root is trusted"),
    ],
    ids=["failed", "verifier", "policy", "date", "resource", "key", "kind"],
)
def test_what_does_not_admit_says_why(
    changes: dict[str, Any],
    signing: Signing,
    reason: str,
    registry: Registry,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"{registry.host}/shop/api"
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name, **changes), signing))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.FAIL
    out = capsys.readouterr().out
    assert out.startswith(f"refused {DIGEST} (linux/amd64): no verdict admits it\n")
    assert reason in out


def test_the_verdicts_of_a_season_keep_none_of_today_out(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What says that it was attached longer ago than a verdict may be old is not fetched, so that it uses nothing up."""
    monkeypatch.setattr("gate.signatures.discovery.LIMITS", replace(LIMITS, signature_manifests=2))
    name = f"{registry.host}/shop/api"

    def attached(age: timedelta) -> None:
        bundle = SIGSTORE.attestation(DIGEST, SUMMARY, summary(name, age), BY_KEY)
        body = json.loads(bundle_manifest(GOOD.manifest, bundle).data)
        created = (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {"dev.sigstore.bundle.predicateType": SUMMARY, "org.opencontainers.image.created": created}
        registry.put("shop/api", Blob(MANIFEST, encode({**body, "annotations": told})), [bundle])

    for night in range(1, 6):
        attached(timedelta(days=night + 1))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.FAIL
    assert "are too old; there are 5" in capsys.readouterr().out
    attached(timedelta(hours=1))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.PASS


def test_another_images_verdict(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{registry.host}/shop/api"
    other = f"sha256:{'c' * 64}"
    store(registry, SIGSTORE.attestation(other, SUMMARY, summary(name), BY_KEY))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.FAIL
    assert "it is about another image: sha256:cccccccccccc" in capsys.readouterr().out


def test_another_identity(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{registry.host}/shop/api"
    evil = Signing(
        at=NOW, subject="https://github.com/evil/app/.github/workflows/release.yml@refs/heads/main"
    )
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name), evil))
    assert run(["admit", f"{name}:1.4", *options(signer=BY_IDENTITY)]) is Exit.FAIL
    assert "its identity is https://github.com/evil/app" in capsys.readouterr().out


def test_an_identity_is_no_key(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    """A root that vouches for the log of a key must not let in whomever it gives a certificate."""
    name = f"{registry.host}/shop/api"
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name), BY_WORKFLOW))
    signer = ("--key", "gate.pub", "--trusted-root", "root.json")
    assert run(["admit", f"{name}:1.4", *options(signer=signer)]) is Exit.FAIL
    assert "another kind of signer" in capsys.readouterr().out


def test_a_key_with_a_root_must_be_logged(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{registry.host}/shop/api"
    signer = ("--key", "gate.pub", "--trusted-root", "root.json")
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name), BY_KEY))
    assert run(["admit", f"{name}:1.4", *options(signer=signer)]) is Exit.FAIL
    assert "in no transparency log" in capsys.readouterr().out
    logged = Signing(key=KEY, at=NOW)
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name), logged))
    assert run(["admit", f"{name}:1.4", *options(signer=signer)]) is Exit.PASS


def test_nothing_attached(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["admit", f"{registry.host}/shop/api:1.4", *options()]) is Exit.FAIL
    assert "nothing is attached" in capsys.readouterr().out


def test_a_later_failure_closes_again(registry: Registry) -> None:
    name = f"{registry.host}/shop/api"
    passed = summary(name, timedelta(hours=2))
    failed = summary(name, timedelta(hours=1), verificationResult="FAILED")
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, passed, BY_KEY))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.PASS
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, failed, BY_KEY))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.FAIL


def test_every_platform_needs_its_own(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{registry.host}/shop/many"
    amd64, arm64 = (image.manifest for image in MANY.images[:2])
    for each in (amd64, MANY.manifest):
        signed = SIGSTORE.attestation(each.digest, SUMMARY, summary(name), BY_KEY)
        store(registry, signed, each, "shop/many")
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.FAIL
    out = capsys.readouterr().out
    assert f"admitted {amd64.digest} (linux/amd64)" in out
    assert f"refused {arm64.digest} (linux/arm64" in out
    assert run(["admit", f"{name}:1.4", *options("--platform", "linux/amd64")]) is Exit.PASS
    signed = SIGSTORE.attestation(arm64.digest, SUMMARY, summary(name), BY_KEY)
    store(registry, signed, arm64, "shop/many")
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.PASS


def test_a_platform_that_is_not_there(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{registry.host}/shop/many:1.4"
    assert run(["admit", name, *options("--platform", "linux/s390x")]) is Exit.NO_VERDICT
    assert "linux/s390x" in capsys.readouterr().err


def test_a_platform_that_cannot_be_read() -> None:
    with serving_registry({"shop/many:1.4": MANY}, [Fault("config", "404")]) as registry:
        assert run(["admit", f"{registry.host}/shop/many:1.4", *options()]) is Exit.NO_VERDICT


def test_no_number_of_wrong_verdicts_hides_the_rest(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{registry.host}/shop/api"
    for number in range(12):
        wrong = summary(name, verifier={"id": f"https://evil.test/{number}\x1b[2J"})
        store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, wrong, BY_KEY))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.FAIL
    out = capsys.readouterr().out
    assert out.endswith("  - and 2 more\n")
    assert "\x1b" not in out
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name), BY_KEY))
    assert run(["admit", f"{name}:1.4", *options()]) is Exit.PASS


def test_a_place_without_an_answer_may_hold_a_later_failure() -> None:
    faults = [Fault("referrers", "403")]
    with serving_registry({"shop/api:1.4": GOOD}, faults) as registry:
        name = f"{registry.host}/shop/api"
        store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(name), BY_KEY))
        assert run(["admit", f"{name}:1.4", *options()]) is Exit.NO_VERDICT


def test_a_file_of_bundles_without_any_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = SIGSTORE.attestation(DIGEST, SUMMARY, summary(NAME), BY_KEY)
    (tmp_path / "verdict.jsonl").write_bytes(
        SIGSTORE.attestation(DIGEST, DETAILS, {}, BY_KEY) + b"\n" + bundle
    )
    (tmp_path / "verdict.json").write_bytes(bundle)
    for file in ("verdict.jsonl", "verdict.json"):
        assert run(["admit", f"{NAME}@{DIGEST}", *options("--bundle", file)]) is Exit.PASS
    other = f"{NAME}@sha256:{'c' * 64}"
    assert run(["admit", other, *options("--bundle", "verdict.json")]) is Exit.FAIL
    assert "another image" in capsys.readouterr().out


def test_a_copy_elsewhere_is_named_as_it_was_judged(registry: Registry) -> None:
    name = f"{registry.host}/shop/api:1.4"
    store(registry, SIGSTORE.attestation(DIGEST, SUMMARY, summary(NAME), BY_KEY))
    assert run(["admit", name, *options()]) is Exit.FAIL
    assert run(["admit", name, *options("--resource", NAME)]) is Exit.PASS


def test_a_layout_needs_to_be_told_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_directory(oci_layout({"": GOOD}), tmp_path / "image")
    Path("verdict.json").write_bytes(SIGSTORE.attestation(DIGEST, SUMMARY, summary(NAME), BY_KEY))
    arguments = ["admit", "oci:image", *options("--bundle", "verdict.json")]
    assert run(arguments) is Exit.WRONG_REQUEST
    assert run([*arguments, "--resource", NAME]) is Exit.PASS


@pytest.mark.parametrize(
    ("signer", "message"),
    [
        ((), "who must have signed"),
        (("--key", "gate.pub", "--identity", "x", "--issuer", "y"), "who must have signed"),
        (("--identity", WORKFLOW), "who must have signed"),
        (("--issuer", ISSUER), "who must have signed"),
        (("--identity", ".*", "--issuer", ISSUER), "regular expression"),
        (("--key", "absent.pub"), "cannot be read"),
        (("--key", "root.json"), "no public key"),
        (("--key", "gate.pub", "--trusted-root", "gate.pub"), "gate.pub"),
        (("--key", "gate.pub", "--policy-digest", "sha256:12"), "64 hexadecimal digits"),
        (("--key", "gate.pub", "--max-age", "forever"), "is no time"),
        (("--key", "gate.pub", "--max-age", "400d"), "365 days"),
        (("--key", "gate.pub", "--bundle", "absent.json"), "cannot be read"),
    ],
)
def test_wrong_requests(signer: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["admit", f"{NAME}@{DIGEST}", *options(signer=signer)]) is Exit.WRONG_REQUEST
    assert message in capsys.readouterr().err


def test_what_attest_signs_admit_admits(inside: Program, tmp_path: Path) -> None:
    """From end to end, as two jobs run them."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "gate.key").write_bytes(pem)
    (tmp_path / "policy.yaml").write_text("schema: 1\nrules: {no-shell: {}, non-root: {}}\n")
    with serving_registry({"shop/api:1.4": GOOD}) as registry:
        name = f"{registry.host}/shop/api:1.4"
        done = inside(
            *("attest", name, "--verifier", VERIFIER, "--key", "gate.key"),
            *("--policy", "policy.yaml", "--format", "json"),
        )
        assert done.returncode == 0, done.stderr
        digest = json.loads(done.stdout)["run"]["policy"]["digest"]
        answer = inside(
            *("admit", name, "--verifier", VERIFIER, "--key", "gate.pub"),
            *("--policy-digest", digest, "--max-age", "1h"),
        )
    assert (answer.returncode, answer.stderr) == (0, "")
