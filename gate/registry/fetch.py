"""Fetch documents and lists from one endpoint, trying again what may go better the next time."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from gate.deadline import Deadline
from gate.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES
from gate.oci.reference import Reference
from gate.registry.address import Url
from gate.registry.answers import document
from gate.registry.exchange import Exchange, Question
from gate.registry.hosts import Endpoint
from gate.registry.lists import pages
from gate.registry.messages import Answer
from gate.registry.retries import persist

_ACCEPT = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))


class Fetcher:
    """Fetches what fits into memory; safe to use from several threads."""

    def __init__(self, exchange: Exchange, deadline: Deadline) -> None:
        self._exchange = exchange
        self._deadline = deadline

    def question(self, endpoint: Endpoint, name: Reference, rest: str, what: str) -> Question:
        """Ask for a document of a repository: `rest` is its address there, `what` names it in errors."""
        return Question(endpoint, endpoint.repository(name), endpoint.at(name, rest), what, _ACCEPT)

    def document(self, question: Question) -> tuple[bytes, Answer]:
        """Fetch a document; the answer tells what it came with."""

        def once() -> tuple[bytes, Answer]:
            answer = self._exchange.ask(question)
            return document(answer, question.what), answer

        return persist(self._deadline, once)

    def pages(self, question: Question) -> Iterator[tuple[bytes, Answer]]:
        """Yield the pages of a list."""

        def ask(url: Url) -> tuple[bytes, Answer]:
            return self.document(replace(question, url=url))

        return pages(question.url, ask)
