"""Archives and times as both scanners' databases state them; equal input gives equal bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from datetime import datetime


def tar_gz(files: Mapping[str, bytes], modified: datetime) -> bytes:
    """A gzip-compressed tar of these files, all modified at the same time."""
    seconds = int(modified.timestamp())
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size, header.mtime = len(data), seconds
            archive.addfile(header, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=seconds)


def rfc3339(moment: datetime) -> str:
    """A moment in UTC in whole seconds, for example `2026-11-23T15:22:26Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
