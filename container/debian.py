"""Debian packages for the image: named by hash in a lock, fetched from any mirror that has them, and unpacked, never installed.

Debian replaces a version in its archive by the next one. What the mirror no longer has is asked of snapshot.debian.org, as
of the day of the lock; the hash decides whether bytes are the right ones, not the place they came from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

LOCK = Path(__file__).parent / "packages.lock"

SUITES = {"debian": ("trixie", "trixie-updates"), "debian-security": ("trixie-security",)}
"""Archive to its suites: the distribution that the image is made of."""

MIRROR = "http://deb.debian.org"
"""Plain HTTP, as apt takes it: lists are signed, and files are known by their hash."""
SNAPSHOT = "https://snapshot.debian.org/archive"

PACKAGES = (
    "base-files",  # the layout of the tree, os-release
    "ca-certificates",  # whom TLS believes; only the certificates are taken
    "netbase",  # /etc/protocols and /etc/services
    "tzdata",
    *("libc6", "libgcc-s1", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libsqlite3-0", "libssl3t64"),
    *("libuuid1", "libzstd1", "zlib1g"),
    *("libpython3.13-minimal", "libpython3.13-stdlib", "python3.13-minimal"),
)
"""Listed one by one: the dependencies of these packages would bring a shell, dpkg, and perl."""

UNWANTED = (
    *("etc/default", "etc/init.d", "etc/profile.d", "etc/skel", "etc/update-motd.d", "usr/sbin"),
    *("usr/share/apport", "usr/share/base-files", "usr/share/binfmts", "usr/share/bug", "usr/share/gcc"),
    *("usr/share/gdb", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man"),
)
"""What is for people and for package scripts."""

CERTIFICATES = "usr/share/ca-certificates"
STATUS = "var/lib/dpkg/status.d"
"""Where distroless images list their packages, a file each: scanners read it, and there is no dpkg to change it."""

SECONDS = 60
LARGEST = 64 << 20
"""Bytes of one package; the largest of these has 3 MB."""


class Package(Struct, frozen=True):
    """One line of the lock: the file's sha256, and its place below a mirror."""

    sha256: str
    path: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]


class Lock(Struct, frozen=True):
    """The packages, and the time at which they were those of the suites, as snapshot.debian.org writes it."""

    taken: str
    packages: tuple[Package, ...]

    @classmethod
    def parse(cls, text: str) -> Lock:
        """Read a lock; raises `SystemExit` for one that is not of this form."""
        head, *lines = [line for line in text.splitlines() if line and not line.startswith("# ")]
        taken = re.fullmatch(r"taken ([0-9]{8}T[0-9]{6}Z)", head)
        found = [
            re.fullmatch(r"([0-9a-f]{64})  ([a-z-]+/pool/[A-Za-z0-9._+~%/-]+\.deb)", line) for line in lines
        ]
        if taken is None or not found or not all(found):
            raise SystemExit(f"{LOCK.name} is no lock of packages; renew it with `make container-lock`")
        return cls(taken[1], tuple(Package(one[1], one[2]) for one in found if one))

    def text(self) -> str:
        """Return it as it is written to the file."""
        head = "# Debian packages of the official image, by hash; `make container-lock` renews them.\n"
        lines = "".join(f"{one.sha256}  {one.path}\n" for one in self.packages)
        return f"{head}taken {self.taken}\n{lines}"


def renewed() -> Lock:
    """Ask Debian's signed lists for the newest versions, with a configuration of apt that is not the system's."""
    taken = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103 -- apt fetches as a user of its own
        apt = _apt(Path(folder))
        _run([*apt, "-qq", "update"], folder)
        uris = _run([*apt, "-qq", "download", "--print-uris", *PACKAGES], folder)
    found = re.findall(rf"'{re.escape(MIRROR)}/(\S+)' \S+ [0-9]+ SHA256:([0-9a-f]{{64}})", uris)
    if len(found) != len(PACKAGES):
        raise SystemExit(f"apt named {len(found)} of {len(PACKAGES)} packages")
    return Lock(
        taken, tuple(sorted((Package(sha256, path) for path, sha256 in found), key=lambda one: one.file))
    )


def _apt(folder: Path) -> list[str]:
    """Write a configuration for one run and return the command that uses it."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    keys = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
    sources = (
        f"Types: deb\nURIs: {MIRROR}/{archive}\nSuites: {' '.join(suites)}\nComponents: main\nArchitectures: amd64\n{keys}\n"
        for archive, suites in SUITES.items()
    )
    (folder / "debian.sources").write_text("\n".join(sources))
    settings = {
        "Dir::State": folder, "Dir::State::status": folder / "status", "Dir::Cache": folder,
        "Dir::Etc::sourcelist": folder / "debian.sources", "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": "amd64", "APT::Architectures": "amd64", "Acquire::ForceHash": "SHA256",
    }  # fmt: skip
    return ["apt-get", *(f"-o{name}={value}" for name, value in settings.items())]


def fetch(package: Package, taken: str, places: Sequence[str] = (MIRROR, SNAPSHOT)) -> bytes:
    """Return a package's bytes from the first place that has them; raises `SystemExit` where none has."""
    reasons = []
    for place in places:
        archive, _, rest = package.path.partition("/")
        dated = f"{archive}/{taken}/{rest}" if place != places[0] else package.path
        try:
            with urllib.request.urlopen(f"{place}/{dated}", timeout=SECONDS) as answer:
                data: bytes = answer.read(LARGEST)
        except (OSError, urllib.error.URLError) as error:
            reasons.append(f"{place}: {error}")
            continue
        if hashlib.sha256(data).hexdigest() == package.sha256:
            return data
        reasons.append(f"{place}: these are other bytes than the lock names")
    raise SystemExit(
        f"{package.file}: {'; '.join(reasons)}\n  → renew the lock with `make container-lock`, and read its diff"
    )


def unpack(archive: Path, root: Path) -> None:
    """Unpack a package into the root and list it for scanners; none of its scripts runs."""
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        _run(["dpkg-deb", "--raw-extract", str(archive), folder], root)
        control = Path(folder) / "DEBIAN"
        name = re.search(r"^Package: (\S+)$", (control / "control").read_text(), re.MULTILINE)
        assert name is not None
        status = root / STATUS
        status.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(control / "control", status / name[1])
        shutil.copyfile(control / "md5sums", status / f"{name[1]}.md5sums")
        shutil.rmtree(control)
        shutil.copytree(folder, root, symlinks=True, dirs_exist_ok=True)


def finish(root: Path) -> None:
    """Take away what nothing in the image reads, and bundle the certificates."""
    for name in UNWANTED:
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "usr/sbin").mkdir()  # /sbin points there
    for document in (root / "usr/share/doc").rglob("*"):
        if document.is_file() and document.name != "copyright":
            document.unlink()
    certificates = sorted((root / CERTIFICATES).rglob("*.crt"))
    if not certificates:
        raise SystemExit("there are no certificates in the package ca-certificates")
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(one.read_bytes() for one in certificates))
    shutil.rmtree(root / CERTIFICATES)


def _run(command: list[str], folder: str | Path) -> str:
    """Run a program of Debian's; returns what it says, or ends with what went wrong."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is not on PATH; the image is prepared on Debian or Ubuntu") from None
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
