"""Rows E1 to E23 of the hostile inputs: well-formed images that hide packages, programs or secrets.

One function per row yields its cases. Shells and package managers under other names are `static_program`s
that carry the marks of the real ones; a test that has the real program hands it over instead. Rows E24 and
E25 attack the working directory and not an image.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from samples.images import alpine, debian
from samples.images.builder import Settings, build_image
from samples.images.credentials import aws_access_key_id, private_key
from samples.images.entries import (
    OPAQUE,
    Entries,
    Entry,
    character_device,
    directory,
    file,
    hard_link,
    program,
    symbolic_link,
    whiteout,
    whiteout_of,
    with_parents,
)
from samples.images.languages import java_archive, node_package, python_distribution
from samples.images.layers import Layer, layer_of
from samples.images.layout import oci_layout
from samples.images.programs import GO_MAGIC, go_program, static_program
from tests.kit.hostile import Expected, HostileImage, HostileLayers

ACCEPT, VIOLATION, UNKNOWN, INTEGRITY = (
    Expected.ACCEPT,
    Expected.VIOLATION,
    Expected.UNKNOWN,
    Expected.INTEGRITY,
)
NOT_A_PASS = VIOLATION | UNKNOWN
SETTINGS = Settings(datetime(2026, 11, 1, tzinfo=UTC), user="65532")
STATUS = "var/lib/dpkg/status"
ROOT = {**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)}
PACKAGE_RULES = ("scan-coverage", "vulnerabilities")
BUSYBOX = static_program(
    "busybox", embedded=b"BusyBox v1.36.1 (2024-06-10 07:11:47 UTC) multi-call binary.\0"
)

Cases = Iterator[HostileImage]


def e1_no_release() -> Cases:
    """A package database and no release file: both scanners drop every finding and exit with 0."""
    yield _image("E1", "debian", NOT_A_PASS, debian.status_file(debian.RELEASE_12_0))
    yield _image("E1", "alpine", NOT_A_PASS, alpine.installed_file(alpine.RELEASE_3_20_0))


def e2_wrong_release() -> Cases:
    """`os-release` says Wolfi or Alpine over a database of dpkg."""
    yield _image(
        "E2", "wolfi-over-dpkg", VIOLATION, {**ROOT, "usr/lib/os-release": file(alpine.WOLFI_OS_RELEASE)}
    )
    yield _image(
        "E2",
        "alpine-over-dpkg",
        VIOLATION,
        {**debian.status_file(debian.RELEASE_12_0), **alpine.release_files()},
    )


def e3_unknown_release() -> Cases:
    """`os-release` names a distribution that nobody knows."""
    acme = file("ID=acme\nVERSION_ID=1\n")
    yield _image("E3", "acme", UNKNOWN, {**debian.status_file(debian.RELEASE_12_0), "etc/os-release": acme})


def e4_database_removed() -> Cases:
    """A later layer deletes, empties or hides the package database; the packages stay."""
    for name, upper in {
        "whiteout-of-file": {whiteout_of(STATUS): whiteout()},
        "whiteout-of-folder": {whiteout_of("var/lib/dpkg"): whiteout()},
        "opaque-folder": {f"var/lib/dpkg/{OPAQUE}": whiteout()},
        "emptied": {STATUS: file()},
        "moved": {whiteout_of(STATUS): whiteout(), "opt/status": file(debian.status(debian.RELEASE_12_0))},
        "folder-replaced-by-link": {"var/lib/dpkg": symbolic_link("/nowhere")},
    }.items():
        yield _image("E4", name, VIOLATION, ROOT, upper)
    # From the database alone, packages that were struck out look like packages that were removed.
    struck_out = {STATUS: file(debian.status(debian.RELEASE_12_0[:1]))}
    yield _image("E4", "packages-struck-out", ACCEPT | NOT_A_PASS, ROOT, struck_out)


def e5_database_behind_links() -> Cases:
    """The package database behind a link, below a linked folder, or as a hard link: Trivy misses it."""
    release, status = debian.release_files(), file(debian.status(debian.RELEASE_12_0))
    yield _image(
        "E5",
        "symbolic-link",
        NOT_A_PASS,
        {**release, "opt/status": status, STATUS: symbolic_link("/opt/status")},
    )
    folder = {"opt/dpkg/status": status, "var/lib/dpkg": symbolic_link("/opt/dpkg")}
    yield _image("E5", "linked-folder", NOT_A_PASS, {**release, **folder})
    yield _image(
        "E5", "hard-link", NOT_A_PASS, {**release, "opt/status": status, STATUS: hard_link("opt/status")}
    )


def e6_long_line() -> Cases:
    """A line of 2 MB at the start of the database, at which a line reader gives up."""
    text = f"Description: {'x' * 2_000_000}\n" + debian.status(debian.RELEASE_12_0)
    yield _image("E6", "first-line-of-2-mb", NOT_A_PASS, {**ROOT, STATUS: file(text)})


def e7_damaged_databases() -> Cases:
    """Databases that are garbage, cut, or hold a field of 200 kB."""
    fedora = {"etc/os-release": file("ID=fedora\nVERSION_ID=40\n")}
    for path in ("var/lib/rpm/Packages", "var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages.db"):
        yield _image(
            "E7",
            f"garbage-{path.rpartition('/')[2]}",
            UNKNOWN | INTEGRITY,
            {**fedora, path: file(bytes(range(256)) * 64)},
        )
    records = alpine.installed(alpine.RELEASE_3_20_0).replace("T:busybox", f"T:{'x' * 200_000}", 1)
    yield _image(
        "E7", "long-apk-field", NOT_A_PASS, {**alpine.release_files(), "lib/apk/db/installed": file(records)}
    )
    garbage = {**debian.release_files(), STATUS: file(bytes(range(256)) * 64)}
    yield _image("E7", "garbage-dpkg", UNKNOWN | INTEGRITY, garbage)


def e9_claimed_files() -> Cases:
    """The distribution's database claims the metadata of npm and pip packages; Trivy leaves those out."""
    packages = {**node_package("minimist", "1.2.5"), **python_distribution("Jinja2", "3.0.3")}
    sums = "".join(f"d41d8cd98f00b204e9800998ecf8427e  {path}\n" for path in packages)
    claimed = {
        **ROOT,
        **packages,
        "var/lib/dpkg/info/apt.list": file("".join(f"/{path}\n" for path in packages)),
    }
    yield _image("E9", "md5sums", NOT_A_PASS, {**claimed, "var/lib/dpkg/info/apt.md5sums": file(sums)})
    records = alpine.installed(alpine.RELEASE_3_20_0).rstrip("\n") + "\n"
    for path in packages:
        folder, _, name = path.rpartition("/")
        records += f"F:{folder}\nR:{name}\n"
    yield _image(
        "E9",
        "apk-lines",
        NOT_A_PASS,
        {**alpine.release_files(), **packages, "lib/apk/db/installed": file(records + "\n")},
    )


