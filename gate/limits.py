"""Every bound on size, count and time, in one place, each with its reason.

There is no "unlimited": what passes a bound is refused, and the message names the bound.
"""

from __future__ import annotations

from msgspec import Struct

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Limits(Struct, frozen=True):
    """The bounds of one run; sizes in bytes, times in seconds."""

    document: int = 4 * MIB
    """A manifest, index or configuration: registries refuse larger manifests, and a parser needs many times the size."""
    documents: int = 32 * MIB
    """All documents that one reference leads to: a hundred images saved together stay below 8 MiB."""
    json_depth: int = 64
    """Nesting of a JSON document: real ones stay below ten, and recursive readers break near a thousand."""
    json_digits: int = 32
    """Digits of a JSON number: 64-bit integers have 19, and converting long ones costs quadratic time."""
    manifests: int = 1_000
    """Entries of an index: the widest official images list about forty."""
    index_depth: int = 4
    """Index in index: one level is common, two are legal and rare."""
    layers: int = 500
    """Layers of an image: container engines stop at 127."""
    chunk: int = 1 * MIB
    """One step of reading and inflating: large enough that the interpreter lock is released nearly all the time,
    small enough that a few layers in flight stay within memory."""
    layer_expanded: int = 64 * GIB
    """A layer's tar stream: machine-learning images reach tens of GiB."""
    layer_ratio: int = 200
    """Expanded over compressed size, once `ratio_floor` is passed: deflate itself ends near 1,030, honest layers below 100."""
    ratio_floor: int = 1 * GIB
    """Below this expanded size the ratio does not matter: sparse and log files of honest images compress extremely well."""
    member_size: int = 48
    """Stored bytes of a gzip member or zstd frame, on average. eStargz and zstd:chunked have one or two for each file, and
    its tar header alone takes 100; starting one can take as long as expanding 20 KiB, and the smallest has eight."""
    members_floor: int = 1_000
    """Members or frames whose size does not matter: some writers end with empty ones, and small layers consist of little else."""
    tar_record: int = 1 * MIB
    """A PAX header or GNU long name: Go's archive/tar stops there too."""
    path: int = 4_096
    """Bytes of a path or link target: PATH_MAX."""
    path_components: int = 255
    """Components of a path; squashing costs time per component."""
    layer_entries: int = 500_000
    """Entries of a layer; packed they take about 100 bytes each."""
    image_entries: int = 1_000_000
    """Entries of all layers of an image together."""
    index_total: int = 128 * MIB
    """What the layer indexes of an image may take: paths, link targets, attributes and some 64 bytes for each entry. A
    million entries with usual paths fit; without it 500,000 long names, or attributes of a MiB each, would fill memory."""
    links: int = 40
    """Symbolic links followed in one look-up: MAXSYMLINKS of Linux."""
    lookup_steps: int = 1_024
    """Components walked in one look-up, those of link targets included; real ones stay below a hundred."""
    link_steps: int = 5_000_000
    """Components walked to find the directories that entries lie in, all layers together: real images stay below a
    hundredth, and deep paths and chains of links would multiply with the number of entries."""
    kept_file: int = 64 * MIB
    """One file whose content is evidence: the largest package databases (sqlite, a full desktop) are near 50 MiB."""
    kept_total: int = 96 * MIB
    """All kept contents of an image together, so that the gate stays within 256 MiB."""
    database_files: int = 10_000
    """Files that tell what is installed: pacman keeps one for each package, and nothing else keeps as many."""
    archive_members: int = 10_000
    """Members of an image archive: 500 layers need about a thousand."""
    references: int = 10_000
    """References of one run."""
    run_seconds: float = 900.0
    """One run, unless `--timeout` says otherwise."""
    scanner_seconds: float = 600.0
    """One scanner on one image, unless `--scanner-timeout` says otherwise."""
    scanner_output: int = 256 * MIB
    """A scanner's report: 10,000 findings with all their texts stay below 64 MiB."""
    scanner_log: int = 8 * MIB
    """A scanner's standard error, of which only the end is ever shown."""


LIMITS = Limits()
