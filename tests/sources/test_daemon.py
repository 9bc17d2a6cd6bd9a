from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate.errors import IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.limits import LIMITS, Limits
from gate.oci.descriptor import Digest, Platform
from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.image import Opened, StoredLayer
from gate.oci.layer import Reading, index_layer
from gate.oci.reference import Reference
from gate.sources import engine_export
from gate.sources.daemon import is_id
from gate.sources.engine_http import NotInEngine
from samples.images import builder
from samples.images.builder import Image, build_image, build_index, encode
from samples.images.entries import file, symbolic_link
from samples.images.layers import Compression, layer_of
from samples.images.layout import Files, blob_files, docker_archive, docker_archive_with_index
from tests.kit import engine
from tests.kit.engine import EngineServer, Held, Kind, classic, classic_25, containerd, podman, running
from tests.kit.hostile_images import CLEAN_IMAGE, DIRTY_IMAGE, SETTINGS
from tests.sources.engine import access_to, opened

NAME = "registry.example.com:5000/shop/api:1.4"
FULL = Reference.parse(NAME)
BASE = layer_of({"etc/motd": file("hello\n")})
TOP = layer_of({"app": file("app\n")}, Compression.ZSTD)
IMAGE = build_image([BASE, TOP, BASE], SETTINGS)
ARM64 = build_image([BASE], replace(SETTINGS, platform=builder.Platform("linux", "arm64", "v8")))
INDEX = build_index([IMAGE, ARM64], attested=True)

Open = Callable[..., Opened]

ENGINES: Mapping[str, tuple[Kind, Held]] = {
    "docker-20": (engine.DOCKER_20, classic(IMAGE, NAME)),
    "docker-29-classic": (engine.DOCKER_29_CLASSIC, classic_25(IMAGE, NAME)),
    "docker-29-manifest": (engine.DOCKER_29, containerd(IMAGE, IMAGE, NAME)),
    "docker-29-index": (engine.DOCKER_29, containerd(INDEX, IMAGE, NAME)),
    "docker-29-attested": (engine.DOCKER_29, containerd(IMAGE, IMAGE, NAME, attested=True)),
    "docker-26-containerd": (engine.DOCKER_26_CONTAINERD, containerd(INDEX, IMAGE, NAME, described=False)),
    "podman": (engine.PODMAN, podman(IMAGE, NAME)),
}


@pytest.fixture
def server() -> Iterator[EngineServer]:
    """An engine of a classic store that holds nothing yet."""
    with running() as found:
        yield found


@pytest.fixture
def open_engine(tmp_path: Path) -> Iterator[Open]:
    """Open an image of a server; it is closed after the test, and nothing stays in the working folder."""
    work = tmp_path / "work"
    work.mkdir()
    with ExitStack() as stack:

        def open_(
            server: EngineServer, text: str = NAME, wanted: Platform | None = None, seconds: float = 20
        ) -> Opened:
            return stack.enter_context(opened(text, access_to(server.address, work, seconds), wanted))

        yield open_
    assert list(work.iterdir()) == []


def files(found: Opened, number: int = 0) -> set[str]:
    """The files of an image, every layer verified to its end."""
    layers = [index_layer(layer, Reading()) for layer in found.images[number].layers]
    tree = Filesystem(layers, [str(layer.diff_id) for layer in found.images[number].layers])
    return {entry.path for entry in tree.entries() if entry.type is EntryType.FILE}


@pytest.mark.parametrize("kind", ENGINES)
def test_every_kind_of_engine(kind: str, open_engine: Open) -> None:
    about, held = ENGINES[kind]
    with running(about, held) as server:
        found = open_engine(server)
    image = found.images[0]
    assert files(found) == {"/app", "/etc/motd"}
    assert (str(image.manifest.config.digest), image.config_bytes) == (IMAGE.config.digest, IMAGE.config.data)
    assert image.names == (NAME,)
    assert found.failed == {}
    assert str(found.digest) == held.id
    assert all(isinstance(layer, StoredLayer) for each in found.images for layer in each.layers)
    origin = found.origin
    assert origin is not None
    assert origin.engine is not None
    assert (origin.source, origin.name) == ("docker-daemon", FULL)
    containerd_store = ("29-" in kind and "classic" not in kind) or "containerd" in kind
    assert origin.engine.store == ("containerd" if containerd_store else "classic")
    assert (origin.engine.engine, origin.engine.version) == (
        "Podman" if kind == "podman" else "Docker", about.version,
    )  # fmt: skip
    assert str(origin.engine.id) == held.id


