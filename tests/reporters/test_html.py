"""The HTML page: one file, inert, and good to use in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gate.reporters import RenderOptions, _page
from gate.reporters.html import render
from gate.verdict import Report
from tests.conftest import Tools
from tests.kit.browser import Browser
from tests.kit.full_size import full_size_report
from tests.kit.reports import based_report, failing_report, hostile_report, passing_report, report
from tests.reporters.test_every_format import MARKUP, marked_report

REPORTS = (passing_report, failing_report, based_report, hostile_report, report, lambda: full_size_report(40))
ELEMENTS = frozenset(
    [
        "a",
        "article",
        "b",
        "body",
        "button",
        "code",
        "details",
        "div",
        "dd",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "head",
        "header",
        "html",
        "input",
        "label",
        "legend",
        "li",
        "main",
        "meta",
        "nav",
        "ol",
        "p",
        "rect",
        "script",
        "section",
        "span",
        "strong",
        "style",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
"""What the template has; another would have come out of a report."""
ATTRIBUTES = frozenset(
    [
        "aria-hidden",
        "aria-label",
        "aria-labelledby",
        "charset",
        "checked",
        "class",
        "content",
        "for",
        "height",
        "hidden",
        "href",
        "http-equiv",
        "id",
        "lang",
        "name",
        "open",
        "placeholder",
        "preserveaspectratio",
        "role",
        "scope",
        "start",
        "tabindex",
        "type",
        "value",
        "viewbox",
        "width",
        "x",
        "data-copy",
        "data-severity",
        "data-closes",
        "data-fixable",
        "data-exploited",
        "data-own",
    ]
)


class Elements(HTMLParser):
    """Collects the elements of a page and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(found: Report) -> str:
    return render(found, RenderOptions())


def assert_inert(text: str) -> None:
    """Check that a page has nothing but what the template has."""
    for tag, attributes in Elements(text).found:
        assert tag in ELEMENTS, tag
        assert set(attributes) <= ATTRIBUTES, attributes
        assert (attributes.get("href") or "#").startswith("#")


@pytest.mark.parametrize("of", REPORTS)
def test_nothing_in_it_comes_from_a_report_but_text(of: Callable[[], Report]) -> None:
    assert_inert(page_of(of()))


@pytest.mark.parametrize(
    "text", [*MARKUP, '" onmouseover="alert(1)', "' onload='x", "</style><x>", "</script><x>"]
)
def test_markup_in_names_stays_text(text: str) -> None:
    page = page_of(marked_report(text))
    assert_inert(page)
    assert page.count("<script>") == page.count("<style>") == page.count("</script>") == 1


def test_the_policy_of_the_page_allows_its_own_style_and_script_alone() -> None:
    page = page_of(failing_report())
    policy = next(one["content"] for tag, one in Elements(page).found if "http-equiv" in one)
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    for name in ("style", "script"):
        text = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert len(text) == 1
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_what_to_fix_comes_before_what_failed() -> None:
    page = page_of(full_size_report(40))
    assert page.index(">Fix first<") < page.index(">What did not pass<") < page.index(">Vulnerabilities<")
    assert "Rebuild on a newer build of docker.io/library/debian:12-slim" in page
    assert "After that these stay:" in page


def test_a_report_on_several_images_is_not_named_by_the_one_that_was_judged() -> None:
    page = page_of(failing_report())
    assert '<h1 id="title">4 images</h1>' in page
    assert "1 pass · 2 fail · 1 unknown" in page
    alone = page_of(based_report())
    assert '<h1 id="title">oci:image:1.0</h1>' in alone
    assert "1 fail" not in alone


def test_rules_that_warn_are_unfolded_as_well_and_nothing_of_them_is_hidden_on_paper() -> None:
    chapters = [
        one for tag, one in Elements(page_of(failing_report())).found if "rule" in str(one.get("class"))
    ]
    assert any("warns" in str(one["class"]) for one in chapters)
    assert all("open" in one for one in chapters)


def test_a_usual_page_is_small() -> None:
    assert len(page_of(full_size_report(200)).encode()) < 300_000


def test_rows_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_page, "ROWS", 10)
    page = page_of(full_size_report(40))
    assert page.count("<tr data-severity=") == 10
    assert "30 more are left out here, and the JSON report has them" in page


# --- in a browser ------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(chromium_binary: Path, tmp_path: Path) -> Browser:
    """A browser with a profile of its own."""
    return Browser(chromium_binary, tmp_path)


