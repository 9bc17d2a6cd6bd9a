"""Feeds of what is exploited: CISA's catalogue (KEV) and FIRST's scores (EPSS), read strictly from files as they are published.

KEV is the JSON or CSV of https://www.cisa.gov/known-exploited-vulnerabilities-catalog, EPSS the CSV of
https://www.first.org/epss/data_stats, each perhaps compressed. A file with one entry that cannot be read is no feed: what
it lists there would be missed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from gate.errors import Unavailable
from gate.evidence import Database, Feed
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.stream import expanded
from gate.scanners import ScannerSettings, report
from gate.scanners.download import bounded

FILE, RECORD = "feed", "fetched.json"
"""The file as it was published, and when it was fetched from where."""
_CLOCKS_DIFFER = timedelta(days=1)
"""How far a date may lie ahead: one in the future would never be too old, and keep every later list out."""
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,12}", re.ASCII)
_NUMBER = r"(?:0(?:\.[0-9]{1,20})?|1(?:\.0{1,20})?|[0-9](?:\.[0-9]{1,20})?e-(?:0[1-9]|[1-9][0-9]?))"
"""A number from 0 to 1, also as in 1e-05."""
_SCORE = re.compile(rf"CVE-[0-9]{{4}}-[0-9]{{4,12}},{_NUMBER},{_NUMBER}\r?\n", re.ASCII)
_HEAD = re.compile(r"#model_version:([!-+\--~]{1,60}),score_date:([!-+\--~]{1,60})", re.ASCII)
_KEV_COLUMNS = ("cveID", "dateAdded")


class FeedKind(Struct, frozen=True):
    """One feed: its name and folder, what messages call it, where it is published, and how its text is read.

    `parse` takes the text and the CVEs that are asked about, and keeps nothing of others.
    """

    name: str
    what: str
    sources: tuple[str, ...]
    parse: Callable[[str, Collection[str]], Parsed]


class Parsed(Struct, frozen=True):
    """What a feed says: its version and date, and of the CVEs that were asked about which are listed, with their score."""

    version: str
    dated: datetime
    known: frozenset[str] = frozenset()
    scores: Mapping[str, float] = {}


class Record(Struct, frozen=True):
    """When a feed was fetched, and from where."""

    source: str
    fetched: Annotated[datetime, Meta(tz=True)]


class _Entry(Struct, frozen=True):
    cve: Annotated[str, Meta(pattern=r"\ACVE-[0-9]{4}-[0-9]{4,12}\Z")] = field(name="cveID")
    added: date = field(name="dateAdded")


class _Catalogue(Struct, frozen=True, rename="camel"):
    catalog_version: Annotated[str, Meta(max_length=60)]
    date_released: str
    count: int
    vulnerabilities: list[_Entry]


def folder_of(settings: ScannerSettings) -> Path:
    """Return where the feeds are; raises `Unavailable` where nobody said."""
    if settings.feeds is None:
        raise Unavailable(
            "it was not said where feeds are kept", hint="give ScannerSettings a folder, `feeds`"
        )
    return settings.feeds


def read_feed(kind: FeedKind, place: Path, asked: Collection[str] = ()) -> Feed:
    """Read a feed below `place`, with what it says of the CVEs `asked` about; raises `Unavailable` for one that is no good."""
    folder, hint = place / kind.name, f"fetch it with: image-gate db update {kind.name}"
    try:
        data = _read(folder / FILE)
    except OSError as error:
        raise Unavailable(f"there is no {kind.what} here: {error.strerror}", hint=hint) from None
    record = read_record(folder)
    try:
        chunks = bounded(expanded(iter([data]), f"the {kind.what}"), LIMITS.feed)
        parsed = kind.parse(b"".join(chunks).decode("utf-8-sig"), asked)
        if parsed.dated > datetime.now(UTC) + _CLOCKS_DIFFER:
            raise ValueError(f"it is of {parsed.dated:%Y-%m-%d}, which lies ahead, so its age means nothing")
    except (Unavailable, ValueError, csv.Error) as error:
        raise Unavailable(f"the {kind.what} cannot be read: {str(error)[:300]}", hint=hint) from None
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Feed(
        database=Database(parsed.version, parsed.dated, digest),
        source="" if record is None else record.source,
        known=parsed.known,
        scores=parsed.scores,
    )


def read_record(folder: Path) -> Record | None:
    """Return when a feed was fetched and from where; None where that cannot be told."""
    try:
        return report.read(folder / RECORD, Record, "record of a feed", limit=LIMITS.answer)
    except Unavailable:
        return None


def write_record(folder: Path, source: str) -> None:
    """Note that a feed was fetched now."""
    (folder / RECORD).write_bytes(msgspec.json.encode(Record(str(source), datetime.now(UTC))))


def _read(path: Path) -> bytes:
    """Read a file as it was published, no further than the limit."""
    with path.open("rb") as file:
        return b"".join(bounded(iter(lambda: file.read(LIMITS.chunk), b""), LIMITS.feed))


def _kev(text: str, asked: Collection[str]) -> Parsed:
    """Read CISA's catalogue; raises `ValueError` or `Unavailable` for what is none."""
    found = _kev_json(text) if text.lstrip().startswith("{") else _kev_csv(text)
    if not found[2]:
        raise ValueError("it holds no entries")
    if len(set(found[2])) != len(found[2]):
        raise ValueError("it lists a CVE twice")
    return Parsed(found[0], found[1], frozenset(found[2]).intersection(asked))