@pytest.mark.parametrize("kind", ENGINES)
def test_the_export_is_asked_for_once_and_by_the_id(kind: str, open_engine: Open) -> None:
    about, held = ENGINES[kind]
    with running(about, held) as server:
        files(open_engine(server))
        paths = [path.partition("/images/")[2] for path in server.requests if "/images/" in path]
    assert paths == [f"{NAME}/json", f"{held.id}/get"]


@pytest.mark.parametrize("kind", ["docker-20", "docker-29-classic", "podman"])
def test_an_image_of_a_classic_store_has_no_manifest_of_a_registry(kind: str, open_engine: Open) -> None:
    """What newer engines write into their exports is a manifest that no registry has."""
    with running(*ENGINES[kind]) as server:
        found = open_engine(server)
    assert found.images[0].descriptor is None
    assert str(found.digest) == str(found.images[0].digest) == IMAGE.config.digest
    assert found.origin is not None
    assert found.origin.engine is not None
    assert found.origin.engine.repo_digests == ()


def test_what_registries_said_of_an_image_is_told(server: EngineServer, open_engine: Open) -> None:
    digest = f"{FULL.name}@{IMAGE.manifest.digest}"
    server.hold(classic(IMAGE, NAME, digests=(digest, "<none>@<none>")))
    found = open_engine(server, f"{FULL.name}@{IMAGE.manifest.digest}").origin
    assert found is not None
    assert found.engine is not None
    assert found.name == Reference.parse(digest)
    assert found.engine.repo_digests == (Reference.parse(digest),)


def test_layers_are_private_files_that_were_hashed(server: EngineServer, open_engine: Open) -> None:
    server.hold(classic(IMAGE, NAME))
    for layer in open_engine(server).images[0].layers:
        assert isinstance(layer, StoredLayer)
        assert layer.stored.name.isdigit()
        assert layer.stored.stat().st_mode & 0o077 == 0 or layer.stored.parent.stat().st_mode & 0o077 == 0
        with layer.open() as stream:
            assert stream.read() == layer.stored.read_bytes()
        assert layer.stored.stat().st_size == layer.descriptor.size


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (NAME, NAME),
        ("app", "app:latest"),
        ("app:1", "app:1"),
        ("docker.io/library/app", "docker.io/library/app:latest"),
        ("index.docker.io/app:1", "index.docker.io/app:1"),
        (f"app@{IMAGE.manifest.digest}", f"app@{IMAGE.manifest.digest}"),
        (f"app:1@{IMAGE.manifest.digest}", f"app:1@{IMAGE.manifest.digest}"),
        ("cafe", "cafe:latest"),
    ],
)
def test_names_are_asked_in_full(text: str, asked: str, server: EngineServer, open_engine: Open) -> None:
    """A bare name would be every tag of it, and one of hexadecimal digits an id."""
    held = classic(
        IMAGE, NAME, "app:latest", "app:1", "cafe:latest", digests=(f"app@{IMAGE.manifest.digest}",)
    )
    server.behaviour.images[asked] = held
    found = open_engine(server, text)
    assert server.requests[2].endswith(f"/images/{asked}/json")
    full = Reference.parse(text)
    assert found.origin is not None
    assert found.origin.name == (full if full.tag or full.digest else Reference.parse(f"{text}:latest"))
    assert found.images[0].names == (str(found.origin.name),)


@pytest.mark.parametrize("form", ["sha256:{}", "{}", "{:.12}"])
def test_ids(form: str, server: EngineServer, open_engine: Open) -> None:
    """By its id an image goes by every name that the engine has for it."""
    server.hold(classic(IMAGE, NAME, "app:1"))
    text = form.format(IMAGE.config.digest.removeprefix("sha256:"))
    found = open_engine(server, text)
    assert found.origin is not None
    assert found.origin.name is None
    assert found.images[0].names == (NAME, "docker.io/library/app:1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deadbeefcafe", True), ("a" * 64, True), ("sha256:" + "a" * 64, True), ("deadbeefcafe:1", False), ("deadbeef", False),
        ("a" * 63, False), ("sha256:deadbeefcafe", False), ("DEADBEEFCAFE", False), ("deadbeefcafe\n", False), ("app", False),
        ("shop/deadbeefcafe", False), ("a" * 65, False), ("", False),
    ],
)  # fmt: skip
def test_what_is_an_id(text: str, expected: bool) -> None:
    assert is_id(text) is expected


