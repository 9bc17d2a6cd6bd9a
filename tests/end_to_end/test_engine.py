"""A real Docker engine: what the gate sees in an image that it built is what is in the archive, the layout, the engine."""

from __future__ import annotations

import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import docker
import pytest

from gate.oci.filesystem import EntryType
from gate.sources import Location
from gate.sources.engine_http import NoEngine, NotInEngine
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images.builder import build_image
from samples.images.entries import file
from samples.images.layers import layer_of
from samples.images.layout import docker_archive, write_archive
from tests.end_to_end.conftest import BUILT, Seen, access, place, seen
from tests.kit.hostile_images import SETTINGS
from tests.kit.servers import docker_engine

pytestmark = pytest.mark.real

MADE_FOR_CONTAINERS = (
    "/.dockerenv",
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
)
"""What the engine puts into every container, over what the image has there."""

SMALL = build_image([layer_of({"etc/motd": file("hello\n")})], SETTINGS)
TYPES = {
    tarfile.REGTYPE: EntryType.FILE,
    tarfile.LNKTYPE: EntryType.FILE,
    tarfile.DIRTYPE: EntryType.DIRECTORY,
    tarfile.SYMTYPE: EntryType.SYMLINK,
}


def test_the_same_image_from_engine_archive_and_layout(
    in_engine: Seen, saved_image: Path, skopeo_binary: Path, tmp_path: Path
) -> None:
    """Skopeo writes another configuration with another digest, and in it the same settings."""
    layout = tmp_path / "layout"
    copy = ("copy", "-q", f"docker-archive:{saved_image}", f"oci:{layout}:1.4.2")
    subprocess.run([skopeo_binary, *copy], check=True, capture_output=True)
    with open_source(locate(f"docker-archive:{saved_image}"), None) as opened:
        archive = seen(opened)
    with open_source(locate(f"oci:{layout}:1.4.2"), None) as opened:
        copied = seen(opened)
    assert archive.evidence == copied.evidence == in_engine.evidence
    assert archive.entries == copied.entries == in_engine.entries
    assert archive.digest == archive.configuration == in_engine.digest == in_engine.configuration
    assert archive.names == in_engine.names == (BUILT,)
    assert (in_engine.stored, archive.stored, copied.stored) == (True, False, False)


def test_what_the_engine_says_of_a_local_build(in_engine: Seen, docker_client: docker.DockerClient) -> None:
    """No registry has it, and so there is no digest of one."""
    origin = in_engine.origin
    assert origin is not None
    assert origin.engine is not None
    assert (origin.source, str(origin.name)) == ("docker-daemon", BUILT)
    assert str(origin.engine.id) == in_engine.configuration
    assert (origin.engine.repo_digests, origin.engine.engine, origin.engine.store) == (
        (),
        "Docker",
        "classic",
    )
    assert origin.engine.version == docker_client.version()["Version"]


@pytest.mark.parametrize("form", ["sha256:{}", "{}", "{:.12}"])
def test_an_image_by_its_id(
    form: str, docker_client: docker.DockerClient, docker_engine_address: str, tmp_path: Path
) -> None:
    """It goes by the names that the engine has for it."""
    archive = write_archive(docker_archive({"small:1": SMALL}), tmp_path / "small.tar")
    docker_client.images.load(archive.read_bytes())
    text = form.format(SMALL.config.digest.removeprefix("sha256:"))
    with open_source(Location(text, "docker-daemon", text), None, access(docker_engine_address)) as opened:
        assert str(opened.digest) == SMALL.config.digest
        assert opened.images[0].names == ("docker.io/library/small:1",)
        assert opened.origin is not None
        assert opened.origin.name is None


def test_the_squashed_layers_are_what_a_container_starts_with(
    in_engine: Seen, docker_client: docker.DockerClient
) -> None:
    """The engine's own view: files removed, directories replaced, links, owners and rights, path by path."""
    container = docker_client.containers.create(in_engine.configuration)
    try:
        stream = cast("IO[bytes]", _Stream(container.export(chunk_size=1024 * 1024)))
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            members = {f"/{member.name}".rstrip("/"): member for member in archive}
    finally:
        container.remove(force=True)
    entries = {entry.path: entry for entry in in_engine.entries}
    own = _own(entries)
    assert own == _own(members)
    assert len(own) > 4_000
    assert {"/usr/bin/bash", "/usr/bin/apt", "/etc/apt"}.isdisjoint(own)
    for path in own:
        member, entry = members[path], entries[path]
        found = (TYPES[member.type], member.mode & 0o7777, member.uid, member.gid)
        assert found == (entry.type, entry.mode, entry.uid, entry.gid), path
        if member.isreg():
            assert member.size == entry.size, path
        elif member.issym():
            assert member.linkname == entry.link_target
    special = stat.S_ISUID | stat.S_ISGID
    assert not [path for path in own if entries[path].mode & special and entries[path].type is EntryType.FILE]


def _own(paths: Any) -> set[str]:
    """The paths that are the image's and not a container's."""
    return {
        path
        for path in paths
        if path.strip("/")
        and not any(path == made or path.startswith(f"{made}/") for made in MADE_FOR_CONTAINERS)
    }


class _Stream:
    """An iterator of chunks as a file to read from."""

    def __init__(self, chunks: Any) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Read `size` bytes, fewer only at the end."""
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def test_an_image_that_the_engine_does_not_have(docker_engine_address: str) -> None:
    for text in ("registry.example.com/shop/server:none", "registry.example.com/shop/server", "cafe:latest"):
        with (
            pytest.raises(NotInEngine),
            open_source(place(text, "docker-daemon"), None, access(docker_engine_address)),
        ):
            pass


def commands() -> Iterator[bytes]:
    """The command lines of all processes here; some of other tests end meanwhile."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_bytes()


def test_an_engine_that_has_ended_leaves_nothing(debian_servers: Path) -> None:
    with docker_engine(debian_servers) as address:
        folder = Path(address.removeprefix("unix://")).parent
        assert int((folder / "pid").read_text()) > 0
    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert [command for command in commands() if str(folder).encode() in command] == []
    with pytest.raises(NoEngine), open_source(place(BUILT, "docker-daemon"), None, access(address)):
        pass


def test_an_engine_is_ended_by_a_test_that_fails(debian_servers: Path) -> None:
    folders: list[Path] = []

    def failing() -> None:
        with docker_engine(debian_servers) as address:
            folders.append(Path(address.removeprefix("unix://")).parent)
            raise RuntimeError("the test fails")

    with pytest.raises(RuntimeError):
        failing()
    assert not folders[0].exists()
    assert str(folders[0]) not in Path("/proc/self/mountinfo").read_text()
