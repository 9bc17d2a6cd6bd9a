"""The configuration: where bytes come from (mirrors, certificates, proxies, databases). It can change no verdict otherwise.

It is read from the user's configuration folder or from where `--config` says, never from the working directory: whoever
writes it decides which servers are believed, and that must not be the change under test.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from os import PathLike

from msgspec import Struct

from gate.errors import InvalidInput
from gate.policy.load import in_checkout
from gate.registry import HostSettings, RegistrySettings

FILE_NAME = "config.yaml"
_XDG = frozenset(["linux"])
"""Where the folder is found as `platformdirs` does, without its import, which costs more than the rest of a refused run."""


class Configuration(Struct, frozen=True):
    """What a configuration file comes to; without one, nothing. `origin` is its path, empty where there is none."""

    origin: str = ""
    hosts: Mapping[str, HostSettings] = {}
    proxy: str = ""
    trivy_sources: tuple[str, ...] = ()
    trivy_java_sources: tuple[str, ...] = ()
    grype_sources: tuple[str, ...] = ()
    feed_sources: Mapping[str, tuple[str, ...]] = {}

    def __repr__(self) -> str:
        return f"Configuration({self.origin!r})"  # a proxy's address may hold a password

    def registries(self, environment: Mapping[str, str]) -> RegistrySettings:
        """Return what is said of registries, with the variables of the process that say more."""
        return RegistrySettings(hosts=self.hosts, proxy=self.proxy, environment=dict(environment))


def load(chosen: str | PathLike[str] | None, environment: Mapping[str, str] | None = None) -> Configuration:
    """Load the file that was chosen, else the user's if there is one; raises `InvalidInput` with line and column.

    In a CI job a file in the checkout is only read where it was chosen: with a home folder in the checkout, the change
    under test could bring one.
    """
    path = chosen or user_file()
    if path is None:
        return Configuration()
    variables = os.environ if environment is None else environment
    if chosen is None and in_checkout(path, os.getcwd(), variables):
        raise InvalidInput(
            f"the configuration {path} lies in the checkout under test",
            hint="name it with --config if it is meant, or set HOME to a folder outside",
        )
    from pathlib import Path  # here, because runs without a file need none of it

    from gate.configuration.file import read

    return read(Path(path))


def user_file() -> str | None:
    """Return the user's configuration file, None where there is none."""
    path = os.path.join(_user_folder(), FILE_NAME)
    return path if os.path.isabs(path) and os.path.lexists(path) else None


def _user_folder() -> str:
    """Return our folder in the user's configuration folder."""
    if sys.platform in _XDG:
        stated = os.environ.get("XDG_CONFIG_HOME", "").strip()
        return os.path.join(
            stated if os.path.isabs(stated) else os.path.expanduser("~/.config"), "image-gate"
        )
    import platformdirs

    return platformdirs.user_config_dir("image-gate")
