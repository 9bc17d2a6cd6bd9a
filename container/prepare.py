"""Prepare the build context of the official image.

    python -m container.prepare lock                         renew packages.lock from Debian's signed lists
    python -m container.prepare base FOLDER                  fetch what the locks name: packages and wheels
    python -m container.prepare context FOLDER BASE SCANNER=PROGRAM[@sha256:HEX]...
                                                             put everything together; takes no network

Everything is named by hash: Debian's packages in packages.lock, Python's in requirements/runtime.txt, and a scanner by the
table that image-gate is shipped with, or else by the digest that is stated beside it. Then `docker build` only copies.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gate
from container.debian import LOCK, Lock, fetch, finish, renewed, unpack

HERE = Path(__file__).parent
ROOT = HERE.parent
REQUIREMENTS = ROOT / "requirements" / "runtime.txt"

PYTHON = "3.13"
"""Of the Debian release in `debian.SUITES`."""
PLATFORM = "x86_64-manylinux_2_28"
MODULES = f"usr/local/lib/python{PYTHON}/dist-packages"
"""Where Debian's Python looks for what is not Debian's."""

NONROOT = 65532
"""The user of distroless images, so that rules of clusters about users fit this image too."""
FILES = {
    "etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nnonroot:x:{NONROOT}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
PROGRAM = f"#!/usr/bin/python{PYTHON} -I\nfrom gate.cli import main\n\nmain()\n"
"""`-I`: no variable and no folder can put a module in the place of ours."""

CONTENTS = "usr/share/image-gate/contents.json"
"""What was put together, in the image itself: digests of the scanners and of both locks."""


def base(folder: Path) -> None:
    """Fetch packages and wheels into a new root."""
    lock = Lock.parse(LOCK.read_text(encoding="utf-8"))
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as downloads:
        for package in lock.packages:
            archive = Path(downloads) / package.file
            archive.write_bytes(fetch(package, lock.taken))
            unpack(archive, folder)
    finish(folder)
    _install(folder / MODULES, "--require-hashes", "-r", str(REQUIREMENTS))


def context(folder: Path, made: Path, scanners: Sequence[str]) -> None:
    """Put root, image-gate and scanners together in the form that the Containerfile copies."""
    root = folder / "root"
    shutil.copytree(made, root, symlinks=True)
    shutil.copy(HERE / "Containerfile", folder / "Containerfile")
    for name, text in FILES.items():
        (root / name).write_text(text, encoding="ascii")
    with tempfile.TemporaryDirectory() as wheels:
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels])
        (wheel,) = Path(wheels).glob("*.whl")
        _install(root / MODULES, str(wheel))
    shutil.rmtree(root / MODULES / "bin", ignore_errors=True)  # they name the Python that installed them
    (root / MODULES / ".lock").unlink(missing_ok=True)  # uv's
    programs = root / "usr/local/bin"
    programs.mkdir(parents=True)
    (programs / "image-gate").write_text(PROGRAM, encoding="ascii")
    (programs / "image-gate").chmod(0o755)
    digests = dict(take_scanner(one, programs) for one in scanners)
    locks = {path.name: _digest(path) for path in (LOCK, REQUIREMENTS)}
    contents = root / CONTENTS
    contents.parent.mkdir(parents=True)
    told = {"version": gate.__version__, "scanners": digests, "locks": locks}
    contents.write_text(json.dumps(told, indent=2) + "\n", encoding="ascii")
    _compile(root)
    (folder / "home/nonroot/.cache").mkdir(parents=True)


def take_scanner(given: str, programs: Path) -> tuple[str, str]:
    """Copy a scanner whose bytes are known, and return its name and digest; raises `SystemExit` for any other."""
    name, _, rest = given.partition("=")
    path, _, stated = rest.partition("@")
    if name not in ("trivy", "grype") or not Path(path).is_file():
        raise SystemExit(f"{given!r} is not trivy=PROGRAM or grype=PROGRAM")
    shutil.copyfile(path, programs / name)
    (programs / name).chmod(0o755)
    digest = _digest(programs / name)
    if stated and stated != digest:
        raise SystemExit(f"{path} has the digest {digest}, and not {stated}")
    if not stated:
        command = [sys.executable, "-m", "gate", "scanners", "verify", str(programs / name)]
        if subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode:
            raise SystemExit(
                f"{path} is not known to be a release of {name}\n  → state its digest: {name}={path}@sha256:…"
            )
    return name, digest


def _install(folder: Path, *arguments: str) -> None:
    """Install wheels for the Python of the image; none of their code runs."""
    if shutil.which("uv"):
        pip, platforms = ["uv", "pip"], ["--python-platform", PLATFORM]
    else:
        tags = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")
        pip = [sys.executable, "-m", "pip"]
        platforms = ["--no-compile", *(word for tag in tags for word in ("--platform", tag))]
    only = ["--no-deps", "--only-binary", ":all:", "--python-version", PYTHON, *platforms]
    _run([*pip, "install", "--quiet", *only, "--target", str(folder), *arguments])


def _compile(root: Path) -> None:
    """Compile all modules with the image's own Python, which its own loader starts without any container."""
    loader = [f"{root}/usr/lib64/ld-linux-x86-64.so.2", "--library-path", f"{root}/usr/lib/x86_64-linux-gnu"]
    python = f"{root}/usr/bin/python{PYTHON}"
    compileall = [python, "-S", "-m", "compileall", "-q", "-s", str(root), "-p", "/"]
    # Nobody can write beside them in the image, so no start need look whether a source has changed.
    compileall += ["--invalidation-mode", "unchecked-hash"]
    folders = [f"{root}/usr/lib/python{PYTHON}", f"{root}/{MODULES}"]
    _run([*loader, *compileall, *folders], {"PYTHONHOME": f"{root}/usr", "PATH": os.defpath})


def _run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Run a command; ends with its words where it fails."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


if __name__ == "__main__":
    os.umask(0o022)  # the user of the image is another one
    match sys.argv[1:]:
        case ["lock"]:
            LOCK.write_text(renewed().text(), encoding="utf-8")
        case ["base", target]:
            base(Path(target).resolve())
        case ["context", target, made, *scanners]:
            context(Path(target).resolve(), Path(made).resolve(), scanners)
        case _:
            sys.exit(__doc__)
