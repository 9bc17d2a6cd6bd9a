"""Simulated scanners: small programs that take Trivy's or Grype's place and do what they are told.

What a program does stands in the program itself, since the gate hands no environment on. Each notes how it was started
in `started.json` beside it, so that tests can see what reached it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gate.scanners import ScanTarget

_PROGRAM = """#!{python} -I
import json, os, signal, subprocess, sys, time
told = json.loads({told!r})
note = {{"argv": sys.argv, "cwd": os.getcwd(), "environment": dict(os.environ), "found": sorted(os.listdir()),
        "group": os.getpgid(0), "pid": os.getpid()}}
with open({note!r}, "a") as file:
    file.write(json.dumps(note) + "\\n")
if told["tries"]:
    names = {{}}
    exec(told["tries"], names)
    with open({note!r} + ".tried", "w") as file:
        file.write(json.dumps(names["result"]))
if told["ignore_signals"]:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
if told["child"]:
    child = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"])
    with open({note!r} + ".child", "w") as file:
        file.write(str(child.pid))
if told["litter"]:
    os.makedirs(os.path.join(os.environ["TMPDIR"], "deep"))
    open(os.path.join(os.environ["TMPDIR"], "deep", "file"), "w").close()
    os.chmod(os.path.join(os.environ["TMPDIR"], "deep"), 0o500)
sys.stderr.write(told["log"])
sys.stderr.flush()
chunk = b"x" * (1 << 20)
for _ in range(told["flood"]):
    os.write(1, chunk)
for _ in range(told["flood_log"]):
    os.write(2, chunk)
outputs = {{}}
for position, word in enumerate(sys.argv):
    if word == "--output":
        outputs["json"] = sys.argv[position + 1]
    elif word == "-o":
        name, _, path = sys.argv[position + 1].partition("=")
        outputs[name] = path
for name, path in outputs.items():
    if name in told["outputs"]:
        with open(path, "w") as file:
            file.write(told["outputs"][name])
for path, text in told["files"].items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
time.sleep(told["sleep"])
if told["signal"]:
    os.kill(os.getpid(), told["signal"])
sys.exit(told["exit"])
"""


@dataclass(frozen=True)
class Behaviour:
    """What a simulated scanner does, in this order.

    It runs the Python code `tries` and notes what that leaves in `result`, ignores polite signals, starts a child that outlives it, leaves files behind, writes `log` to standard error and
    mebibytes (`flood`, `flood_log`) to standard output and error, writes its `outputs` (`json`, `cyclonedx-json`) and
    `files`, sleeps, sends itself `signal`, and ends with `exit`.
    """

    tries: str = ""
    ignore_signals: bool = False
    child: bool = False
    litter: bool = False
    log: str = ""
    flood: int = 0
    flood_log: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    sleep: float = 0
    signal: int = 0
    exit: int = 0

    def but(self, **changes: Any) -> Behaviour:
        """The same behaviour with some changes."""
        return replace(self, **changes)


@dataclass(frozen=True)
class FakeScanner:
    """A simulated scanner on disk."""

    path: Path

    @property
    def starts(self) -> list[dict[str, Any]]:
        """How it was started, each time: argv, cwd, environment, found (the files in its cwd), pid and group."""
        note = self.path.with_suffix(".json")
        return [json.loads(line) for line in note.read_text().splitlines()] if note.exists() else []

    @property
    def result(self) -> Any:
        """What came of what it tried."""
        return json.loads(self.path.with_suffix(".json.tried").read_text())

    @property
    def child(self) -> int:
        """The process id of the child it started."""
        return int(self.path.with_suffix(".json.child").read_text())


def fake_scanner(path: Path, behaviour: Behaviour) -> FakeScanner:
    """Write the program that behaves so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = str(path.with_suffix(".json"))
    path.write_text(_PROGRAM.format(python=sys.executable, told=json.dumps(asdict(behaviour)), note=note))
    path.chmod(0o755)
    return FakeScanner(path)


