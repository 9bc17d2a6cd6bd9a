from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.oci.reference import Reference
from gate.sources import Location
from gate.sources.locate import locate, locate_all, locate_name

DIGEST = f"sha256:{'a' * 64}"
HEX = "0123456789ab" * 5 + "cdef"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with three layouts, a folder `sources`, and the files `save.tar`, `c:d.tar`, `file`, `oci`."""
    monkeypatch.chdir(tmp_path)
    for folder in ("image", "a:b", "at@home", "Upper"):
        Path(folder).mkdir()
        Path(folder, "oci-layout").touch()
    Path("sources").mkdir()
    for name in ("save.tar", "c:d.tar", "file", "oci"):
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
        ("./image", "oci", "./image", ""),
        ("image/", "oci", "image/", ""),
        (".", "oci", ".", ""),
        ("./sources/../image", "oci", "./sources/../image", ""),
        ("./a:b", "oci", "./a:b", ""),
        ("./at@home", "oci", "./at@home", ""),
        ("Upper", "oci", "Upper", ""),
        ("./file", "archive", "./file", ""),
        ("save.tar", "archive", "save.tar", ""),
        ("c:d.tar", "archive", "c:d.tar", ""),
        ("./oci", "archive", "./oci", ""),
    ],
)
def test_files(text: str, source: str, path: str, choice: str) -> None:
    assert locate(text) == Location(text, source, path, choice)


@pytest.mark.parametrize(
    ("text", "source", "path", "name"),
    [
        ("alpine:3", "name", "alpine:3", "docker.io/library/alpine:3"),
        ("shop/api:1.4", "name", "shop/api:1.4", "docker.io/shop/api:1.4"),
        ("registry.example.com:5000/shop/api:1.4", "name", None, "registry.example.com:5000/shop/api:1.4"),
        (
            f"registry.example.com/shop/api@{DIGEST}",
            "name",
            None,
            f"registry.example.com/shop/api@{DIGEST}",
        ),
        (f"api:1.4@{DIGEST}", "name", None, f"docker.io/library/api:1.4@{DIGEST}"),
        ("REGISTRY.Example.com/api:1", "name", None, "registry.example.com/api:1"),
        ("[2001:DB8:0::1]:5000/api:1", "name", None, "[2001:db8::1]:5000/api:1"),
        ("xn--e1aybc.example/api:1", "name", None, "xn--e1aybc.example/api:1"),
        ("docker:24-dind", "name", None, "docker.io/library/docker:24-dind"),
        ("registry:2", "name", None, "docker.io/library/registry:2"),
        ("localhost/api:1", "name", None, "localhost/api:1"),
        ("docker://alpine:3", "docker", "alpine:3", "docker.io/library/alpine:3"),
        ("docker://image:1", "docker", "image:1", "docker.io/library/image:1"),
        ("docker://docker.io/library/alpine:3", "docker", None, "docker.io/library/alpine:3"),
        ("docker://save.tar:1", "docker", "save.tar:1", "docker.io/library/save.tar:1"),
        (f"docker://r.example.com/x:1@{DIGEST}", "docker", None, f"r.example.com/x:1@{DIGEST}"),
        ("docker-daemon:alpine:3", "docker-daemon", "alpine:3", "docker.io/library/alpine:3"),
        ("docker-daemon:docker:dind", "docker-daemon", "docker:dind", "docker.io/library/docker:dind"),
    ],
)
def test_names(text: str, source: str, path: str | None, name: str) -> None:
    expected = Location(text, source, path or text.removeprefix("docker://"), name=Reference.parse(name))
    assert locate(text) == expected
    assert expected.written == expected.name


@pytest.mark.parametrize(
    "text", ["alpine", "docker://alpine", "docker-daemon:alpine", "docker.io/library/alpine"]
)
def test_the_implied_tag_is_known_to_be_implied(text: str) -> None:
    location = locate(text)
    assert str(location.name) == "docker.io/library/alpine:latest"
    assert location.implied
    assert location.written == Reference("docker.io", "library/alpine")


def test_a_written_latest_is_not_implied() -> None:
    location = locate("alpine:latest")
    assert not location.implied
    assert location.written == location.name == Reference("docker.io", "library/alpine", "latest")


@pytest.mark.parametrize("what", [DIGEST, HEX, HEX[:12], HEX[:40]])
def test_the_engine_knows_images_by_id(what: str) -> None:
    assert locate(f"docker-daemon:{what}") == Location(f"docker-daemon:{what}", "docker-daemon", what)


def test_a_folder_of_sources_is_no_image() -> None:
    """A repository with a folder `api` can have an image `api`."""
    assert locate("sources").source == "name"
    Path("sources/index.json").touch()
    with pytest.raises(InvalidInput, match="is an image name, and there is a file or layout"):
        locate("sources")


@pytest.mark.parametrize("name", ["alpine", "alpine:3", "registry.example.com/shop/api", "shop/api:1.4"])
@pytest.mark.parametrize("kind", ["layout", "file", "link"])
def test_what_is_planted_never_takes_the_place_of_an_image(name: str, kind: str) -> None:
    """R10: the checkout of a change holds a clean layout under the name of the image that is to be judged."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    if kind == "layout":
        Path(name).mkdir()
        Path(name, "oci-layout").touch()
    elif kind == "file":
        Path(name).touch()
    else:
        Path(name).symlink_to("gone")
    with pytest.raises(InvalidInput, match="is an image name, and there is a file or layout") as error:
        locate(name)
    assert error.value.hint == (
        f"write ./{name} for the file, or docker://{name} or docker-daemon:{name} for the image"
    )
    assert locate(f"docker://{name}").source == "docker"
    assert locate(f"docker-daemon:{name}").source == "docker-daemon"
    assert locate_name(name).source == "name"
    if kind != "link":
        assert locate(f"./{name}").path == f"./{name}"