def _kev_json(text: str) -> tuple[str, datetime, list[str]]:
    """Read the catalogue as JSON: version, date, CVEs."""
    parsed = strict_json.parse(text.encode(), "the catalogue", limit=LIMITS.feed)
    try:
        catalogue = msgspec.convert(parsed, _Catalogue)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if catalogue.count != len(catalogue.vulnerabilities):
        raise ValueError(f"it states {catalogue.count} entries and has {len(catalogue.vulnerabilities)}")
    dated = report.moment(catalogue.date_released, "the date of the catalogue")
    return catalogue.catalog_version, dated, [entry.cve for entry in catalogue.vulnerabilities]


def _kev_csv(text: str) -> tuple[str, datetime, list[str]]:
    """Read the catalogue as CSV, which states no date of its own: it is as old as its newest entry."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    head = next(rows, [])
    if not all(head.count(name) == 1 for name in _KEV_COLUMNS):
        raise ValueError(f"its first line does not name the columns {' and '.join(_KEV_COLUMNS)} once each")
    cves, newest = [], date.min
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"line {rows.line_num} has {len(row)} columns, not {len(head)}")
        entry = dict(zip(head, row, strict=True))
        if not _CVE.fullmatch(entry["cveID"]):
            raise ValueError(f"line {rows.line_num} names no CVE")
        newest = max(newest, date.fromisoformat(entry["dateAdded"]))
        cves.append(entry["cveID"])
    return "CSV", datetime(newest.year, newest.month, newest.day, tzinfo=UTC), cves


def _epss(text: str, asked: Collection[str]) -> Parsed:
    """Read FIRST's scores; raises `ValueError` or `Unavailable` for what are none."""
    first, _, rest = text.partition("\n")
    columns, _, rows = rest.partition("\n")
    head = _HEAD.fullmatch(first.rstrip("\r"))
    if head is None or columns.rstrip("\r") != "cve,epss,percentile":
        raise ValueError("its first two lines are not those of EPSS scores")
    if not rows:
        raise ValueError("it holds no entries")
    if wrong := _SCORE.sub("", rows):
        raise ValueError(f"{wrong[:60]!r} is no CVE with two numbers from 0 to 1, on a line of its own")
    wanted, scores = frozenset(asked), {}
    for line in rows.splitlines():
        cve, _, numbers = line.partition(",")
        if cve in wanted:
            if cve in scores:
                raise ValueError(f"it lists {cve} twice")
            scores[cve] = float(numbers.partition(",")[0])
    return Parsed(head[1], report.moment(head[2], "the date of the scores"), scores=scores)


KEV = FeedKind(
    "kev",
    "catalogue of exploited vulnerabilities (KEV)",
    (
        "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        "https://raw.githubusercontent.com/cisagov/kev-data/develop/known_exploited_vulnerabilities.json",
    ),
    _kev,
)
EPSS = FeedKind(
    "epss",
    "list of exploit predictions (EPSS)",
    ("https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",),
    _epss,
)
FEEDS: Mapping[str, FeedKind] = {kind.name: kind for kind in (KEV, EPSS)}
"""The feeds by name."""
