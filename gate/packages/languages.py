"""Paths that mean "here is a package of a programming language", so that coverage can be checked without content.

Only what Trivy and Grype both look for in images; programs that carry their modules inside (Go, Rust) are told by content.
Lock files say that packages were meant to be there. In images scanners read none of them but Cargo.lock and
packages.lock.json (seen with Trivy 0.76 and Grype 0.121): what the others list must be seen by itself.
"""

from __future__ import annotations

import re

_BY_SUFFIX = {
    ".jar": "maven",
    ".war": "maven",
    ".ear": "maven",
    ".par": "maven",
    ".deps.json": "nuget",
}
_PATTERNS = (
    (re.compile(r"(?:.*/)?[^/]+\.dist-info/METADATA"), "pypi"),
    (re.compile(r"(?:.*/)?[^/]+\.egg-info(?:/PKG-INFO)?"), "pypi"),
    (re.compile(r"(?:.*/)?EGG-INFO/PKG-INFO"), "pypi"),
    (re.compile(r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/@.][^/]*/package\.json"), "npm"),
    (re.compile(r"(?:.*/)?specifications/(?:default/)?[^/]+\.gemspec"), "gem"),
    (re.compile(r"(?:.*/)?vendor/composer/installed\.json"), "composer"),
    (re.compile(r"(?:.*/)?conda-meta/[^/]+\.json"), "conda"),
)
_OF_JAVA_ITSELF = re.compile(r"(?:.*/)?(?:lib/jrt-fs|jre/lib/(?:.*/)?[^/]+)\.jar")
"""The runtime's own archives (JDK 9 and later, JDK 8): no packages of Maven, and Trivy names none of them."""
ENDINGS = (
    *_BY_SUFFIX,
    "METADATA",
    "PKG-INFO",
    ".egg-info",
    "package.json",
    ".gemspec",
    "installed.json",
    ".json",
)
"""How every path ends that shows a package; most paths of an image do not."""

LOCK_FILES = {
    "bun.lock": "npm",
    "npm-shrinkwrap.json": "npm",
    "package-lock.json": "npm",
    "pnpm-lock.yaml": "npm",
    "yarn.lock": "npm",
    "Pipfile.lock": "pypi",
    "pdm.lock": "pypi",
    "poetry.lock": "pypi",
    "requirements.txt": "pypi",
    "uv.lock": "pypi",
    "go.mod": "golang",
    "Gemfile.lock": "gem",
    "composer.lock": "composer",
    "Cargo.lock": "cargo",
    "packages.lock.json": "nuget",
    "gradle.lockfile": "maven",
}
"""Lock files by name, and the purl type of what they list."""
GO, RUST = "go", "rust"
"""The marks (`gate.oci.marks`) of programs into which their packages are compiled."""
BESIDE = frozenset({"npm", "composer"})
"""Types whose packages are installed in a folder beside the lock file; the others go to one place for the whole system."""
_INSTALLED = re.compile(
    r"(/(?:.*/)?(?:node_modules|bower_components|site-packages|dist-packages|pkg/mod|registry/src)/)"
    r"|(/(?:.*/)?)(?:gems|specifications)/"
)
"""Folders that hold installed packages, which may bring lock files and programs of their own; gems are known by files in
another folder than theirs."""


_NODE_PACKAGE = re.compile(r"/(?:.*/)?node_modules/(?:@[^/]+/)?[^/@.][^/]*/")


def described_by(path: str) -> str | None:
    """Return the file that names the npm package in whose own folder a path with a leading slash lies, or None.

    Some bring programs whose build information their makers left out: esbuild, which nearly every front end is built with.
    """
    match = _NODE_PACKAGE.match(path)
    return None if match is None else f"{match[0]}package.json"


def installed_in(path: str) -> str | None:
    """Return the folder of installed packages in which a path with a leading slash lies, or None."""
    match = _INSTALLED.match(path)
    return None if match is None else match[1] or match[2]


def locked_by(path: str) -> str | None:
    """Return the purl type of the packages that a lock file at `path` lists, or None.

    Those that installed packages and the distribution bring say nothing of what the image should hold.
    """
    kind = LOCK_FILES.get(path.rpartition("/")[2])
    brought = path.startswith(("usr/lib/", "usr/share/")) or "/vendor/" in path or installed_in(f"/{path}")
    return None if brought else kind


def language_of(path: str) -> str | None:
    """Return the purl type of the package that a file at `path` belongs to, or None.

    `path` is relative to the image's root, without a leading slash. Called for every entry of an image, so what most paths
    fail is asked first.
    """
    if not path.endswith(ENDINGS):
        return None
    for suffix, language in _BY_SUFFIX.items():
        if path.endswith(suffix):
            return None if _OF_JAVA_ITSELF.fullmatch(path) else language
    return next((language for pattern, language in _PATTERNS if pattern.fullmatch(path)), None)
