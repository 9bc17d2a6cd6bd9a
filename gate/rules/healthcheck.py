"""The image says how its health is checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.rule import Finding, Rule, Severity

_NO_SHELL_FORMS = ("CMD", "CMD-SHELL")


class HealthcheckOptions(Options):
    """Options of `healthcheck`."""

    exec_form: Annotated[
        bool, describe('Require `HEALTHCHECK CMD ["program"]`: the shell form needs a shell in the image.')
    ] = False


def check(config: ImageConfig, options: HealthcheckOptions) -> Iterator[Finding]:
    """Yield a finding for an image without a health check, or with one that does nothing."""
    healthcheck: Any = config.healthcheck or {}
    test = healthcheck.get("Test")
    if isinstance(test, str):
        test = ["CMD-SHELL", test]
    if not isinstance(test, list) or not test or not all(isinstance(word, str) for word in test):
        yield Finding("no health check is defined")
    elif test[0] == "NONE":
        yield Finding("the health check is switched off (NONE)")
    elif test[0] not in _NO_SHELL_FORMS or not "".join(test[1:]).strip():
        yield Finding("the health check names no command")
    elif options.exec_form and test[0] == "CMD-SHELL":
        yield Finding("the health check needs a shell (CMD-SHELL)")


RULE = Rule(
    id="healthcheck",
    title="The image defines a health check",
    rationale="Docker and Swarm restart and route by it (CIS Docker 4.6). Kubernetes ignores it and has its own probes.",
    remediation='Add HEALTHCHECK CMD ["/app", "--health"] to the Dockerfile, or switch this rule off for Kubernetes.',
    severity=Severity.LOW,
    check=check,
)
