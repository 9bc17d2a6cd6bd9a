from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gate.errors import InvalidInput
from gate.sources.compose import Variables
from gate.sources.listing import parse


def images(text: str, environment: Mapping[str, str] | None = None, folder: str = "/nowhere") -> list[str]:
    """The images of a compose file."""
    found = parse(text.encode(), "compose.yaml", Variables(environment or {}, folder))
    return [location.text for location in found]


def test_a_usual_file() -> None:
    text = """\
name: shop
x-common: &common
  restart: always
  image: shop/base:1
services:
  db:
    image: "postgres:16@sha256:%s"
    environment: {POSTGRES_PASSWORD: $PASSWORD, X: "${Y}"}
    volumes: ["data:/var/lib/postgresql/data", {type: volume, source: x, target: /x}]
  api:
    <<: *common
    build: ./api
    image: registry.example.com:5000/shop/api:${TAG:-1.4}
  worker:
    <<: *common
    depends_on: [db]
  files:
    image: nginx:1
    volumes:
      - {type: image, source: shop/content:2, target: /srv}
  outside:
    provider: {type: cloud}
  gone: !reset null
volumes: {data: {}}
""" % ("a" * 64)
    assert images(text) == [
        f"postgres:16@sha256:{'a' * 64}", "registry.example.com:5000/shop/api:1.4", "shop/base:1", "nginx:1", "shop/content:2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a:${T:-1}", "a:1"),
        ("a:${T-1}", "a:1"),
        ("${R:-x.test}/a:${T:-1}", "x.test/a:1"),
        ("${R:-${S:-x.test}}/a:1", "x.test/a:1"),
        ("a${T-}:1", "a:1"),
        ("a${T:-}:1", "a:1"),
    ],
)
def test_variables_with_a_default(image: str, expected: str) -> None:
    assert images(f"services: {{a: {{image: '{image}'}}}}") == [expected]


@pytest.mark.parametrize(
    ("image", "what"),
    [
        ("a:$TAG", "needs the variable TAG"),
        ("a:${TAG}", "needs the variable TAG"),
        ("a:${TAG:?set it}", "needs the variable TAG"),
        ("a:${TAG?}", "needs the variable TAG"),
        ("a:${TAG/x/y}", "has a form of the variable TAG that is not supported"),
        ("a:${TAG:=1}", "has a form of the variable TAG that is not supported"),
        ("a:${A:-${B}}", "needs the variable B"),
        ("a:${A:-$B}", "needs the variable B"),
        ("a:${A:-" * 9 + "1" + "}" * 9, "has a form of the variable A that is not supported"),
        ("a:${TAG:-1", "has no closing brace for the variable TAG"),
        ("a:$", "has a $ that starts no variable"),
        ("a:${}", "has a $ that starts no variable"),
        ("a:$(x)", "has a $ that starts no variable"),
        ("a:${1:-x}", "has a $ that starts no variable"),
        ("a:$$TAG", "is not an image name"),
        ("${A:-}", "is not an image name"),
    ],
)
def test_a_variable_without_a_default_is_named(image: str, what: str) -> None:
    with pytest.raises(InvalidInput) as error:
        images(f"services:\n  web:\n    image: '{image}'")
    assert error.value.message.startswith("compose.yaml:3: ")
    assert what in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("image", "value", "expected"),
    [
        ("a:$TAG", "2", "a:2"), ("a:${TAG}", "2", "a:2"), ("a:${TAG:-1}", "2", "a:2"), ("a:${TAG-1}", "2", "a:2"), ("a:${TAG:?x}", "2", "a:2"),
        ("a:${TAG?x}", "2", "a:2"), ("a:${TAG:-1}", "", "a:1"), ("a${TAG-:1}", "", "a"), ("a${TAG}", "", "a"), ("a${TAG?x}", "", "a"),
        ("a${TAG:+:x}", "2", "a:x"), ("a${TAG:+:x}", "", "a"), ("a${TAG+:x}", "", "a:x"), ("a${NONE:+:x}", "2", "a"), ("a${NONE+:x}", "2", "a"),
        ("a:${OTHER:-${TAG:-1}}", "2", "a:2"), ("a:1", "2", "a:1"),
    ],
)  # fmt: skip
def test_variables_of_the_environment(image: str, value: str, expected: str) -> None:
    """As Docker Compose takes them: they come before everything else."""
    assert images(f"services: {{web: {{image: '{image}'}}}}", {"TAG": value}) == [expected]


