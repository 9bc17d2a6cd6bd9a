"""What a registry's answer means where it is not what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.registry import NotFound
from gate.registry.messages import Answer
from gate.registry.retries import TRANSIENT, Transient, retry_after

_QUOTED = 200
_ERRORS = 3

_HINTS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "log in with docker login, or give --username; a name that is not there is often answered so too",
    HTTPStatus.FORBIDDEN: "the login may not read this repository; ask for the right to pull, or use another login",
    HTTPStatus.NOT_FOUND: "look at the spelling and the tag; for a private repository this is often the answer without a login",
    HTTPStatus.TOO_MANY_REQUESTS: "wait, log in to be allowed more, or use a mirror",
}


def failure(answer: Answer, what: str, conceal: Callable[[str], str], note: str = "") -> Unavailable:
    """Read and close an answer that is an error, and say what it means; what may be better later is `Transient`.

    `conceal` hides secrets in what the registry says, `note` says why it was not told any.
    """
    after = retry_after(answer.headers.get("retry-after", ""), answer.headers.get("date", ""))
    said = _quoted(answer, conceal)
    status = answer.status
    host = answer.url.authority[:200]
    message = f"{host!r} answers {_named(status)} for {what}{said}{f'; {note}' if note else ''}"
    hint = _HINTS.get(status, "")
    if status in TRANSIENT:
        return Transient(message, hint=hint or "the registry has a problem; try again later", after=after)
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(message, hint=hint)
    return Unavailable(
        message, hint=hint or "this is no answer of a registry to a reader; look at the host's name"
    )


def _named(status: int) -> str:
    """Name a status."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _quoted(answer: Answer, conceal: Callable[[str], str]) -> str:
    """Quote the errors that a registry states (OCI distribution specification, "Error Codes")."""
    try:
        body = strict_json.parse(answer.body(LIMITS.answer), "the error", limit=LIMITS.answer)
    except Unavailable:
        return ""
    errors = body.get("errors") if isinstance(body, dict) else None
    found = []
    for error in errors[:_ERRORS] if isinstance(errors, list) else ():
        if isinstance(error, dict):
            code, message = (conceal(str(error.get(name) or ""))[:_QUOTED] for name in ("code", "message"))
            found.append(f"{code} {message!r}" if message else code)
    return f": {'; '.join(found)}" if any(found) else ""


def type_of(answer: Answer) -> str:
    """Return the media type that an answer states, without its parameters."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def document(answer: Answer, what: str) -> bytes:
    """Read a document; one that is larger than any may be, or encoded in spite of what was asked, is malformed."""
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        answer.close()
        raise MalformedImage(
            f"{what} comes with the encoding {encoding[:40]!r}, which nobody asked for and its digest does not cover",
            hint="a proxy before the registry may compress what passes; it must not",
        )
    data = answer.body(LIMITS.document)
    if not data and answer.length is None:
        # So an answer looks that broke off in its headers.
        raise Transient(f"{answer.url.authority[:200]!r} answers with nothing for {what}")
    if len(data) > LIMITS.document:
        raise MalformedImage(f"{what} has more than {LIMITS.document:,} bytes")
    return data
