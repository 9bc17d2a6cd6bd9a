"""A container engine's HTTP API on a Unix socket, for the part that reads images, with faults on demand.

Answers are shaped as Docker 20.10 gives them (recorded), Docker 29 with either image store, and Podman (both from their
sources: moby's `daemon/containerd` and `api`, containerd's `core/images/archive`, podman's `handlers/compat`).
"""

from __future__ import annotations

import http.server
import json
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from samples.images.builder import INDEX, Image, Index, encode
from samples.images.entries import file, with_parents
from samples.images.layers import tar_of
from samples.images.layout import Files, blob_files, docker_archive, docker_archive_with_index
from tests.kit.shapes import attached, containers_image, without

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of engine: what it says of itself."""

    version: str
    api: str
    least_api: str
    driver: str
    status: tuple[tuple[str, str], ...]
    component: str = "Engine"


DOCKER_20 = Kind(
    "20.10.24+dfsg1",
    "1.41",
    "1.12",
    "overlay2",
    (("Backing Filesystem", "extfs"), ("Supports d_type", "true")),
)
DOCKER_29 = Kind("29.0.0", "1.52", "1.44", "overlayfs", (("driver-type", "io.containerd.snapshotter.v1"),))
DOCKER_29_CLASSIC = Kind("29.0.0", "1.52", "1.44", "overlay2", (("Backing Filesystem", "extfs"),))
DOCKER_26_CONTAINERD = Kind(
    "26.1.4", "1.45", "1.24", "overlayfs", (("driver-type", "io.containerd.snapshotter.v1"),)
)
PODMAN = Kind("5.2.2", "1.41", "1.24", "overlay", (("Backing Filesystem", "extfs"),), "Podman Engine")


@dataclass(frozen=True, slots=True)
class Held:
    """One image that an engine holds: what it says of it, and what it exports."""

    description: Json
    export: bytes

    @property
    def id(self) -> str:
        """The id that the engine gives it."""
        return str(self.description["Id"])


def classic(image: Image, *names: str, digests: tuple[str, ...] = (), files: Files | None = None) -> Held:
    """An image of a classic store, exported by its id: without names, in the older shape unless other files are given."""
    return Held(
        _description(image.config.digest, image, names, digests),
        archive(files or docker_archive({"": image})),
    )


def classic_25(image: Image, *names: str) -> Held:
    """An image of a classic store as engines since 25 export it: both shapes in one archive."""
    return classic(image, *names, files=docker_archive_with_index({"": image}))


def podman(image: Image, *names: str) -> Held:
    """An image that Podman holds: layers at the root of the archive, and links to them."""
    files = containers_image(image)
    manifest = json.loads(files["manifest.json"].content)
    manifest[0]["RepoTags"] = None
    return classic(image, *names, files=files | {"manifest.json": file(encode(manifest))})


def containerd(
    subject: Image | Index,
    host: Image,
    *names: str,
    described: bool = True,
    absent: tuple[Image, ...] = (),
    attested: bool = False,
) -> Held:
    """An image of containerd's store: a manifest or an index, `host` its image for the host's platform.

    `absent` are images of the index that were never pulled. Without `described` the API is older than 1.48. `attested` as
    by Docker since 29.1, which exports attestations and signatures beside what they are attached to.
    """
    digests = tuple(f"{name.rpartition(':')[0]}@{subject.manifest.digest}" for name in names)
    found = _description(subject.manifest.digest, host, names, digests)
    if described:
        found["Descriptor"] = subject.manifest.descriptor()
    left_out = [blob for image in absent for blob in (image.manifest.data, image.config.data)]
    left_out += [layer.data for image in absent for layer in image.layers if layer not in host.layers]
    files = containerd_files(subject, host)
    return Held(found, archive(without(attached(files, host) if attested else files, *left_out)))


def containerd_files(subject: Image | Index, host: Image) -> Files:
    """What containerd's exporter writes where an id was asked for: descriptors without names, members sorted by name."""
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [subject.manifest.descriptor()]}
    manifest = {
        "Config": _blob_path(host.config.digest),
        "RepoTags": None,
        "Layers": [_blob_path(layer.digest) for layer in host.layers],
    }
    files = blob_files(*subject.blobs(), *host.blobs()) | {
        "index.json": file(encode(index)),
        "manifest.json": file(encode([manifest])),
        "oci-layout": file('{"imageLayoutVersion":"1.0.0"}'),
    }
    return dict(sorted(files.items()))


