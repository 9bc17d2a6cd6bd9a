"""Packages of programming languages as their installers leave them in an image: Python, npm and Java."""

from __future__ import annotations

import io
import json
import zipfile

from samples.images.entries import Entry, file

# The earliest time a zip archive can state, so that equal jars have equal bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def python_distribution(
    name: str, version: str, root: str = "usr/lib/python3/dist-packages"
) -> dict[str, Entry]:
    """An installed Python distribution: its `.dist-info` and one module."""
    folder = f"{root}/{name.replace('-', '_')}-{version}.dist-info"
    module = name.lower().replace("-", "_")
    metadata = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {name} of the sample image\n"
    )
    return {
        f"{root}/{module}/__init__.py": file(f'__version__ = "{version}"\n'),
        f"{folder}/METADATA": file(metadata),
        f"{folder}/RECORD": file(f"{module}/__init__.py,,\n{folder.rpartition('/')[2]}/METADATA,,\n"),
        f"{folder}/INSTALLER": file("pip\n"),
    }


def node_package(name: str, version: str, root: str = "app") -> dict[str, Entry]:
    """An installed npm package: its `package.json` and one module."""
    folder = f"{root}/node_modules/{name}"
    package = {"name": name, "version": version, "main": "index.js", "license": "MIT"}
    return {
        f"{folder}/package.json": file(json.dumps(package, indent=2) + "\n"),
        f"{folder}/index.js": file("module.exports = {};\n"),
    }


def java_archive(group: str, artifact: str, version: str) -> bytes:
    """A jar with a manifest and `pom.properties`, as Maven packs it."""
    folder = f"META-INF/maven/{group}/{artifact}"
    implementation = f"Implementation-Title: {artifact}\r\nImplementation-Version: {version}\r\n"
    manifest = f"Manifest-Version: 1.0\r\n{implementation}\r\n"
    members = {
        "META-INF/MANIFEST.MF": manifest,
        f"{folder}/pom.properties": f"version={version}\ngroupId={group}\nartifactId={artifact}\n",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def java_library(group: str, artifact: str, version: str, root: str = "app/lib") -> dict[str, Entry]:
    """A jar under its customary file name."""
    return {f"{root}/{artifact}-{version}.jar": file(java_archive(group, artifact, version))}