def e10_odd_package_json() -> Cases:
    """A `package.json` without a version, or with it twice."""
    path = "app/node_modules/lodash/package.json"
    yield _image("E10", "no-version", NOT_A_PASS, {**ROOT, path: file('{"name": "lodash"}')})
    yield _image(
        "E10",
        "version-twice",
        VIOLATION,
        {**ROOT, path: file('{"name": "lodash", "version": "4.17.4", "version": "4.99.0"}')},
    )


def e11_metadata_deleted() -> Cases:
    """An upper layer deletes a package's metadata and leaves its code."""
    packages = python_distribution("Jinja2", "3.0.3")
    metadata = next(path for path in packages if path.endswith("METADATA")).rpartition("/")[0]
    yield _image(
        "E11", "dist-info-deleted", NOT_A_PASS, {**ROOT, **packages}, {whiteout_of(metadata): whiteout()}
    )


def e12_no_build_information() -> Cases:
    """A Go program whose build information is damaged by one byte; it runs as before."""
    server = go_program({"golang.org/x/net": "v0.16.0"}).replace(GO_MAGIC, GO_MAGIC[:-1] + b";")
    yield _image("E12", "damaged-magic", NOT_A_PASS, {**ROOT, "app/server": program(server)})


def e13_odd_containers() -> Cases:
    """A Go program without an executable bit, one that is compressed, and a jar under another name."""
    server = go_program({"golang.org/x/net": "v0.16.0"})
    yield _image("E13", "no-executable-bit", NOT_A_PASS, {**ROOT, "app/server": file(server)})
    packed = b"#!/bin/sh\ntail -c +50 $0 | gunzip > /tmp/s\n".ljust(49) + gzip.compress(server, mtime=0)
    yield _image("E13", "self-extractor", NOT_A_PASS | ACCEPT, {**ROOT, "app/server": program(packed)})
    jar = java_archive("org.apache.logging.log4j", "log4j-core", "2.14.1")
    yield _image("E13", "jar-named-dat", NOT_A_PASS | ACCEPT, {**ROOT, "app/log4j.dat": file(jar)})


