"""Alpine package databases as apk writes them, and the files that name an Alpine or Wolfi release."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from samples.images.entries import Entry, file

WOLFI_OS_RELEASE = """ID=wolfi
NAME="Wolfi"
PRETTY_NAME="Wolfi"
VERSION_ID="20230201"
HOME_URL="https://wolfi.dev"
BUG_REPORT_URL="https://github.com/wolfi-dev/os/issues"
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One package of an apk distribution.

    `origin` is the source package, empty where it has the same name.
    """

    name: str
    version: str
    origin: str = ""
    architecture: str = "x86_64"

    def record(self, built: int) -> str:
        """The package's record in `lib/apk/db/installed`: one letter, a colon and a value per line.

        `built` is when the package was built, in seconds since 1970.
        """
        origin = self.origin or self.name
        lines = (
            f"P:{self.name}",
            f"V:{self.version}",
            f"A:{self.architecture}",
            "S:1000",
            "I:4096",
            f"T:{self.name} of the sample image",
            "U:https://www.alpinelinux.org/",
            "L:MIT",
            f"o:{origin}",
            f"m:{origin} maintainers",
            f"t:{built}",
        )
        return "".join(f"{line}\n" for line in lines)


RELEASED = 1_716_336_000
"""22 May 2024, when Alpine 3.20.0 was released."""

# The packages of that release.
RELEASE_3_20_0 = (
    Package("alpine-baselayout", "3.6.5-r0"),
    Package("alpine-baselayout-data", "3.6.5-r0", "alpine-baselayout"),
    Package("alpine-keys", "2.4-r1"),
    Package("apk-tools", "2.14.4-r0"),
    Package("busybox", "1.36.1-r28"),
    Package("busybox-binsh", "1.36.1-r28", "busybox"),
    Package("ca-certificates-bundle", "20240226-r0", "ca-certificates"),
    Package("libcrypto3", "3.3.0-r2", "openssl"),
    Package("libssl3", "3.3.0-r2", "openssl"),
    Package("musl", "1.2.5-r0"),
    Package("musl-utils", "1.2.5-r0", "musl"),
    Package("scanelf", "1.3.7-r2", "pax-utils"),
    Package("ssl_client", "1.36.1-r28", "busybox"),
    Package("zlib", "1.3.1-r1"),
)

# What a Wolfi image holds below a program; the versions stand for those of a current one.
WOLFI = (
    Package("ca-certificates-bundle", "20260413-r0", "ca-certificates"),
    Package("glibc", "2.43-r8"),
    Package("ld-linux", "2.43-r8", "glibc"),
    Package("wolfi-baselayout", "20230201-r28"),
)


def release_files(version: str = "3.20.0") -> dict[str, Entry]:
    """`os-release` and `alpine-release` of an Alpine release."""
    name = ".".join(version.split(".")[:2])
    pretty = f'PRETTY_NAME="Alpine Linux v{name}"\nHOME_URL="https://alpinelinux.org/"\n'
    text = f'NAME="Alpine Linux"\nID=alpine\nVERSION_ID={version}\n{pretty}'
    return {"etc/os-release": file(text), "etc/alpine-release": file(f"{version}\n")}


def installed(packages: Iterable[Package], built: int = RELEASED) -> str:
    """The text of the database of installed packages: records divided by empty lines."""
    return "".join(package.record(built) + "\n" for package in packages)


def installed_file(packages: Iterable[Package], built: int = RELEASED) -> dict[str, Entry]:
    """The package database of an Alpine image."""
    return {"lib/apk/db/installed": file(installed(packages, built))}
