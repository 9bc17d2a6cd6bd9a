"""No credentials in files of any layer, in the environment, in labels or in the build history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from gate.evidence import Secret, Secrets
from gate.oci.config_credentials import in_config
from gate.oci.credentials import COVERAGE
from gate.oci.filesystem import Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, Text, describe
from gate.rule import Finding, Location, Remark, Rule, Severity
from gate.rules._programs import words

DEPENDENCY_ROOTS = frozenset(
    words("site-packages dist-packages node_modules gems vendor third_party google-cloud-sdk .cargo mod")
)
"""Directories that hold what others publish."""

SYSTEM_ROOTS = (
    "/usr/share/",
    "/usr/lib/",
    "/lib/",
    "/usr/local/go/",
    "/usr/local/lib/",
    "/usr/include/",
    "/usr/src/linux",
)
"""Where packages of a distribution, and languages unpacked by official images, put what they publish."""

PUBLISHED = ("/usr/local/go/src/", "/usr/lib/go/src/", "/usr/lib/golang/src/", "/usr/share/go-1.")
"""Sources of a compiler, which have their test keys beside them: upstream's, and Alpine's, Fedora's and Debian's packages."""

TEST_DIRECTORIES = frozenset(
    words(
        "test tests testing testdata test_data test-data __tests__ spec specs fixtures fixture examples example doc docs"
        " dummyserver certs test-certs demo demos samples"
    )
)
"""Directories of tests and documents: a key here, inside of something published, was published with it."""


class NoSecretsOptions(Options):
    """Options of `no-secrets`."""

    files: Annotated[
        bool,
        describe(
            f"Report credentials in files. Searched are {COVERAGE}. Recognised are private keys (PEM, OpenSSH, PGP, PuTTY,"
            " age) and the tokens of AWS, GitHub, GitLab, Slack, Google, npm, PyPI, Docker, Stripe, Anthropic and Azure."
        ),
    ] = True
    config: Annotated[
        bool,
        describe(
            "Report credentials in the configuration: the same forms, passwords in URLs, and values of variables, labels"
            " and build arguments whose name ends in PASSWORD, SECRET, TOKEN, API_KEY or the like. Not annotations."
        ),
    ] = True
    published: Annotated[
        bool,
        describe("Report keys in the tests and documents of published packages too; else they are remarks."),
    ] = False
    ignore_paths: Annotated[
        tuple[Text, ...],
        describe("Files and, with a slash at the end, directories whose content is accepted."),
    ] = ()


def check(
    secrets: Secrets, filesystem: Filesystem, config: ImageConfig, options: NoSecretsOptions
) -> Iterator[Finding | Remark]:
    """Yield one finding per credential; those that a later layer deletes count, for they are still shipped."""
    if options.config:
        for credential in in_config(config):
            yield Finding(
                f"{credential.kind} in {credential.field}: {credential.redacted}",
                id=credential.field,
                details={"kind": credential.kind, "field": credential.field},
            )
    if not options.files:
        return
    for secret in secrets.found:
        if secret.path and not _ignored(secret.path, options.ignore_paths):
            yield _judged(secret, filesystem, options)
    for reason in secrets.not_searched:
        yield Remark(f"not searched: {reason}")


def _judged(secret: Secret, filesystem: Filesystem, options: NoSecretsOptions) -> Finding | Remark:
    """Report a credential in a file, or remark on one that was published anyway."""
    layer = filesystem.diff_ids[secret.layer_index] if secret.layer_index is not None else None
    place = Location(layer=layer, layer_index=secret.layer_index, path=secret.path)
    message = f"{secret.kind}: {secret.redacted}"
    if secret.deleted:
        message += ", in a file that a later layer deletes and that is shipped all the same"
    if not options.published and published(secret.path):
        return Remark(f"{message}; it belongs to the tests or documents of a published package", place)
    return Finding(message, place, details={"kind": secret.kind, "deleted": secret.deleted})


def published(path: str) -> bool:
    """Whether a file stands among the tests or documents of a published package, and so was never secret."""
    if path.startswith(PUBLISHED):
        return True
    directories = path.split("/")[:-1]
    roots = [number for number, name in enumerate(directories) if name in DEPENDENCY_ROOTS]
    if roots:
        inside = directories[roots[0] + 1 :]
    elif path.startswith(SYSTEM_ROOTS):
        inside = directories[3:]
    else:
        return False
    return any(name.lower() in TEST_DIRECTORIES for name in inside)


def _ignored(path: str, ignored: tuple[str, ...]) -> bool:
    """Whether the options accept what is at `path`."""
    return any(path == entry or (entry.endswith("/") and path.startswith(entry)) for entry in ignored)


RULE = Rule(
    id="no-secrets",
    title="The image holds no credentials",
    rationale=(
        "Whoever can pull an image can read every file of every layer, every variable and every build step: deleting a"
        " file in a later layer hides nothing."
    ),
    remediation=(
        "Revoke the credential first. Then build without it: RUN --mount=type=secret for the build, and the environment or"
        " a mounted file at run time. Rebuild all layers from the one that brought it in."
    ),
    severity=Severity.CRITICAL,
    check=check,
)
