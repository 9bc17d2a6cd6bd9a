"""A step of GitHub Actions without the runner: what is written to its files, whatever comes of the check."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from pytest_httpserver import HTTPServer

from gate.ci import runner
from gate.ci.child import Outcome
from gate.ci.github import Step, category, run, summary
from gate.errors import Unavailable
from gate.reporters import RenderOptions, _markdown, reporter
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory
from tests.kit.reports import hostile_report, report, result, subject, verdict

POLICY = "schema: 1\nrules: {non-root: {}}\n"


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a runner, a good and a bad image, and a policy; the folder is the working directory."""
    built = datetime.now(UTC).replace(microsecond=0)
    for name, image in (("good", good(built)), ("bad", bad(built))):
        write_directory(oci_layout({"": image}), tmp_path / name)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 7}}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path


def variables(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a runner."""
    return {"GITHUB_EVENT_PATH": str(folder / "event.json"), "GITHUB_REPOSITORY": "acme/shop", **more}


def outputs(folder: Path) -> dict[str, str]:
    """Read outputs as the runner does."""
    found = re.findall(r"^([a-z-]+)<<(\w+)\n(.*?)\n\2$", (folder / "output").read_text(), re.M | re.S)
    return {name: value for name, _, value in found}


@pytest.mark.parametrize(("image", "verdict", "code"), [("good", "pass", 0), ("bad", "fail", 1)])
def test_a_verdict(
    step: Path, image: str, verdict: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    found = run(Step((f"oci:{image}",), step, policy="policy.yaml"), variables(step))
    assert found.code == code
    told = outputs(step)
    assert (told["verdict"], told["exit-code"]) == (verdict, str(code))
    assert json.loads(Path(told["report-json"]).read_text())["status"] == verdict
    assert (step / "summary.md").read_text() == Path(told["report-markdown"]).read_text()
    assert f"::notice title=image-gate%3A {verdict}::" in capfd.readouterr().out


@pytest.mark.parametrize(("stated", "colored"), [("", True), ("1", False)])
def test_the_log_has_colours_unless_they_are_not_wanted(
    step: Path, stated: str, colored: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", stated)
    run(Step(("oci:bad",), step, policy="policy.yaml"), variables(step))
    assert ("\x1b[1;31m✗ FAIL" in capfd.readouterr().out) == colored


def test_no_report_no_verdict(step: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(Step(("oci:missing",), step, policy="policy.yaml"), variables(step)).code == 2
    assert outputs(step)["verdict"] == "unknown"
    assert outputs(step)["report-json"] == ""
    assert "missing" in (step / "summary.md").read_text()
    assert "::error title=image-gate: no verdict::" in capfd.readouterr().out


def test_alerts_of_one_image_do_not_take_the_place_of_anothers() -> None:
    def named(*references: str, **variables: str) -> str:
        found = [verdict(result("a"), subject=subject(reference, names=())) for reference in references]
        return category(Outcome(0, report(*found), ()), variables)

    assert (
        named("docker-daemon:api:ci-1") == named("docker-daemon:api:ci-2") == "image-gate/docker-daemon:api"
    )
    assert named("docker-daemon:web:ci-1") == "image-gate/docker-daemon:web"
    assert named("oci:b", "oci:a", IMAGE_GATE_PLATFORM="linux/arm64") == "image-gate/oci:a/oci:b/linux/arm64"
    assert re.fullmatch("image-gate/[0-9a-f]{16}", named("oci:" + "a" * 200))
    assert category(Outcome(3, None, ()), {}) == "image-gate"


def test_an_event_that_cannot_be_read_is_no_verdict(step: Path) -> None:
    assert run(Step(("oci:good",), step), {}).code == 3
    assert outputs(step)["exit-code"] == "3"


def test_outside_of_a_runner_it_says_so(step: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT")
    with pytest.raises(Unavailable, match="GITHUB_OUTPUT is not set"):
        run(Step(("oci:good",), step, policy="policy.yaml"), variables(step))


@pytest.mark.parametrize(("image", "posted"), [("bad", True), ("good", False)])
def test_a_comment_is_added_only_where_there_is_something_to_do(
    step: Path, image: str, posted: bool, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/repos/acme/shop/issues/7/comments", method="GET").respond_with_json([])
    httpserver.expect_request("/repos/acme/shop/issues/7/comments", method="POST").respond_with_json({}, 201)
    asked = Step((f"oci:{image}",), step, policy="policy.yaml", comment=True)
    run(asked, variables(step, GITHUB_API_URL=httpserver.url_for("/"), IMAGE_GATE_GITHUB_TOKEN="t"))
    assert ("POST" in [request.method for request, _ in httpserver.log]) == posted


def test_a_token_that_only_reads_leaves_the_summary(
    step: Path, httpserver: HTTPServer, capfd: pytest.CaptureFixture[str]
) -> None:
    httpserver.expect_request("/repos/acme/shop/issues/7/comments").respond_with_data("", status=403)
    asked = Step(("oci:bad",), step, policy="policy.yaml", comment=True)
    found = run(asked, variables(step, GITHUB_API_URL=httpserver.url_for("/"), IMAGE_GATE_GITHUB_TOKEN="t"))
    assert found.code == 1
    printed = capfd.readouterr().out
    assert "::notice title=image-gate: no comment::GitHub answered 403" in printed
    assert "pull-requests: write" in printed


def test_a_summary_is_never_too_long_for_the_runner(step: Path) -> None:
    runner.add_summary("x" * runner.SUMMARY_BYTES)
    assert "too long" in (step / "summary.md").read_text()


def test_complaints_are_inert_in_the_summary(tmp_path: Path) -> None:
    text = summary(Outcome(2, None, ("image-gate: `<img src=x>` @everyone",)), tmp_path)
    assert "<img" not in html(text)


def html(text: str) -> str:
    """Render Markdown with HTML allowed, as code hosts do before they clean it."""
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


@pytest.mark.parametrize("name", ["markdown", "comment"])
def test_markdown_and_html_of_an_image_are_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = "<img src=x onerror=alert(1)> [here](javascript:alert(1)) ![](//evil.test/p)"
    monkeypatch.setattr("tests.kit.reports.HOSTILE", attack)
    assert not foreign(html(reporter(name).render(hostile_report(), RenderOptions())))


@pytest.mark.parametrize("name", ["markdown", "comment"])
def test_without_code_spans_they_would_be_live(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attack = "<img src=x onerror=alert(1)> ![](//evil.test/p)"
    monkeypatch.setattr("tests.kit.reports.HOSTILE", attack)
    monkeypatch.setattr(_markdown, "code", lambda text, limit=300: text[:limit])
    assert foreign(html(reporter(name).render(hostile_report(), RenderOptions())))


def foreign(page: str) -> bool:
    """Whether a page has an element or a link that is not ours."""
    return bool(re.search(r"<img|javascript:[^<]*\">|href=\"//evil", page))
