"""The key by which this machine knows what it wrote itself.

Caches travel: build systems save and restore them, and a change under test may have filled what its reviewers restore. A
blob proves itself by its digest; an index cannot, so it carries a code made with a key that stays outside the cache.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_SIZE = 32


def machine_key() -> bytes:
    """Return the key in the user's state folder, made when there is none.

    Where it cannot be kept, the key is a new one: what is written with it serves this run only.
    """
    import platformdirs

    path = platformdirs.user_state_path("image-gate") / "cache.key"
    try:
        return _read(path) or _made(path)
    except OSError:
        return passing_key()


def passing_key() -> bytes:
    """Return a key for this run alone."""
    return secrets.token_bytes(_SIZE)


def _read(path: Path) -> bytes:
    """Return the key, or nothing where there is none that only this user can read."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            key = file.read(_SIZE + 1)
    except FileNotFoundError:
        return b""
    private = state.st_uid == os.geteuid() and not state.st_mode & 0o077
    return key if private and len(key) == _SIZE else b""


def _made(path: Path) -> bytes:
    """Make a key and return it, or the one that another process made meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(passing_key())
        if not _read(path):
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return _read(path) or passing_key()
