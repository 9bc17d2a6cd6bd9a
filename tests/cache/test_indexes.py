"""Kept indexes: equal to what the layer gives, and believed only from this machine; how they are sealed, test_sealed.py shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from gate.cache import indexes as module
from gate.cache.indexes import IndexStore
from gate.errors import MalformedImage
from gate.oci.layer import Allowance, LayerIndex, Reading, index_layer
from samples.images.entries import Entry, Kind, file, program, symbolic_link
from samples.images.layers import Compression, Layer, digest_of, layer_of
from tests.kit.credentials import tokens
from tests.kit.hostile_images import CLEAN, DIRTY
from tests.kit.random_layers import honest
from tests.kit.trees import StoredLayer, stored

KEY = b"k" * 32
RICH = layer_of(
    {
        "etc/passwd": file("root:x:0:0::/:\n"),
        "var/lib/dpkg/status": file("Package: a\n"),
        "bin/script": program(b"#!/bin/sh\n"),
        "bin/link": symbolic_link("script"),
        "lib/code.so": file(b"\x7fELF" + bytes(100)),
        "bin/ping": Entry(Kind.FILE, b"x", 0o755, extended_attributes={"security.capability": b"\1\0\0\2"}),
        "app/.npmrc": file("\n".join(tokens().values())),
        "dev/null": Entry(Kind.CHARACTER_DEVICE, mode=0o666, device=(1, 3)),
        ".wh.gone": file(),
    }
)


def reading(**changes: Any) -> Reading:
    facts: dict[str, Any] = {
        "keep": frozenset({b"etc/passwd"}),
        "keep_below": (b"var/lib/dpkg/",),
        "credentials": True,
    }
    return Reading(**(facts | changes))


def made(layer: Layer, look: Reading | None = None) -> tuple[StoredLayer, LayerIndex]:
    return stored(layer), index_layer(stored(layer), look or reading())


@pytest.fixture
def store(tmp_path: Path) -> IndexStore:
    return IndexStore(tmp_path / "index", KEY)


@pytest.fixture
def entry(store: IndexStore, tmp_path: Path) -> Path:
    """The file of the kept index of `RICH`."""
    layer, index = made(RICH)
    store.put(layer, reading(), index)
    (path,) = (tmp_path / "index").iterdir()
    return path


def test_a_kept_index_is_what_the_layer_gives(store: IndexStore) -> None:
    layer, index = made(RICH)
    assert store.get(layer, reading()) is None
    store.put(layer, reading(), index)
    found = store.get(layer, reading())
    assert found == index
    assert found is not None
    assert all(
        asdict(index)[name] for name in ("links", "xattrs", "elf", "interpreters", "credentials", "kept")
    )


@given(number=st.integers(0, 2_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_index_can_be_kept(number: int, store: IndexStore) -> None:
    for data in honest(number):
        layer, index = made(Layer(data, digest_of(data), Compression.NONE.value))
        store.put(layer, reading(), index)
        assert store.get(layer, reading()) == index


@pytest.mark.parametrize(
    "changes",
    [{"marks": False}, {"credentials": False}, {"keep": frozenset()}, {"keep_below": ()}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_look_is_another_index(changes: dict[str, Any], store: IndexStore, entry: Path) -> None:
    assert store.get(stored(RICH), reading(**changes)) is None


@pytest.mark.parametrize("field", ["descriptor", "diff_id"])
def test_another_layer_is_another_index(field: str, store: IndexStore, entry: Path) -> None:
    """All that is claimed of it counts: the same blob with another diff ID is malformed."""
    layer, other = stored(RICH), stored(DIRTY)
    changed = StoredLayer(
        **(
            {name: getattr(layer, name) for name in ("descriptor", "diff_id", "data")}
            | {field: getattr(other, field)}
        )
    )
    assert store.get(changed, reading()) is None
    retyped = StoredLayer(
        replace(layer.descriptor, media_type="application/vnd.oci.image.layer.v1.tar"), layer.diff_id, b""
    )
    assert store.get(retyped, reading()) is None


def test_another_version_makes_its_own(
    store: IndexStore, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.get(stored(RICH), reading()) is not None
    monkeypatch.setattr(module, "__version__", "99")
    assert store.get(stored(RICH), reading()) is None


def test_the_index_of_another_machine_is_not_believed(tmp_path: Path, entry: Path) -> None:
    """A change under test may have filled the cache that its reviewers' build restores."""
    assert IndexStore(tmp_path / "index", b"o" * 32).get(stored(RICH), reading()) is None


def test_one_index_cannot_stand_in_for_another(store: IndexStore, entry: Path, tmp_path: Path) -> None:
    layer, index = made(CLEAN)
    store.put(layer, reading(), index)
    (clean,) = set((tmp_path / "index").iterdir()) - {entry}
    clean.replace(entry)
    assert store.get(stored(RICH), reading()) is None


def test_what_had_no_room_is_not_kept_for_others(store: IndexStore) -> None:
    small = reading(allowance=Allowance(16))
    layer, index = made(RICH, small)
    assert not index.complete
    store.put(layer, small, index)
    assert store.get(layer, reading()) is None


def test_a_kept_index_takes_room_like_a_new_one(store: IndexStore, entry: Path) -> None:
    small = reading(allowance=Allowance(16))
    assert store.get(stored(RICH), small) is None, "its contents do not fit, so the layer is read"
    with pytest.raises(MalformedImage, match="take more than"):
        store.get(stored(RICH), reading(room=Allowance(500)))
