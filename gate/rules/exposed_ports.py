"""The image announces only ports that are allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from gate.errors import InvalidInput
from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.rule import Finding, Rule, Severity

REMOTE_ACCESS = {
    20: "ftp", 21: "ftp", 22: "ssh", 23: "telnet", 69: "tftp", 111: "rpcbind", 135: "msrpc", 137: "netbios", 139: "netbios",
    445: "smb", 512: "rexec", 513: "rlogin", 514: "rsh", 2375: "docker", 2376: "docker", 3389: "rdp", 5900: "vnc",
    5985: "winrm", 5986: "winrm",
}  # fmt: skip
"""Services by which machines are administered; a container is administered by its engine."""

_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII | re.IGNORECASE)
_LAST = 65_535

PortRange = Annotated[
    str,
    describe(
        "A port or range, with protocol or for all: `8080`, `8000-8999/tcp`.",
        pattern=r"^[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?$",
    ),
]


class ExposedPortsOptions(Options):
    """Options of `exposed-ports`."""

    allowed: Annotated[
        tuple[PortRange, ...] | None,
        describe("Ports that may be exposed; without this all but the forbidden ones may."),
    ] = None
    forbidden: Annotated[
        tuple[PortRange, ...] | None,
        describe(
            "Ports that must not be exposed; without this those of remote administration (ssh, telnet, rdp, …)."
        ),
    ] = None
    privileged: Annotated[bool, describe("Report ports below 1024 too, which need a right to open.")] = False


def check(config: ImageConfig, options: ExposedPortsOptions) -> Iterator[Finding]:
    """Yield one finding per exposed port or range that is not allowed."""
    forbidden = (
        options.forbidden
        if options.forbidden is not None
        else tuple(str(port) for port in sorted(REMOTE_ACCESS))
    )
    for written in config.exposed_ports:
        ports = _parse(written)
        if ports is None:
            yield Finding(f"{written[:80]!r} is exposed and is no port", id=written[:80])
            continue
        hit = next((rule for rule in forbidden if _overlaps(ports, _option(rule))), None)
        if options.allowed is not None and not any(_within(ports, _option(rule)) for rule in options.allowed):
            yield Finding(f"port {written} is exposed, and the policy does not allow it", id=written)
        elif hit is not None:
            service = next(
                (name for port, name in REMOTE_ACCESS.items() if _overlaps(ports, (port, port, ""))), ""
            )
            yield Finding(
                f"port {written} is exposed{f' ({service})' if service else ''}, which is forbidden",
                id=written,
            )
        elif options.privileged and ports[0] < 1024:
            yield Finding(f"port {written} is exposed and below 1024", id=written)


def _parse(written: str) -> tuple[int, int, str] | None:
    """Read a port or range: first, last, protocol (TCP if none is given, as engines have it)."""
    match = _PORT.fullmatch(written)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return (first, last, (match[3] or "tcp").lower()) if 0 < first <= last <= _LAST else None


def _option(written: str) -> tuple[int, int, str]:
    """Read a port or range of the policy; one without protocol stands for all."""
    ports = _parse(written)
    if ports is None:
        raise InvalidInput(
            f"exposed-ports: {written!r} is no port or range",
            hint="ports go from 1 to 65535, the lower first",
        )
    return (ports[0], ports[1], ports[2] if "/" in written else "")


def _overlaps(ports: tuple[int, int, str], rule: tuple[int, int, str]) -> bool:
    """Whether two ranges share a port."""
    return ports[0] <= rule[1] and rule[0] <= ports[1] and rule[2] in ("", ports[2])


def _within(ports: tuple[int, int, str], rule: tuple[int, int, str]) -> bool:
    """Whether a range lies inside another."""
    return rule[0] <= ports[0] and ports[1] <= rule[1] and rule[2] in ("", ports[2])


RULE = Rule(
    id="exposed-ports",
    title="The image exposes only allowed ports",
    rationale=(
        "What an image exposes, `docker run -P` and many platforms publish. A port for remote administration says that"
        " something runs in the container that should not."
    ),
    remediation="Remove the EXPOSE line or the service behind it, or allow the port in the policy.",
    severity=Severity.MEDIUM,
    check=check,
)
