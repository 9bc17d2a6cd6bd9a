"""`image-gate except`: add exceptions to a policy, list them, and remove those that have expired."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

import click
import msgspec

from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.output import write_file, write_stdout
from gate.errors import InvalidInput
from gate.options import suggestion
from gate.policy import document
from gate.policy.catalogue import Catalogue
from gate.policy.edit import Entry, with_exception, without_exceptions
from gate.policy.exceptions import PolicyException
from gate.policy.exceptions_file import read_exceptions, read_exceptions_file
from gate.policy.load import find, from_bytes
from gate.printable import shown

EMPTY = b"schema: 1\nexceptions: []\n"
"""What a file of exceptions starts from."""
NOTICE_DAYS = 14
"""Where no policy says it: an exception that ends within so many days is said to."""

FILE = click.argument("path", metavar="[FILE]", required=False)


class Target(msgspec.Struct, frozen=True):
    """A file that holds exceptions: a policy with what its files hold, or a file of exceptions."""

    path: str
    data: bytes
    is_policy: bool
    own: tuple[PolicyException, ...]
    notice_days: int = NOTICE_DAYS
    files: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str) -> Target:
        """Read a file strictly; raises `InvalidInput`."""
        try:
            with open(path, "rb") as file:
                data = file.read(document.DOCUMENT_LIMIT + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InvalidInput(
                f"{path!r} cannot be read: {reason}", hint="name a policy or a file of exceptions"
            ) from None
        return cls.of(path, data)

    @classmethod
    def of(cls, path: str, data: bytes) -> Target:
        """Read what would lie at a path; raises `InvalidInput`."""
        rules = Catalogue()
        sections = document.parse(data, path).mapping("the file")
        if not {"rules", "extends"} & sections.keys():
            return cls(path, data, False, read_exceptions_file(data, path, rules))
        policy = from_bytes(data, path, rules)
        own = read_exceptions(sections["exceptions"], rules) if "exceptions" in sections else ()
        files = (
            [str(node.value) for node in sections["exceptions-files"].value]
            if "exceptions-files" in sections
            else []
        )
        places = tuple(os.path.join(os.path.dirname(path), name) for name in dict.fromkeys(files))
        return cls(path, data, True, own, policy.exceptions_notice_days, places)

    def all(self) -> tuple[Target, ...]:
        """Return this file, and those that it names."""
        return (self, *(Target.read(path) for path in self.files))


@click.group(
    "except",
    epilog=EXIT_CODES,
    no_args_is_help=False,
    short_help="Add, list and prune exceptions of a policy.",
)
def COMMAND() -> None:  # noqa: N802 -- a constant: the command
    """Add, list and prune exceptions: accepted deviations, each narrow, reasoned and for a time.

    FILE is a policy or a file of exceptions (`exceptions-files` in the policy); without it, the policy that `check` would
    use here. Only the lines of the exceptions concerned change: comments and everything else stay as they are.
    """


@COMMAND.command(epilog=EXIT_CODES, short_help="Add an exception.")
@click.argument("rule", metavar="RULE")
@click.option("--id", "id_", metavar="ID", help="The finding's id, such as a CVE.")
@click.option("--package", metavar="NAME|PURL", help="A package by name or package URL.")
@click.option("--versions", metavar="RANGE", help="Versions of the package, such as '>=1.2 <1.4'.")
@click.option(
    "--path", "path_", metavar="PATTERN", help="A path in the image; * stays within one segment, ** does not."
)
@click.option("--layer", metavar="DIFF_ID", help="The diff ID of a layer.")
@click.option("--images", metavar="PATTERN", multiple=True, help="Image names or digests. Can be repeated.")
@click.option(
    "--until", metavar="YYYY-MM-DD", required=True, help="The last day on which it applies, in UTC."
)
@click.option("--reason", metavar="TEXT", required=True, help="Why this is acceptable.")
@click.option("--owner", metavar="TEXT", help="Who answers for it.")
@click.option("--link", metavar="URL", help="Where it was decided.")
@click.option(
    "--file", "path", metavar="FILE", help="The policy, or a file of exceptions, which is made if need be."
)
def add(path: str | None, until: str, **chosen: str | tuple[str, ...] | None) -> Exit:
    """Add an exception from RULE; it names an id, package, path, layer or images, as narrowly as will do.

    The result is read as strictly as `check` reads it, and nothing is written if it is not valid.
    """
    entry = _entry(until, chosen)
    path = path or _found()
    new = not os.path.lexists(path)
    target = Target.of(path, EMPTY) if new else Target.read(path)
    changed = Target.of(path, with_exception(target.data, path, entry))
    _write([changed])
    added = changed.own[-1]
    write_stdout(f"{shown(path)}: excepted until {added.until}: {shown(added.summary)}\n")
    if new:
        name = shown(os.path.basename(path))
        write_stdout(f"{shown(path)} is new; name it in the policy: `exceptions-files: [{name}]`\n")
    return Exit.PASS


@COMMAND.command("list", epilog=EXIT_CODES, short_help="List exceptions and when they end.")
@FILE
def list_(path: str | None) -> Exit:
    """List the exceptions of FILE and of the files that it names, those that end soonest first."""
    today = datetime.now(UTC).date()
    target = Target.read(path or _found())
    found = sorted(
        (exception for one in target.all() for exception in one.own), key=lambda exception: exception.until
    )
    write_stdout("".join(_line(exception, today, target.notice_days) for exception in found))
    expired = sum(exception.until < today for exception in found)
    write_stdout(f"{_count(len(found), 'exception')}, {expired} expired\n")
    return Exit.PASS


@COMMAND.command(epilog=EXIT_CODES, short_help="Remove the exceptions that have expired.")
@FILE
def prune(path: str | None) -> Exit:
    """Remove the exceptions that have expired from FILE and from the files that it names, and print them.

    They had no effect any more. Comments stay, also those above what was removed.
    """
    today = datetime.now(UTC).date()
    changed: list[Target] = []
    lines: list[str] = []
    for target in Target.read(path or _found()).all():
        expired = [number for number, exception in enumerate(target.own) if exception.until < today]
        if expired:
            changed.append(Target.of(target.path, without_exceptions(target.data, target.path, expired)))
            lines += [_line(target.own[number], today, NOTICE_DAYS) for number in expired]
    _write(changed)
    write_stdout("".join(lines) + f"{_count(len(lines), 'expired exception')} removed\n")
    return Exit.PASS


def _entry(until: str, chosen: dict[str, str | tuple[str, ...] | None]) -> Entry:
    """Return what is to be written, in the order in which people read it."""
    rules = Catalogue()
    rule = str(chosen["rule"])
    if rule not in rules:
        raise InvalidInput(f"there is no rule {rule[:100]!r}", hint=suggestion(rule, rules))
    last, today = _day(until), datetime.now(UTC).date()
    if last < today:
        raise InvalidInput(
            f"--until {last} has passed", hint=f"name a day to come, such as {today + timedelta(days=90)}"
        )
    images = chosen["images"] or ()
    entry: dict[str, str | date | Sequence[str]] = {"rule": rule}
    for name in ("id_", "package", "versions", "path_", "layer"):
        if value := chosen.get(name):
            entry[name.removesuffix("_")] = str(value)
    if images:
        entry["images"] = images[0] if len(images) == 1 else list(images)
    entry |= {"until": last, "reason": str(chosen["reason"])}
    return {**entry, **{name: str(value) for name in ("owner", "link") if (value := chosen.get(name))}}


def _day(text: str) -> date:
    """Read a day; raises `InvalidInput`."""
    try:
        if len(text) == len("2026-12-31"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidInput(f"--until {text[:40]!r} is no day", hint="write it as 2026-12-31")


def _found() -> str:
    """Return the policy file that `check` would use here; raises `InvalidInput` where there is none."""
    found = find(os.getcwd())
    if found is None:
        raise InvalidInput(
            "there is no policy file here", hint="`image-gate policy init` writes one; or name a file"
        )
    return os.path.relpath(found)


def _line(exception: PolicyException, today: date, notice_days: int) -> str:
    """Return what is told of one exception."""
    days = (exception.until - today).days
    if days < 0:
        status = f"expired {-days} d ago"
    else:
        status = f"expires in {days} d" if days <= notice_days else f"active for {days} d"
    about = "".join(
        f", {word} {text}" for word, text in (("owner", exception.owner), ("link", exception.link)) if text
    )
    facts = f"{exception.summary}: {exception.reason}{about} [{exception.where}]"
    return f"{status:17} {exception.until}  {shown(facts)}\n"


def _count(number: int, noun: str) -> str:
    """Return `1 exception`, `2 exceptions`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _write(targets: Iterable[Target]) -> None:
    """Write files, each whole or not at all."""
    for target in targets:
        write_file(target.path, target.data.decode("utf-8"))
