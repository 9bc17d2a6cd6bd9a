from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.sources.compose import Variables
from gate.sources.listing import parse, read

DIGEST = f"sha256:{'a' * 64}"
POD = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: shop/api:1}]}\n"


def listed(text: str | bytes) -> list[str]:
    """The references that a list comes to."""
    data = text.encode() if isinstance(text, str) else text
    return [location.text for location in parse(data, "list", Variables())]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory, with the layout `image` and the file `alpine`."""
    monkeypatch.chdir(tmp_path)
    Path("image").mkdir()
    Path("image/oci-layout").touch()
    Path("alpine").touch()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop/api:1", ["shop/api:1"]),
        ("shop/api:1\r\nshop/web:2\r\n", ["shop/api:1", "shop/web:2"]),
        ("\ufeff# all of them\n\n  shop/api:1  # the shop\n\t\nshop/web:2", ["shop/api:1", "shop/web:2"]),
        ("shop/api:1\nshop/api:1\n", ["shop/api:1", "shop/api:1"]),
        (f"x.test/a@{DIGEST}\ndocker://alpine\noci:image\n./image\n", [f"x.test/a@{DIGEST}", "docker://alpine", "oci:image", "./image"]),
        ("[::1]:5000/x", ["[::1]:5000/x"]),
        ("docker-daemon:alpine:3", ["docker-daemon:alpine:3"]),
    ],
)  # fmt: skip
def test_lines(text: str, expected: list[str]) -> None:
    assert listed(text) == expected


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("shop/api:1\nshop/web 2\n", "list:2", "there is more than one word"),
        ("shop/api:1\n\n# x\nshop/Web\n", "list:4", "is not an image name"),
        ("shop/api:1\nalpine\n", "list:2", "there is a file or layout of that name"),
        ("shop/api:1\n-x\n", "list:2", "is not an image name"),
        ("shop/api:1\n\x1b[2J\n", "list:2", "control characters"),
        ("shop/api:1\nuser:secret@x.test/a", "list:2", "is not an image name"),
        ("", "list", "it names no image"),
        ("# nothing\n\n", "list", "it names no image"),
        ("---\n", "list", "it names no image"),
        ("--- # nothing\n---\n# more\n...\n", "list", "it names no image"),
        ("services: {}\n", "list", "it names no image"),
        ("apiVersion: v1\nkind: ConfigMap\ndata: {image: x}\n", "list", "it names no image"),
        ("- shop/api:1\n", "list:1", "this is no list of images"),
        ('["shop/api:1"]', "list:1", "this is no list of images"),
        ('{"image": "shop/api:1"}', "list:1", "this is no list of images"),
        ("image: shop/api:1\n", "list:1", "this is no list of images"),
        ("{{- if .Values.x }}\nkind: Pod\n", "list:1", "not valid YAML"),
        ("kind: Pod\nimage: {{ .Values.image }}:1\n", "list:2", "a key is not a text"),
        ("kind: Pod\n{{- end }}\n", "list:3", "not valid YAML"),
        ("a: b\n\tc: d\n", "list:2", "not valid YAML"),
        (b"a/b\nshop/\xff\n", "list:2", "it is not UTF-8"),
        (b"a: \x00", "list:1", "it holds a control character"),
        ("shop/api:1\n" + "x" * (LIMITS.list_line + 1), "list:2", "the line has more than 1,048,576 characters"),
        ("a:1\n" * 10_001, "list", "it names more than 10,000 images"),
        (POD + "---\nservices: {a: {image: b}}\n", "list:5", "a compose file among other documents"),
        ("services: {a: {image: b}}\n---\n" + POD, "list:3", "a second document in a compose file"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str | bytes, where: str, what: str) -> None:
    with pytest.raises(InvalidInput) as error:
        listed(text)
    assert error.value.message.startswith(f"{where}: ")
    assert what in error.value.message
    assert "secret" not in str(error.value)


def test_a_list_is_read_to_its_limit_only() -> None:
    with pytest.raises(InvalidInput, match="it has more than 8,388,608 bytes"):
        listed(b"#" * (LIMITS.list_file + 1))
    assert len(read("/dev/zero")) == LIMITS.list_file + 1


def test_names_in_manifests_are_never_paths() -> None:
    """The file `alpine` and the layout `image` lie in the working directory."""
    text = POD.replace("shop/api:1", "alpine") + "---\n" + POD.replace("shop/api:1", "image")
    found = parse(text.encode(), "list", Variables())
    assert [(location.source, str(location.name)) for location in found] == [
        ("name", "docker.io/library/alpine:latest"),
        ("name", "docker.io/library/image:latest"),
    ]
    for name in ("./image", "oci:image:1:2", "/etc/passwd", "docker://alpine", "x.tar/"):
        with pytest.raises(InvalidInput, match="is not an image name"):
            listed(POD.replace("shop/api:1", name))


def test_what_json_and_yaml_tools_write() -> None:
    json_list = (
        '{\n    "apiVersion": "v1",\n    "items": [{"apiVersion": "v1", "kind": "Pod", '
        '"spec": {"containers": [{"image": "a/b:1"}]}}],\n    "kind": "List"\n}\n'
    )
    assert listed(json_list) == ["a/b:1"]
    assert listed('{"services": {"a": {"image": "b:1"}}}') == ["b:1"]
    assert (
        listed(f"%YAML 1.2\n--- # Source: chart/templates/pod.yaml\n{POD}...\n---\n---\n{POD}")
        == ["shop/api:1"] * 2
    )


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text("shop/api:1\n"))
    writer.start()
    assert read(str(tmp_path / "pipe")) == b"shop/api:1\n"
    writer.join()


@pytest.mark.parametrize("path", ["nowhere", ".", "", "a\0b", "x" * 5_000])
def test_a_file_that_cannot_be_read(path: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read") as error:
        read(path)
    assert len(str(error.value)) < 1_000


@given(st.text() | st.text(st.sampled_from("ab:-{}[]&*!<'\"#$ \n"), max_size=60))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        found = listed(text.encode("utf-8", "surrogatepass"))
    except InvalidInput:
        return
    assert found


def test_a_large_list_takes_little_time() -> None:
    text = "\n".join(f"registry.example.com/shop/api:{number}" for number in range(10_000))
    started = time.monotonic()
    assert len(listed(text)) == 10_000
    assert time.monotonic() - started < 5
