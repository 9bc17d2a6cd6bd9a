"""Paths that mean "here is a package of a programming language", so that coverage can be checked without content.

Only what Trivy and Grype both look for in images; programs that carry their modules inside (Go, Rust) are told by content.
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
    (re.compile(r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/@][^/]*/package\.json"), "npm"),
    (re.compile(r"(?:.*/)?specifications/(?:default/)?[^/]+\.gemspec"), "gem"),
    (re.compile(r"(?:.*/)?vendor/composer/installed\.json"), "composer"),
    (re.compile(r"(?:.*/)?conda-meta/[^/]+\.json"), "conda"),
)
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


def language_of(path: str) -> str | None:
    """Return the purl type of the package that a file at `path` belongs to, or None.

    `path` is relative to the image's root, without a leading slash. Called for every entry of an image, so what most paths
    fail is asked first.
    """
    if not path.endswith(ENDINGS):
        return None
    for suffix, language in _BY_SUFFIX.items():
        if path.endswith(suffix):
            return language
    return next((language for pattern, language in _PATTERNS if pattern.fullmatch(path)), None)