@pytest.mark.parametrize("text", ["registry.example.com/shop/api:", "api@", "$TAG:1", "at@home"])
def test_a_name_that_a_script_left_unfinished_is_not_a_path(text: str) -> None:
    """`api:$TAG` without a TAG, in a checkout that has a file of the name `api:`."""
    Path(text).parent.mkdir(parents=True, exist_ok=True)
    Path(text).mkdir(exist_ok=True)
    Path(text, "oci-layout").touch()
    with pytest.raises(InvalidInput, match="is not an image name"):
        locate(text)


@pytest.mark.parametrize(
    "text", ["gone.tar", "build/gone.tar", "shop/gone.tar.gz", "registry.example.com/gone.tgz"]
)
def test_a_file_that_was_not_written_is_not_looked_for_in_a_registry(text: str) -> None:
    """`docker save` failed, and anyone may own docker.io/build/gone.tar."""
    with pytest.raises(InvalidInput, match="there is nothing at"):
        locate(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "nowhere.tar", "./nowhere", "/nowhere/at/all", "../nowhere/at/all", "nowhere/", "oci:", "oci::1", "oci:nowhere",
        "oci:nowhere:1", f"oci:nowhere@{DIGEST}", "oci-archive:nowhere.tar", "docker-archive:", "docker-archive:nowhere.tar:api:1",
        "OCI:image", "save.tar:api:1", "-x", "--platform", "oci:image\n", "oci:im\0age", "\x1b[2J", "oci:image\x7f", "x" * 5_000,
        "oci:" + "x:" * 5_000, "dir:image", "ostree:x", "containers-storage:alpine", "https://registry.example.com/shop",
        "docker://", "docker:///x", "docker:/alpine", "docker:registry.example.com/x", "DOCKER://alpine", "docker-daemon:",
        "docker-daemon://alpine", "docker-daemon:sha256:abc", "docker-deamon:alpine", "docker-archiv:x", "registry:r.example.com/x:1",
        DIGEST, HEX, "alpine\n", "alpine\r", "alpine ", " alpine", "alpine:3\nalpine:4", "good.example@evil/x", "alpine:", "alpine@",
        "user:secret@registry.example.com/x", "docker://user:secret@registry.example.com/x", "reg.example.com:x/y", "Alpine",
        "registry.example.com/Shop/api", "а.example.com/x", "registry․example.com/x", "api\u202e:1", "a\u2028b", "a\x85b", "$IMAGE",
        "${IMAGE}", "{{ .Values.image }}", "registry.example.com/x:1:2", "//x", "[::1]", "[1:2]/x", "[fe80::1%eth0]/x",
        "registry.example.com:0/x", "registry.example.com:99999/x", "registry.example.com./x", "a/../b", "~/x", "*", "alpine*",
    ],
)  # fmt: skip
def test_what_names_nothing_is_a_wrong_request(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        locate(text)
    assert error.value.hint
    assert len(str(error.value)) < 1_500
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("https://registry.example.com/x", "write docker://registry.example.com/x"),
        ("docker-deamon:alpine", "did you mean docker-daemon:alpine?"),
        ("docker-archiv:x", "did you mean docker-archive:x?"),
        ("dir:image", "write oci:image"),
        ("docker:registry.example.com/x", "docker://NAME"),
        ("docker:/alpine", "docker://NAME"),
        (DIGEST, f"write docker-daemon:{DIGEST}"),
        ("registry.example.com/Shop/api", "did you mean 'registry.example.com/shop/api'?"),
        ("Alpine", "did you mean 'alpine'?"),
        ("user:pw@registry.example.com/x", "a user name and a password do not belong in it"),
        ("$REGISTRY/api", "a variable in it was not replaced"),
        ("{{ .Values.image }}", "a variable in it was not replaced"),
        ("аpple.example/x", "U+0430 (CYRILLIC SMALL LETTER A)"),
        ("аpple.example:5000/x", "the host 'xn--pple-43d.example:5000' is what it stands for"),
        ("registry․example/x", "U+2024 (ONE DOT LEADER)"),
        ("shop/аpi", "U+0430"),
        ("-x", "no reference starts with a hyphen"),
        ("nowhere.tar", "docker-archive:FILE"),
    ],
)
def test_slips_are_understood(text: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as error:
        locate(text)
    assert hint in error.value.hint


def test_a_long_password_is_not_repeated() -> None:
    for text in (
        f"user:{'secret' * 100}@registry.example.com/x",
        f"docker://u:{'secret' * 100}@r.example.com/X@{DIGEST}",
    ):
        with pytest.raises(InvalidInput) as error:
            locate(text)
        assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["oci:image:", "oci:a:b:", "docker-archive:save.tar:", "docker-archive:c:d.tar:"]
)
def test_an_empty_choice_is_no_choice_that_was_made(text: str) -> None:
    """`oci:image:$TAG` without a TAG."""
    with pytest.raises(InvalidInput, match="ends where a tag, name or digest should stand"):
        locate(text)


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


