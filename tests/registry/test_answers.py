from __future__ import annotations

import pytest

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci.reference import Reference
from samples.images.builder import encode
from tests.kit import registry_protocol
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.pulls import login_of
from tests.kit.registry import Registry, serving_registry
from tests.registry.conftest import Client

NAME = "shop/api"
IMAGES = {f"{NAME}:1.4": CLEAN_IMAGE}


def named(registry: Registry) -> Reference:
    return Reference.parse(f"{registry.host}/{NAME}:1.4")


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        (b'{"errors":[{"code":"DENIED","message":"no\\n::error::x"}]}', ": DENIED 'no\\n::error::x'"),
        (b'{"errors":[{"code":"DENIED"}]}', ": DENIED"),
        (
            b'{"errors":[{"code":"' + b"A" * 5_000 + b'","message":"' + b"b" * 5_000 + b'"}]}',
            ": " + "A" * 200 + " '" + "b" * 200 + "'",
        ),
        (encode({"errors": [{"code": f"E{number}"} for number in range(50)]}), ": E0; E1; E2"),
        (b'{"errors":[{"code":5,"message":null}]}', ": 5"),
        (b'{"errors":"x"}', ""),
        (b'{"errors":["x"]}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
        (b" " * (LIMITS.answer + 1), ""),
    ],
)
def test_errors_are_quoted_and_bounded(
    body: bytes, quoted: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        registry_protocol.Answers, "_manifest", lambda *_: registry_protocol.Answer(403, body)
    )
    with serving_registry(IMAGES) as registry:
        with pytest.raises(Unavailable, match="403 Forbidden") as caught:
            client().manifest(named(registry))
        assert caught.value.message.endswith(f"{NAME}:1.4{quoted}")
        assert len(caught.value.message) < 1_500


@pytest.mark.parametrize("status", [418, 451, 599, 999, 204, 206, 304])
def test_any_other_status_is_no_answer(status: int, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_protocol.Answers, "_manifest", lambda *_: registry_protocol.Answer(status))
    with serving_registry(IMAGES) as registry, pytest.raises(Unavailable, match=str(status)):
        client().manifest(named(registry))


def test_a_secret_that_is_cut_in_two_is_hidden_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    body = encode({"errors": [{"code": "DENIED", "message": "x" * 195 + "the-password"}]})
    denied = registry_protocol.Answer(403, body)
    monkeypatch.setattr(registry_protocol.Answers, "_blob", lambda *_: denied)
    monkeypatch.setattr(registry_protocol.Answers, "_manifest", lambda *_: denied)
    with serving_registry(IMAGES, auth="basic") as registry:
        with pytest.raises(Unavailable, match="403 Forbidden") as caught:
            client(login=login_of(registry)).manifest(named(registry))
        assert "the-p" not in caught.value.message


def test_an_answer_of_nothing_is_tried_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """So an answer looks that breaks off in its headers."""
    from gate.registry.answers import document
    from gate.registry.retries import Transient

    class Nothing:
        def __init__(self) -> None:
            from gate.registry.address import Url

            self.headers: dict[str, str] = {}
            self.length = None
            self.url = Url.parse("https://registry.example.com/", "x")

        def body(self, _limit: int) -> bytes:
            return b""

    with pytest.raises(Transient, match="answers with nothing"):
        document(Nothing(), "it")  # type: ignore[arg-type]
