from __future__ import annotations

from typing import Any

import pytest

from gate.errors import MalformedImage, Unavailable
from gate.rule import Finding, Remark
from gate.rules._bases import recognise
from gate.rules.minimal_base import MinimalBaseOptions, check
from samples.images.entries import Entry, file, program, symbolic_link
from samples.images.programs import static_program
from tests.kit.trees import config, filesystem, inventory, messages, remarks

ELF = static_program("hello")
STATUS = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\n\n"
INSTALLED = "P:musl\nV:1.2.5-r0\nA:x86_64\n\n"


def os_release(**fields: str) -> dict[str, Entry]:
    return {"etc/os-release": file("".join(f'{name}="{value}"\n' for name, value in fields.items()))}


DEBIAN = {
    **os_release(ID="debian", VERSION_ID="12", PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"),
    "var/lib/dpkg/status": file(STATUS),
}
RHEL = os_release(ID="rhel", VERSION_ID="9.4", PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)")
BASES: dict[str, dict[str, Entry]] = {
    "scratch": {"server": program(ELF)},
    "distroless": {
        **os_release(ID="debian", VERSION_ID="12", PRETTY_NAME="Distroless"),
        "var/lib/dpkg/status.d/libc6": file("Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\n"),
    },
    "wolfi": {
        **os_release(ID="wolfi", NAME="Wolfi", VERSION_ID="20230201"),
        "lib/apk/db/installed": file(INSTALLED),
    },
    "chainguard": {
        **os_release(ID="chainguard", NAME="Chainguard"),
        "usr/lib/apk/db/installed": file(INSTALLED),
    },
    "alpine": {**os_release(ID="alpine", VERSION_ID="3.20.1"), "lib/apk/db/installed": file(INSTALLED)},
    "busybox": {"bin/busybox": program(ELF), "bin/sh": symbolic_link("busybox")},
    "debian": DEBIAN,
    "ubuntu": {**os_release(ID="ubuntu", VERSION_ID="24.04"), "var/lib/dpkg/status": file(STATUS)},
    "ubuntu-chiselled": {
        **os_release(ID="ubuntu", VERSION_ID="24.04"),
        "var/lib/chisel/manifest.wall": file("x"),
    },
    "ubi-micro": RHEL,
    "ubi-minimal": {**RHEL, "usr/bin/microdnf": program(ELF), "usr/bin/rpm": program(ELF)},
    "ubi-standard": {**RHEL, "usr/bin/dnf-3": program(ELF), "usr/bin/rpm": program(ELF)},
    "ubi-init": {
        **RHEL,
        "usr/bin/dnf": program(ELF),
        "usr/sbin/init": symbolic_link("../lib/systemd/systemd"),
        "usr/lib/systemd/systemd": program(ELF),
    },
    "amazon-linux": os_release(ID="amzn", VERSION_ID="2023"),
    "nix": {"nix/store/abc-hello-2.12/bin/hello": program(ELF)},
    "other": os_release(ID="acme"),
    "unknown": {"lib64/ld-linux-x86-64.so.2": program(ELF), "app": program(ELF)},
}


def judged(
    tree: dict[str, Entry], *, labels: dict[str, str] | None = None, **options: Any
) -> list[Finding | Remark]:
    files = filesystem(tree)
    return list(check(files, inventory(files), config(Labels=labels or {}), MinimalBaseOptions(**options)))


@pytest.mark.parametrize("family", BASES)
def test_recognises_each_base(family: str) -> None:
    tree = filesystem(BASES[family])
    assert recognise(tree, inventory(tree), config()).family == family


@pytest.mark.parametrize("family", BASES)
def test_judges_by_the_families_that_the_policy_accepts(family: str) -> None:
    assert messages(judged(BASES[family], families=(family,))) == []
    (finding,) = judged(BASES[family], families=("photon",))
    assert isinstance(finding, Finding)
    assert finding.details["family"] == family


@pytest.mark.parametrize("family", ["scratch", "distroless", "wolfi", "alpine", "ubi-micro", "ubi-minimal"])
def test_minimal_bases_pass_and_are_named_with_their_evidence(family: str) -> None:
    (remark,) = remarks(judged(BASES[family]))
    assert remark.startswith(f"base {family}")
    assert ": " in remark


@pytest.mark.parametrize("family", ["debian", "ubuntu", "ubi-standard", "amazon-linux", "other", "unknown"])
def test_other_bases_are_findings(family: str) -> None:
    assert len(messages(judged(BASES[family]))) == 1


def test_debian_without_its_package_manager_is_still_debian() -> None:
    tree = filesystem({**DEBIAN, **os_release(ID="debian", PRETTY_NAME="Distroless")})
    assert recognise(tree, inventory(tree), config()).family == "debian"


@pytest.mark.parametrize(
    "tree",
    [
        {**os_release(ID="wolfi", VERSION_ID="20230201"), "var/lib/dpkg/status": file(STATUS)},
        {"var/lib/dpkg/status": file(STATUS)},
        {"lib/apk/db/installed": file(INSTALLED), "bin/busybox": program(ELF)},
        {"lib/ld-musl-x86_64.so.1": program(ELF)},
        {"usr/lib/libc.so.6": file(ELF)},
        {f"opt/{number}": program(ELF) for number in range(65)},
    ],
    ids=[
        "os-release of another distribution",
        "no os-release",
        "no os-release on Alpine",
        "musl alone",
        "libc alone",
        "many programs",
    ],
)
def test_what_contradicts_itself_or_hides_is_not_recognised(tree: dict[str, Entry]) -> None:
    files = filesystem(tree)
    assert recognise(files, inventory(files), config()).family == "unknown"
    assert len(messages(judged(tree))) == 1


def test_a_label_alone_makes_no_variant() -> None:
    tree = filesystem(BASES["ubi-standard"])
    labelled = config(Labels={"com.redhat.component": "ubi9-micro-container"})
    assert recognise(tree, inventory(tree), labelled).family == "ubi-standard"
    micro = filesystem(RHEL)
    assert (
        "com.redhat.component=ubi9-micro-container" in recognise(micro, inventory(micro), labelled).evidence
    )


def test_counts_packages_executables_and_bytes() -> None:
    assert messages(judged(BASES["alpine"], max_packages=1, max_executables=0, max_size="1 kB")) == []
    assert messages(judged(BASES["alpine"], max_packages=0)) == ["1 packages, allowed 0"]
    assert messages(judged(BASES["scratch"], max_executables=0)) == ["1 executable files, allowed 0"]
    assert messages(judged({"x": file(b"y" * 2_048)}, max_size="2 kB")) == ["unpacked 2.0 KiB, allowed 2 kB"]


@pytest.mark.parametrize(
    "tree",
    [
        {**os_release(ID="alpine"), "lib/apk/db/installed": file("P:x\nV:1\n\n\0")},
        {**os_release(ID="wolfi"), "var/lib/dpkg/status": file("garbage\0")},
        {"etc/os-release": file("ID=debian\nID=wolfi\n"), "app": program(ELF)},
    ],
    ids=["apk database", "database of another distribution", "os-release"],
)
def test_what_cannot_be_read_is_unknown(tree: dict[str, Entry]) -> None:
    with pytest.raises(MalformedImage):
        judged(tree)


def test_windows_images_are_unknown() -> None:
    files = filesystem({"a": file("x")})
    with pytest.raises(Unavailable, match="Windows"):
        list(check(files, inventory(files), config(os="windows"), MinimalBaseOptions()))
