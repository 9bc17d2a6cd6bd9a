"""What the options say about where images come from, shared by the commands that open images."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from gate.cache import open_cache
from gate.cli.options import cache_folder, option
from gate.deadline import Deadline
from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.sources import ENGINE, REGISTRY, Access, Location, SourceSettings

if TYPE_CHECKING:
    from gate.configuration import Configuration
    from gate.registry import Login

F = TypeVar("F", bound=Callable[..., Any])

_PREFER = {"daemon": ENGINE, "registry": REGISTRY}
FILE = click.Path(dir_okay=False)


class SourceOptions(msgspec.Struct, frozen=True):
    """What was asked for, one field per option."""

    prefer: str | None
    username: str | None
    password_stdin: bool
    ca_file: str | None
    config: str | None

    @classmethod
    def taken_from(cls, chosen: dict[str, Any]) -> SourceOptions:
        """Take our options out of what a command was called with."""
        return cls(**{name: chosen.pop(name) for name in cls.__struct_fields__})


def source_options(command: F) -> F:
    """Declare the options on a command."""
    declared = (
        option(
            "from",
            field="prefer",
            type=click.Choice(list(_PREFER)),
            help="Where plain names are looked for, instead of in the container engine and then in their registry.",
        ),
        option("username", metavar="NAME", help="User name for the one registry that the references name."),
        option("password-stdin", is_flag=True, help="Read its password from standard input."),
        option(
            "ca-file",
            type=FILE,
            help="PEM file of certificates that registries are believed by, beside the system's.",
        ),
        option(
            "config",
            type=FILE,
            help="Configuration file, instead of the one in the user's configuration folder.",
        ),
    )
    for declare in reversed(declared):
        command = declare(command)
    return command


def configuration(options: SourceOptions) -> Configuration:
    """Load the configuration."""
    from gate.configuration import load

    return load(options.config)


def settings(
    options: SourceOptions,
    locations: Iterable[Location],
    configured: Configuration,
    environment: Mapping[str, str] | None = None,
) -> SourceSettings:
    """Return what options and configuration come to for these references; raises `InvalidInput`."""
    if options.ca_file is not None and not os.access(options.ca_file, os.R_OK):
        raise InvalidInput(
            f"--ca-file {options.ca_file} cannot be read", hint="name a PEM file of certificates"
        )
    registry = msgspec.structs.replace(
        configured.registries(os.environ if environment is None else environment),
        login=_login(options, locations),
        ca_file="" if options.ca_file is None else os.path.abspath(options.ca_file),
    )
    return SourceSettings(registry=registry, prefer=_PREFER[options.prefer] if options.prefer else "")


@contextmanager
def access(chosen: SourceSettings, deadline: Deadline) -> Iterator[Access]:
    """Give what opening images may use, with the user's cache."""
    with open_cache(lambda: cache_folder(None)) as cache, Access(chosen, deadline, cache) as opened:
        yield opened


def _login(options: SourceOptions, locations: Iterable[Location]) -> Login | None:
    """Return the login that was stated, for a single registry: a password must not reach one that someone else names."""
    if not options.username and not options.password_stdin:
        return None
    if not options.username or not options.password_stdin:
        raise InvalidInput(
            "--username and --password-stdin belong together",
            hint='printf %s "$PASSWORD" | image-gate check --username NAME --password-stdin REF; or use docker login',
        )
    asked = {location.name.registry for location in locations if location.name and location.source != ENGINE}
    if len(asked) != 1:
        named = ", ".join(sorted(asked)[:5]) or "none"
        raise InvalidInput(
            f"--username is for one registry, and the references name {len(asked)}: {named}",
            hint="use docker login for each registry: its credentials go there alone",
        )
    if ":" in options.username or not options.username.isprintable():
        raise InvalidInput("--username holds a colon or characters that cannot be seen")
    from gate.registry import Login

    return Login(options.username, _password(), tuple(asked))


def _password() -> str:
    """Read a password from standard input, without the line break that ends it; no message repeats it."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInput(
            "--password-stdin reads no terminal", hint='pipe it: printf %s "$PASSWORD" | image-gate …'
        )
    data = sys.stdin.buffer.read(LIMITS.password + 1)
    if len(data) > LIMITS.password:
        raise InvalidInput(f"the password on standard input has more than {LIMITS.password:,} bytes")
    try:
        password = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InvalidInput("the password on standard input is not UTF-8") from None
    if not password or any(character in password for character in "\r\n\0"):
        raise InvalidInput("the password on standard input is empty or has several lines")
    return password
