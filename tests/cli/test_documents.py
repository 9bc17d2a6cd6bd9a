"""The documents show commands that exist: every line that starts with `image-gate` is parsed as it stands."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from docs.cli_reference import ROOT
from gate.cli.commands import IMAGE_GATE

DOCUMENTS = (
    *("README.md", "SECURITY.md", "CHANGELOG.md"),
    *("docs/architecture.md", "docs/attest.md", "docs/signing-policies.md"),
)


TEXT = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
BLOCKS = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
EXAMPLES = sorted(set(re.findall(r"^image-gate .*", BLOCKS, re.MULTILINE)))
MENTIONS = sorted(set(re.findall(r"`(image-gate [^`]*)`", TEXT)))


def parse(line: str, *, complete: bool) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    command: click.Command = IMAGE_GATE
    while isinstance(command, click.Group):
        _, inner, arguments = command.resolve_command(click.Context(command), arguments)
        assert inner
        command = inner
    settings = IMAGE_GATE.context_settings
    command.make_context(line, arguments, resilient_parsing=not complete, **settings)


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_can_be_typed(line: str) -> None:
    parse(line, complete=True)


@pytest.mark.parametrize("line", MENTIONS)
def test_a_command_that_is_mentioned_exists(line: str) -> None:
    parse(line, complete=False)


def test_there_are_some() -> None:
    assert len(EXAMPLES) > 6
    assert len(MENTIONS) > 3


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", text):
        assert ((ROOT / name).parent / target).exists(), target
