"""Markdown for summaries and comments: what people read, and sizes that platforms take."""

from __future__ import annotations

import re

import pytest

from gate.reporters import RenderOptions
from gate.reporters._markdown import CUT, Size, code, fitting, markdown
from gate.reporters.comment import mark
from gate.reporters.comment import render as render_comment
from gate.reporters.markdown import render
from tests.kit.golden import assert_golden
from tests.kit.reports import based_report, failing, failing_report, passing_report, report, subject, verdict


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pass", render(passing_report(), RenderOptions())),
        ("fail", render(failing_report(), RenderOptions())),
        ("based-comment", render_comment(based_report(), RenderOptions())),
    ],
)
def test_golden(name: str, text: str) -> None:
    assert_golden(f"reporters/golden/{name}.md", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "`plain`"),
        ("a`b|c", r"`a\x60b\x7cc`"),
        (" x ", "`x`"),
        ("", "–"),
        ("\n", r"`\n`"),
        ("xyz" * 200, f"`{('xyz' * 200)[:299]}…`"),
    ],
)
def test_code(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize("limit", [400, 700, 1_200, 2_000, 5_000])
def test_a_cut_text_is_short_enough_whole_and_says_so(limit: int) -> None:
    text = markdown(failing_report(), Size(limit, 3))
    assert len(text.encode()) <= limit
    assert text.startswith("## ❌ image-gate: 4 images: fail\n")
    assert text.endswith(CUT) or "<sub>" in text
    assert text.count("<details>") == text.count("</details>")


def test_parts_are_never_cut_in_the_middle() -> None:
    assert fitting(["abc", "d" * 100], len(CUT.encode()) + 50) == f"abc{CUT}"


def test_a_comment_is_found_again_for_the_same_images_alone() -> None:
    def of(*references: str) -> str:
        return mark(
            report(*(verdict(failing("no-shell"), subject=subject(one, names=())) for one in references))
        )

    assert of("oci:a:1", "oci:b:1") == of("oci:b:2", "oci:a:2")
    assert of("oci:a:1") != of("oci:b:1")
    assert re.fullmatch(r"<!-- image-gate:[0-9a-f]{16} -->", of("oci:a:1"))
    assert render_comment(failing_report(), RenderOptions()).startswith(f"{mark(failing_report())}\n## ")
