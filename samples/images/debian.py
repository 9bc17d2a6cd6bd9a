"""Debian package databases as dpkg writes them, and the files by which a Debian release is recognised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from samples.images.entries import Entry, file, symbolic_link

OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One binary package; `source` and `source_version` are empty where the source package has the same."""

    name: str
    version: str
    source: str = ""
    source_version: str = ""
    architecture: str = "amd64"

    def stanza(self) -> str:
        """The package's paragraph in `/var/lib/dpkg/status` (deb-control(5))."""
        source = self.source or (self.name if self.source_version else "")
        lines = [
            f"Package: {self.name}",
            "Status: install ok installed",
            "Priority: required",
            "Section: base",
            "Installed-Size: 100",
            "Maintainer: Debian Maintainers <debian-devel@lists.debian.org>",
            f"Architecture: {self.architecture}",
            *(
                [f"Source: {source} ({self.source_version})" if self.source_version else f"Source: {source}"]
                if source
                else []
            ),
            f"Version: {self.version}",
            f"Description: {self.name} of the sample image",
        ]
        return "".join(f"{line}\n" for line in lines)


RELEASED = 1_686_355_200
"""10 June 2023, when Debian 12.0 was released."""

# Package versions of that release, each with its source package.
RELEASE_12_0 = (
    Package("apt", "2.6.1"),
    Package("base-files", "12.4"),
    Package("bash", "5.2.15-2+b2", source_version="5.2.15-2"),
    Package("coreutils", "9.1-1"),
    Package("dash", "0.5.12-2"),
    Package("dpkg", "1.21.22"),
    Package("gpgv", "2.2.40-1.1", "gnupg2"),
    Package("libapt-pkg6.0", "2.6.1", "apt"),
    Package("libc-bin", "2.36-9", "glibc"),
    Package("libc6", "2.36-9", "glibc"),
    Package("libgcrypt20", "1.10.1-3"),
    Package("libgnutls30", "3.7.9-2", "gnutls28"),
    Package("liblzma5", "5.4.1-0.2", "xz-utils"),
    Package("libssl3", "3.0.9-1", "openssl"),
    Package("libsystemd0", "252.6-1", "systemd"),
    Package("libtasn1-6", "4.19.0-2"),
    Package("login", "1:4.13+dfsg1-1+b1", "shadow", "1:4.13+dfsg1-1"),
    Package("openssl", "3.0.9-1"),
    Package("passwd", "1:4.13+dfsg1-1+b1", "shadow", "1:4.13+dfsg1-1"),
    Package("perl-base", "5.36.0-7", "perl"),
    Package("tar", "1.34+dfsg-1.2"),
    Package("util-linux", "2.38.1-5+b1", source_version="2.38.1-5"),
    Package("zlib1g", "1:1.2.13.dfsg-1", "zlib"),
)

# What a distroless image on Debian 12 holds, in versions that contain every fix of the advisory list.
DISTROLESS = (
    Package("base-files", "12.4+deb12u12"),
    Package("libc6", "2.36-9+deb12u14", "glibc"),
    Package("libssl3", "3.0.22-1~deb12u2", "openssl"),
    Package("netbase", "6.4", architecture="all"),
    Package("tzdata", "2025b-0+deb12u2", architecture="all"),
)


def release_files(version: str = "12.0", pretty_name: str = "") -> dict[str, Entry]:
    """`os-release`, linked as Debian links it, and `debian_version`.

    Distroless images call themselves by another pretty name.
    """
    text = OS_RELEASE.replace("Debian GNU/Linux 12 (bookworm)", pretty_name, 1) if pretty_name else OS_RELEASE
    return {
        "usr/lib/os-release": file(text),
        "etc/os-release": symbolic_link("../usr/lib/os-release"),
        "etc/debian_version": file(f"{version}\n"),
    }


def status(packages: Iterable[Package]) -> str:
    """The text of `/var/lib/dpkg/status`: one stanza per package, divided by empty lines."""
    return "\n".join(package.stanza() for package in packages) + "\n"


def status_file(packages: Iterable[Package]) -> dict[str, Entry]:
    """The package database of an ordinary Debian image."""
    return {"var/lib/dpkg/status": file(status(packages))}


def status_directory(packages: Iterable[Package]) -> dict[str, Entry]:
    """The package database of a distroless image: one file per package in `/var/lib/dpkg/status.d`."""
    return {f"var/lib/dpkg/status.d/{package.name}": file(package.stanza()) for package in packages}


def documents(packages: Iterable[Package], modified: int) -> dict[str, Entry]:
    """The copyright files of the packages, by whose times one sees how old a package is (seconds since 1970)."""
    text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
    return {f"usr/share/doc/{package.name}/copyright": file(text).dated(modified) for package in packages}
