"""Reports built by hand: one that passes, one that fails in every way there is, and one made of hostile strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from msgspec.structs import replace

from gate.evidence import Base, Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.rule import Action, Finding, Location, Remark, Severity
from gate.verdict import Excepted, Outcome, Report, RuleResult, Status, Undecided, Verdict, Vexed
from gate.vex import Claim, Document, Statement

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BASE, TOP = (f"sha256:{digit * 64}" for digit in "ab")

HOSTILE = "\x1b[2Jx\n::error::y\r\u202egnp.exe\u2066 ##[set-output name=v]pass\x00\udc80\x9b1m\U000e0041 \x1b]8;;http://evil.test\x07z"
"""What an image may put into any name: terminal control, line breaks, bidirectional overrides, build system commands."""

RUN: Mapping[str, object] = {
    "version": "0.1.0",
    "started": "2026-11-23T12:00:00Z",
    "seconds": 4.2,
    "policy": {
        "name": "baseline",
        "origin": "profile baseline",
        "digest": f"sha256:{'1f2a9c' * 10}abcd",
        "rules": 5,
        "scanners": ["trivy", "grype"],
    },
}
SCANNERS: Mapping[str, object] = {
    "trivy": {
        "version": "0.76.0",
        "path": "/usr/bin/trivy",
        "sha256": "c" * 64,
        "database": {"schema": "2", "built": "2026-11-23T06:00:00Z", "digest": f"sha256:{'d' * 64}"},
        "packages": 80,
        "distribution": "debian 12",
    },
    "grype": {"unavailable": "grype is not installed"},
}
DISAGREEMENTS: Mapping[str, object] = {
    "agreed": 5,
    "alone": {"grype": 0, "trivy": 1},
    "found": [
        {
            "id": "CVE-2026-0100",
            "aliases": ["GHSA-aaaa"],
            "type": "deb",
            "package": "curl",
            "version": "1.0-1",
            "path": "/var/lib/dpkg/status",
            "found_by": ["trivy"],
            "not_found_by": {
                "grype": "its database is of 2026-11-21, older than that of 2026-11-23, which lists it"
            },
            "opinions": [],
        },
        {
            "id": "CVE-2026-0001",
            "aliases": [],
            "type": "deb",
            "package": "openssl",
            "version": "1.0-1",
            "path": "/var/lib/dpkg/status",
            "found_by": ["grype", "trivy"],
            "not_found_by": {},
            "opinions": [],
        },
    ],
}
EVIDENCE: Mapping[str, object] = {
    "size": 142_100_000,
    "created": "2026-11-11T12:00:00Z",
    "distribution": "debian 12",
    "packages": 80,
    "scanners": SCANNERS,
}


def subject(reference: str = "oci:image:1.0", **changes: Any) -> Subject:
    """A subject with believable facts."""
    facts: dict[str, Any] = {
        "reference": reference,
        "source": reference,
        "digest": Digest("sha256", "9c1e44d0" * 8),
        "config_digest": Digest("sha256", "77ab01cd" * 8),
        "platform": Platform("linux", "amd64"),
        "names": (Reference.parse("registry.example.com/shop/api:1.0"),),
        "checked_at": NOW,
    }
    return Subject(**(facts | changes))


def result(rule: str, outcome: Outcome = Outcome.PASS, **changes: Any) -> RuleResult:
    """What a rule that denies says; a pass unless stated."""
    facts: dict[str, Any] = {"action": Action.DENY, "severity": Severity.HIGH}
    return RuleResult(rule, outcome, **(facts | changes))


def failing(rule: str, *findings: Finding, **changes: Any) -> RuleResult:
    """What a rule says that found something."""
    return result(rule, Outcome.FAIL, findings=findings, **changes)


def verdict(*results: RuleResult, **changes: Any) -> Verdict:
    """A verdict of these results."""
    ordered = tuple(sorted(results, key=lambda result: result.rule))
    facts: dict[str, Any] = {
        "subject": subject(),
        "evidence": EVIDENCE,
        "not_run": {"image-size": "off in the policy"},
    }
    return Verdict(selected=tuple(result.rule for result in ordered), results=ordered, **(facts | changes))


def report(*verdicts: Verdict, **changes: Any) -> Report:
    """A report of these verdicts."""
    facts: dict[str, Any] = {"run": RUN}
    return Report(verdicts, **(facts | changes))


def vulnerability(
    name: str, package: str, fixed: tuple[str, ...], severity: Severity = Severity.HIGH, **details: object
) -> Finding:
    """A finding of the rule `vulnerabilities` in a Debian package 1.0-1."""
    facts: dict[str, object] = {
        "package": package,
        "type": "deb",
        "version": "1.0-1",
        "fixed": fixed,
        "found_by": ("grype", "trivy"),
    }
    fix = f"fixed in {', '.join(fixed)}" if fixed else "no fix yet"
    return Finding(
        f"{name} in {package} 1.0-1, {fix}",
        Location(layer=BASE, layer_index=0, package=f"pkg:deb/debian/{package}@1.0-1?arch=amd64"),
        id=name,
        severity=severity,
        details=facts | details,
    )


def passing_report() -> Report:
    """One image, nothing to say."""
    return report(verdict(result("max-age"), result("no-shell"), result("non-root")))


def failing_report() -> Report:
    """Every section of a report: findings, advice, warnings, unknowns of both kinds, exceptions, remarks, what was left out."""
    shells = [
        Finding(f"{path} is a shell ({name})", Location(BASE, 0, path), details={"names": [name]})
        for path, name in (("/bin/bash", "bash"), ("/bin/dash", "dash"), ("/opt/tool", "busybox"))
    ]
    vulnerabilities = [
        vulnerability("CVE-2026-0001", "libssl3", ("1.0-1+deb12u2",), Severity.CRITICAL, source="openssl"),
        vulnerability("CVE-2026-0001", "openssl", ("1.0-1+deb12u2",), Severity.CRITICAL, source="openssl"),
        vulnerability("CVE-2026-0002", "openssl", ("1.0-1+deb12u10",), source="openssl"),
        vulnerability("CVE-2026-0003", "zlib1g", (), source="zlib"),
        *(vulnerability(f"CVE-2026-01{n:02}", "curl", ("1.0-2",), found_by=("trivy",)) for n in range(3)),
    ]
    accepted = Excepted(
        vulnerability("CVE-2026-0009", "bash", ("2.0-1",)),
        "code path not reachable, SEC-114",
        date(2026, 12, 2),
    )
    results = (
        failing("max-age", Finding("built 97 days ago; 90 days are accepted"), severity=Severity.MEDIUM, action=Action.WARN),
        failing("no-shell", *shells),
        result("no-secrets", remarks=(Remark("a key is deleted by layer 1", Location(BASE, 0, "/root/.ssh/id")),)),
        result(
            "non-root", Outcome.UNKNOWN, blocking=True,
            reason="the image configuration has the key 'User' twice in one object", hint="rebuild the image",
        ),
        result(
            "scan-coverage", Outcome.UNKNOWN,
            reason="grype is not installed", hint="install grype, or name it with --grype PATH",
        ),
        failing("vulnerabilities", *vulnerabilities, excepted=(accepted,), severity=Severity.HIGH),
        result("eol-distribution", Outcome.UNKNOWN, action=Action.WARN, reason="the table does not know acme 3"),
        result("image-labels"),
    )  # fmt: skip
    return report(
        verdict(*results, evidence={**EVIDENCE, "vulnerabilities": DISAGREEMENTS}),
        verdict(result("no-shell"), subject=subject(platform=Platform("linux", "arm64", "v8"))),
        undecided=(
            Undecided(
                "oci:broken", "linux/s390x", "blob sha256:12… has 7 bytes, not 9", "copy the image again"
            ),
            Undecided(
                "oci:small",
                "linux/arm64",
                "the policy requires linux/arm64, and the image has linux/amd64 alone",
                "build it for that platform too",
                Status.FAIL,
            ),
        ),
        left_out={"oci:image:1.0": {"linux/386": "left out by --platform"}},
        partial=("oci:image:1.0",),
    )


def unseen_report() -> Report:
    """An image with a program of which nobody can tell what is in it: a finding that makes its rule unknown."""
    unseen = Finding(
        "a program of no package",
        Location(TOP, 1, "/app/server"),
        id="unseen-program",
        unknown=True,
        remediation="install it as a package",
    )
    told = result(
        "scan-coverage",
        Outcome.UNKNOWN,
        findings=(unseen,),
        reason="/app/server: a program of no package",
        hint="install it as a package",
    )
    return report(verdict(told, result("non-root")))


def based_report() -> Report:
    """An image on a recognised base: findings from there, from above it, and about the whole image."""
    names = ("docker.io/library/debian:12", "docker.io/library/debian:bookworm")
    bases = tuple(
        Base(
            Reference.parse(name),
            Digest("sha256", "b" * 64),
            Digest("sha256", "c" * 64),
            Platform("linux", "amd64"),
            (BASE,),
        )
        for name in names
    )
    found = (
        failing("max-age", Finding("built 97 days ago; 90 days are accepted"), severity=Severity.MEDIUM),
        failing(
            "no-shell",
            Finding("shell bash", Location(BASE, 0, "/bin/bash", base=True)),
            Finding("shell sh", Location(TOP, 1, "/opt/sh", base=False)),
        ),
        failing(
            "vulnerabilities",
            *(
                replace(one, location=replace(one.location, base=base))
                for one, base in (
                    (vulnerability("CVE-2026-0001", "openssl", ("1.0-2",)), True),
                    (vulnerability("CVE-2026-0002", "curl", ("1.0-2",)), False),
                    (vulnerability("CVE-2026-0003", "zlib1g", ()), None),
                )
            ),
        ),
    )  # fmt: skip
    return report(verdict(*found, bases=bases))


def vexed_report(text: str = "the server part is not started") -> Report:
    """An image with a finding that a VEX document takes away, which says `text` wherever it may say what it wants."""
    statement = Statement(
        1, frozenset({"CVE-2026-0009"}), "not_affected", NOW, (), "vulnerable_code_not_in_execute_path", text
    )
    document = Document(text, "policy", f"sha256:{'e' * 64}", "OpenVEX", text, text, (statement,))
    taken = Vexed(vulnerability("CVE-2026-0009", "bash", ("2.0-1",)), Claim(statement, document))
    return report(verdict(result("vulnerabilities", vex=(taken,))))


def hostile_findings() -> Mapping[str, object]:
    """Findings of scanners of which one alone has one, made of hostile strings."""
    found = dict.fromkeys(("id", "type", "package", "version", "path"), HOSTILE)
    return {
        "agreed": HOSTILE,
        "alone": {"trivy": HOSTILE, HOSTILE: 1},
        "found": [{**found, "found_by": [HOSTILE], "not_found_by": {HOSTILE: HOSTILE}}, HOSTILE, None],
    }


def hostile_report() -> Report:
    """A report in which every string that can come from an image, a scanner or a caller is hostile."""
    location = Location(HOSTILE, 0, HOSTILE, HOSTILE)
    finding = Finding(
        HOSTILE, location, id=HOSTILE, remediation=HOSTILE, details={HOSTILE: HOSTILE, "list": [HOSTILE]}
    )
    package = vulnerability(
        "CVE-2026-0001", HOSTILE, (HOSTILE, "1"), path=HOSTILE, source=HOSTILE, found_by=(HOSTILE,)
    )
    facts = dict.fromkeys(("created", "distribution", "digest", "origin", "version", "started"), HOSTILE)
    scanner = {
        **facts,
        "database": {"built": HOSTILE, "digest": HOSTILE},
        "unavailable": HOSTILE,
        "path": HOSTILE,
    }
    return report(
        verdict(
            failing("no-shell", finding, package, remarks=(Remark(HOSTILE, location),)),
            failing("warned", finding, action=Action.WARN),
            result(
                "unknown",
                Outcome.UNKNOWN,
                reason=HOSTILE,
                hint=HOSTILE,
                excepted=(Excepted(finding, HOSTILE, NOW.date()),),
            ),
            subject=subject(HOSTILE, source=HOSTILE, platform=Platform(HOSTILE, HOSTILE)),
            evidence={
                **facts,
                HOSTILE: HOSTILE,
                "vulnerabilities": hostile_findings(),
                "scanners": {"trivy": scanner, HOSTILE: scanner},
            },
            not_run={"image-size": HOSTILE},
        ),
        undecided=(Undecided(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        left_out={HOSTILE: {HOSTILE: HOSTILE}},
        run={**facts, "policy": {**facts, "rules": 3}, HOSTILE: HOSTILE},
    )
