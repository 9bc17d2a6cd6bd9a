"""Fetch a trusted root over TUF (The Update Framework): from a repository that signs it, and only when somebody asks.

The first metadata is trusted on the way to the newest: that of the public instance comes with the `sigstore` package.
Everything is done in a private folder: what lies in a cache that others fill is never believed.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.signatures import trust

PUBLIC_GOOD_URL = "https://tuf-repo-cdn.sigstore.dev"
_SHIPPED = ("_store", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "root.json")
_TARGET = "trusted_root.json"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def shipped_metadata() -> bytes:
    """Return the first metadata of the public instance; raises `Unavailable` where the package does not bring it."""
    try:
        return resources.files("sigstore").joinpath(*_SHIPPED).read_bytes()
    except (ModuleNotFoundError, OSError):
        raise Unavailable("the installed sigstore package brings no metadata to start from") from None


def fetch_root(url: str, metadata: bytes) -> bytes:
    """Return the trusted root that a TUF repository holds now, verified from its first `metadata` on, and parsed.

    Raises `InvalidInput` for an address that is not https, and `Unavailable` where nothing comes that can be verified.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InvalidInput(
            f"{url[:200]!r} is no address of a TUF repository", hint="write https://HOST[/PATH]"
        )
    from tuf.api.exceptions import (
        DownloadError,
        RepositoryError,
    )  # here, because they take a quarter of a second
    from tuf.ngclient import Updater, UpdaterConfig  # type: ignore[attr-defined]

    with TemporaryDirectory(prefix="image-gate-") as folder:
        try:
            updater = Updater(
                metadata_dir=folder,
                metadata_base_url=url,
                target_dir=folder,
                target_base_url=f"{url.rstrip('/')}/targets/",
                config=UpdaterConfig(targets_max_length=LIMITS.document, app_user_agent="image-gate"),
                bootstrap=metadata,
            )
            updater.refresh()
            found = updater.get_targetinfo(_TARGET)
            if found is None:
                raise Unavailable(
                    f"{url} has no {_TARGET}", hint="this is no repository of a Sigstore instance"
                )
            if found.length > LIMITS.document:
                raise Unavailable(f"{url} offers a trusted root of {found.length:,} bytes")
            data = Path(updater.download_target(found)).read_bytes()
        except DownloadError as error:
            raise Unavailable(
                f"{url} could not be read: {str(error) or 'no answer came in time'}",
                hint="look at the network and the proxy; the root that is there stays as it is",
            ) from None
        except RepositoryError as error:
            raise Unavailable(
                f"what {url} gives cannot be verified: {error}",
                hint="the metadata to start from is of another repository or too old, or somebody stands in between",
            ) from None
    trust.from_bytes(data, f"the trusted root of {url}")
    return data
