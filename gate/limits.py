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
    chunk: int = 512 * KIB
    """One step of reading and inflating: large enough that the interpreter lock is released nearly all the time, small
    enough that what was inflated is still in the processor's cache when it is hashed, which saves 1 % of the pass."""
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
    engine_export: int = 128 * GIB
    """What a container engine exports for one image: layers come expanded, and a disk must not be filled without end."""
    engine_answer: int = 16 * MIB
    """What an engine says of an image or of itself: an image's configuration, up to twice, and a line for each name."""
    engine_seconds: float = 60.0
    """An engine's answer: these are look-ups, and an image of many gigabytes is inspected in milliseconds."""
    engine_silence: float = 120.0
    """Between two pieces of an export, once it has begun: engines read it from a disk. Only the run's time bounds how
    long an engine may prepare an export, because older ones write it to a disk of theirs first."""
    references: int = 10_000
    """References of one run."""
    cache_bytes: int = 20 * GIB
    """Blobs, indexes and scans that the cache folder keeps, unless `cache prune` is told otherwise: some fifty large images."""
    cached_index: int = 32 * MIB
    """One kept index: 300,000 entries. Writing one takes its size in memory a second time."""
    cached_scan: int = 64 * MIB
    """What one scanner said of one image: 10,000 findings with all their texts and 10,000 packages stay below 20 MiB."""
    signed_scans: int = 4 * MIB
    """What all scanners said of one image, packed for a signed verdict: a tenth of the above, and verdicts are fetched often."""
    bases: int = 1_000
    """Bases that an option or a file lists: each image is compared with every one of them, and a team has dozens."""
    baseline: int = 16 * MIB
    """A baseline: 10,000 findings take 2 MiB, and a few hundred neglected images have some of them each."""
    vex: int = 16 * MIB
    """A VEX document: what a distributor says of all its images stays below 8 MiB."""
    vex_products: int = 200_000
    """Products of such a document, one for each statement and sub-component: they are compared with the image one by one."""
    lookups: int = 20_000
    """Questions to registries in one run beside its images: one for the tag of each reference, and one for each listed
    base and platform. Images can claim to be for any platform."""
    list_file: int = 8 * MIB
    """A file of `--images`: the rendered charts of a whole cluster with their resource definitions stay near 5 MiB."""
    list_line: int = 1 * MIB
    """Characters of a line there: dashboards and applied configurations stand on one line of some 100 KiB."""
    list_values: int = 500_000
    """Keys and values that such a file comes to, aliases and merged keys counted each time they are used: 4 MiB of
    manifests have about as many, and take half a minute and 100 MiB to read."""
    list_depth: int = 128
    """Nesting there: resource definitions describe structures of structures and reach about 60."""
    report: int = 512 * MIB
    """A JSON report of ours that is read again: 10,000 findings with all opinions take 55 MiB, for each image in it."""
    password: int = 64 * KIB
    """A password on standard input: the longest are keys and tokens of cloud registries, with about 3 KiB."""
    answer: int = 1 * MIB
    """A registry's token or error: real ones stay below 16 KiB."""
    redirects: int = 5
    """Redirects of one request: registries send blobs elsewhere once, sometimes twice."""
    retries: int = 3
    """New tries of a request, or of a transfer that brings nothing on: what is still broken then stays so for minutes."""
    pages: int = 1_000
    """Pages of one list: registries give a hundred entries or more on each."""
    tags: int = 100_000
    """Tags of a repository: the busiest public ones have some 20,000."""
    referrers: int = 1_000
    """What refers to one manifest: signatures, attestations and lists of contents stay below a hundred."""
    connect_seconds: float = 10.0
    """Finding and connecting a host, and the TLS handshake: seconds even from the other side of the earth."""
    silence_seconds: float = 30.0
    """Between two pieces of an answer: registries that fetch from elsewhere first take some seconds."""
    request_seconds: float = 60.0
    """One request as a whole; a blob may also take the time that it needs at `blob_rate`."""
    blob_rate: int = 32 * KIB
    """Bytes per second: a slower transfer is broken off, and goes on with a new request."""
    resume_progress: int = 8 * MIB
    """What a transfer must bring on for its retries to count anew: a large layer may break as often as that."""
    helper_seconds: float = 30.0
    """A credential helper: it asks a key chain or a cloud, and one that waits for a person is given up."""
    run_seconds: float = 900.0
    """One run, unless `--timeout` says otherwise."""
    scanner_seconds: float = 600.0
    """One scanner on one image, unless `--scanner-timeout` says otherwise."""
    scanner_output: int = 256 * MIB
    """A scanner's report: 10,000 findings with all their texts stay below 64 MiB."""
    scanner_log: int = 8 * MIB
    """A scanner's standard error, of which only the end is ever shown."""

    scanner_program: int = 1 * GIB
    """A scanner's program, and the archive that it comes in: Trivy has 175 MB and grows by some 20 MB in a year."""

    database: int = 16 * GIB
    """One file of a scanner's database that is imported: Grype's, the largest, has some 2 GiB."""

    signature: int = 16 * MIB
    """A bundle, an envelope or a payload: the bill of materials of a large image comes to some 8 MiB in one."""
    signatures: int = 1_000
    """Signatures and attestations of one image, in manifests and files: a thousand keyless ones take ten seconds to verify."""
    signatures_total: int = 64 * MIB
    """All of them together, in bytes."""
    signature_manifests: int = 1_000
    """Manifests that may hold them: a nightly scan attestation makes some hundred in a year, as many as `referrers` are read;
    and whoever may push can attach any number."""
    signature_bytes: int = 4 * KIB
    """A signature itself: that of an RSA key of 16,384 bits has 2 KiB."""
    certificate: int = 64 * KIB
    """One certificate, or one timestamp: real ones stay below 8 KiB."""
    certificates: int = 10
    """Certificates in one chain: three or four are usual."""
    log_entries: int = 8
    """Entries of logs in one bundle: there is one, and may be one for each of a few logs."""
    timestamps: int = 32
    """Timestamps in one bundle; sigstore's own verifiers have the same bound."""
    proof_hashes: int = 64
    """Hashes of an inclusion proof: a tree with 2^63 entries needs 63."""
    checkpoint: int = 64 * KIB
    """A log's checkpoint: origin, size, root, and a line for each witness."""
    signed_certificate_timestamps: int = 16
    """SCTs in one certificate: Fulcio puts one there, public authorities two or three."""
    statement_subjects: int = 10_000
    """Subjects of a statement: a release with all its files stays below some thousands."""
    trusted_keys: int = 64
    """Keys that one policy trusts; each may be tried on each signature."""
    trusted_roots: int = 16
    """Roots of trust in one file, and in one policy: `gh` prints two."""
    authorities: int = 64
    """Logs or authorities of each kind in a root: the public one has two or three, old ones among them."""
    rsa_bits: int = 8_192
    """The largest RSA key: checking a signature takes ever longer with its size."""

    feed: int = 64 * MIB
    """A feed of what is exploited, compressed or not: FIRST's scores, the larger one, have 12 MiB and grow by 2 in a year."""

    bundle_parts: int = 50
    """Parts of a bundle: five databases and feeds, two scanners, and some policies."""
    bundle_files: int = 1_000
    """Files in one part of a bundle: a policy names at most some hundred."""


LIMITS = Limits()