def test_an_id_that_is_also_a_name_is_not_guessed(server: EngineServer, open_engine: Open) -> None:
    """The engine takes it for the name of another image."""
    short = IMAGE.config.digest.removeprefix("sha256:")[:12]
    server.hold(classic(IMAGE, NAME))
    server.behaviour.images[short] = classic(DIRTY_IMAGE, f"{short}:latest")
    with pytest.raises(IntegrityError, match=r"answered '[0-9a-f]{12}' with the image sha256:") as error:
        open_engine(server, short)
    assert "whole id after sha256:" in error.value.hint


def test_another_image_than_the_one_that_was_named(server: EngineServer, open_engine: Open) -> None:
    server.behaviour.images[NAME] = classic(DIRTY_IMAGE, "registry.example.com:5000/shop/other:1")
    with pytest.raises(
        IntegrityError, match=r"with an image of other names: registry\.example\.com:5000/shop/other:1"
    ):
        open_engine(server)


def test_podman_finds_what_it_built_without_localhost(open_engine: Open) -> None:
    with running(engine.PODMAN, podman(IMAGE, "localhost/shop/app:latest")) as server:
        found = open_engine(server, "shop/app")
        assert found.images[0].names == ("localhost/shop/app:latest",)
        assert found.origin is not None
        assert found.origin.name == Reference.parse("localhost/shop/app:latest")
        server.behaviour.images["docker.io/shop/app:latest"] = podman(IMAGE, "localhost/shop/app:latest")
        with pytest.raises(IntegrityError, match="other names"):
            open_engine(server, "docker.io/shop/app")


@pytest.mark.parametrize(
    "text", ["", "Upper-case", "a b", "../../etc/passwd", "app:", "x?y=1", "app#", "a" * 300]
)
def test_what_is_no_name_is_never_asked(text: str, server: EngineServer, open_engine: Open) -> None:
    with pytest.raises(InvalidInput):
        open_engine(server, text)
    assert server.requests == []


def test_an_image_that_is_not_there(server: EngineServer, open_engine: Open) -> None:
    with pytest.raises(
        NotInEngine, match=r"Docker has no image 'registry\.example\.com:5000/shop/api:1\.4'"
    ) as error:
        open_engine(server)
    assert not error.value.blocks
    assert "docker:NAME" in error.value.hint


# --- platforms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["docker-20", "docker-29-classic", "docker-29-manifest", "podman"])
def test_another_platform_is_left_out(kind: str, open_engine: Open) -> None:
    with running(*ENGINES[kind]) as server:
        found = open_engine(server, NAME, Platform("linux", "arm64"))
    assert found.images == ()
    assert found.left_out == {"linux/amd64": "not the platform that was asked for"}


def test_the_platforms_of_an_index(open_engine: Open) -> None:
    with running(engine.DOCKER_29, containerd(INDEX, IMAGE, NAME)) as server:
        found = open_engine(server)
        arm64 = open_engine(server, NAME, Platform("linux", "arm64", "v8"))
    assert [str(image.platform) for image in found.images] == ["linux/amd64", "linux/arm64/v8"]
    assert files(found, 1) == {"/etc/motd"}
    assert [str(image.platform) for image in arm64.images] == ["linux/arm64/v8"]


@pytest.mark.parametrize("left", ["manifest", "nothing"])
def test_what_was_never_pulled_is_left_out_and_said_so(left: str, open_engine: Open) -> None:
    """Of an index, Docker pulls the images of one platform, and keeps the index whole."""
    held = containerd(INDEX, IMAGE, NAME, absent=(ARM64,))
    if left == "manifest":  # containerd exports a manifest without what it leads to, where that is incomplete
        manifest = file(ARM64.manifest.data)
        exported = engine.containerd_files(INDEX, IMAGE)
        for blob in (ARM64.config.data,):
            del exported[next(iter(blob_files(blob)))]
        assert manifest in exported.values()
        held = replace(held, export=engine.archive(exported))
    with running(engine.DOCKER_29, held) as server:
        found = open_engine(server)
    assert [str(image.platform) for image in found.images] == ["linux/amd64"]
    assert found.failed == {}
    assert found.left_out["linux/arm64/v8"] == "the engine does not hold it"


def test_an_index_with_an_entry_that_is_broken_keeps_failing(open_engine: Open) -> None:
    """Only what is not there is left out."""
    exported = engine.containerd_files(INDEX, IMAGE)
    path = next(iter(blob_files(ARM64.config.data)))
    held = replace(containerd(INDEX, IMAGE, NAME), export=engine.archive({**exported, path: file("{}")}))
    with running(engine.DOCKER_29, held) as server:
        found = open_engine(server)
    assert isinstance(found.failed["linux/arm64/v8"], IntegrityError)