def archive(files: Files) -> bytes:
    """The tar stream of an export."""
    return tar_of(with_parents(files))


def _description(identity: str, image: Image, names: tuple[str, ...], digests: tuple[str, ...]) -> Json:
    configuration: Json = json.loads(image.config.data)
    return {
        "Id": identity,
        "RepoTags": list(names),
        "RepoDigests": list(digests),
        "Comment": "buildkit.dockerfile.v0",
        "Created": configuration.get("created", ""),
        "Config": configuration["config"],
        "Architecture": configuration["architecture"],
        "Os": configuration["os"],
        "Size": sum(len(layer.data) for layer in image.layers),
        "RootFS": {"Type": "layers", "Layers": configuration["rootfs"]["diff_ids"]},
        "Metadata": {"LastTagTime": "2026-11-25T21:23:02.248895628Z"},
    }


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


# --- faults ------------------------------------------------------------------------------------------------------

Fault = Callable[["_Handler", bytes], None]
"""What happens instead of an answer; it is given the body that would have been sent."""


def answering(body: bytes | Json, status: int = 200) -> Fault:
    """Another body, or an error."""
    content = body if isinstance(body, bytes) else encode(body)

    def fault(handler: _Handler, _: bytes) -> None:
        handler.answer(content, status)

    return fault


def changed(change: Callable[[Any], Any]) -> Fault:
    """The same document, edited in place or replaced by what `change` returns."""

    def fault(handler: _Handler, body: bytes) -> None:
        document = json.loads(body)
        handler.answer(encode(change(document) or document))

    return fault


def cut(share: float, *, chunked: bool = True) -> Fault:
    """The connection ends after this share of the body."""

    def fault(handler: _Handler, body: bytes) -> None:
        handler.start(None if chunked else len(body))
        handler.piece(body[: int(len(body) * share)], chunked=chunked)
        handler.close_connection = True

    return fault


def followed_by(more: bytes, share: float = 1.0) -> Fault:
    """The body, or its first part, and then something else in the same stream; well ended."""

    def fault(handler: _Handler, body: bytes) -> None:
        handler.start(None)
        handler.piece(body[: int(len(body) * share)])
        handler.piece(more)
        handler.end()

    return fault


def silent_after(share: float) -> Fault:
    """Nothing more after this share of the body, and the connection stays; negative: not even a status line."""

    def fault(handler: _Handler, body: bytes) -> None:
        if share >= 0:
            handler.start(None)
            handler.piece(body[: int(len(body) * share)])
        handler.server.stopping.wait(60)
        handler.close_connection = True

    return fault


def dripping(body: bytes | None = None) -> Fault:
    """One byte every 20 ms, inside a chunk that promises them all."""

    def fault(handler: _Handler, real: bytes) -> None:
        content = real if body is None else body
        handler.start(None)
        handler.wfile.write(f"{len(content):x}\r\n".encode())
        for position in range(len(content)):
            if handler.server.stopping.wait(0.02):
                break
            handler.wfile.write(content[position : position + 1])
        handler.close_connection = True

    return fault


def endless(piece: bytes, status: int = 200) -> Fault:
    """The same bytes for ever."""

    def fault(handler: _Handler, _: bytes) -> None:
        handler.start(None, status)
        while not handler.server.stopping.is_set():
            handler.piece(piece)
        handler.close_connection = True

    return fault


# --- the server --------------------------------------------------------------------------------------------------


@dataclass
class Behaviour:
    """What a simulated engine holds and does wrong; may be changed while it runs."""

    kind: Kind = DOCKER_20
    images: dict[str, Held] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    """By the end of a path: `/version`, `/info`, `/json`, `/get`."""


class EngineServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves the API on `socket`; `requests` holds the paths that were asked, in order."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, behaviour: Behaviour) -> None:
        self.socket_path = path
        self.behaviour = behaviour
        self.requests: list[str] = []
        self.stopping = threading.Event()
        super().__init__(str(path), _Handler)

    @property
    def address(self) -> str:
        """The engine's address, as `DOCKER_HOST` has it."""
        return f"unix://{self.socket_path}"

    def hold(self, *images: Held) -> None:
        """Hold images, under their names in full and in short, and their ids."""
        for image in images:
            for name in (*image.description["RepoTags"], *image.description["RepoDigests"]):
                self.behaviour.images[str(name)] = image
            self.behaviour.images[image.id] = image

    def find(self, asked: str) -> Held | None:
        """Find an image as engines do: by a name, else by an id or its first digits."""
        images = self.behaviour.images
        for name in (asked, asked.removeprefix("docker.io/").removeprefix("library/"), f"localhost/{asked}"):
            if name in images:
                return images[name]
        digits = asked.removeprefix("sha256:")
        return next(
            (held for held in images.values() if held.id.removeprefix("sha256:").startswith(digits)), None
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EngineServer

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.server.requests.append(path)
        status, body = self._found(path)
        fault = next(
            (fault for end, fault in self.server.behaviour.faults.items() if path.endswith(end)), None
        )
        try:
            if fault is not None:
                fault(self, body)
            elif status == 200 and path.endswith("/get"):
                self.stream(body)
            else:
                self.answer(body, status)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _found(self, path: str) -> tuple[int, bytes]:
        kind = self.server.behaviour.kind
        version, rest = _version(path)
        if version and not _at_most(version, kind.api):
            text = f"client version {version} is too new. Maximum supported API version is {kind.api}"
            return 400, encode({"message": text})
        if version and not _at_most(kind.least_api, version):
            text = f"client version {version} is too old. Minimum supported API version is {kind.least_api}"
            return 400, encode({"message": text})
        if rest == "/version":
            return 200, encode(_version_of(kind))
        if rest == "/info":
            return 200, encode(
                {"ID": "OBH3", "Driver": kind.driver, "DriverStatus": kind.status, "Images": 1}
            )
        name = rest.removeprefix("/images/").removesuffix("/json").removesuffix("/get")
        held = self.server.find(name)
        if held is None:
            return 404, encode({"message": f"No such image: {name}"})
        return 200, held.export if rest.endswith("/get") else encode(held.description)

    def answer(self, body: bytes, status: int = 200) -> None:
        """Send a whole answer."""
        self.start(len(body), status)
        self.wfile.write(body)

    def stream(self, body: bytes) -> None:
        """Send a body in the pieces in which Go's HTTP server sends what it copies."""
        self.start(None)
        for position in range(0, len(body), 32 * 1024):
            self.piece(body[position : position + 32 * 1024])
        self.end()

    def start(self, length: int | None, status: int = 200) -> None:
        """Send status and headers; a body without a length comes in chunks."""
        self.send_response(status)
        self.send_header("Api-Version", self.server.behaviour.kind.api)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        if status in (301, 302, 307):
            self.send_header("Location", "/version")
        self.end_headers()

    def piece(self, data: bytes, *, chunked: bool = True) -> None:
        """Send a part of a body; an empty one is nothing."""
        if data:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n" if chunked else data)

    def end(self) -> None:
        """End a body that comes in chunks."""
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- its name in the library
        """Keep quiet; the log is `requests`."""


def _version(path: str) -> tuple[str, str]:
    head, slash, rest = path.removeprefix("/v").partition("/")
    if path.startswith("/v") and head.replace(".", "").isdigit():
        return head, slash + rest
    return "", path


def _at_most(left: str, right: str) -> bool:
    numbers = [tuple(map(int, text.split("."))) for text in (left, right)]
    return numbers[0] <= numbers[1]


def _version_of(kind: Kind) -> Mapping[str, Any]:
    component = {
        "Name": kind.component,
        "Version": kind.version,
        "Details": {"ApiVersion": kind.api, "Os": "linux"},
    }
    return {
        "Platform": {"Name": ""},
        "Components": [component, {"Name": "containerd", "Version": "2.2.0", "Details": {"GitCommit": "x"}}],
        "Version": kind.version,
        "ApiVersion": kind.api,
        "MinAPIVersion": kind.least_api,
        "Os": "linux",
        "Arch": "amd64",
    }


@contextmanager
def running(kind: Kind = DOCKER_20, *images: Held) -> Iterator[EngineServer]:
    """Run a simulated engine while the block runs; its socket is in a folder with a short name, as sockets need."""
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    server = EngineServer(folder / "engine.sock", Behaviour(kind))
    server.hold(*images)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
        shutil.rmtree(folder)