def e14_busybox(busybox: bytes = BUSYBOX) -> Cases:
    """Busybox under names that nobody looks for, directly and through links."""
    for name, entries in {
        "as-server": {"app/server": program(busybox)},
        "as-sh": {"bin/sh": program(busybox)},
        "behind-symbolic-links": {
            "app/data.bin": program(busybox),
            "app/a": symbolic_link("data.bin"),
            "bin/sh": symbolic_link("../app/a"),
        },
        "behind-a-hard-link": {"app/data.bin": program(busybox), "bin/ash": hard_link("app/data.bin", 0o755)},
    }.items():
        yield HostileImage("E14", name, VIOLATION, _files(entries), rules=("no-shell",))
    split = [
        {"app/data.bin": program(busybox)},
        {"app/server": hard_link("app/data.bin", 0o755), whiteout_of("app/data.bin"): whiteout()},
    ]
    yield HostileImage("E14", "name-deleted-link-kept", VIOLATION, _files(*split), rules=("no-shell",))


def e15_renamed_shells(shells: Mapping[str, bytes]) -> Cases:
    """Real shells (name -> program) under another name."""
    for name, shell in shells.items():
        yield HostileImage(
            "E15", name, VIOLATION, _files({"app/server": program(shell)}), rules=("no-shell",)
        )


def e16_renamed_package_managers(managers: Mapping[str, bytes]) -> Cases:
    """Real package managers (name -> program) under another name."""
    for name, manager in managers.items():
        yield HostileImage(
            "E16", name, VIOLATION, _files({"app/a": program(manager)}), rules=("no-package-manager",)
        )


def e17_secrets_in_odd_places() -> Cases:
    """A private key in files that secret scanners skip: by folder, by suffix, or by encoding."""
    key = private_key()
    for name, path, content in (
        ("markdown", "app/notes.md", key.encode()),
        ("usr-share", "usr/share/doc/key", key.encode()),
        ("vendor", "app/vendor/key.txt", key.encode()),
        ("test-folder", "app/test/fixture.pem", key.encode()),
        ("node-modules", "app/node_modules/a/key", key.encode()),
        ("png", "app/logo.png", b"\x89PNG\r\n\x1a\n" + key.encode()),
        ("utf-16", "app/key.txt", key.encode("utf-16")),
        ("gzip", "app/key.gz", gzip.compress(key.encode(), mtime=0)),
        ("after-nul", "app/key.bin", bytes(4096) + key.encode()),
    ):
        plain = {"markdown", "vendor", "test-folder", "node-modules"}
        expected = VIOLATION if name in plain else VIOLATION | ACCEPT  # where it is said to be not covered
        yield HostileImage("E17", name, expected, _files({path: file(content)}), rules=("no-secrets",))


def e18_secrets_in_metadata() -> Cases:
    """A token as a file name, link target, or extended attribute."""
    secret = aws_access_key_id()
    for name, entries in {
        "file-name": {f"app/{secret}": file()},
        "link-target": {"app/token": symbolic_link(secret)},
        "attribute": {"app/token": replace(file(), extended_attributes={"user.token": secret.encode()})},
    }.items():
        yield HostileImage("E18", name, VIOLATION | ACCEPT, _files(entries), rules=("no-secrets",))


def e19_secrets_left_behind() -> Cases:
    """A key that a later layer deletes, and tokens in the environment, a label and the history."""
    files = _files(
        {"root/.ssh/id_rsa": file(private_key(), 0o600)}, {whiteout_of("root/.ssh/id_rsa"): whiteout()}
    )
    yield HostileImage("E19", "deleted-later", VIOLATION, files, rules=("no-secrets",))
    for name, settings in {
        "environment": replace(SETTINGS, environment=[f"AWS_ACCESS_KEY_ID={aws_access_key_id()}"]),
        "label": replace(SETTINGS, labels={"token": aws_access_key_id()}),
        "history": replace(SETTINGS, history=[f"RUN deploy --key {aws_access_key_id()}"]),
    }.items():
        image = build_image([layer_of({"app": directory()})], settings)
        yield HostileImage("E19", name, VIOLATION, oci_layout({"": image}), rules=("no-secrets",))


