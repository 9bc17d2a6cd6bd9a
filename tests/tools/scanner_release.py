"""Add a release of a scanner to the shipped table, from the checksum file that was published with it.

    scanner_release.py SCANNER VERSION CHECKSUMS [SIGNED-BY]

CHECKSUMS is the file's address (https, or http on this machine) or path. Verify its signature first, with the tool that
the project publishes for that, and say in SIGNED-BY how: it goes into the table beside the address. Nothing of a release
is downloaded but this file. A platform of which the file holds no archive stays out of the table.
"""

from __future__ import annotations

import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gate.scanners.approval import TABLE, parse_table

LONGEST = 1 << 20
NAMES = {
    "trivy": "trivy_{version}_{platform}.tar.gz",
    "grype": "grype_{version}_{platform}.tar.gz",
}
ADDRESSES = {
    "trivy": "https://github.com/aquasecurity/trivy/releases/download/v{version}/",
    "grype": "https://github.com/anchore/grype/releases/download/v{version}/",
}
PLATFORMS = {
    "trivy": {
        "darwin/amd64": "macOS-64bit",
        "darwin/arm64": "macOS-ARM64",
        "linux/amd64": "Linux-64bit",
        "linux/arm/v7": "Linux-ARM",
        "linux/arm64": "Linux-ARM64",
    },
    "grype": {
        "darwin/amd64": "darwin_amd64",
        "darwin/arm64": "darwin_arm64",
        "linux/amd64": "linux_amd64",
        "linux/arm64": "linux_arm64",
    },
}
LINE = re.compile(r"([0-9a-f]{64})  ?\*?([!-~]+)")


def read(place: str) -> str:
    """Read the checksum file."""
    if "://" not in place:
        return Path(place).read_text(encoding="ascii")
    if not place.startswith(("https://", "http://127.0.0.1:")):
        raise SystemExit(f"{place}: only https, or http on this machine")
    with urllib.request.urlopen(place, timeout=60) as answer:
        data: bytes = answer.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise SystemExit(f"{place} is no checksum file: it has more than {LONGEST:,} bytes")
    return data.decode("ascii")


def checksums(text: str) -> dict[str, str]:
    """Return digests by file name; every line must be one, and every name stand once."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None or match[2] in found:
            raise SystemExit(f"this is no line of a checksum file, or its name stands twice: {line[:200]!r}")
        found[match[2]] = match[1]
    return found


def entries(
    scanner: str, version: str, found: dict[str, str], sources: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield the entries of the platforms that the file has an archive of."""
    for platform, word in sorted(PLATFORMS[scanner].items()):
        name = NAMES[scanner].format(version=version, platform=word)
        if name in found:
            yield {
                "scanner": scanner,
                "version": version,
                "platform": platform,
                "address": ADDRESSES[scanner].format(version=version) + name,
                "archive": f"sha256:{found[name]}",
                "program": "",
                "sources": sources,
            }


def added(table: bytes, new: list[dict[str, Any]]) -> bytes:
    """Return the table with new entries; one that is there already must say the same."""
    import json

    parse_table(table)
    document: dict[str, Any] = json.loads(table)
    known = {(one["scanner"], one["version"], one["platform"]): one for one in document["releases"]}
    for entry in new:
        key = entry["scanner"], entry["version"], entry["platform"]
        before = known.get(key)
        if before is not None and before["archive"] != entry["archive"]:
            raise SystemExit(
                f"{' '.join(key)} was seen with another digest: {before['archive']}; find out which is right"
            )
        known[key] = entry if before is None else {**before, "sources": _joined(before, entry)}
    document["releases"] = [known[key] for key in sorted(known)]
    data = (json.dumps(document, indent=2) + "\n").encode()
    parse_table(data)
    return data


def _joined(before: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    """Return the sources of both, each once."""
    return list(dict.fromkeys([*before["sources"], *entry["sources"]]))


def main(arguments: list[str], table: Path = TABLE) -> None:
    """Add one release."""
    if len(arguments) not in (3, 4) or arguments[0] not in NAMES:
        raise SystemExit(__doc__)
    scanner, version, place, *signed = arguments
    new = list(entries(scanner, version, checksums(read(place)), [place, *signed]))
    if not new:
        raise SystemExit(f"{place} holds no archive of {scanner} {version}")
    table.write_bytes(added(table.read_bytes(), new))
    print(f"{scanner} {version}: {', '.join(entry['platform'] for entry in new)}")


if __name__ == "__main__":
    main(sys.argv[1:])