def test_each_image_is_named_once() -> None:
    texts = [
        "alpine", "docker.io/library/alpine:latest", "alpine:3", "docker://alpine", "docker-daemon:alpine",
        "index.docker.io/library/alpine", "./image", "oci:image", "image/", "oci:image:1", "save.tar", "docker-archive:save.tar",
    ]  # fmt: skip
    found = locate_all([*texts, *texts, locate_name("alpine:latest"), locate_name("image")])
    assert [location.text for location in found] == [
        "alpine", "alpine:3", "docker://alpine", "docker-daemon:alpine", "./image", "oci:image:1", "save.tar",
        "docker-archive:save.tar", "image",
    ]  # fmt: skip


def test_one_malformed_reference_refuses_all() -> None:
    with pytest.raises(InvalidInput):
        locate_all(["alpine", "oci:image", "Alpine:"])


ALPHABETS = st.text(st.sampled_from("oci:imagesave.tar@/-"), max_size=30)


@given(st.text() | ALPHABETS | ALPHABETS.map("oci:{}".format) | ALPHABETS.map("docker://{}".format))
def test_any_text_is_an_image_name_or_a_path_that_is_there_or_refused(text: str) -> None:
    try:
        location = locate(text)
    except InvalidInput:
        return
    assert location.text == text
    if location.source in ("name", "docker", "docker-daemon"):
        assert location.name is None or Reference.parse(str(location.name)) == location.name
        assert location.source != "name" or not os.path.isfile(text)
    else:
        assert os.path.exists(location.path)
