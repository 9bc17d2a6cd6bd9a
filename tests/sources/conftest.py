"""Opening images as the pipeline does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from gate.oci.descriptor import Platform
from gate.oci.image import Opened
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images.entries import Entry
from samples.images.layout import write_archive, write_directory

Open = Callable[..., Opened]


@pytest.fixture
def open_image() -> Iterator[Open]:
    """Open what a reference names; of several platforms only `wanted`, unless it is None. Closed after the test."""
    with ExitStack() as stack:

        def opened(reference: str | Path, wanted: Platform | None = None) -> Opened:
            return stack.enter_context(open_source(locate(str(reference)), wanted))

        yield opened


@pytest.fixture
def open_archive(open_image: Open, tmp_path: Path) -> Open:
    """Open an archive of these members; `choice` is the name, tag or digest, `source` the kind."""

    def opened(
        files: Mapping[str, Entry],
        choice: str = "",
        source: str = "docker-archive",
        wanted: Platform | None = None,
    ) -> Opened:
        path = write_archive(files, tmp_path / "image.tar")
        return open_image(f"{source}:{path}{f':{choice}' if choice else ''}", wanted)

    return opened


@pytest.fixture
def open_layout(open_image: Open, tmp_path: Path) -> Open:
    """Open a layout of these files; `choice` is the tag or digest."""

    def opened(files: Mapping[str, Entry], choice: str = "", wanted: Platform | None = None) -> Opened:
        path = write_directory(files, tmp_path / "layout")
        return open_image(f"oci:{path}{f':{choice}' if choice else ''}", wanted)

    return opened
