"""Feeds of what is exploited, in the form in which CISA and FIRST publish them, made from an advisory list."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from samples.databases.advisories import Advisory

_KEV_COLUMNS = (
    "cveID", "vendorProject", "product", "vulnerabilityName", "dateAdded", "shortDescription", "requiredAction", "dueDate",
    "knownRansomwareCampaignUse", "notes", "cwes",
)  # fmt: skip


def kev_json(advisories: Iterable[Advisory], released: datetime) -> bytes:
    """CISA's catalogue as JSON."""
    entries = _entries(advisories)
    document = {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": f"{released:%Y.%m.%d}",
        "dateReleased": f"{released.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.1234Z",
        "count": len(entries),
        "vulnerabilities": [entry | {"cwes": []} for entry in entries],
    }
    return json.dumps(document, indent=4).encode()


def kev_csv(advisories: Iterable[Advisory]) -> bytes:
    """CISA's catalogue as CSV, which states no date of its own."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _KEV_COLUMNS)
    writer.writeheader()
    writer.writerows(entry | {"cwes": ""} for entry in _entries(advisories))
    return text.getvalue().encode()


def epss_csv(scores: Iterable[tuple[str, float, float]], scored: datetime) -> bytes:
    """FIRST's scores: CVE, probability and percentile."""
    head = f"#model_version:v2025.03.14,score_date:{scored.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z\ncve,epss,percentile\n"
    rows = (f"{cve},{round(score, 5)},{round(percentile, 5)}\n" for cve, score, percentile in scores)
    return (head + "".join(rows)).encode()


def write_feeds(folder: Path, advisories: Iterable[Advisory], published: datetime) -> Path:
    """Write both feeds below `folder` as image-gate keeps them, as if it had fetched them when they were published.

    The list has no scores, so every vulnerability that is known to be exploited gets 0.9, every other one 0.01.
    """
    advisories = tuple(advisories)
    scores = [
        (one.id, 0.9 if one.known_exploited else 0.01, 0.5) for one in advisories if one.id.startswith("CVE-")
    ]
    feeds = {
        "kev": kev_json(advisories, published),
        "epss": gzip.compress(epss_csv(scores, published), mtime=0),
    }
    for name, data in feeds.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "feed").write_bytes(data)
        record = {"source": f"https://feeds.example.com/{name}", "fetched": published.isoformat()}
        (folder / name / "fetched.json").write_text(json.dumps(record))
    return folder


def _entries(advisories: Iterable[Advisory]) -> list[dict[str, object]]:
    return [
        {
            "cveID": one.id, "vendorProject": known.vendor, "product": known.product,
            "vulnerabilityName": f"{known.vendor} {known.product} vulnerability", "dateAdded": known.added,
            "shortDescription": "A line,\nwith a comma", "requiredAction": "Apply updates.", "dueDate": known.due,
            "knownRansomwareCampaignUse": known.ransomware, "notes": "",
        }
        for one in advisories
        if (known := one.known_exploited) is not None
    ]  # fmt: skip
