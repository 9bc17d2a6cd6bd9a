from __future__ import annotations

from collections.abc import Mapping

import pytest

from gate.errors import InvalidInput
from gate.sources.listing import parse


def images(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """The images of a compose file."""
    return [location.text for location in parse(text.encode(), "compose.yaml", environment or {})]


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
        ("a:${TAG:+1}", "needs the variable TAG"),
        ("a:${TAG+1}", "needs the variable TAG"),
        ("a:${A:-${B}}", "needs the variable B"),
        ("a:${A:-$B}", "needs the variable B"),
        ("a:${A:-" * 9 + "1" + "}" * 9, "needs the variable A"),
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
    ("image", "value", "agrees"),
    [
        ("a:${TAG:-1}", "1", True), ("a:${TAG:-1}", "2", False), ("a:${TAG:-1}", "", True), ("a:${TAG-1}", "", False),
        ("a:${TAG-1}", "1", True), ("a:1", "2", True), ("a:${OTHER:-${TAG:-1}}", "2", False),
    ],
)  # fmt: skip
def test_a_default_that_compose_would_not_take_is_refused(image: str, value: str, agrees: bool) -> None:
    """What was judged would not be what runs."""
    text = f"services: {{web: {{image: '{image}'}}}}"
    if agrees:
        assert images(text, {"TAG": value}) == ["a:1"]
        return
    with pytest.raises(
        InvalidInput, match="has a default for the variable TAG, which is set to something else here"
    ):
        images(text, {"TAG": value})


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
    assert "docker compose config | image-gate check --images -" in error.value.hint