def trivy_report(target: ScanTarget, **changes: Any) -> dict[str, Any]:
    """A report of Trivy on a target in which it saw one Debian package with one finding."""
    purl = "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12.0"
    finding = {
        "VulnerabilityID": "CVE-2023-5363",
        "VendorIDs": ["DSA-5532-1"],
        "PkgName": "libssl3",
        "PkgIdentifier": {"PURL": purl},
        "InstalledVersion": "3.0.9-1",
        "FixedVersion": "3.0.11-1~deb12u2",
        "Status": "fixed",
        "Layer": {"DiffID": "sha256:" + "1" * 64},
        "Severity": "HIGH",
        "SeveritySource": "nvd",
        "VendorSeverity": {"nvd": 3},
        "CVSS": {"nvd": {"V3Score": 7.5}},
        "PrimaryURL": "https://avd.aquasec.com/nvd/cve-2023-5363",
    }
    package = {"Name": "libssl3", "Version": "3.0.9", "Release": "1", "Identifier": {"PURL": purl}}
    return {
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.76.0"},
        "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": "debian", "Name": "12.0"}, "ImageID": target.config_digest},
        "Results": [
            {
                "Target": "x (debian 12.0)",
                "Class": "os-pkgs",
                "Type": "debian",
                "Packages": [package],
                "Vulnerabilities": [finding],
            }
        ],
        **changes,
    }


def grype_report(target: ScanTarget, built: str, **changes: Any) -> dict[str, Any]:
    """A report of Grype on a target with one finding, resting on a database of the time `built`."""
    match = {
        "vulnerability": {
            "id": "CVE-2023-5363",
            "dataSource": "https://security-tracker.debian.org/tracker/CVE-2023-5363",
            "namespace": "debian:distro:debian:12",
            "severity": "Unknown",
            "cvss": [],
            "fix": {
                "versions": ["3.0.11-1~deb12u2"],
                "state": "fixed",
                "available": [
                    {"version": "3.0.11-1~deb12u2", "date": "2023-10-26", "kind": "advisory"},
                    {"version": "3.0.11-1~deb12u2", "date": "2023-10-25", "kind": "first-observed"},
                ],
            },
            "advisories": [{"id": "DSA-5532-1"}],
        },
        "relatedVulnerabilities": [
            {
                "id": "CVE-2023-5363",
                "namespace": "nvd:cpe",
                "severity": "High",
                "cvss": [
                    {"source": "nvd@nist.gov", "vector": "CVSS:3.1/AV:N", "metrics": {"baseScore": 7.5}}
                ],
                "epss": [{"epss": 0.0123}],
            }
        ],
        "artifact": {
            "name": "libssl3",
            "version": "3.0.9-1",
            "type": "deb",
            "purl": "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12.0&upstream=openssl",
            "locations": [{"path": "/var/lib/dpkg/status", "layerID": "sha256:" + "1" * 64}],
        },
    }
    return {
        "matches": [match],
        "source": {
            "type": "image",
            "target": {"imageID": target.config_digest, "manifestDigest": target.manifest_digest},
        },
        "distro": {"name": "debian", "version": "12.0"},
        "descriptor": {
            "name": "grype",
            "version": "0.121.2",
            "db": {"status": {"schemaVersion": "v6.1.10", "built": built, "valid": True}},
        },
        **changes,
    }


def cyclonedx() -> dict[str, Any]:
    """The package list that Grype writes beside its report: one package, one file, the operating system."""
    properties = {
        "syft:package:type": "deb",
        "syft:location:0:path": "/var/lib/dpkg/status",
        "syft:location:0:layerID": "sha256:" + "1" * 64,
    }
    package = {
        "type": "library",
        "name": "libssl3",
        "version": "3.0.9-1",
        "purl": "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12.0&upstream=openssl",
        "properties": [{"name": name, "value": value} for name, value in properties.items()],
    }
    system = {"type": "operating-system", "name": "debian", "version": "12"}
    return {"bomFormat": "CycloneDX", "components": [package, {"type": "file", "name": "/x"}, system]}


def honest_trivy(target: ScanTarget, **changes: Any) -> Behaviour:
    """What Trivy does with an image in which nothing is wrong."""
    return Behaviour(outputs={"json": json.dumps(trivy_report(target, **changes))})


def honest_grype(target: ScanTarget, built: str, **changes: Any) -> Behaviour:
    """What Grype does with an image in which nothing is wrong."""
    outputs = {
        "json": json.dumps(grype_report(target, built, **changes)),
        "cyclonedx-json": json.dumps(cyclonedx()),
    }
    return Behaviour(outputs=outputs)
