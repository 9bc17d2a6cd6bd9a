from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.sources import Location
from gate.sources.locate import locate

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the folders `image`, `a:b` and `at@home`, and the files `save.tar`, `c:d.tar`, `oci`."""
    monkeypatch.chdir(tmp_path)
    for folder in ("image", "a:b", "at@home"):
        Path(folder).mkdir()
    for name in ("save.tar", "c:d.tar", "oci"):
        Path(name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "source", "path", "choice"),
    [
        ("oci:image", "oci", "image", ""),
        ("oci:./image", "oci", "./image", ""),
        ("oci:image:1.4", "oci", "image", "1.4"),
        (f"oci:image@{DIGEST}", "oci", "image", DIGEST),
        (f"oci:image:{DIGEST}", "oci", "image", DIGEST),
        (
            "oci:image:registry.example.com:5000/shop/api:1.4",
            "oci",
            "image",
            "registry.example.com:5000/shop/api:1.4",
        ),
        ("oci:a:b", "oci", "a:b", ""),
        ("oci:a:b:1.4", "oci", "a:b", "1.4"),
        (f"oci:a:b@{DIGEST}", "oci", "a:b", DIGEST),
        ("oci:at@home", "oci", "at@home", ""),
        ("oci:at@home:1", "oci", "at@home", "1"),
        (f"oci:at@home@{DIGEST}", "oci", "at@home", DIGEST),
        ("oci-archive:save.tar:1", "oci-archive", "save.tar", "1"),
        ("docker-archive:save.tar", "docker-archive", "save.tar", ""),
        ("docker-archive:save.tar:shop/api:1.4", "docker-archive", "save.tar", "shop/api:1.4"),
        (
            "docker-archive:save.tar:localhost:5000/api:1",
            "docker-archive",
            "save.tar",
            "localhost:5000/api:1",
        ),
        ("docker-archive:c:d.tar:api:1", "docker-archive", "c:d.tar", "api:1"),
        ("oci:oci", "oci", "oci", ""),
        ("image", "oci", "image", ""),
        ("a:b", "oci", "a:b", ""),
        ("save.tar", "archive", "save.tar", ""),
        ("c:d.tar", "archive", "c:d.tar", ""),
        ("oci", "archive", "oci", ""),
    ],
)
def test_references(text: str, source: str, path: str, choice: str) -> None:
    assert locate(text) == Location(text, source, path, choice)


@pytest.mark.parametrize(
    "text",
    [
        "", "nowhere", "nowhere.tar", "oci:", "oci::1", "oci:nowhere", "oci:nowhere:1", f"oci:nowhere@{DIGEST}", "oci-archive:nowhere.tar",
        "docker-archive:", "docker-archive:nowhere.tar:api:1", "OCI:image", "image:1.4", "save.tar:api:1", f"image@{DIGEST}",
        "registry.example.com/shop/api:1.4", "alpine", "-x", "oci:image\n", "oci:im\0age", "\x1b[2J", "oci:image\x7f", "x" * 5_000,
        "oci:" + "x:" * 5_000, "dir:image", "containers-storage:alpine", "https://registry.example.com/shop",
    ],
)  # fmt: skip
def test_what_names_nothing_is_a_wrong_request(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        locate(text)
    assert error.value.hint
    assert len(str(error.value)) < 1_500


@pytest.mark.parametrize(
    "text", ["oci:image:", "oci:a:b:", "docker-archive:save.tar:", "docker-archive:c:d.tar:"]
)
def test_an_empty_choice_is_no_choice_that_was_made(text: str) -> None:
    """`oci:image:$TAG` without a TAG."""
    with pytest.raises(InvalidInput, match="ends where a tag, name or digest should stand"):
        locate(text)


@pytest.mark.parametrize(
    "text", ["docker:alpine", "docker-daemon:alpine:3", "registry:registry.example.com/shop/api"]
)
def test_sources_that_are_to_come_say_so(text: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be opened yet") as error:
        locate(text)
    assert error.value.hint == "save the image as an archive or OCI layout first"


@pytest.mark.parametrize(
    ("also", "text"),
    [
        ("a", "oci:a:b"),
        ("image:1.4", "oci:image:1.4"),
        ("c", "docker-archive:c:d.tar:api:1"),
        (f"image@{DIGEST}", f"oci:image@{DIGEST}"),
        ("at@home:1", "oci:at@home:1"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(also: str, text: str) -> None:
    Path(also).mkdir()
    with pytest.raises(InvalidInput, match="can be read in several ways") as error:
        locate(text)
    assert error.value.hint == "rename one of them"


@given(st.text() | st.text(st.sampled_from("oci:imagesave.tar@/-"), max_size=30).map("oci:{}".format))
def test_any_text_names_something_or_nothing(text: str) -> None:
    try:
        path = locate(text).path
    except InvalidInput:
        return
    assert Path(path).exists()
