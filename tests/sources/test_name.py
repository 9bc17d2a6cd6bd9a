from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gate.deadline import Deadline
from gate.errors import IntegrityError, Unavailable
from gate.oci.image import Opened
from gate.registry import RegistrySettings
from gate.sources import ENGINE, REGISTRY, Access, SourceSettings, engine_address
from gate.sources.engine_http import NoEngine, NotInEngine, Refused
from samples.images.builder import build_image
from samples.images.entries import file
from samples.images.layers import layer_of
from tests.kit import engine
from tests.kit.engine import EngineServer, classic, running
from tests.kit.hostile_images import SETTINGS
from tests.kit.registry import Registry, serving_registry
from tests.sources.engine import opened

LOCAL = build_image([layer_of({"local": file("x")})], SETTINGS)
REMOTE = build_image([layer_of({"remote": file("x")})], SETTINGS)


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that holds `shop/api:1`."""
    with serving_registry({"shop/api:1": REMOTE}) as found:
        yield found


@pytest.fixture
def server() -> Iterator[EngineServer]:
    """An engine that holds nothing yet."""
    with running() as found:
        yield found


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """No engine at any default place; the folder for the user's."""
    monkeypatch.setattr(engine_address, "SYSTEM_SOCKETS", (str(tmp_path / "none"), str(tmp_path / "podman")))
    return str(tmp_path)


@contextmanager
def by_name(
    text: str,
    host: str = "",
    *,
    prefer: str = "",
    fallback: bool = True,
    setting: str = "",
    runtime: str = "/nonexistent",
) -> Iterator[Opened]:
    """Open a plain name with the engine at `host`, as DOCKER_HOST says it, or at `setting`."""
    environment = {"XDG_RUNTIME_DIR": runtime, **({"DOCKER_HOST": host} if host else {})}
    settings = SourceSettings(RegistrySettings(environment=environment), prefer, fallback, setting)
    with opened(text, Access(settings, Deadline(20)), source="name") as found:
        yield found


def source(text: str, host: str = "", **more: object) -> tuple[str, str]:
    """Say where a name was found, and the digest of the image's configuration."""
    with by_name(text, host, **more) as found:  # type: ignore[arg-type]
        assert found.origin is not None
        return found.origin.source, str(found.images[0].manifest.config.digest)


def test_the_engine_is_asked_first(server: EngineServer, registry: Registry) -> None:
    name = f"{registry.host}/shop/api:1"
    server.hold(classic(LOCAL, name))
    assert source(name, server.address) == (ENGINE, LOCAL.config.digest)
    assert registry.calls == []


def test_the_registry_is_asked_for_what_the_engine_does_not_have(
    server: EngineServer, registry: Registry
) -> None:
    assert source(f"{registry.host}/shop/api:1", server.address) == (REGISTRY, REMOTE.config.digest)
    assert len(server.requests) == 3


def test_the_registry_is_asked_where_there_is_no_engine(registry: Registry, nowhere: str) -> None:
    name = f"{registry.host}/shop/api:1"
    assert source(name, runtime=nowhere) == (REGISTRY, REMOTE.config.digest)
    assert source(name, f"unix://{nowhere}/gone.sock") == (REGISTRY, REMOTE.config.digest)


@pytest.mark.parametrize("place", ["docker.sock", "podman/podman.sock"])
def test_the_engine_of_the_user(place: str, server: EngineServer, registry: Registry, nowhere: str) -> None:
    name = f"{registry.host}/shop/api:1"
    server.hold(classic(LOCAL, name))
    link = Path(nowhere) / place
    link.parent.mkdir(exist_ok=True)
    os.symlink(server.socket_path, link)
    assert source(name, runtime=nowhere) == (ENGINE, LOCAL.config.digest)


def test_what_is_preferred_is_asked_alone(server: EngineServer, registry: Registry) -> None:
    name = f"{registry.host}/shop/api:1"
    assert source(name, server.address, prefer=REGISTRY) == (REGISTRY, REMOTE.config.digest)
    assert server.requests == []
    registry.calls.clear()
    with pytest.raises(NotInEngine), by_name(name, server.address, prefer=ENGINE):
        pass
    with pytest.raises(NoEngine), by_name(name, "unix:///nonexistent.sock", prefer=ENGINE):
        pass
    assert registry.calls == []


