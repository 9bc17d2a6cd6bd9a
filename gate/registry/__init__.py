"""Reading from registries by the OCI distribution specification 1.1, over `http.client`: small and strict.

`RegistryClient` (client.py) is what the rest of the program uses, and `RegistryWriter` (push.py) what attests; this file
holds what the caller says about registries.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from gate.errors import Unavailable


class HostSettings(Struct, frozen=True):
    """What the configuration says about one registry, by `host[:port]`.

    `mirrors` are asked first, in their order, each `host[:port][/prefix]`. `token_hosts` may be told its credentials
    beside itself. `plain_http` allows it to be asked without TLS; on loopback that needs no permission.
    `signature_repository` is the name of the repository that holds the signatures of its images, empty where each one's own
    does.
    """

    mirrors: tuple[str, ...] = ()
    token_hosts: tuple[str, ...] = ()
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    plain_http: bool = False
    signature_repository: str = ""


class Login(Struct, frozen=True):
    """A user name and password that the caller gave; never shown.

    `registries` are the hosts that it is for: those of the names that the caller wrote. No other is ever told it, because
    a run may ask more registries than those, such as that of a base image which the image itself names.
    """

    username: str
    password: str
    registries: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Login({self.username!r}, …)"


class RegistrySettings(Struct, frozen=True):
    """What the caller says about registries.

    `environment` is the process's: `DOCKER_CONFIG`, `DOCKER_AUTH_CONFIG`, proxies, the variables of GitHub and GitLab
    jobs. `ca_file` counts beside what the system trusts. `proxy` is used for every request where it is set.
    """

    hosts: Mapping[str, HostSettings] = {}
    login: Login | None = None
    ca_file: str = ""
    proxy: str = ""
    environment: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return "RegistrySettings(…)"  # a proxy's address and the environment hold passwords


class NotFound(Unavailable):
    """The registry answered, and says that it does not have what was asked for (or does not tell)."""
