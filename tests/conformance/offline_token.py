"""A pytest plugin for sigstore-conformance: gives its `client` fixture a token without asking the network for one.

The suite fetches a token to sign with even when it only verifies. This one is unsigned and good for nothing else.
"""

from __future__ import annotations

import base64
import json
import time
from types import SimpleNamespace
from typing import Any

import urllib3


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _answer(*_: Any, **__: Any) -> SimpleNamespace:
    """Answer any request with the token."""
    claims = {"email": "nobody@example.com", "iss": "https://example.com", "exp": int(time.time()) + 3600}
    token = f"{_part({'alg': 'none'})}.{_part(claims)}.signature"
    return SimpleNamespace(data=token.encode(), status=200)


urllib3.request = _answer  # type: ignore[assignment]