def saved(text: str, folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    return path


def with_script(page: str, script: str) -> str:
    """Return a page that runs a script of the test too, which its policy would forbid."""
    opened = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert opened != page
    return opened.replace("</body>", f"<script>{script}</script></body>")


@pytest.mark.real
@pytest.mark.parametrize("of", [passing_report, failing_report, hostile_report, lambda: full_size_report(60)])
def test_no_request_leaves_and_no_script_fails(
    of: Callable[[], Report], browser: Browser, tmp_path: Path
) -> None:
    opened = browser.open(saved(page_of(of()), tmp_path))
    assert "</html>" in opened.dom
    assert opened.requests == ()
    assert opened.console == ()


@pytest.mark.real
def test_the_policy_stops_what_a_hole_in_our_escapes_would_let_in(browser: Browser, tmp_path: Path) -> None:
    attack = (
        '<img src="http://127.0.0.1:9/x.png"><script>document.title = "taken"</script>'
        '<link rel="stylesheet" href="http://127.0.0.1:9/x.css"><p onclick="x()" style="color: red">'
    )
    page = page_of(failing_report()).replace("</main>", f"{attack}</main>")
    opened = browser.open(saved(page, tmp_path))
    assert opened.requests == ()
    assert "<title>taken" not in opened.dom
    assert len(opened.console) >= 3
    open_page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert "http://127.0.0.1:9/x.png" in browser.open(saved(open_page, tmp_path)).requests


FILTER = """
const form = document.querySelector(".filters");
const count = () => document.querySelectorAll("tbody tr[data-severity]:not([hidden])").length;
const told = [!form.hidden, count()];
const set = (name, value) => {
  for (const input of form.elements[name].length ? form.elements[name] : [form.elements[name]]) {
    if (input.type === "search") input.value = value; else input.checked = value === true || value === input.value;
  }
  form.dispatchEvent(new Event("input"));
  told.push(count());
};
set("severity", "critical"); set("severity", true); set("closes", true); set("closes", false); set("exploited", true);
set("exploited", false); set("fixable", true); set("fixable", false); set("own", true); set("own", false);
set("text", "ws GRYPE"); set("text", "nothing like that");
document.title = JSON.stringify([...told, form.querySelector("[role=status]").textContent]);
"""


@pytest.mark.real
def test_the_filters_work(browser: Browser, tmp_path: Path) -> None:
    page = page_of(full_size_report(80))
    assert '<form class="filters" hidden>' in page
    opened = browser.open(saved(with_script(page, FILTER), tmp_path))
    title = re.search("<title>(.*?)</title>", opened.dom)
    assert title is not None
    shown, total, *counts, last = json.loads(title[1])
    assert (shown, total, last) == (True, 80, "0 of 80 shown")
    assert counts == [10, 80, 20, 80, 2, 80, 70, 80, 40, 80, 7, 0]


AXE = """
document.querySelectorAll("details").forEach((one) => one.open = true);
axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((found) => {
  document.title = JSON.stringify([found.passes.length, found.violations.map(
    (one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" ")}`)]);
});
"""


@pytest.mark.real
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("of", [passing_report, failing_report, lambda: full_size_report(24)])
def test_the_accessibility_checker_finds_nothing(
    of: Callable[[], Report], dark: bool, browser: Browser, tools: Tools, tmp_path: Path
) -> None:
    axe = tools.path("axe_core").read_text(encoding="utf-8")
    page = with_script(page_of(of()), f"{axe}\n{AXE}")
    if dark:
        page = page.replace("screen and (prefers-color-scheme: dark)", "all")
    opened = browser.open(saved(page, tmp_path))
    title = re.search("<title>(.*?)</title>", opened.dom)
    assert title is not None
    passes, violations = json.loads(title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert passes > 15
    assert violations == []


@pytest.mark.real
@pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (500, False), (1280, True)], ids=["desktop", "narrow", "dark"]
)
def test_pictures_can_be_taken(width: int, dark: bool, browser: Browser, tmp_path: Path) -> None:
    place = tmp_path / "page.png"
    browser.picture(saved(page_of(full_size_report(24)), tmp_path), place, width, 1_600, dark=dark)
    content = place.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20], "big") == width


@pytest.mark.real
@pytest.mark.parametrize("of", [failing_report, hostile_report, lambda: full_size_report(24)])
def test_nothing_is_wider_than_a_narrow_screen(
    of: Callable[[], Report], browser: Browser, tmp_path: Path
) -> None:
    frame = saved(
        with_script(
            page_of(of()), "parent.postMessage([document.documentElement.scrollWidth, innerWidth], '*')"
        ),
        tmp_path,
    )
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<!DOCTYPE html><title></title><script>onmessage = (event) => document.title = JSON.stringify(event.data)</script>"
        f'<iframe src="{frame.name}" width="360" height="800"></iframe>'
    )
    title = re.search("<title>(.*?)</title>", browser.open(outer).dom)
    assert title is not None
    needed, given = json.loads(title[1])
    assert given == 360
    assert needed <= given