@pytest.mark.parametrize("reachable", [True, False])
def test_a_policy_that_forbids_the_registry(
    reachable: bool, server: EngineServer, registry: Registry
) -> None:
    host = server.address if reachable else "unix:///nonexistent.sock"
    with (
        pytest.raises(NotInEngine if reachable else NoEngine) as error,
        by_name(f"{registry.host}/shop/api:1", host, fallback=False),
    ):
        pass
    assert "policy" in error.value.hint
    assert registry.calls == []


def test_an_engine_that_a_setting_names_is_never_passed_over(registry: Registry) -> None:
    with pytest.raises(NoEngine), by_name(f"{registry.host}/shop/api:1", setting="unix:///nonexistent.sock"):
        pass
    assert registry.calls == []


@pytest.mark.parametrize("end", ["/version", "/info", "/json", "/get"])
@pytest.mark.parametrize(
    "fault",
    [
        engine.answering({"message": "no"}, 500), engine.answering({"message": "no"}, 403), engine.answering(b"x"),
        engine.cut(0.5, chunked=False),
    ],
    ids=["500", "403", "garbage", "cut"],
)  # fmt: skip
def test_an_engine_that_fails_is_never_passed_over(
    fault: engine.Fault, end: str, server: EngineServer, registry: Registry
) -> None:
    """The image that it holds may be another one than the registry's."""
    name = f"{registry.host}/shop/api:1"
    server.hold(classic(LOCAL, name))
    server.behaviour.faults[end] = fault
    with pytest.raises(Unavailable), by_name(name, server.address):
        pass
    assert registry.calls == []


@pytest.mark.parametrize("end", ["/version", "/info", "/get"])
def test_only_of_an_image_does_not_there_mean_not_there(
    end: str, server: EngineServer, registry: Registry
) -> None:
    server.hold(classic(LOCAL, f"{registry.host}/shop/api:1"))
    server.behaviour.faults[end] = engine.answering({"message": "page not found"}, 404)
    with pytest.raises(Refused), by_name(f"{registry.host}/shop/api:1", server.address):
        pass
    assert registry.calls == []


def test_an_engine_with_another_image_is_never_passed_over(server: EngineServer, registry: Registry) -> None:
    name = f"{registry.host}/shop/api:1"
    server.behaviour.images[name] = classic(LOCAL, "other:1")
    with pytest.raises(IntegrityError), by_name(name, server.address):
        pass
    assert registry.calls == []


@pytest.mark.parametrize("form", ["{}", "{:.12}", "sha256:{}"])
def test_ids_are_asked_of_the_engine_alone(form: str, server: EngineServer, nowhere: str) -> None:
    text = form.format(LOCAL.config.digest.removeprefix("sha256:"))
    with pytest.raises(NotInEngine), by_name(text, server.address, prefer=REGISTRY):
        pass
    with pytest.raises(NoEngine), by_name(text, runtime=nowhere):
        pass
    server.hold(classic(LOCAL, "app:1"))
    assert source(text, server.address) == (ENGINE, LOCAL.config.digest)


def test_both_reasons_are_told_where_neither_has_it(server: EngineServer, registry: Registry) -> None:
    name = f"{registry.host}/shop/other:1"
    with pytest.raises(Unavailable) as error, by_name(name, server.address):
        pass
    assert error.value.message.startswith(f"Docker has no image '{name}'; ")
    assert not isinstance(error.value, (NotInEngine, Refused))


def test_what_the_caller_raises_is_not_taken_for_a_missing_image(
    server: EngineServer, registry: Registry
) -> None:
    name = f"{registry.host}/shop/api:1"
    server.hold(classic(LOCAL, name))
    with pytest.raises(NotInEngine, match="mine"), by_name(name, server.address):
        raise NotInEngine("mine")
    assert registry.calls == []
