"""Schemas of CI systems' files, as check-jsonschema brings them."""

from __future__ import annotations

from pathlib import Path

from check_jsonschema.cli import main  # type: ignore[import-untyped]
from click.testing import CliRunner


def faults(path: Path, schema: str, *options: str) -> str:
    """Return what a built-in schema such as `vendor.azure-pipelines` finds wrong in a file; empty if nothing."""
    # The schemas hold escapes that JavaScript takes outside its unicode mode alone.
    regex = ["--regex-variant", "nonunicode"]
    done = CliRunner().invoke(main, ["--builtin-schema", schema, *regex, *options, str(path)])
    return "" if done.exit_code == 0 else done.output or repr(done.exception)
