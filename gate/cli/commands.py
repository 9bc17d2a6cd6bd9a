"""The commands, each in its own module that is imported when it is called, so that `--version` costs next to nothing."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from gate import __version__
from gate.cli.exits import MEANINGS

COMPLETE_VARIABLE = "_IMAGE_GATE_COMPLETE"

MODULES: Mapping[str, str] = {
    "check": "gate.cli.check",
    "report": "gate.cli.report",
    "verdict": "gate.cli.verdict",
    "inspect": "gate.cli.inspect",
    "attest": "gate.cli.attest",
    "admit": "gate.cli.admit",
    "explain": "gate.cli.explain",
    "rules": "gate.cli.rules",
    "dockerfile": "gate.cli.dockerfile",
    "init": "gate.cli.init",
    "policy": "gate.cli.policy",
    "except": "gate.cli.except_",
    "baseline": "gate.cli.baseline",
    "cache": "gate.cli.cache",
    "scanners": "gate.cli.scanners",
    "db": "gate.cli.db",
    "bundle": "gate.cli.bundle",
    "base": "gate.cli.base",
    "signatures": "gate.cli.signatures",
    "trust": "gate.cli.trust",
    "doctor": "gate.cli.doctor",
    "ci": "gate.cli.ci",
    "completion": "gate.cli.completion",
}
"""Command to module; each holds a constant `COMMAND`."""

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(
    f"  {code:d}  {name:13}  {meaning}" for code, (name, meaning) in MEANINGS.items()
)
"""The table at the end of every help text; `\\b` keeps click from wrapping it."""


class LazyGroup(click.Group):
    """A group that knows the names of its commands and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Return the names in the order of the table."""
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """Import the module of a command."""
        if cmd_name not in MODULES:
            return None
        command = importlib.import_module(MODULES[cmd_name]).COMMAND
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        if args and args[0] not in MODULES and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], MODULES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Commands: {', '.join(MODULES)}."
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=LazyGroup,
    name="image-gate",
    epilog=EXIT_CODES,
    no_args_is_help=False,  # it would end as a usage error with the whole help text for a sentence
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="image-gate", message="%(prog)s %(version)s")
def IMAGE_GATE() -> None:  # noqa: N802 -- a constant: the program
    """Decide whether container images may go further: pass, fail or unknown. Only pass opens the gate."""
