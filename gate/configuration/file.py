"""What a configuration file may hold: its keys as types, how it is read, and the JSON schema that is made from them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType, field

from gate.configuration import Configuration
from gate.errors import InvalidInput
from gate.oci.reference import Pattern, Reference, parse_host
from gate.options import Mark, Node, Options, Text, decode, describe, json_schema
from gate.policy import document
from gate.policy.schema import SCHEMA_URL
from gate.printable import redacted
from gate.registry import HostSettings

_WORD = re.compile(r"[!-~]{1,500}", re.ASCII)


class Host(str):
    """The text of a host that is known to parse."""

    __slots__ = ()
    SYNTAX = "a host, perhaps with its port: login.example.com, localhost:5000"

    @classmethod
    def parse(cls, value: str) -> Host:
        """Parse `host[:port]`; raises `InvalidInput`."""
        try:
            return cls(parse_host(value))
        except InvalidInput:
            raise InvalidInput(f"{redacted(value)[:100]!r} is no host", hint=f"write {cls.SYNTAX}") from None


class Mirror(str):
    """The text of a mirror that is known to parse."""

    __slots__ = ()
    SYNTAX = "a host, perhaps with a path before all repositories: mirror.example.com/docker"

    @classmethod
    def parse(cls, value: str) -> Mirror:
        """Parse `host[:port][/prefix]`; raises `InvalidInput`."""
        host, slash, prefix = value.partition("/")
        try:
            if slash:
                Reference.parse(f"registry.example.com/{prefix}:tag")
            return cls(f"{parse_host(host)}{slash}{prefix}")
        except InvalidInput:
            raise InvalidInput(
                f"{redacted(value)[:100]!r} is no mirror", hint=f"write {cls.SYNTAX}"
            ) from None


class ProxyAddress(str):
    """The address of a proxy; it may hold a password, so no message quotes it."""

    __slots__ = ()
    SYNTAX = "an address such as http://proxy.example.com:3128"

    @classmethod
    def parse(cls, value: str) -> ProxyAddress:
        """Check it; raises `InvalidInput`."""
        if not _is_address(value, ("http", "https")):
            raise InvalidInput("this is no address of a proxy", hint="write http://HOST:PORT")
        return cls(value)


class Repository(str):
    """A repository that Trivy renews a database from."""

    __slots__ = ()
    SYNTAX = "an image name such as mirror.example.com/aquasec/trivy-db:2"

    @classmethod
    def parse(cls, value: str) -> Repository:
        """Check it; raises `InvalidInput`."""
        Reference.parse(value)
        return cls(value)


class SignatureRepository(str):
    """The repository that holds signatures."""

    __slots__ = ()
    SYNTAX = "a repository such as registry.example.com/signatures, without tag and digest"

    @classmethod
    def parse(cls, value: str) -> SignatureRepository:
        """Check it; raises `InvalidInput`."""
        found = Reference.parse(value)
        if found.tag or found.digest is not None:
            raise InvalidInput(f"{value[:100]!r} names an image", hint=f"write {cls.SYNTAX}")
        return cls(found.name)


class DatabaseAddress(str):
    """An address that Grype renews its database from."""

    __slots__ = ()
    SYNTAX = "an address such as https://mirror.example.com/grype/databases"

    @classmethod
    def parse(cls, value: str) -> DatabaseAddress:
        """Check it; raises `InvalidInput`."""
        host = urlsplit(value).hostname if _is_address(value, ("https", "http")) else None
        if (
            not host
            or "@" in value
            or (not value.startswith("https:") and host not in ("localhost", "127.0.0.1", "::1"))
        ):
            raise InvalidInput(
                "this is no address of a database", hint="write https://HOST/PATH, without a password"
            )
        return cls(value)


class RegistryEntry(Options):
    """What differs for one registry."""

    mirrors: Annotated[
        tuple[Mirror, ...],
        describe(
            "Asked before the registry, in this order: hosts, perhaps with a path before all repositories."
        ),
    ] = ()
    token_hosts: Annotated[
        tuple[Host, ...],
        describe("Hosts beside its own that may be told its credentials, to get a token from."),
    ] = ()
    ca_file: Annotated[
        Text | UnsetType, describe("A PEM file of certificates that it is believed by, beside the system's.")
    ] = UNSET
    client_certificate: Annotated[
        Text | UnsetType, describe("A PEM file of the certificate that it is shown, perhaps with its key.")
    ] = UNSET
    client_key: Annotated[Text | UnsetType, describe("A PEM file of that certificate's key.")] = UNSET
    plain_http: Annotated[
        bool, describe("Whether it is asked without TLS, where anyone on the way can change the answer.")
    ] = False

    signature_repository: Annotated[
        SignatureRepository | UnsetType,
        describe(
            "The repository that holds the signatures of all its images, instead of each image's own (cosign: COSIGN_REPOSITORY)."
        ),
    ] = UNSET


class DatabaseSources(Options):
    """Where scanners renew their databases from."""

    trivy_sources: Annotated[
        tuple[Repository, ...], describe("Repositories of Trivy's database, tried in this order.")
    ] = ()
    trivy_java_sources: Annotated[
        tuple[Repository, ...], describe("Repositories of Trivy's Java database, tried in this order.")
    ] = ()
    grype_sources: Annotated[
        tuple[DatabaseAddress, ...], describe("Addresses of Grype's databases, tried in this order.")
    ] = ()
    kev_sources: Annotated[
        tuple[DatabaseAddress, ...],
        describe("Addresses of CISA's list of exploited vulnerabilities, JSON or CSV, tried in this order."),
    ] = ()
    epss_sources: Annotated[
        tuple[DatabaseAddress, ...],
        describe("Addresses of FIRST's exploit predictions, CSV or CSV.gz, tried in this order."),
    ] = ()


class ConfigurationFile(Options):
    """A configuration file."""

    schema: Annotated[Literal[1], describe("The version of this format.")]
    registries: Annotated[dict[str, Any], describe("What differs for some registries, by `host[:port]`.")] = (
        field(default_factory=dict)
    )
    proxy: Annotated[
        ProxyAddress | UnsetType,
        describe("The proxy of every request to registries, instead of the environment's."),
    ] = UNSET
    scanners: Annotated[DatabaseSources, describe("Where scanners renew their databases from.")] = (
        DatabaseSources()
    )


def configuration_schema() -> dict[str, Any]:
    """Return the JSON schema of configuration files."""
    (reference, entry), definitions = json_schema(ConfigurationFile, RegistryEntry)
    root = definitions.pop(reference["$ref"].rpartition("/")[2])
    root["properties"]["registries"]["additionalProperties"] = entry
    return {
        "$schema": SCHEMA_URL,
        **root,
        "title": "image-gate configuration",
        "$defs": dict(sorted(definitions.items())),
    }


def read(path: Path) -> Configuration:
    """Read a file; raises `InvalidInput` with line and column."""
    try:
        with path.open("rb") as file:
            data = file.read(document.DOCUMENT_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"the configuration {str(path)!r} cannot be read: {reason}") from None
    return _configuration(document.parse(data, str(path)), path)


def _configuration(root: Node, path: Path) -> Configuration:
    """Turn a document into the configuration."""
    sections = root.mapping("the configuration")
    file = decode(root, ConfigurationFile, "")
    hosts: dict[str, HostSettings] = {}
    for name, node in (sections["registries"].value if "registries" in sections else {}).items():
        host, place = _host(name, node.key or node.mark)
        if host in hosts:
            raise InvalidInput(f"{place}: registries has {host!r} a second time", hint="keep one of them")
        hosts[host] = _settings(node, f"registries.{name}", path.parent)
    sources = file.scanners
    return Configuration(
        origin=str(path),
        hosts=hosts,
        proxy=file.proxy or "",
        trivy_sources=sources.trivy_sources,
        trivy_java_sources=sources.trivy_java_sources,
        grype_sources=sources.grype_sources,
        feed_sources={
            name: addresses
            for name, addresses in (("kev", sources.kev_sources), ("epss", sources.epss_sources))
            if addresses
        },
    )


def _host(name: str, place: Mark) -> tuple[str, Mark]:
    """Return a registry as names are compared by it, and where it stands; a word alone would be no registry in a name."""
    try:
        pattern = Pattern.parse(name)
        if pattern.segments or pattern.registry.startswith("*."):
            raise InvalidInput("a path or a pattern")
    except InvalidInput:
        raise InvalidInput(
            f"{place}: registries: {redacted(name)[:100]!r} is no registry",
            hint="write registry.example.com[:PORT]",
        ) from None
    return pattern.registry, place


def _settings(node: Node, label: str, folder: Path) -> HostSettings:
    """Decode what is said of one registry; files are named from the configuration's folder."""
    entry = decode(node, RegistryEntry, label)
    files = {}
    for key in ("ca-file", "client-certificate", "client-key"):
        stated = node.value.get(key)
        files[key] = "" if stated is None else _file(stated, f"{label}.{key}", folder)
    if files["client-key"] and not files["client-certificate"]:
        place = node.value["client-key"].key
        raise InvalidInput(f"{place}: {label} has a client-key, and no client-certificate", hint="state both")
    return HostSettings(
        mirrors=entry.mirrors,
        token_hosts=entry.token_hosts,
        ca_file=files["ca-file"],
        client_certificate=files["client-certificate"],
        client_key=files["client-key"],
        plain_http=entry.plain_http,
        signature_repository=entry.signature_repository or "",
    )


def _file(node: Node, label: str, folder: Path) -> str:
    """Return the path of a file that can be read: a mistake is found before any work."""
    path = folder / os.path.expanduser(str(node.value))
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise InvalidInput(f"{node.mark}: {label}: {str(path)!r} is not a file that can be read")
    return os.path.abspath(path)


def _is_address(value: str, schemes: tuple[str, ...]) -> bool:
    """Whether a text is an address with a host, of one of the schemes, in visible characters."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    return bool(_WORD.fullmatch(value)) and parts.scheme in schemes and bool(parts.hostname) and port != 0
