"""Which base an image is built on, told from what is in it.

Evidence, in this order: os-release and the package database, which have to agree; files that only one variant of a
distribution has; labels that Red Hat gives its images. What a base is called here is a claim of the image like any
other, so the rule that uses it also counts packages, programs and bytes.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.manifest import ImageConfig
from gate.packages.inventory import Inventory
from gate.rules._programs import words

Family = Literal[
    "scratch", "distroless", "wolfi", "chainguard", "alpine", "busybox", "debian", "ubuntu", "ubuntu-chiselled",
    "ubi-micro", "ubi-minimal", "ubi-standard", "ubi-init", "amazon-linux", "fedora", "centos", "rocky", "almalinux",
    "oracle-linux", "photon", "azure-linux", "suse", "arch", "nix", "other", "unknown",
]  # fmt: skip
"""Families that a policy can name. `other` has an os-release that is not in this list, `unknown` has none and is not
recognised by anything else."""

_BY_ID: dict[str, Family] = {
    "wolfi": "wolfi", "chainguard": "chainguard", "alpine": "alpine", "debian": "debian", "ubuntu": "ubuntu",
    "amzn": "amazon-linux", "fedora": "fedora", "centos": "centos", "rocky": "rocky", "almalinux": "almalinux",
    "ol": "oracle-linux", "photon": "photon", "azurelinux": "azure-linux", "mariner": "azure-linux", "sles": "suse",
    "opensuse-leap": "suse", "opensuse-tumbleweed": "suse", "suse": "suse", "arch": "arch", "nixos": "nix",
}  # fmt: skip

_COMPONENT = "com.redhat.component"
_VARIANTS: dict[str, Family] = {"micro": "ubi-micro", "minimal": "ubi-minimal", "init": "ubi-init"}

_LOADERS = ("/lib64", "/lib", "/usr/lib64", "/usr/lib")
_LOADER_NAMES = frozenset(
    words(
        "ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 ld-linux-armhf.so.3 ld-linux.so.2 ld64.so.2 ld64.so.1"
        " ld-musl-x86_64.so.1 ld-musl-aarch64.so.1 ld-musl-armhf.so.1 libc.so.6"
    )
)
"""The dynamic loader and C library: an image that has them is not built on scratch alone."""

SCRATCH_PROGRAMS = 64
"""Executable files up to which an image can be one of a few programs on nothing: systems have hundreds."""


class Base(Struct, frozen=True):
    """The recognised base, and the evidence in a form for people."""

    family: Family
    evidence: str
    release: str = ""

    def __str__(self) -> str:
        return f"{self.family} {self.release}".strip()


def recognise(filesystem: Filesystem, inventory: Inventory, config: ImageConfig) -> Base:
    """Name the base of an image. Contradictory evidence is no recognition: the family is then `unknown`.

    Raises `Unavailable` where a file that would tell cannot be read: garbage must not read as absence.
    """
    os_release = inventory.complete().os_release
    if os_release is None:
        return _without_os_release(filesystem, inventory)
    claim = f"os-release says {os_release.pretty_name[:60] or os_release.id}"
    if inventory.contradictions:
        return Base("unknown", f"{claim}, but {inventory.contradictions[0]}")
    family = _BY_ID.get(os_release.id, "other")
    release, evidence = os_release.version_id, claim
    if os_release.id == "debian":
        family, evidence = _debian(filesystem, inventory, os_release.pretty_name, claim)
    elif os_release.id == "ubuntu" and filesystem.get("/var/lib/chisel/manifest.wall") is not None:
        family, evidence = "ubuntu-chiselled", f"{claim}, and /var/lib/chisel/manifest.wall is there"
    elif os_release.id == "rhel":
        family, evidence = _red_hat(filesystem, config, claim)
    elif os_release.id == "wolfi" and "chainguard" in os_release.name.lower():
        family = "chainguard"
    return Base(family, evidence, release)


def _debian(filesystem: Filesystem, inventory: Inventory, pretty: str, claim: str) -> tuple[Family, str]:
    """Tell distroless, which keeps one record per package in status.d, from Debian, which keeps them in one file."""
    records = {database.format for database in inventory.databases}
    if filesystem.get("/usr/bin/dpkg") is None and "dpkg-status" not in records:
        if "dpkg-status.d" in records:
            return "distroless", f"{claim}, with package records in /var/lib/dpkg/status.d and no dpkg"
        if pretty.lower() == "distroless":
            return "distroless", claim
    return "debian", claim


def _red_hat(filesystem: Filesystem, config: ImageConfig, claim: str) -> tuple[Family, str]:
    """Tell the variants of UBI by the programs that each lacks; a label is only named where it agrees."""
    if any(filesystem.lookup(f"/usr/bin/{name}") for name in ("dnf", "yum", "dnf-3", "dnf5")):
        family: Family = "ubi-init" if filesystem.lookup("/usr/sbin/init") else "ubi-standard"
        evidence = f"{claim}, with dnf{' and an init' if family == 'ubi-init' else ''}"
    elif filesystem.lookup("/usr/bin/microdnf"):
        family, evidence = "ubi-minimal", f"{claim}, with microdnf"
    elif filesystem.lookup("/usr/bin/rpm"):
        family, evidence = "ubi-standard", f"{claim}, with rpm"
    else:
        family, evidence = "ubi-micro", f"{claim}, without rpm and dnf"
    label = config.labels.get(_COMPONENT, "")
    if any(part in label and variant == family for part, variant in _VARIANTS.items()):
        evidence += f", label {_COMPONENT}={label[:60]}"
    return family, evidence


def _without_os_release(filesystem: Filesystem, inventory: Inventory) -> Base:
    """Tell scratch, busybox and Nix from an image whose os-release is missing."""
    if inventory.databases or inventory.unread:
        kinds = sorted(
            {database.format for database in inventory.databases} | {name for name, _ in inventory.unread}
        )
        if kinds == ["nix"]:
            return Base("nix", "no os-release, and a Nix database")
        return Base("unknown", f"no os-release, but package databases: {', '.join(kinds)}")
    store = filesystem.get("/nix/store")
    if store is not None and store.type is EntryType.DIRECTORY:
        return Base("nix", "no os-release, and programs in /nix/store")
    busybox = filesystem.lookup("/bin/busybox")
    if busybox is not None and busybox.type is EntryType.FILE:
        return Base("busybox", "no os-release, no package database, and /bin/busybox")
    loader = next(
        (entry for entry in filesystem.named(_LOADER_NAMES) if entry.path.startswith(_LOADERS)), None
    )
    if loader is not None:
        return Base("unknown", f"no os-release and no package database, but a system's {loader.path}")
    programs = sum(1 for _ in filesystem.executables())
    if programs > SCRATCH_PROGRAMS:
        return Base("unknown", f"no os-release, no package database, but {programs:,} executable files")
    return Base("scratch", "no os-release, no package database, no C library")
