"""A report of full size, with everything in it that scanners tell: what limits and pages are tried on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle, islice

from gate.evidence import Base
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.rule import Action, Finding, Location, Severity
from gate.verdict import Report
from tests.kit.reports import BASE, EVIDENCE, TOP, failing, report, result, verdict

PACKAGES = (
    ("deb", "openssl", "3.0.11-1", "3.0.15-1~deb12u1"),
    ("deb", "libssl3", "3.0.11-1", "3.0.15-1~deb12u1"),
    ("deb", "curl", "7.88.1-10", "7.88.1-10+deb12u8"),
    ("deb", "zlib1g", "1:1.2.13.dfsg-1", ""),
    ("npm", "ws", "8.11.0", "8.17.1"),
    ("npm", "semver", "7.3.7", "7.5.2"),
    ("pypi", "jinja2", "3.0.0", "3.1.6"),
    ("golang", "golang.org/x/net", "0.17.0", "0.38.0"),
)
SEVERITIES = (
    Severity.HIGH, Severity.MEDIUM, Severity.CRITICAL, Severity.LOW, Severity.MEDIUM, Severity.LOW,
    Severity.NEGLIGIBLE, Severity.UNKNOWN,
)  # fmt: skip
TITLES = (
    "a crafted certificate makes the parser read beyond its buffer",
    "headers are parsed in quadratic time, so a request can use up a processor",
    "a symbolic link in an archive leads out of the folder that it is unpacked to",
)
LAYERS = [
    {"digest": f"sha256:{n:064x}", "diff_id": f"sha256:{n:064x}", "size": size}
    for n, size in enumerate((28_100_000, 64_000_000, 2_300_000, 47_700_000))
]


def full_size_report(findings: int) -> Report:
    """An image on a recognised base with this many vulnerabilities, a few other findings, exceptions and an unknown."""
    found = [_vulnerability(number) for number in range(findings)]
    base = Base(
        Reference.parse("docker.io/library/debian:12-slim"),
        Digest("sha256", "b" * 64),
        Digest("sha256", "c" * 64),
        Platform("linux", "amd64"),
        (BASE,),
    )
    shells = [
        Finding(f"{path} is a shell ({path.rpartition('/')[2]})", Location(BASE, 0, path, base=True))
        for path in ("/bin/bash", "/bin/dash")
    ]
    told = dict(
        title="No shell is in the image",
        rationale="Whoever breaks into a container uses what it has, and a shell is the first thing looked for.",
        remediation="Build on a base without one, or remove it in the layer that installs it.",
    )
    return report(
        verdict(
            failing("vulnerabilities", *found, title="No package has a severe known vulnerability"),
            failing("no-shell", *shells, **told),
            failing("max-age", Finding("built 97 days ago; 90 days are accepted"), action=Action.WARN),
            result("healthcheck"),
            result("non-root"),
            bases=(base,),
            evidence={**EVIDENCE, "layers": LAYERS, "source_packages": {"deb": {"libssl3": "openssl"}}},
        )
    )


def _vulnerability(number: int) -> Finding:
    """The finding with this number, as the rule `vulnerabilities` makes it."""
    kind, package, version, fixed = PACKAGES[number % len(PACKAGES)]
    severity = next(islice(cycle(SEVERITIES), number % len(SEVERITIES), None))
    name = f"CVE-2026-{1000 + number // 2:04}"
    scanners = (("trivy",), ("grype",), ("grype", "trivy"))[number % 3]
    opinions: list[Mapping[str, object]] = [
        {
            "scanner": scanner, "id": name, "severity": str(severity), "severity_source": "nvd", "fixed": [fixed] if fixed else [],
            "scores": {"nvd": 7.5}, "vectors": {"nvd": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"},
            "published": "2026-03-01T00:00:00Z", "fix_state": "fixed" if fixed else "not-fixed",
            "url": f"https://nvd.nist.gov/vuln/detail/{name}",
        }
        for scanner in scanners
    ]  # fmt: skip
    told = f"fixed in {fixed}" if fixed else "no fix is published"
    system = kind == "deb"
    return Finding(
        f"{name} ({severity}) in {package} {version}, {told}",
        Location(
            BASE if system else TOP, 0 if system else 3, None if system else f"/app/{package}",
            f"pkg:{kind}/{package}@{version}", base=system,
        ),
        id=name,
        severity=severity,
        action=None if severity >= Severity.HIGH else Action.WARN,
        details={
            "package": package, "type": kind, "version": version, "fixed": [fixed] if fixed else [],
            "found_by": list(scanners), "aliases": [f"GHSA-{number:04}-aaaa-bbbb"], "opinions": opinions,
            "title": TITLES[number % len(TITLES)], "known_exploited": number % 41 == 2, "epss": 0.42,
        },
    )  # fmt: skip
