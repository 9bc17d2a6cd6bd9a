"""Sample images by name: small, but their packages are real ones with real advisories.

Every function takes the moment of building, in UTC, because an image is fresh or old only in relation to it;
for the same moment the images have the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from samples.images import alpine as apk
from samples.images import debian
from samples.images.builder import Image, Index, Platform, Settings, build_image, build_index
from samples.images.credentials import private_key
from samples.images.entries import Entries, Entry, directory, file, program, symbolic_link, with_parents
from samples.images.languages import java_library, node_package, python_distribution
from samples.images.layers import Layer, layer_of
from samples.images.programs import go_program, static_program

NONROOT = 65532
"""The numeric user of distroless images."""

OLD = timedelta(days=400)
FRESH = timedelta(days=2)

PASSWD = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
GROUP = "root:x:0:\nnonroot:x:65532:\n"
LABELS = {
    "com.example.team": "shop",
    "org.opencontainers.image.authors": "Shop team <shop@example.com>",
    "org.opencontainers.image.revision": "3f786850e387550fdab836ed7e6dc881de23001b",
    "org.opencontainers.image.source": "https://git.example.com/shop/server",
    "org.opencontainers.image.version": "1.4.2",
}


def bad(built: datetime) -> Image:
    """An ordinary Debian 12 image that breaks most rules: shell, apt, setuid, root, a key, old packages."""
    created = built - OLD
    libraries = {
        **python_distribution("Jinja2", "3.0.3", "usr/local/lib/python3.11/site-packages"),
        **python_distribution("requests", "2.28.1", "usr/local/lib/python3.11/site-packages"),
        **java_library("org.apache.logging.log4j", "log4j-core", "2.14.1"),
        **node_package("minimist", "1.2.5"),
        "app/server": program(static_program("the bad sample serves")),
        "app/server.key": file(private_key(), 0o600),
    }
    settings = Settings(
        created,
        entrypoint=["/app/server"],
        exposed_ports=["22/tcp", "8080/tcp"],
        history=[
            "/bin/sh -c #(nop) ADD rootfs.tar.xz in /",
            "/bin/sh -c pip install jinja2 requests && npm install minimist",
        ],
    )
    return build_image([_layer(debian_root(), created), _layer(libraries, created)], settings)


def good(built: datetime) -> Image:
    """A distroless image: one Go program, a numeric user, labels, no shell, packages with every fix."""
    created = built - FRESH
    return _distroless(created, Platform())


def alpine(built: datetime) -> Image:
    """Alpine 3.20.0 with busybox as its shell, apk, a named user, and outdated openssl, musl and busybox."""
    created = built - OLD
    root = {
        **apk.release_files(),
        **apk.installed_file(apk.RELEASE_3_20_0),
        "etc/passwd": file("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"),
        "etc/group": file("root:x:0:root\napp:x:1000:\n"),
        "bin/busybox": program(
            static_program("busybox", embedded=b"BusyBox v1.36.1 (2024-06-10 07:11:47 UTC)")
        ),
        "bin/sh": symbolic_link("/bin/busybox"),
        "bin/su": symbolic_link("/bin/busybox"),
        "sbin/apk": program(static_program("apk-tools 2.14.4")),
    }
    return build_image([_layer(root, created)], Settings(created, user="app", command=["/bin/sh"]))


def wolfi_like(built: datetime) -> Image:
    """An image of Wolfi, which the sample databases do not hold: that nothing is found means nothing."""
    created = built - FRESH
    root = {
        "etc/os-release": file(apk.WOLFI_OS_RELEASE),
        **apk.installed_file(apk.WOLFI, int(created.timestamp())),
        **_accounts(),
        **_server("amd64"),
    }
    return build_image(
        [_layer(root, created)],
        Settings(created, user=str(NONROOT), entrypoint=["/app/server"], labels=LABELS),
    )


def languages(built: datetime) -> Image:
    """Outdated packages of Python, npm, Java and Go above a distroless base that is up to date."""
    created = built - FRESH
    libraries = {
        **python_distribution("Flask", "2.0.1"),
        **python_distribution("Jinja2", "3.0.3"),
        **python_distribution("PyYAML", "5.3.1"),
        **python_distribution("urllib3", "1.26.12"),
        **node_package("jquery", "3.4.1"),
        **node_package("lodash", "4.17.15"),
        **node_package("negotiator", "0.5.3"),
        **java_library("org.apache.logging.log4j", "log4j-core", "2.14.1"),
        "app/server": program(go_program({"golang.org/x/net": "v0.16.0", "golang.org/x/text": "v0.3.6"})),
    }
    settings = Settings(created, user=str(NONROOT), entrypoint=["/app/server"], labels=LABELS)
    return build_image([_layer(distroless_root(created), created), _layer(libraries, created)], settings)


def go_on_scratch(built: datetime) -> Image:
    """One Go program and nothing else: no distribution, no package database, and outdated modules."""
    created = built - FRESH
    server = {"server": program(go_program({"golang.org/x/net": "v0.16.0"}))}
    return build_image(
        [_layer(server, created)], Settings(created, user=str(NONROOT), entrypoint=["/server"], labels=LABELS)
    )


def multi_platform(built: datetime) -> Index:
    """An index as BuildKit pushes it: a good amd64 image, an arm64 one with a shell, two attestations."""
    created = built - FRESH
    amd64 = _distroless(created, Platform())
    arm64 = _distroless(
        created, Platform("linux", "arm64", "v8"), {"bin/sh": program(static_program("dash", "arm64"))}
    )
    return build_index([amd64, arm64], attested=True)


CATALOGUE: Mapping[str, Callable[[datetime], Image | Index]] = {
    "alpine": alpine,
    "bad": bad,
    "go-on-scratch": go_on_scratch,
    "good": good,
    "languages": languages,
    "multi-platform": multi_platform,
    "wolfi-like": wolfi_like,
}
"""Every sample image by the name under which documentation and tests speak of it."""


def debian_root() -> dict[str, Entry]:
    """A Debian 12.0 root in its merged-/usr form, with the programs that the rules look for."""
    programs = ("apt", "apt-get", "dash", "dpkg", "dpkg-query", "perl", "tar")
    setuid = ("chsh", "newgrp", "passwd", "su")
    return {
        "usr/bin": directory(),
        "bin": symbolic_link("usr/bin"),
        "tmp": directory(0o1777),
        **debian.release_files(),
        **debian.status_file(debian.RELEASE_12_0),
        **debian.documents(debian.RELEASE_12_0, debian.RELEASED),
        "etc/passwd": file(
            "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
        ),
        "etc/group": file("root:x:0:\nwww-data:x:33:\n"),
        **{f"usr/bin/{name}": program(static_program(name)) for name in programs},
        **{f"usr/bin/{name}": program(static_program(name), 0o4755) for name in setuid},
        "usr/bin/bash": program(static_program("bash", embedded=b"@(#)Bash version 5.2.15(1) release GNU")),
        "usr/bin/sh": symbolic_link("dash"),
    }


def distroless_root(created: datetime) -> dict[str, Entry]:
    """What a distroless Debian 12 image holds below an application.

    The documents of the packages carry the date of building, as in images that are rebuilt often.
    """
    return {
        **debian.release_files("12.12", pretty_name="Distroless"),
        **debian.status_directory(debian.DISTROLESS),
        **debian.documents(debian.DISTROLESS, int(created.timestamp())),
        **_accounts(),
        "etc/nsswitch.conf": file("hosts: files dns\n"),
        "tmp": directory(0o1777),
        "home/nonroot": directory(0o700).owned(NONROOT, NONROOT),
    }


def _distroless(created: datetime, platform: Platform, more: Entries | None = None) -> Image:
    base = _layer({**distroless_root(created), **(more or {})}, created)
    settings = Settings(
        created,
        platform,
        user=f"{NONROOT}:{NONROOT}",
        entrypoint=["/app/server"],
        labels=LABELS,
        exposed_ports=["8080/tcp"],
        working_directory="/home/nonroot",
        history=["bazel build //base:nonroot", "COPY server /app/server"],
    )
    return build_image([base, _layer(_server(platform.architecture), created)], settings)


def _accounts() -> dict[str, Entry]:
    return {"etc/passwd": file(PASSWD), "etc/group": file(GROUP)}


def _server(architecture: str) -> dict[str, Entry]:
    """A program that says what it is made of, so that scanners see it: the standard library of a new Go, and nothing else."""
    return {"app/server": program(go_program({}, "go1.26.8", architecture))}


def _layer(entries: Entries, created: datetime) -> Layer:
    dated = {
        path: entry.dated(entry.modified or int(created.timestamp()))
        for path, entry in with_parents(entries).items()
    }
    return layer_of(dated)
