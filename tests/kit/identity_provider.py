"""An OpenID provider on the loopback interface: says who asks, as GitHub and GitLab tell their jobs' tokens.

`GITHUB` and `GITLAB` are paths below its address; each is an issuer of its own, and so is the address, for people.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

GITHUB, GITLAB = "/github", "/gitlab"
_LIFETIME = 600


def encoded(data: bytes) -> str:
    """Return base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class IdentityProvider:
    """Signs tokens; `address` is where its keys are served."""

    def __init__(self) -> None:
        self.address = ""
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)

    def person(self, address: str) -> str:
        """Return a token of someone who logged in."""
        return self._signed({"iss": self.address, "sub": address, "email": address, "email_verified": True})

    def github(self, repository: str, workflow: str = "release.yml", ref: str = "refs/heads/main") -> str:
        """Return a token of a job of GitHub Actions."""
        path = f"{repository}/.github/workflows/{workflow}@{ref}"
        commit = hashlib.sha1(repository.encode(), usedforsecurity=False).hexdigest()
        claims = {
            "sub": f"repo:{repository}:ref:{ref}",
            "event_name": "push",
            "sha": commit,
            "workflow": "release",
            "repository": repository,
            "ref": ref,
            "job_workflow_ref": path,
            "job_workflow_sha": commit,
            "runner_environment": "github-hosted",
            "repository_id": "101",
            "repository_owner": repository.partition("/")[0],
            "repository_owner_id": "7",
            "workflow_ref": path,
            "workflow_sha": commit,
            "run_id": "1",
            "run_attempt": "1",
            "repository_visibility": "public",
        }
        return self._signed({"iss": f"{self.address}{GITHUB}", **claims})

    def gitlab(self, project: str, ref: str = "main", config: str = ".gitlab-ci.yml") -> str:
        """Return a token of a job of GitLab CI/CD."""
        commit = hashlib.sha1(project.encode(), usedforsecurity=False).hexdigest()
        claims = {
            "sub": f"project_path:{project}:ref_type:branch:ref:{ref}",
            "project_path": project,
            "project_id": "11",
            "namespace_path": project.rpartition("/")[0],
            "namespace_id": "12",
            "pipeline_id": "13",
            "pipeline_source": "push",
            "job_id": "14",
            "ref": ref,
            "ref_type": "branch",
            "ref_path": f"refs/heads/{ref}",
            "sha": commit,
            "ci_config_ref_uri": f"gitlab.com/{project}//{config}@refs/heads/{ref}",
            "ci_config_sha": commit,
            "runner_environment": "gitlab-hosted",
            "runner_id": 15,
            "project_visibility": "public",
        }
        return self._signed({"iss": f"{self.address}{GITLAB}", **claims})

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return what a path serves: the discovery documents of all issuers, and their keys."""
        numbers = self._key.public_key().public_numbers()
        if path == "/keys":
            key = {
                "kty": "RSA",
                "alg": "RS256",
                "use": "sig",
                "kid": "1",
                "n": encoded(numbers.n.to_bytes(256, "big")),
                "e": encoded(numbers.e.to_bytes(3, "big")),
            }
            return {"keys": [key]}
        issuer, known, _ = path.partition("/.well-known/openid-configuration")
        if not known or issuer not in ("", GITHUB, GITLAB):
            return None
        return {
            "issuer": f"{self.address}{issuer}",
            "jwks_uri": f"{self.address}/keys",
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        body = {"aud": "sigstore", "iat": now - 5, "nbf": now - 5, "exp": now + _LIFETIME, **claims}
        text = ".".join(encoded(json.dumps(part).encode()) for part in (head, body))
        return f"{text}.{encoded(self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """Serve one while the block runs.

    A job of GitHub Actions that asks for its token gets the one of `acme/app`, if it names the right bearer.
    """
    provider = IdentityProvider()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            answer = provider.answer(path)
            if path == "/job" and self.headers.get("Authorization", "").lower() == "bearer of-the-job":
                answer = {"value": provider.github("acme/app")}
            body = json.dumps(answer or {}).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- its name in the library
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
