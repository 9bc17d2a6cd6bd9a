"""junit: a test suite for each image and a test case for each rule, for every CI system's page of test results.

A rule that closes the gate is a failure, one that could not be decided an error, one that the policy does not ask is
skipped. A rule that only warns is a test that passes and says so in its output. Built to the rules that Jenkins' plug-in
and GitLab read by (`junit-10.xsd`): counts as attributes, one of failure, error and skipped in a case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from gate.printable import count
from gate.reporters import RenderOptions, Reporter
from gate.reporters._facts import passed_as_such
from gate.reporters._problems import NOT_JUDGED, Problem, problems, subject_of
from gate.reporters._words import told
from gate.verdict import Outcome, Report, Verdict

FINDINGS = 500
"""Findings that a case lists: GitLab reads 30 MB of results, and an image may have 20,000 findings for each platform."""

Case = ElementTree.Element


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- machines get everything, always
    """Render the report as XML."""
    found: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems(report):
        found.setdefault((problem.image, problem.platform), []).append(problem)
    root = ElementTree.Element("testsuites", name="image-gate")
    for verdict in report.verdicts:
        key = subject_of(verdict)
        _add_suite(root, key, [*_cases(verdict, found.pop(key, []))])
    for key, members in found.items():  # what was not judged
        _add_suite(root, key, [_case(NOT_JUDGED, members, Outcome.UNKNOWN)])
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _add_suite(root: ElementTree.Element, key: tuple[str, str], cases: Sequence[Case]) -> None:
    """Add the suite of one image."""
    image, platform = key
    name = f"{image} ({platform})" if platform else image or "image-gate"
    suite = ElementTree.SubElement(root, "testsuite", name=name, tests=str(len(cases)))
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("time", "0")
    for case in cases:
        case.set("classname", name)
        suite.append(case)


def _cases(verdict: Verdict, found: Sequence[Problem]) -> Iterator[Case]:
    """Yield the case of each rule of one image."""
    for result in verdict.results:
        rule = told(result.rule, 100)
        case = _case(rule, [problem for problem in found if problem.rule == rule], result.outcome)
        if result.outcome is Outcome.PASS and not passed_as_such(result):
            known = count(sum(item.baseline for item in result.excepted), "finding")
            ElementTree.SubElement(case, "system-out").text = f"known before by the baseline: {known}"
        yield case
    for rule in sorted(verdict.not_run):
        case = ElementTree.Element("testcase", name=told(rule, 100), time="0")
        ElementTree.SubElement(case, "skipped", message=told(verdict.not_run[rule], 500))
        yield case


def _case(rule: str, members: Sequence[Problem], outcome: Outcome) -> Case:
    """Return the case of one rule and its problems."""
    case = ElementTree.Element("testcase", name=rule, time="0")
    closing = [problem for problem in members if problem.closes]
    warning = [problem for problem in members if not problem.closes]
    if closing:
        kind = "failure" if outcome is Outcome.FAIL else "error"
        element = ElementTree.SubElement(case, kind, message=_message(closing), type=str(closing[0].severity))
        element.text = _listed(closing)
    if warning:
        ElementTree.SubElement(case, "system-out").text = f"warning: {_message(warning)}\n{_listed(warning)}"
    return case


def _message(members: Sequence[Problem]) -> str:
    """Return the first problem and how many more there are."""
    more = f" (and {len(members) - 1:,} more)" if len(members) > 1 else ""
    return f"{members[0].message}{more}"


def _listed(members: Sequence[Problem]) -> str:
    """Return one line for each problem, as far as there is room, and what to do."""
    lines = []
    for problem in members[:FINDINGS]:
        where = f" at {problem.place}" if problem.place else ""
        lines.append(f"[{problem.severity}] {problem.message}{where}")
    if len(members) > FINDINGS:
        lines.append(f"and {len(members) - FINDINGS:,} more, which the JSON report has")
    lines += [f"→ {fix}" for fix in dict.fromkeys(problem.fix for problem in members[:10] if problem.fix)]
    return "\n".join(lines)


REPORTER = Reporter("junit", "application/xml", render)