# --- an engine whose export is another image -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "held",
    [
        classic(IMAGE, NAME, files=docker_archive({"": DIRTY_IMAGE})),
        classic(IMAGE, NAME, files=docker_archive_with_index({"": DIRTY_IMAGE})),
    ],
    ids=["older", "newer"],
)
def test_another_configuration_than_the_id(held: Held, server: EngineServer, open_engine: Open) -> None:
    server.hold(held)
    with pytest.raises(
        IntegrityError,
        match=f"exported {DIRTY_IMAGE.config.digest} where it was asked for {IMAGE.config.digest}",
    ):
        open_engine(server)


def test_another_configuration_than_the_id_for_another_platform(
    server: EngineServer, open_engine: Open
) -> None:
    """What is left out is verified all the same."""
    server.hold(classic(IMAGE, NAME, files=docker_archive({"": DIRTY_IMAGE})))
    with pytest.raises(IntegrityError, match="where it was asked for"):
        open_engine(server, NAME, Platform("linux", "arm64"))


def test_the_id_of_a_classic_store_is_never_a_manifest_and_the_other_way_round(open_engine: Open) -> None:
    for kind, held in (
        (engine.DOCKER_20, replace(containerd(IMAGE, IMAGE, NAME, described=False))),
        (engine.DOCKER_29, classic_25(IMAGE, NAME)),
    ):
        with running(kind, held) as server, pytest.raises(IntegrityError, match="where it was asked for"):
            open_engine(server)


def test_another_index_than_the_id(open_engine: Open) -> None:
    held = containerd(INDEX, IMAGE, NAME)
    other = engine.containerd_files(build_index([IMAGE]), IMAGE)
    with (
        running(engine.DOCKER_29, replace(held, export=engine.archive(other))) as server,
        pytest.raises(IntegrityError, match="where it was asked for"),
    ):
        open_engine(server)


def test_two_ids_in_one_description(open_engine: Open) -> None:
    with running(engine.DOCKER_29, containerd(INDEX, IMAGE, NAME)) as server:
        server.behaviour.faults["/json"] = engine.changed(
            lambda found: found["Descriptor"].update(digest=IMAGE.manifest.digest)
        )
        with pytest.raises(IntegrityError, match="two ids"):
            open_engine(server)


@pytest.mark.parametrize(
    "files_",
    [
        docker_archive({"a:1": IMAGE, "b:1": DIRTY_IMAGE}),
        docker_archive_with_index({"a:1": IMAGE, "b:1": DIRTY_IMAGE}),
        {"readme": file("no image\n")},
        {},
    ],
    ids=["two", "two-newer", "no-image", "empty"],
)
def test_an_export_that_is_not_one_image(files_: Files, server: EngineServer, open_engine: Open) -> None:
    held = classic(IMAGE, NAME)
    server.hold(replace(held, export=engine.archive(files_)))
    with pytest.raises(MalformedImage):
        open_engine(server)


def _edited(change: Callable[[Any], Any], files_: Files) -> Files:
    document = json.loads(files_["manifest.json"].content)
    return {**files_, "manifest.json": file(encode(change(document) or document))}


@pytest.mark.parametrize(
    "files_",
    [
        {**engine.containerd_files(IMAGE, IMAGE), "./manifest.json": file("[]")},
        {**docker_archive({"": IMAGE}), "../../etc/passwd": file("x")},
        {**docker_archive({"": IMAGE}), "/etc/passwd": file("x")},
        _edited(lambda m: m[0].update(Layers=["../../etc/passwd"] * 3), docker_archive({"": IMAGE})),
        {
            **engine.containerd_files(DIRTY_IMAGE, DIRTY_IMAGE),
            "manifest.json": docker_archive({"": IMAGE})["manifest.json"],
        },
        _edited(lambda m: m[0].update(Config="host.json"), docker_archive({"": IMAGE}))
        | {"host.json": symbolic_link("/etc/passwd")},
    ],
    ids=["D3", "D6-member", "absolute", "D6-layer", "D4", "D6-link"],
)
def test_hostile_archives(files_: Files, server: EngineServer, open_engine: Open) -> None:
    """The rows of an archive, from an engine."""
    server.hold(replace(classic(IMAGE, NAME), export=engine.archive(files_)))
    with pytest.raises(MalformedImage):
        open_engine(server)