def e20_file_capabilities() -> Cases:
    """Privileges without a setuid bit: a file capability (cap_setuid, effective), and setgid."""
    # struct vfs_cap_data, revision 2 with the effective flag; bit 7 is CAP_SETUID (linux/capability.h).
    capability = bytes.fromhex("0100000280000000000000000000000000000000")
    capable = replace(program(static_program("x")), extended_attributes={"security.capability": capability})
    for name, entry in {"capability": capable, "setgid": program(static_program("x"), 0o2755)}.items():
        yield HostileImage("E20", name, VIOLATION, _files({"app/tool": entry}), rules=("no-setuid",))


def e22_whiteouts() -> Iterator[HostileLayers]:
    """Whiteouts in the layer of their own file, in either order, and whiteouts that are no plain files.

    As containerd applies them.
    """
    lower = layer_of({"opt": directory(), "opt/a": file("a"), "opt/b": file("b")})
    shell, gone = program(b"#!/bin/false\n", 0o4755), whiteout()
    for name, entries, shown, hidden in (
        ("after-its-file", {"bin/sh": shell, whiteout_of("bin/sh"): gone}, (), ("bin/sh",)),
        ("of-the-parent-after", {"bin/sh": shell, whiteout_of("bin"): gone}, (), ("bin/sh",)),
        ("before-its-file", {whiteout_of("bin/sh"): gone, "bin/sh": shell}, ("bin/sh",), ()),
        ("opaque-before", {f"opt/{OPAQUE}": gone, "opt/c": shell}, ("opt/c",), ("opt/a", "opt/b")),
        ("opaque-after-siblings", {"opt/c": shell, f"opt/{OPAQUE}": gone}, ("opt/c",), ("opt/a", "opt/b")),
        ("of-lower-file", {whiteout_of("opt/a"): gone}, ("opt/b",), ("opt/a",)),
        ("of-nothing", {whiteout_of("opt/missing"): gone}, ("opt/a", "opt/b"), ()),
    ):
        yield HostileLayers("E22", name, ACCEPT | VIOLATION, (lower, layer_of(entries)), shown, hidden)
    for name, entries, expected in (
        ("empty-name", {"opt/.wh.": gone}, INTEGRITY),
        ("dot-name", {"opt/.wh..": gone}, INTEGRITY),
        ("dot-dot-name", {"opt/.wh...": gone}, INTEGRITY),
        ("as-directory", {whiteout_of("opt/a"): directory()}, ACCEPT | INTEGRITY),
        ("as-symbolic-link", {whiteout_of("opt/a"): symbolic_link("b")}, ACCEPT | INTEGRITY),
        ("as-hard-link", {whiteout_of("opt/a"): hard_link("opt/b")}, ACCEPT | INTEGRITY),
    ):
        yield HostileLayers("E22", name, expected, (lower, layer_of(entries)))


def e23_overlay_whiteouts() -> Iterator[HostileLayers]:
    """Whiteouts of overlay file systems, which layers must not carry: device 0/0 and the opaque attribute."""
    lower = layer_of({"opt": directory(), "opt/a": file("a")})
    opaque = replace(directory(), extended_attributes={"trusted.overlay.opaque": b"y"})
    for name, entries in {
        "device-0-0": {"opt/a": character_device(0, 0)},
        "opaque-attribute": {"opt": opaque},
    }.items():
        yield HostileLayers("E23", name, INTEGRITY, (lower, layer_of(entries)))


ROWS: tuple[Callable[[], Cases], ...] = (
    e1_no_release,
    e2_wrong_release,
    e3_unknown_release,
    e4_database_removed,
    e5_database_behind_links,
    e6_long_line,
    e7_damaged_databases,
    e9_claimed_files,
    e10_odd_package_json,
    e11_metadata_deleted,
    e12_no_build_information,
    e13_odd_containers,
    e14_busybox,
    e17_secrets_in_odd_places,
    e18_secrets_in_metadata,
    e19_secrets_left_behind,
    e20_file_capabilities,
)
"""Every row that is an image by itself; E15 and E16 need real programs, E22 and E23 are cases of layers."""


def cases() -> list[HostileImage]:
    """Every case of these rows, in order."""
    return [case for row in ROWS for case in row()]


def layer_cases() -> list[HostileLayers]:
    """The cases of E22 and E23, which are about layers alone."""
    return [*e22_whiteouts(), *e23_overlay_whiteouts()]


def _image(row: str, name: str, expected: Expected, *layers: Entries) -> HostileImage:
    return HostileImage(row, name, expected, _files(*layers), rules=PACKAGE_RULES)


def _files(*layers: Entries) -> dict[str, Entry]:
    built: Sequence[Layer] = [layer_of(with_parents(entries)) for entries in layers]
    return oci_layout({"": build_image(built, SETTINGS)})
