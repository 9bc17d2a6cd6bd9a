"""One question to one endpoint: address, login, redirects, and what the answer means."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.registry.address import Url
from gate.registry.answers import failure
from gate.registry.authentication import Authentication
from gate.registry.hosts import Endpoint
from gate.registry.messages import Answer, Request
from gate.registry.transport import Transport


class Question(Struct, frozen=True):
    """What is asked of a repository; `what` names it in errors, `expected` are the statuses that are answers.

    With a `method` something is written, and no redirect is followed: what is written goes where the caller said.
    With `elsewhere` everything is an answer that another server gives, to which a redirect led, but that it has a problem.
    """

    endpoint: Endpoint
    repository: str
    url: Url
    what: str
    accept: str = ""
    headers: Mapping[str, str] = {}
    expected: frozenset[int] = frozenset({HTTPStatus.OK})
    seconds: float = LIMITS.request_seconds
    method: str = ""
    body: bytes = b""
    elsewhere: bool = False


class Exchange:
    """Asks questions, with the login that an endpoint wants; keeps no state of its own."""

    def __init__(self, transport: Transport, authentication: Authentication) -> None:
        self._transport = transport
        self._authentication = authentication

    def ask(self, question: Question) -> Answer:
        """Ask once, and a second time where a login is wanted; the caller closes the answer.

        Raises `Transient` for what may go better the next time, `Unavailable` for any other answer than those expected.
        """
        endpoint, repository = question.endpoint, question.repository
        headers = {"Accept": question.accept or "*/*", **question.headers}
        request = Request(
            question.url,
            headers,
            seconds=question.seconds,
            redirects=0 if question.method else LIMITS.redirects,
            method=question.method,
            body=question.body,
        )
        told = self._authentication.header(endpoint, repository)
        answer = self._transport.send(replace(request, authorization=told))
        # A login that somebody else asks for, to whom a redirect led, is none of ours.
        if answer.status == HTTPStatus.UNAUTHORIZED and answer.url.origin == question.url.origin:
            asked = answer.headers.get("www-authenticate", "")
            better = self._better(question, asked, told, answer)
            if better:
                answer.discard()
                answer = self._transport.send(replace(request, authorization=better))
        led_away = question.elsewhere and answer.url.origin != question.url.origin
        settled = led_away and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        if settled or answer.status in question.expected:
            return answer
        note = self._authentication.note(endpoint, repository)
        raise failure(answer, question.what, self._authentication.conceal, note)

    def _better(self, question: Question, asked: str, told: str, answer: Answer) -> str:
        """Get the login that was asked for; where that fails the answer is closed."""
        try:
            return self._authentication.answer(question.endpoint, question.repository, asked, told)
        except BaseException as error:
            answer.close()
            if isinstance(error, Unavailable) and not error.hint:
                error.hint = "log in with docker login, or give --username"
            raise
