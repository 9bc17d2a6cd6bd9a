"""A check as a job of GitLab CI: the reports that GitLab reads, and the verdict for later jobs.

The variables of GitLab's own container scanning are used where they say what is scanned and with which login. Those that
would hide findings are not: a policy says what counts. Source: GitLab's `Jobs/Container-Scanning.gitlab-ci.yml` and the page
"Container scanning" of its documentation.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gate.ci import base_policy, child
from gate.errors import ImageGateError, InvalidInput, Unavailable
from gate.oci.reference import Reference
from gate.printable import shown

REPORTS = {
    "json": "image-gate.json",
    "html": "image-gate.html",
    "gitlab": "gl-container-scanning-report.json",
    "codequality": "gl-code-quality-report.json",
    "junit": "image-gate.xml",
    "openmetrics": "image-gate.metrics.txt",
    "cyclonedx": "gl-sbom-image-gate.cdx.json",
}
"""Format to the file in the folder for reports; gitlab/templates/check.yml names the same."""
VARIABLES = "image-gate.env"
"""The file with variables for later jobs, which GitLab reads as a dotenv report."""
NOT_USED = {
    "CS_SEVERITY_THRESHOLD": "the policy says which severities count",
    "CS_IGNORE_UNFIXED": "the policy says whether findings without a fix count",
    "CS_DOCKER_INSECURE": "certificates are always checked; name yours with ADDITIONAL_CA_CERT_BUNDLE",
    "CS_REGISTRY_INSECURE": "a registry without TLS must be named in the configuration",
}
"""Variable of GitLab's own scanning to why it has no effect."""


class Job(msgspec.Struct, frozen=True):
    """What one job does: the images, the folder for reports, and where the policy comes from."""

    references: tuple[str, ...]
    folder: Path
    policy: str | None = None
    from_base: bool = True


def run(job: Job, variables: Mapping[str, str]) -> child.Outcome:
    """Check, and write what later jobs and GitLab read."""
    for name, reason in NOT_USED.items():
        if variables.get(name):
            tell("WARN", f"{name} has no effect: {reason}")
    try:
        origin = origin_of(variables) if job.from_base else None
        with tempfile.TemporaryDirectory(prefix="image-gate-base-") as folder:
            choice = base_policy.choose(job.policy, origin, variables, folder)
            if choice.notice:
                tell("WARN", choice.notice)
            with order(job, choice.policy, variables) as asked:
                outcome = child.check(asked)
    except (InvalidInput, Unavailable) as error:
        outcome = child.without_verdict(error)
    write_variables(outcome, job.folder)
    tell("INFO" if outcome.code == 0 else "ERRO", outcome.reason)
    return outcome


def tell(level: str, text: str) -> None:
    """Write a line of our own as GitLab's scanners do."""
    sys.stdout.write(f"[{level}] image-gate: {shown(text)}\n")
    sys.stdout.flush()


def images(asked: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is to be judged: what was asked for, else `CS_IMAGE`, else the image of this commit."""
    text = asked or variables.get("CS_IMAGE") or ""
    if not text and variables.get("CI_REGISTRY_IMAGE") and not variables.get("IMAGE_GATE_IMAGES"):
        text = f"{variables['CI_REGISTRY_IMAGE']}:{variables.get('CI_COMMIT_SHA', 'latest')}"
    return tuple(text.split())


@contextmanager
def order(job: Job, policy: str | None, variables: Mapping[str, str]) -> Iterator[child.Order]:
    """Yield the order of a check, with what GitLab's variables say; files made for it are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="image-gate-") as folder:
        user, password = login(job.references, variables)
        more = [*(["--username", user, "--password-stdin"] if user else [])]
        settings = {}
        if bundle := certificates(variables, Path(folder)):
            more += ["--ca-file", str(bundle)]
        for mine, theirs in (("PLATFORM", "TRIVY_PLATFORM"), ("DOCKERFILE", "CS_DOCKERFILE_PATH")):
            if variables.get(theirs) and not variables.get(f"IMAGE_GATE_{mine}"):
                settings[f"IMAGE_GATE_{mine}"] = variables[theirs]
        if variables.get("SECURE_LOG_LEVEL") == "debug":
            more.append("--verbose")
        if variables.get("DOCKER_AUTH_CONFIG") and not variables.get("DOCKER_CONFIG"):
            Path(folder, "config.json").write_text(variables["DOCKER_AUTH_CONFIG"], encoding="utf-8")
            settings["DOCKER_CONFIG"] = folder
        reports = {name: job.folder / file for name, file in REPORTS.items()}
        yield child.Order(job.references, policy, reports, tuple(more), settings, password)


def login(references: tuple[str, ...], variables: Mapping[str, str]) -> tuple[str, str]:
    """Return user and password for the registry of the one image, empty where there are none.

    The job's own login is for GitLab's registry and no other: an image elsewhere must not be able to receive it.
    """
    user, password = variables.get("CS_REGISTRY_USER", ""), variables.get("CS_REGISTRY_PASSWORD", "")
    if user and password:
        return user, password
    own = variables.get("CI_REGISTRY", "")
    if not own or len(references) != 1:
        return "", ""
    try:
        registry = Reference.parse(references[0].removeprefix("docker://")).registry
    except ImageGateError:
        return "", ""
    if registry != own.removesuffix(":443"):
        return "", ""
    return variables.get("CI_REGISTRY_USER", ""), variables.get("CI_REGISTRY_PASSWORD", "")


def certificates(variables: Mapping[str, str], folder: Path) -> Path | None:
    """Return the file of certificates that `ADDITIONAL_CA_CERT_BUNDLE` names or holds."""
    given = variables.get("ADDITIONAL_CA_CERT_BUNDLE", "")
    if "-----BEGIN" not in given:
        return Path(given) if given else None
    (folder / "ca.pem").write_text(given, encoding="ascii", errors="replace")
    return folder / "ca.pem"


def origin_of(variables: Mapping[str, str]) -> base_policy.Origin | None:
    """Return the branch whose policy counts: a merge request's target, else the default branch; None where that is checked out."""
    target = variables.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
    branch = target or variables.get("CI_DEFAULT_BRANCH")
    if not branch or (not target and variables.get("CI_COMMIT_BRANCH") == branch):
        return None
    project = variables.get("CI_MERGE_REQUEST_PROJECT_URL") or variables.get("CI_PROJECT_URL", "")
    token = variables.get("CI_JOB_TOKEN", "")
    return base_policy.Origin(f"refs/heads/{branch}", f"{project}.git", "gitlab-ci-token", token)


def write_variables(outcome: child.Outcome, folder: Path) -> None:
    """Write the variables for later jobs; all are words and numbers of ours, because the format has no quotes."""
    report = outcome.report
    digests = [] if report is None else [str(verdict.subject.digest) for verdict in report.verdicts]
    values = {
        "IMAGE_GATE_VERDICT": str(outcome.status),
        "IMAGE_GATE_EXIT_CODE": str(outcome.code),
        "IMAGE_GATE_WARNINGS": "0" if report is None else str(child.warnings(report)),
        "IMAGE_GATE_FAILED_RULES": "" if report is None else ",".join(sorted(child.failed_rules(report))),
        "IMAGE_GATE_DIGEST": digests[0] if digests else "",
    }
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    try:
        (folder / VARIABLES).write_text(text, encoding="ascii")
    except OSError as error:
        raise Unavailable(f"{VARIABLES} cannot be written: {os.strerror(error.errno or 0)}") from None
