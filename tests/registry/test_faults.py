"""Every call of a registry, broken in every way: never a success with other content, ended in time, few retries.

The registry has a token server and a storage for blobs of their own, as public ones do, so every kind of call is made.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gate.errors import IntegrityError, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import Digest
from gate.oci.reference import Reference
from gate.registry.client import RegistryClient
from samples.images.builder import CONFIG, Blob, Platform, Settings, build_image, build_index, encode
from samples.images.builder import MANIFEST as MANIFEST_TYPE
from tests.kit.hostile_images import CLEAN, CREATED, DIRTY, SETTINGS
from tests.kit.pulls import login_of, pull
from tests.kit.registry import KINDS, Fault, Registry, serving_registry
from tests.registry.conftest import Client

pytestmark = pytest.mark.slow

ARM = build_image([CLEAN], Settings(CREATED, Platform("linux", "arm64"), user="1000"))
AMD = build_image([CLEAN, DIRTY], SETTINGS)
INDEX = build_index([AMD, ARM], attested=True)
REFERRER = Blob(
    MANIFEST_TYPE,
    encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": "application/vnd.example.signature",
            "config": Blob(CONFIG, b"{}").descriptor(),
            "layers": [],
            "subject": INDEX.manifest.descriptor(),
        }
    ),
)
NAME = "shop/api"

PLACES = (
    *(("registry", call) for call in ("ping", "index", "manifest", "config", "layer")),
    ("token", "token"), ("storage", "config"), ("storage", "layer"),
)  # fmt: skip
LISTS = (("registry", "referrers"), ("registry", "tags"))

SLOW = ("slow", "slow-head")
NOT_NOW = ("429", "500", "502", "503", "reset", "cut-1", "cut-50", "cut-99")
"""What may be gone at the next try."""


def harmless(server: str, call: str, kind: str) -> bool:
    """Whether a fault changes nothing: what is checked by its digest has no type, and a ping needs no right answer."""
    if call == "ping":
        return kind in (*(kind for kind in KINDS if kind.isdecimal()), "bit-flip", "wrong-digest", "wrong-type", "portal",
                        "redirect-loop", "endless", "encoded", "cut-1", "cut-50", "cut-99")  # fmt: skip
    if call in ("config", "layer"):
        return kind == "wrong-type"
    if call == "token":
        return kind in (
            "wrong-type",
            "wrong-digest",
        )  # a space more, and another type: still the token in JSON
    return call == "tags" and kind in ("wrong-type", "wrong-digest")


def blocking(call: str, kind: str) -> bool:
    """Whether a fault shows that content contradicts itself, which no policy may excuse."""
    if call in ("index", "manifest"):
        return kind in ("bit-flip", "wrong-digest", "wrong-type", "endless", "encoded")
    if call in ("config", "layer"):
        return kind in ("bit-flip", "wrong-digest", "portal", "endless", "encoded")
    return False


def serving(*faults: Fault) -> Any:
    """Serve the image with these faults; blobs come from a storage, unless it is the registry whose blobs break."""
    own = any(fault.server == "registry" and fault.call in ("config", "layer") for fault in faults)
    return serving_registry(
        {f"{NAME}:1.4": INDEX}, faults, auth="bearer", token_elsewhere=True, blobs_elsewhere=not own
    )


def settings_of(registry: Registry) -> dict[str, Any]:
    """Return settings with a login, for a registry whose token server is known."""
    from gate.registry import HostSettings

    known = HostSettings(token_hosts=(registry.hosts["token"],))
    return {"login": login_of(registry), "hosts": {registry.host: known}}


def check_calls(registry: Registry, kind: str) -> None:
    """Hold the bounds on requests, and that credentials stay where they belong."""
    # One request more may have been the first without a login.
    most = LIMITS.redirects + 1 if kind == "redirect-loop" else LIMITS.retries + 1
    made = Counter((call.server, call.target.partition("?")[0]) for call in registry.calls)
    assert max(made.values()) <= most + 1, made
    assert registry.credentials("storage") == set()
    assert all(value.startswith("Basic ") for value in registry.credentials("token"))
    assert all(value.startswith("Bearer ") for value in registry.credentials("registry"))


def attempt(run: Callable[[], Any], seconds: float) -> tuple[Any, Unavailable | None]:
    """Run within the time that a run has, and return what came or what went wrong."""
    start = time.monotonic()
    result, failure = None, None
    try:
        result = run()
    except Unavailable as error:
        failure = error
    assert time.monotonic() - start <= seconds + 2
    return result, failure


@pytest.fixture(scope="module")
def expected() -> Any:
    with serving() as registry:
        return pull(f"{registry.host}/{NAME}:1.4", **settings_of(registry))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("server", "call"), PLACES)
def test_a_pull(server: str, call: str, kind: str, expected: Any) -> None:
    seconds = 0.8 if kind in SLOW else 20
    with serving(Fault(call, kind, server=server)) as registry:
        name = f"{registry.host}/{NAME}:1.4@{INDEX.manifest.digest}"
        settings = settings_of(registry)
        result, failure = attempt(lambda: pull(name, seconds, **settings), seconds)
        assert registry.hit(call), "the fault was never reached"
        check_calls(registry, kind)
    if harmless(server, call, kind):
        assert failure is None
        assert result == expected
    else:
        assert failure is not None
        assert isinstance(failure, IntegrityError) == blocking(call, kind), failure
        assert failure.blocks == blocking(call, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["index", "manifest"])
def test_a_pull_by_tag_names_what_came(call: str, kind: str, expected: Any) -> None:
    """By its tag an index has no digest that it must have: other bytes are another image, under their own digest."""
    seconds = 0.8 if kind in SLOW else 20
    with serving(Fault(call, kind, server="registry")) as registry:
        name, settings = f"{registry.host}/{NAME}:1.4", settings_of(registry)
        result, _ = attempt(lambda: pull(name, seconds, **settings), seconds)
        check_calls(registry, kind)
    if result is not None:
        assert kind in ("bit-flip", "wrong-digest")
        assert call == "index"
        assert result.digest != expected.digest
        assert result.images == expected.images


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("kind", NOT_NOW)
@pytest.mark.parametrize(("server", "call"), PLACES)
def test_what_is_gone_at_the_next_try(server: str, call: str, kind: str, first: int, expected: Any) -> None:
    with serving(Fault(call, kind, first, server=server)) as registry:
        name = f"{registry.host}/{NAME}:1.4"
        assert pull(name, **settings_of(registry)) == expected
        check_calls(registry, kind)


def listed(client: RegistryClient, call: str, host: str) -> Any:
    """Ask for a list."""
    name = Reference.parse(f"{host}/{NAME}")
    if call == "tags":
        return list(client.tags(name))
    return client.referrers(name, Digest.parse(INDEX.manifest.digest))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("server", "call"), [*LISTS, ("token", "token")])
def test_lists(server: str, call: str, kind: str, client: Client) -> None:
    seconds = 0.8 if kind in SLOW else 20
    asked = "tags" if call == "token" else call
    with serving() as registry:
        registry.put(NAME, REFERRER, [])
        host, settings = registry.host, settings_of(registry)
        right = listed(client(seconds, **settings), asked, host)
        registry.faults.append(Fault(call, kind, server=server))
        registry.calls.clear()
        result, failure = attempt(lambda: listed(client(seconds, **settings), asked, host), seconds)
        assert registry.hit(call)
        check_calls(registry, kind)
    assert right
    if call == "referrers" and kind == "404":
        assert result == ()  # no API and no fallback tag: nothing refers to it
    elif harmless(server, call, kind) or (call == "referrers" and kind == "wrong-digest"):
        assert result == right
    elif failure is None:
        # A flipped bit in a list that no digest covers may go unseen, but never adds or loses anything.
        assert kind == "bit-flip"
        assert len(result) == len(right)
    else:
        assert result is None


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("kind", NOT_NOW)
@pytest.mark.parametrize(("server", "call"), LISTS)
def test_lists_at_the_next_try(server: str, call: str, kind: str, first: int, client: Client) -> None:
    with serving(Fault(call, kind, first, server=server)) as registry:
        registry.put(NAME, REFERRER, [])
        assert listed(client(**settings_of(registry)), call, registry.host)
        check_calls(registry, kind)


@pytest.mark.parametrize("retry_after", ["1000000000", "Wed, 25 Nov 2099 00:00:00 GMT", "999999999999999999"])
def test_nobody_waits_for_years(retry_after: str) -> None:
    with serving(Fault("manifest", "429", retry_after=retry_after)) as registry:
        name, settings = f"{registry.host}/{NAME}:1.4", settings_of(registry)
        start = time.monotonic()
        with pytest.raises(Unavailable, match=r"asks to wait .* before the next try"):
            pull(name, 60, **settings)
        assert time.monotonic() - start < 5
        made = Counter(call.target for call in registry.calls if call.call == "manifest")
        assert set(made.values()) == {1}
