"""Join the findings of all scanners: one vulnerability in one package is one finding, whoever found it, by whatever id.

1. Findings are grouped by package: purl type, namespace, name and version (`purls.key_of`).
2. Within a package, ids and aliases that name the same single vulnerability are united, transitively. Ids of advisories
   that fix several vulnerabilities at once (DSA, RHSA, ALAS, …) unite nothing, and no union may hold two CVEs: an exception
   for one would silently cover the other.
   Who names one of several in the same package, and who the several, is noted (`named_by`): they do not disagree.
3. A package that one scanner found in several places is one finding per place.

Every finding that goes in is an opinion in exactly one finding that comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gate.evidence import Vulnerabilities, Vulnerability
from gate.identifiers import cve_ids, is_single
from gate.scanners import RawFinding, ScannerReport
from gate.scanners.purls import PackageKey, key_of, plain


def merge(reports: Mapping[str, ScannerReport]) -> Vulnerabilities:
    """Join the reports into one list, sorted by package, id and path."""
    groups: dict[PackageKey, list[RawFinding]] = {}
    keys: dict[tuple[str, str, str, str], PackageKey] = {}
    for _, report in sorted(reports.items()):
        for finding in report.findings:
            named = finding.purl, finding.package_type, finding.package_name, finding.package_version
            if named not in keys:
                keys[named] = key_of(*named)
            groups.setdefault(keys[named], []).append(finding)
    found = [
        _joined(key, members, named_by)
        for key, findings in sorted(groups.items())
        for same, named_by in _named(list(_same_vulnerability(findings)))
        for members in _places(same)
    ]
    return Vulnerabilities(tuple(sorted(found, key=_order)))


def _order(found: Vulnerability) -> tuple[str, ...]:
    """Return what the list is sorted by."""
    return found.package_type, found.package_name, found.package_version, found.id, found.path, found.layer


def _same_vulnerability(findings: Iterable[RawFinding]) -> Iterator[list[RawFinding]]:
    """Yield the findings of one package, grouped by vulnerability."""
    ordered = sorted(findings, key=_rank)
    unions = _Unions()
    for finding in ordered:
        aliases = [alias for alias in finding.opinion.aliases if is_single(alias)]
        if is_single(finding.opinion.id) or len(cve_ids(aliases)) == 1:
            for alias in aliases:
                unions.unite(finding.opinion.id, alias)
    groups: dict[str, list[RawFinding]] = {}
    for finding in ordered:
        groups.setdefault(unions.root(finding.opinion.id), []).append(finding)
    yield from groups.values()


def _named(groups: list[list[RawFinding]]) -> Iterator[tuple[list[RawFinding], set[str]]]:
    """Yield the vulnerabilities of one package, each with the scanners that found it under the id of another of them."""
    place = {finding.opinion.id: number for number, group in enumerate(groups) for finding in group}
    named: list[set[str]] = [set() for _ in groups]
    for number, group in enumerate(groups):
        for finding in group:
            if is_single(finding.opinion.id):
                continue
            for other in {place[alias] for alias in finding.opinion.aliases if alias in place} - {number}:
                named[other].add(finding.opinion.scanner)
                named[number] |= {one.opinion.scanner for one in groups[other]}
    yield from zip(groups, named, strict=True)


def _rank(finding: RawFinding) -> tuple[str, str, str, tuple[str, ...]]:
    """Return what findings are sorted by, so that contradicting aliases always end in the same way."""
    return finding.opinion.id, finding.opinion.scanner, finding.path, finding.opinion.aliases


class _Unions:
    """Sets of ids that name the same vulnerability (union-find); a set holds at most one CVE."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        self._cve: dict[str, str] = {}

    def root(self, id_: str) -> str:
        """Return the representative of an id's set."""
        while (parent := self._parents.get(id_, id_)) != id_:
            id_ = parent
        return id_

    def unite(self, one: str, other: str) -> None:
        """Unite two ids' sets, unless that would bring two CVEs together."""
        first, second = self.root(one), self.root(other)
        cves = cve_ids((one, other)) | {self._cve[root] for root in (first, second) if root in self._cve}
        if first != second and len(cves) <= 1:
            self._parents[second] = first
            if cves:
                self._cve[first] = cves.pop()


def _places(findings: list[RawFinding]) -> Iterator[list[RawFinding]]:
    """Yield the findings of one vulnerability by place, if a scanner names several; else all together.

    Scanners disagree on what they call the place of a package, so a single one each is taken for the same.
    """
    paths: dict[str, set[str]] = {}
    for finding in findings:
        paths.setdefault(finding.opinion.scanner, set()).add(finding.path)
    if all(len(places) == 1 for places in paths.values()):
        yield findings
        return
    by_path: dict[str, list[RawFinding]] = {}
    for finding in findings:
        by_path.setdefault(finding.path, []).append(finding)
    yield from (group for _, group in sorted(by_path.items()))


def _joined(key: PackageKey, findings: list[RawFinding], named_by: set[str]) -> Vulnerability:
    """Build one vulnerability out of the findings that are the same one."""
    ids = sorted({finding.opinion.id for finding in findings})
    aliases = {alias for finding in findings for alias in finding.opinion.aliases}
    cves = sorted(cve_ids(ids)) or (sorted(cve_ids(aliases)) if len(cve_ids(aliases)) == 1 else [])
    chosen = cves[0] if cves else ids[0]
    purls = sorted(
        {plain(item.purl, item.package_version if key.type == "golang" else key.version) for item in findings}
        - {""}
    )
    return Vulnerability(
        id=chosen,
        aliases=tuple(sorted((aliases | set(ids)) - {chosen})),
        package_type=key.type,
        package_name=f"{key.namespace}/{key.name}" if key.namespace else key.name,
        package_version=key.version,
        purl=purls[0] if purls else "",
        opinions=tuple(finding.opinion for finding in findings),
        layer=next((finding.layer for finding in findings if finding.layer), ""),
        path=next((finding.path for finding in findings if finding.path), ""),
        purls=tuple(sorted({finding.purl for finding in findings} - {""})),
        named_by=tuple(sorted(named_by - {finding.opinion.scanner for finding in findings})),
    )
