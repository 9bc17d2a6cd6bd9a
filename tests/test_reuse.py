"""Verdicts that spare a scan: which one counts, what is taken from it, and that nothing passes by it that would not else."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from gate.cli.exits import Exit, run
from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.pipeline import check
from gate.policy.catalogue import Catalogue
from gate.policy.document import parse
from gate.policy.load import from_bytes
from gate.policy.render import render_policy
from gate.policy.schema import policy_schema
from gate.reporters import RenderOptions, formats, reporter
from gate.reuse import earlier_verdict, packed, unpacked
from gate.scanners import RawFinding, ScannerReport
from gate.signatures.verdict_statement import DETAILS, SUMMARY, statements_of
from gate.verdict import Report, Status
from samples.images.catalogue import good, multi_platform
from tests.kit import runs, vouched
from tests.kit.registry import Fault, Registry, serving_registry
from tests.kit.reports import subject
from tests.kit.sigstore import ISSUER, WORKFLOW, Signing, Sigstore, new_key, public_pem
from tests.kit.stored_signatures import attach
from tests.kit.vulnerabilities import opinion

CVE = "CVE-2023-5363"
VERIFIER = "https://ci.example.com/image-gate"
POLICY = f"""\
schema: 1
scanners: {{required: [grype, trivy]}}
rules: {{vulnerabilities: {{}}, scan-coverage: {{}}, no-shell: {{}}}}
reuse-verdicts: {{verifier: '{VERIFIER}', max-age-hours: 12, signers: [SIGNER]}}
"""
KEY = "{key: gate.pub}"
PEOPLE = f"{{identity: '{WORKFLOW}', issuer: '{ISSUER}'}}], trusted-roots: [root.json"
DAY = timedelta(hours=24)
NOW = datetime.now(UTC).replace(microsecond=0)
IMAGE = good(NOW)
DIGEST = IMAGE.manifest.digest
GATE_KEY = new_key()
BY_KEY = Signing(key=GATE_KEY, log=0)

Predicate = dict[str, Any]


@pytest.fixture(scope="module")
def sigstore() -> Sigstore:
    return Sigstore()


class Bench:
    """A registry with one image, scanners that count how often they are asked, and verdicts to attach."""

    def __init__(self, folder: Path, registry: Registry, sigstore: Sigstore) -> None:
        self.folder, self.registry, self.sigstore = folder, registry, sigstore
        self.found: tuple[str, ...] = ()
        self.scans = 0
        self.policy = POLICY.replace("SIGNER", KEY)

    def scanners(self) -> Mapping[str, Any]:
        return runs.seeing_scanners(**{name: self._scan(name) for name in ("grype", "trivy")})

    def _scan(self, name: str) -> runs.Scan:
        honest = runs.seeing(name).scan

        def scan(target: Any, settings: Any, deadline: float) -> ScannerReport:
            self.scans += 1
            found = tuple(
                RawFinding("deb", "libssl3", "3.0.9-1", "", opinion(scanner=name, id=id_))
                for id_ in self.found
            )
            return replace(honest(target, settings, deadline), findings=found)

        return scan

    def check(self, *, reuse: timedelta | None = DAY, name: str = "shop/api:1.4", **settings: Any) -> Report:
        """Judge the image; the scans of this run alone are counted."""
        self.scans = 0
        policy = runs.policy(self.folder, self.policy)
        told = runs.settings(self.folder, reuse_verdict=reuse, **settings)
        return check([f"docker://{self.registry.host}/{name}"], policy, told)

    def verdict(self, *found: str, **changes: Any) -> Predicate:
        """The predicate of a verdict of the image in which scanners found this, but for changes to it."""
        before, self.found = self.found, found
        said: dict[Any, Any] = {}
        policy = runs.policy(self.folder, self.policy)
        settings = runs.settings(self.folder)
        assert settings.scanners is not None
        settings = replace(settings, scanners=replace(settings.scanners, told=said.__setitem__))
        report = check([f"docker://{self.registry.host}/shop/api:1.4"], policy, settings)
        scans = {digest: packed(reports) for digest, reports in said.items()}
        (content,) = (
            one.content for one in statements_of(report, VERIFIER, scans) if one.predicate_type == DETAILS
        )
        self.found = before
        predicate: Predicate = json.loads(content)["predicate"]
        return predicate | changes

    def attach(
        self,
        predicate: Predicate,
        signing: Signing = BY_KEY,
        about: str = DIGEST,
        kind: str = DETAILS,
        repository: str = "shop/api",
    ) -> None:
        bundle = self.sigstore.attestation(about, kind, predicate, signing)
        attach(self.registry, repository, IMAGE.manifest, bundle)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sigstore: Sigstore) -> Iterator[Bench]:
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.002)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root.json").write_text(json.dumps(sigstore.trusted_root()))
    (tmp_path / "gate.pub").write_bytes(public_pem(GATE_KEY))
    images: dict[str, Any] = {"shop/api:1.4": IMAGE, "other/api:1": IMAGE, "many/api:1": multi_platform(NOW)}
    with serving_registry(images) as registry:
        made = Bench(tmp_path, registry, sigstore)
        monkeypatch.setattr("gate.gathering._scanners", made.scanners)
        yield made


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def facts(report: Report) -> Any:
    return report.verdicts[0].evidence["reused_verdict"]


def as_text(report: Report, **options: Any) -> str:
    return reporter("text").render(report, RenderOptions(width=600, **options))


# --- what a verdict spares ---


@pytest.mark.parametrize("signer", [KEY, PEOPLE], ids=["key", "identity"])
def test_a_verdict_spares_the_scan_and_the_report_says_so(signer: str, bench: Bench) -> None:
    bench.policy = POLICY.replace("SIGNER", signer)
    bench.attach(bench.verdict(judged=ago(hours=3)), BY_KEY if signer == KEY else Signing())
    report = bench.check()
    assert (report.status, bench.scans) == (Status.PASS, 0)
    told = facts(report)
    assert (told["used"], told["verifier"], told["status"]) == (True, VERIFIER, "pass")
    assert told["manifest"].startswith("sha256:")
    assert "not scanned now: what scanners said is of a verdict of" in as_text(report)
    assert "(3 h old, pass), signed by the key" in as_text(report) or signer == PEOPLE
    (one, other) = report.verdicts[0].evidence["scanners"].values()  # type: ignore[attr-defined]
    assert one["reused"] == other["reused"] == told["judged"]


def test_a_verdict_that_failed_fails_again_with_its_own_findings(bench: Bench) -> None:
    bench.attach(bench.verdict(CVE, "CVE-2023-2"))
    report = bench.check()
    assert (report.status, bench.scans) == (Status.FAIL, 0)
    (result,) = (one for one in report.verdicts[0].results if one.rule == "vulnerabilities")
    assert [one.id for one in result.findings] == ["CVE-2023-2", CVE]
    assert result.findings[0].details["found_by"] == ["grype", "trivy"]


def test_of_an_index_those_platforms_are_scanned_that_have_no_verdict(bench: Bench) -> None:
    bench.attach(bench.verdict(), repository="many/api")
    report = bench.check(name="many/api:1")
    assert bench.scans == 2
    used: Any = {str(one.subject.digest): one.evidence["reused_verdict"] for one in report.verdicts}
    assert len(used) == 2
    assert {digest: one["used"] for digest, one in used.items()} == {
        digest: digest == DIGEST for digest in used
    }


def test_nothing_is_reused_unless_asked_for(bench: Bench) -> None:
    bench.attach(bench.verdict())
    report = bench.check(reuse=None)
    assert bench.scans == 2
    assert "reused_verdict" not in report.verdicts[0].evidence
    assert "verdict of" not in as_text(report)


def test_rules_that_ask_no_scanner_are_asked_again(bench: Bench) -> None:
    """What the image breaks by now is found, though the verdict says that it did not."""
    bench.policy = bench.policy.replace("no-shell: {}", "no-shell: {}, max-age: {days: 90}")
    bench.attach(bench.verdict())
    report = bench.check(as_of=(NOW + timedelta(days=100)).date())
    assert (report.status, bench.scans) == (Status.FAIL, 0)
    assert [one.rule for one in report.verdicts[0].results if one.closes] == ["max-age"]


def test_the_name_by_which_the_image_is_judged_is_the_one_of_now(bench: Bench) -> None:
    """The same image in another repository has no verdict there; where it has, rules about names judge the name of now."""
    bench.policy = bench.policy.replace(
        "no-shell: {}", "no-shell: {}, allowed-registries: {registries: [a.test]}"
    )
    bench.attach(bench.verdict())
    report = bench.check()
    assert (report.status, bench.scans) == (Status.FAIL, 0)
    bench.check(name="other/api:1")
    assert bench.scans == 2


def test_every_format_says_that_nothing_was_scanned_or_nothing_of_scans(bench: Bench) -> None:
    bench.attach(bench.verdict(CVE))
    report = bench.check()
    told = {name: reporter(name).render(report, RenderOptions()) for name in formats()}
    for name in ("text", "markdown", "comment", "html", "cyclonedx"):
        assert "not scanned now" in told[name], name
    assert as_text(report, quiet=True).endswith("  not scanned now\n")
    assert "not scanned" not in as_text(bench.check(reuse=None), quiet=True)
    read = json.loads(told["json"])["verdicts"][0]["evidence"]
    assert read["reused_verdict"]["used"] is True
    assert read["scanners"]["trivy"]["reused"]


# --- what does not count ---


def refused(bench: Bench, reason: str, scans: int = 2) -> Report:
    """Expect that scanners ran, that the report is theirs, and that it says why."""
    bench.found = (CVE,)
    report = bench.check()
    assert bench.scans == scans
    assert report.status is Status.FAIL
    assert facts(report)["used"] is False
    assert reason in facts(report)["reason"]
    assert "no earlier verdict is reused, so the image was scanned: " in as_text(report)
    return report


def test_without_any(bench: Bench) -> None:
    refused(bench, "there is none of this image that counts")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verifier": "https://evil.test"}, "one is of the verifier 'https://evil.test'"),
        ({"verifier": ""}, "one is of the verifier ''"),
        (
            {"policy": {"name": "x", "digest": f"sha256:{'b' * 64}"}},
            "one was made under the policy 'sha256:bbbb",
        ),
        ({"judged": ago(hours=13)}, "old, and 12 h 00 min are allowed"),
        ({"judged": "2099-01-01T00:00:00Z"}, "was made in the future"),
        ({"judged": "yesterday"}, "does not say when it was made"),
        ({"version": "0.0.9"}, "was made by image-gate 0.0.9, and this is"),
        ({"scans": ""}, "does not hold what grype and trivy said"),
        ({"scans": "!"}, "what scanners said cannot be read"),
        ({"scans": base64.b64encode(gzip.compress(b'{"trivy": {}}')).decode()}, "cannot be read"),
        ({"scans": base64.b64encode(gzip.compress(b"{}")).decode()}, "does not hold what grype and trivy"),
        ({"rules": []}, "scan-coverage was not asked, and of the same reports it is pass"),
        ({"rules": "none"}, "is no verdict that can be read"),
        ({"status": "unknown"}, "is no verdict that can be read"),
    ],
)
def test_what_is_not_as_expected_or_not_whole(changes: Predicate, reason: str, bench: Bench) -> None:
    bench.attach(bench.verdict(**changes))
    refused(bench, reason)


def test_cut_details(bench: Bench) -> None:
    whole = bench.verdict()
    for name in ("version", "judged", "rules", "policy"):
        cut = {key: value for key, value in whole.items() if key != name}
        bench.attach(cut)
    refused(bench, "is no verdict that can be read")


def test_a_strangers_verdict(bench: Bench) -> None:
    bench.attach(bench.verdict(), Signing(key=new_key(), log=0))
    refused(bench, "made by none of the trusted keys")


def test_a_verdict_of_another_image(bench: Bench) -> None:
    bench.attach(bench.verdict(), about=f"sha256:{'9' * 64}")
    refused(bench, "it is about another image")


def test_reports_of_another_image_in_a_verdict_of_this_one(bench: Bench) -> None:
    verdict = bench.verdict()
    reports = unpacked(verdict["scans"])
    other = {
        name: replace(one, run=replace(one.run, image_id=f"sha256:{'8' * 64}"))
        for name, one in reports.items()
    }
    bench.attach(verdict | {"scans": packed(other)})
    refused(bench, "is not about this image")


def test_one_scanner_in_the_place_of_the_other(bench: Bench) -> None:
    verdict = bench.verdict()
    trivy = unpacked(verdict["scans"])["trivy"]
    bench.attach(verdict | {"scans": packed({"trivy": trivy, "grype": trivy})})
    refused(bench, "the report of grype in the newest is not about this image")


def test_a_summary_is_no_verdict_with_reports(bench: Bench) -> None:
    bench.attach(bench.verdict(), kind=SUMMARY)
    refused(bench, "there is none of this image that counts")


def test_a_later_failure_closes_what_an_earlier_pass_opened(bench: Bench) -> None:
    bench.attach(bench.verdict(judged=ago(hours=1)))
    bench.attach(bench.verdict(CVE, judged=ago(minutes=30)))
    bench.attach(bench.verdict(judged=ago(hours=2)))
    report = bench.check()
    assert (report.status, bench.scans) == (Status.FAIL, 0)


def test_of_two_at_the_same_time_the_failure_counts(bench: Bench) -> None:
    same = ago(minutes=5)
    bench.attach(bench.verdict(judged=same))
    bench.attach(bench.verdict(CVE, judged=same))
    bench.attach(bench.verdict(judged=same, reference="again"))
    assert bench.check().status is Status.FAIL


def test_a_newer_one_that_cannot_be_used_is_not_passed_over(bench: Bench) -> None:
    bench.attach(bench.verdict(judged=ago(hours=1)))
    bench.attach(bench.verdict(judged=ago(minutes=1), scans=""))
    refused(bench, "does not hold what")


def test_garbage_and_strangers_beside_it_do_not_matter(bench: Bench) -> None:
    bench.attach(bench.verdict())
    bench.attach(bench.verdict(rules="garbage"), Signing(key=new_key(), log=0))
    attach(bench.registry, "shop/api", IMAGE.manifest, b"{garbage")
    bench.check()
    assert bench.scans == 0


def test_where_a_place_gave_no_answer_none_counts(tmp_path: Path, bench: Bench) -> None:
    bench.attach(bench.verdict())
    bench.registry.faults = [Fault("referrers", "500")]
    refused(bench, "a place that may hold a newer one gave no answer")


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (vouched.INDEX, "it is about an index, and a verdict is of one platform"),
        (vouched.MANIFEST, "is no verdict that can be read"),
    ],
)
def test_what_is_about_an_index_is_about_none_of_its_platforms(
    about: Any, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "gate.pub").write_bytes(public_pem(GATE_KEY))
    policy = runs.policy(tmp_path, POLICY.replace("SIGNER", KEY))
    assert policy.verdict_reuse is not None
    found = vouched.attestations(
        policy.verdict_reuse, vouched.attestation(vouched.key("gate"), DETAILS, {}, about)
    )
    image = replace(subject(), digest=vouched.MANIFEST, resolved=vouched.INDEX)
    with pytest.raises(Unavailable, match=reason):
        earlier_verdict(found, policy, image, DAY)


# --- what changed since ---


def test_an_exception_that_ended_has_the_image_scanned(bench: Bench) -> None:
    """Under the same digest the policy can say something else on another day."""
    until = (NOW + timedelta(days=3)).date()
    bench.policy += f"exceptions: [{{rule: vulnerabilities, id: {CVE}, until: {until}, reason: later}}]\n"
    bench.attach(bench.verdict(CVE))
    assert (bench.check().status, bench.scans) == (Status.PASS, 0)
    report = bench.check(as_of=until + timedelta(days=1))
    assert (report.status, bench.scans) == (Status.UNKNOWN, 2)
    assert (
        "vulnerabilities was pass (deny, 0 findings, 1 excepted), and of the same reports it is"
        in facts(report)["reason"]
    )


def test_what_was_signed_is_never_made_better(bench: Bench) -> None:
    """A verdict whose reports would pass now, and which says that it failed, is no reason to pass."""
    passed, failed = bench.verdict(), bench.verdict(CVE)
    bench.attach(failed | {"scans": passed["scans"]})
    refused(
        bench, "vulnerabilities was fail (deny, 1 findings, 0 excepted), and of the same reports it is pass"
    )


def test_a_database_that_became_too_old_has_the_image_scanned(bench: Bench) -> None:
    verdict = bench.verdict()
    reports = unpacked(verdict["scans"])
    old = datetime.now(UTC) - timedelta(days=5, hours=1)
    aged = {
        name: replace(one, run=replace(one.run, database=replace(one.run.database, built=old)))
        for name, one in reports.items()
    }
    bench.attach(verdict | {"scans": packed(aged)})
    refused(bench, "of the same reports it is unknown")


# --- how long, and who says so ---


def test_a_run_can_shorten_the_age_and_not_lengthen_it(bench: Bench) -> None:
    bench.attach(bench.verdict(judged=ago(hours=2)))
    bench.check(reuse=timedelta(hours=1))
    assert bench.scans == 2
    bench.check(reuse=timedelta(hours=3))
    assert bench.scans == 0
    bench.policy = bench.policy.replace("max-age-hours: 12", "max-age-hours: 1")
    bench.attach(bench.verdict(judged=ago(hours=2)))
    assert "old, and 1 h 00 min are allowed" in facts(bench.check(reuse=timedelta(days=300)))["reason"]


def test_a_policy_that_names_nobody_refuses_the_option(bench: Bench) -> None:
    bench.policy = "\n".join(line for line in bench.policy.splitlines() if "reuse" not in line) + "\n"
    with pytest.raises(InvalidInput, match="does not say whose verdicts may spare a scan") as caught:
        bench.check()
    line = caught.value.hint.partition(": ")[2]
    bench.policy += f"{line}\n"
    bench.check()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (f"{{verifier: '{VERIFIER}'}}", "signers"),
        (f"{{signers: [{KEY}]}}", "verifier"),
        (f"{{verifier: v, signers: [{KEY}, {{key: b.pub}}], threshold: 2}}", "each verdict is signed once"),
        (f"{{verifier: v, signers: [{KEY}], max-age-hours: 169}}", "168"),
        (f"{{verifier: v, signers: [{KEY}], max-age: 24h}}", "max-age-hours"),
        ("{verifier: v, signers: [{identity: x}]}", "issuer"),
        (f"{{verifier: v, signers: [{KEY}, {{key: b.pub}}], threshold: 3}}", "there are 2 signers"),
    ],
)
def test_wrong_sections(entry: str, message: str, bench: Bench) -> None:
    text = "schema: 1\nextends: baseline\nreuse-verdicts: " + entry + "\n"
    with pytest.raises(InvalidInput, match=message):
        runs.policy(bench.folder, text)


def test_who_is_believed_is_part_of_the_policys_digest(bench: Bench) -> None:
    before = runs.policy(bench.folder, bench.policy)
    assert before.named_files == ("gate.pub",)
    (bench.folder / "gate.pub").write_bytes(public_pem(new_key()))
    assert runs.policy(bench.folder, bench.policy).digest != before.digest


def test_the_section_is_shown_as_it_is_read_and_as_its_schema_says(bench: Bench) -> None:
    policy = runs.policy(bench.folder, POLICY.replace("SIGNER", PEOPLE))
    again = from_bytes(render_policy(policy).encode(), str(bench.folder / "policy.yaml"), Catalogue())
    assert again.verdict_reuse == policy.verdict_reuse
    for signer, valid in ((KEY, True), (PEOPLE, True), ("{kye: x}", False)):
        document = parse(POLICY.replace("SIGNER", signer).encode(), "p").plain()
        assert Draft202012Validator(policy_schema(Catalogue())).is_valid(document) is valid


# --- how reports travel ---


def report_of(bench: Bench) -> dict[str, ScannerReport]:
    return unpacked(bench.verdict(CVE)["scans"])


def test_reports_survive_the_journey(bench: Bench) -> None:
    reports = report_of(bench)
    assert unpacked(packed(reports)) == reports
    assert packed(reports) == packed(dict(reversed(reports.items())))
    assert reports["trivy"].findings[0].opinion.id == CVE


def test_reports_that_expand_without_end_are_not_read() -> None:
    bomb = base64.b64encode(gzip.compress(b" " * (LIMITS.cached_scan + 2))).decode()
    with pytest.raises(Unavailable, match="cannot be read"):
        unpacked(bomb)


@pytest.mark.parametrize("text", ["", "====", "YQ==", "H4sIAAAA", "H4sI" * 9])
def test_what_is_no_archive(text: str) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        unpacked(text)


def test_reports_that_are_too_large_are_left_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = report_of(bench)
    small = replace(LIMITS, signed_scans=10)
    monkeypatch.setattr("gate.reuse.LIMITS", small)
    assert packed(reports) == ""
    monkeypatch.setattr("gate.reuse.LIMITS", replace(LIMITS, cached_scan=10))
    assert packed(reports) == ""


# --- from `attest` to `check` ---


Ran = Callable[..., Exit]


@pytest.fixture
def ran(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Run the program on the image of the registry."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = GATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path("gate.key").write_bytes(pem)
    Path("policy.yaml").write_text(bench.policy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.folder / "cache"))

    def run_it(command: str, *more: str) -> Exit:
        bench.scans = 0
        name = f"docker://{bench.registry.host}/shop/api:1.4"
        return run([command, name, "--policy", "policy.yaml", "--offline", *more])

    return run_it


ATTEST = ("--verifier", VERIFIER, "--key", "gate.key")


@pytest.mark.parametrize(("found", "code"), [((), Exit.PASS), ((CVE,), Exit.FAIL)])
def test_what_attest_signs_check_reuses(
    found: tuple[str, ...], code: Exit, ran: Ran, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.found = found
    assert (ran("attest", *ATTEST), bench.scans) == (code, 2)
    bench.found = ()
    capsys.readouterr()
    assert (ran("check", "--reuse-verdict", "24h"), bench.scans) == (code, 0)
    assert "not scanned now" in capsys.readouterr().out
    assert (ran("check"), bench.scans) == (Exit.PASS, 2)


def test_verdicts_in_a_file_are_reused_too(ran: Ran, bench: Bench) -> None:
    assert ran("attest", *ATTEST, "--output", "verdict.jsonl") is Exit.PASS
    ran("check", "--reuse-verdict", "24h", "--bundle", "verdict.jsonl")
    assert bench.scans == 0


def test_a_verdict_holds_no_reports_where_nobody_may_use_them(ran: Ran, bench: Bench) -> None:
    Path("policy.yaml").write_text(bench.policy[: bench.policy.index("reuse-verdicts")])
    assert ran("attest", *ATTEST, "--output", "verdict.jsonl") is Exit.PASS
    bundle = json.loads(Path("verdict.jsonl").read_text().splitlines()[1])
    payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert (payload["predicate"]["scans"], payload["predicate"]["verifier"]) == ("", VERIFIER)


def test_attest_never_reuses_so_that_verdicts_do_not_renew_each_other(
    ran: Ran, bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran("attest", *ATTEST)
    monkeypatch.setenv("IMAGE_GATE_REUSE_VERDICT", "24h")
    assert (ran("attest", *ATTEST), bench.scans) == (Exit.PASS, 2)
    assert ran("attest", *ATTEST, "--reuse-verdict", "24h") is Exit.WRONG_REQUEST
    assert (ran("check"), bench.scans) == (Exit.PASS, 0)


def test_a_policy_without_the_section_ends_with_2(
    ran: Ran, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("policy.yaml").write_text(bench.policy[: bench.policy.index("reuse-verdicts")])
    assert ran("check", "--reuse-verdict", "24h") is Exit.WRONG_REQUEST
    assert "add to it: reuse-verdicts: {verifier:" in capsys.readouterr().err


# --- which verdicts are looked at ---


def test_verdicts_are_looked_at_where_somebody_asks_for_them(ran: Ran, bench: Bench) -> None:
    """Those of every night would else use up what may be looked at for the signatures of an image."""

    def verified(rules: str, reuse: timedelta | None = None) -> set[str]:
        bench.policy = POLICY.replace("SIGNER", KEY).replace("no-shell: {}", f"no-shell: {{}}, {rules}")
        evidence: Any = bench.check(reuse=reuse).verdicts[0].evidence
        return {one["type"] for one in evidence["signatures"]["verified"]}

    assert ran("attest", *ATTEST) is Exit.PASS
    assert verified("signed: {signers: [{key: gate.pub}]}") == set()
    assert verified("signed: {signers: [{key: gate.pub}]}", DAY) == {SUMMARY, DETAILS}
    vsa = "attested: {signers: [{key: gate.pub}], required: [{type: vsa}]}"
    assert verified(vsa) == {SUMMARY, DETAILS}
    other = "attested: {signers: [{key: gate.pub}], required: [{type: openvex}]}"
    assert verified(other) == set()