def test_no_member_is_written_where_the_image_says(server: EngineServer, tmp_path: Path) -> None:
    """Promise 2: names are ours, and all of it is in one folder."""
    names = ["x/" * 60 + "deep", "blobs/sha256/" + "0" * 64, "con", "-rf", "a\nb", "lock"]
    server.hold(
        classic(IMAGE, NAME, files=docker_archive({"": IMAGE}) | {name: file(name) for name in names})
    )
    work = tmp_path / "work"
    work.mkdir()
    with opened(NAME, access_to(server.address, work)):
        (folder,) = work.iterdir()
        assert {path.name for path in folder.iterdir()} == {
            str(number) for number in range(len(list(folder.iterdir())))
        }
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(work.iterdir()) == []


def test_a_layer_whose_bytes_are_not_what_they_are_named_for_is_never_linked(open_engine: Open) -> None:
    """J11: it opens as what it is, and is refused when it is read."""
    path = next(iter(blob_files(BASE.data)))
    exported = {**engine.containerd_files(IMAGE, IMAGE), path: file(b"\0" * len(BASE.data))}
    held = replace(containerd(IMAGE, IMAGE, NAME), export=engine.archive(exported))
    with running(engine.DOCKER_29, held) as server:
        layers = open_engine(server).images[0].layers
    assert [isinstance(layer, StoredLayer) for layer in layers] == [False, True, False]
    with pytest.raises(IntegrityError):
        index_layer(layers[0], Reading())


# --- descriptions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("Id"), lambda found: found.update(Id=1), lambda found: found.update(Id="sha256:../../x"),
        lambda found: found.update(Id="md5:" + "a" * 32), lambda found: found.update(RepoTags="app:1"),
        lambda found: found.update(RepoTags=[1]), lambda found: found.update(RepoDigests={}), lambda found: found.update(id="x"),
        lambda found: found.update(Descriptor=[]), lambda found: found.update(Descriptor={"digest": "x"}), lambda found: [found],
    ],
)  # fmt: skip
def test_malformed_descriptions(
    change: Callable[[Any], Any], server: EngineServer, open_engine: Open
) -> None:
    server.hold(classic(IMAGE, NAME))
    server.behaviour.faults["/json"] = engine.changed(change)
    with pytest.raises(Unavailable):
        open_engine(server)
    assert not [path for path in server.requests if path.endswith("/get")]


def test_an_id_without_its_algorithm_is_read(server: EngineServer, open_engine: Open) -> None:
    """Older versions of Podman write it so."""
    server.hold(classic(IMAGE, NAME))
    server.behaviour.faults["/json"] = engine.changed(
        lambda found: found.update(Id=found["Id"].removeprefix("sha256:"))
    )
    assert open_engine(server).digest == Digest.parse(IMAGE.config.digest)


@pytest.mark.parametrize("body", [b"", b"{}", b"\0" * 2048, b"<html>", b"\x1f\x8b" + b"x" * 600], ids=repr)
def test_an_export_of_something_else(body: bytes, server: EngineServer, open_engine: Open) -> None:
    server.hold(classic(IMAGE, NAME))
    server.behaviour.faults["/get"] = engine.answering(body)
    with pytest.raises(MalformedImage):
        open_engine(server)


def test_an_export_beyond_the_limit(
    server: EngineServer, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.hold(classic(CLEAN_IMAGE, NAME))
    size = len(server.behaviour.images[NAME].export)
    for limit, passes in ((size, True), (size - 1, False)):
        changed = Limits(
            **{name: getattr(LIMITS, name) for name in Limits.__struct_fields__} | {"engine_export": limit}
        )
        monkeypatch.setattr(engine_export, "LIMITS", changed)
        if passes:
            assert open_engine(server).images
        else:
            with pytest.raises(MalformedImage, match=f"more than {limit:,} bytes"):
                open_engine(server)


def test_without_a_folder_of_the_run_the_one_of_the_system_is_used(server: EngineServer) -> None:
    server.hold(classic(IMAGE, NAME))
    with opened(NAME, access_to(server.address)) as found:
        assert files(found) == {"/app", "/etc/motd"}
        layer = found.images[0].layers[0]
        assert isinstance(layer, StoredLayer)
        folder = layer.stored.parent
        assert folder.is_dir()
    assert not folder.exists()


def _image(text: str) -> Image:
    return build_image([layer_of({text: file(text)})], SETTINGS)


def test_a_tag_that_moves_between_two_requests_changes_nothing(
    server: EngineServer, open_engine: Open
) -> None:
    """R2: what was described is exported, by its id."""
    first, second = _image("first"), _image("second")
    server.hold(classic(first, NAME), classic(second, "other:1"))

    def move(handler: Any, body: bytes) -> None:
        server.behaviour.images[NAME] = classic(second, NAME)
        handler.answer(body)

    server.behaviour.faults["/json"] = move
    assert str(open_engine(server).digest) == first.config.digest
