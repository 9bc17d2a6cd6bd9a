"""Options: how one is declared, and what it may hold."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

from gate.errors import InvalidInput
from gate.limits import GIB, KIB, MIB

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

F = TypeVar("F", bound=Callable[..., Any])


class Folder(click.Path):
    """A folder, as a `Path`. That class is imported when a folder is named: it takes 3 ms, and most runs need none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check that it is none of another kind of file; raises click's usage error."""
        from pathlib import Path

        return Path(os.fsdecode(super().convert(value, param, ctx)))


FOLDER = Folder(file_okay=False)


def option(name: str, *, help: str, field: str = "", short: str = "", **settings: Any) -> Callable[[F], F]:  # noqa: A002 -- click's word
    """Declare the option `--name`, which the variable `IMAGE_GATE_NAME` sets where the command line does not."""
    declared = [field or name.replace("-", "_"), *([f"-{short}"] if short else []), f"--{name}"]
    variable = f"IMAGE_GATE_{name.upper().replace('-', '_')}"
    settings.setdefault("show_default", "default" in settings)
    return click.option(*declared, help=help, envvar=variable, **settings)


class Seconds(click.ParamType[float]):
    """A time limit in seconds or with a unit: `90`, `90s`, `15m`, `1h`. There is no "unlimited"."""

    name = "time"
    units: ClassVar[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600}
    longest, longest_text = 24 * 3600, "24 hours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; raises click's usage error."""
        text = str(value)
        unit = self.units.get(text[-1:])
        digits = text[:-1] if unit else text
        if not (digits.isascii() and digits.isdigit() and len(digits) < 9):
            self.fail(f"{text!r} is no time; write seconds, or 90s, 15m, 1h.", param, ctx)
        seconds = int(digits) * (unit or 1)
        if not 1 <= seconds <= self.longest:
            self.fail(f"{text!r} is not between 1 second and {self.longest_text}.", param, ctx)
        return float(seconds)


SECONDS = Seconds()


class Age(Seconds):
    """How old something may be: as a time limit, and also in days: `36h`, `7d`."""

    units: ClassVar[Mapping[str, int]] = {**Seconds.units, "d": 24 * 3600}
    longest, longest_text = 365 * 24 * 3600, "365 days"


AGE = Age()


class Day(click.ParamType["date"]):
    """A day in UTC: `2026-12-31`."""

    name = "date"
    years = range(2013, 2100)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read it; raises click's usage error."""
        from datetime import date

        text = str(value)
        written = re.fullmatch("([0-9]{4})-([0-9]{2})-([0-9]{2})", text, re.ASCII)
        try:
            day = date(*map(int, written.groups())) if written else date.min
        except ValueError:
            day = date.min
        if day.year not in self.years:
            self.fail(f"{text!r} is no day; write one from 2013 to 2099, as in 2026-12-31.", param, ctx)
        return day


DAY = Day()


class Size(click.ParamType[int]):
    """A number of bytes, or one with a unit: `500MiB`, `20GiB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; raises click's usage error."""
        found = re.fullmatch("([0-9]{1,12})(|KiB|MiB|GiB)", str(value), re.ASCII)
        if found is None:
            self.fail(f"{str(value)!r} is no size; write bytes, or 500MiB, 20GiB.", param, ctx)
        return int(found[1]) * {"": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}[found[2]]


SIZE = Size()


@contextmanager
def cache_place(chosen: Path | None, *, keep: bool) -> Iterator[Callable[[], Path]]:
    """Give what finds the cache folder, which few runs need; where nothing is to be kept, one that is removed afterwards."""
    if keep:
        yield lambda: cache_folder(chosen)
        return
    if chosen is not None:
        raise InvalidInput("--cache-dir and --no-cache contradict each other", hint="choose one")
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="image-gate-", ignore_cleanup_errors=True) as folder:
        yield lambda: Path(folder)


def cache_folder(chosen: Path | None) -> Path:
    """Return the folder for working files and databases: the one chosen, else ours in the user's cache folder."""
    if chosen is not None:
        return chosen.absolute()
    import platformdirs

    return platformdirs.user_cache_path("image-gate")
