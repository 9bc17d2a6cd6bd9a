"""Paths that mean a package of a programming language."""

from __future__ import annotations

import pytest

from gate.oci.marks import Kind, names
from gate.packages.languages import (
    GO,
    GO_MODULES,
    RUST,
    has_go_modules,
    installed_in,
    language_of,
    locked_by,
)


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("usr/lib/python3/dist-packages/jinja2-3.1.dist-info/METADATA", "pypi"),
        ("usr/lib/python3/dist-packages/six-1.16.egg-info", "pypi"),
        ("usr/lib/python3/dist-packages/six-1.16.egg-info/PKG-INFO", "pypi"),
        ("app/x-1.egg/EGG-INFO/PKG-INFO", "pypi"),
        ("EGG-INFO/PKG-INFO", "pypi"),
        ("app/node_modules/jquery/package.json", "npm"),
        ("node_modules/@babel/core/package.json", "npm"),
        ("app/node_modules/a/node_modules/b/package.json", "npm"),
        ("opt/app.jar", "maven"),
        ("opt/app.war", "maven"),
        ("usr/lib/ruby/gems/3.1.0/specifications/rack-3.0.gemspec", "gem"),
        ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.gemspec", "gem"),
        ("app/vendor/composer/installed.json", "composer"),
        ("app/app.deps.json", "nuget"),
        ("opt/conda/conda-meta/numpy-1.26-py311.json", "conda"),
    ],
)
def test_package(path: str, language: str) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/python3/dist-packages/jinja2-3.1.dist-info/RECORD",
        "usr/share/doc/METADATA",
        "app/package.json",
        "app/node_modules/a/lib/package.json",
        "app/node_modules/@babel/package.json",
        "app/node_modules/.cache/package.json",
        "opt/java/openjdk/lib/jrt-fs.jar",
        "usr/lib/jvm/java-8/jre/lib/ext/localedata.jar",
        "app/composer/installed.json",
        "app/rack.gemspec",
        "etc/x.json",
        "app/jar",
        "METADATA",
        "PKG-INFO",
        "",
    ],
)
def test_near_miss(path: str) -> None:
    assert language_of(path) is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("app/package-lock.json", "npm"),
        ("yarn.lock", "npm"),
        ("srv/a/uv.lock", "pypi"),
        ("app/Cargo.lock", "cargo"),
        ("app/Cargo.lock.bak", None),
        ("app/node_modules/a/package-lock.json", None),
        ("app/vendor/a/composer.lock", None),
        ("usr/local/bundle/specifications/Gemfile.lock", None),
        ("usr/local/bundle/gems/a-1/Gemfile.lock", None),
        ("usr/share/doc/a/requirements.txt", None),
        ("", None),
    ],
)
def test_lock_files(path: str, kind: str | None) -> None:
    assert locked_by(path) == kind


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/app/node_modules/a/x", "/app/node_modules/"),
        ("/app/node_modules/a/node_modules/b/x", "/app/node_modules/a/node_modules/"),
        ("/v/lib/python3.11/site-packages/a/x", "/v/lib/python3.11/site-packages/"),
        ("/usr/local/bundle/gems/a-1/x", "/usr/local/bundle/"),
        ("/usr/local/bundle/specifications/a-1.gemspec", "/usr/local/bundle/"),
        ("/gems/a/x", "/"),
        ("/opt/vendor/tool", None),
        ("/app/server", None),
        ("", None),
    ],
)
def test_folders_of_installed_packages(path: str, folder: str | None) -> None:
    assert installed_in(path) == folder


ESBUILD = "/app/node_modules/@esbuild/linux-x64/bin/esbuild"


@pytest.mark.parametrize(
    ("marks", "path", "expected"),
    [
        ((GO, GO_MODULES), "/app/server", True),
        ((GO,), "/app/server", True),
        ((GO, GO_MODULES), ESBUILD, True),
        ((GO,), ESBUILD, False),
        ((GO_MODULES,), "/usr/bin/reads-that-of-others", False),
        ((RUST,), "/app/server", False),
    ],
)
def test_programs_whose_go_modules_scanners_must_tell(
    marks: tuple[str, ...], path: str, expected: bool
) -> None:
    assert has_go_modules(marks, path) is expected


def test_marks_of_programs_with_their_packages_inside_are_those_that_are_searched_for() -> None:
    assert names(Kind.GO, Kind.RUST) == {GO, GO_MODULES, RUST}


def test_paths_with_many_components_take_no_time() -> None:
    assert language_of("node_modules/a/" * 20_000 + "x.json") is None
