"""Files of exceptions beside a policy, which names them in `exceptions-files`: as strict as the policy itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from gate.options import Node, Options, decode, describe, json_schema
from gate.policy import document
from gate.policy.exceptions import PolicyException
from gate.policy.schema import SCHEMA_URL, ExceptionEntry
from gate.rule import Rule


class ExceptionsFile(Options):
    """A file of exceptions."""

    schema: Annotated[Literal[1], describe("The version of this format.")]
    exceptions: Annotated[
        tuple[dict[str, Any], ...], describe("Accepted deviations, each for a time, as in a policy.")
    ]


def read_exceptions_file(data: bytes, file: str, rules: Collection[str]) -> tuple[PolicyException, ...]:
    """Read a file of exceptions, which `file` names in errors; raises `InvalidInput` for anything not as written."""
    root = document.parse(data, file)
    sections = root.mapping("the file")
    decode(root, ExceptionsFile, "")
    return read_exceptions(sections["exceptions"], rules)


def read_exceptions(node: Node, rules: Collection[str]) -> tuple[PolicyException, ...]:
    """Read a list of exceptions; raises `InvalidInput`."""
    return tuple(
        PolicyException.read(item, f"exceptions[{number}]", rules) for number, item in enumerate(node.value)
    )


def exceptions_schema(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the JSON schema of such files."""
    references, definitions = json_schema(ExceptionsFile, ExceptionEntry)
    root, entry = (definitions.pop(reference["$ref"].rpartition("/")[2]) for reference in references)
    entry["properties"]["rule"]["enum"] = sorted(rules)
    root["properties"]["exceptions"]["items"] = entry
    schema = {"$schema": SCHEMA_URL, **root, "title": "image-gate exceptions"}
    return {**schema, "$defs": dict(sorted(definitions.items()))} if definitions else schema