@pytest.mark.parametrize("value", ["2$X", "2 x", "2}", "-x/../y", "a@sha256:1"])
def test_their_values_are_only_part_of_a_name(value: str) -> None:
    with pytest.raises(InvalidInput, match="is not an image name"):
        images("services: {web: {image: 'a:${TAG}'}}", {"TAG": value})


def test_an_empty_value_where_one_must_not_be() -> None:
    with pytest.raises(InvalidInput, match="needs the variable TAG"):
        images("services: {web: {image: 'a${TAG:?x}'}}", {"TAG": ""})


@pytest.mark.parametrize(
    ("dotenv", "sets"),
    [
        ("TAG=2", True), ("X=1\n  export TAG = 2", True), ("TAG: 2", True), ("TAG", True), ("\ufeffTAG=2", True), ("X=TAG", False),
        ("# TAG=2", False), ("MYTAG=2\nTAGS=2", False), ("", False),
    ],
)  # fmt: skip
def test_what_the_file_beside_it_sets_is_not_guessed(dotenv: str, sets: bool, tmp_path: Path) -> None:
    """Docker Compose would take that instead of the default: what was judged would not be what runs."""
    (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
    text = "services: {web: {image: 'a:${TAG:-1}'}}"
    if sets:
        with pytest.raises(InvalidInput, match=r"needs the variable TAG, which the file \.env sets"):
            images(text, folder=str(tmp_path))
    else:
        assert images(text, folder=str(tmp_path)) == ["a:1"]
    assert images(text, {"TAG": "3"}, str(tmp_path)) == ["a:3"]


def test_a_folder_of_that_name_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert images("services: {web: {image: 'a:${TAG:-1}'}}", folder=str(tmp_path)) == ["a:1"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("include: [other.yaml]\nservices: {a: {image: b}}", "compose.yaml:1: it includes other files"),
        ("services:\n  web:\n    build: .", "services.web is built, and its image has no name"),
        ("services:\n  web:\n    extends: {service: x}", "services.web takes its image from another one"),
        ("services:\n  web: {}", "services.web has no image"),
        ("services:\n  web: {image: }", "services.web has no image"),
        ("services:\n  web: {image: !reset null}", "services.web has no image"),
        ("services:\n  web: {image: !env X}", "the tag '!env' of 'image' is not supported"),
        ("services:\n  web: {image: 1.5}", "which is no text to every reader"),
        ("services:\n  web: {image: [a]}", "services.web.image is not a text"),
        ("services:\n  web: a", "services.web is not a mapping"),
        ("services: [a]", "services is not a mapping"),
        ("services:\n  web: {image: a}\n  web: {image: b}", "services has the key 'web' twice"),
        ("services:\n  web: {image: a, image: b}", "services.web has the key 'image' twice"),
        ("services: {a: {image: b}}\nservices: {a: {image: c}}", "the key 'services' stands twice"),
        ("services:\n  web: {image: a, volumes: x}", "services.web.volumes is not a list"),
        (
            "services:\n  web: {image: a, volumes: [{type: image}]}",
            "services.web.volumes[0].source is missing",
        ),
        ("services:\n  web: {image: ./here}", "is not an image name"),
    ],
)
def test_what_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidInput) as error:
        images(text)
    assert what in error.value.message


def test_the_way_out_is_named() -> None:
    with pytest.raises(InvalidInput) as error:
        images("services: {web: {build: .}}")
    assert "docker compose config --images | image-gate check --images -" in error.value.hint
