"""References of file formats, made from their JSON schemas: a table for every object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def schema_reference(schema: Schema, introduction: str) -> str:
    """Return a page: the introduction, then the fields of the whole and of every object in it, each with its anchor."""
    definitions = schema.get("$defs", {})
    sections = [introduction.rstrip() + "\n", *_section("The file", schema, definitions)]
    for name, part in sorted(_objects(schema).items()):
        sections += _section(name, part, definitions)
    return "\n".join(sections)


def _objects(schema: Schema) -> dict[str, Schema]:
    """Return the objects in a schema by name: its definitions, and those that stand where they are used."""
    found = {name: part for name, part in schema.get("$defs", {}).items() if _is_table(name, part)}

    def walk(part: Any) -> None:
        if isinstance(part, Mapping):
            if part.get("type") == "object" and _is_table(part.get("title", ""), part):
                found.setdefault(part["title"], part)
            for child in part.values():
                walk(child)
        elif isinstance(part, list):
            for child in part:
                walk(child)

    for part in [*schema["properties"].values(), *schema.get("$defs", {}).values()]:
        walk(part)
    return found


def _is_table(name: str, part: Schema) -> bool:
    """Return whether an object has fields to list here; those of the rules have a page of their own."""
    return bool(name) and name != "rules" and bool(part.get("properties"))


def _section(name: str, part: Schema, definitions: Schema) -> Iterator[str]:
    """Yield a heading, what the object is, and a table of its fields."""
    yield f"## {name}\n"
    if part.get("description"):
        yield f"{part['description']}\n"
    yield "| field | what it holds | default | meaning |\n| --- | --- | --- | --- |"
    required = set(part.get("required", ()))
    for field, of in part["properties"].items():
        default = (
            "must be stated"
            if field in required
            else f"`{json.dumps(of['default'])}`"
            if "default" in of
            else "–"
        )
        yield _row([f"`{field}`", _kind(of, definitions), default, of.get("description", "")])
    yield ""


def _kind(of: Schema, definitions: Schema) -> str:
    """Say what a field holds."""
    if "$ref" in of:
        name = of["$ref"].rpartition("/")[2]
        if name == "rules":
            return "[rules](rules.md)"
        return (
            f"[{name}](#{name.lower()})"
            if _is_table(name, definitions[name])
            else _kind(definitions[name], definitions)
        )
    if "enum" in of:
        return ", ".join(f"`{value}`" for value in of["enum"])
    if "anyOf" in of:
        return " or ".join(_kind(one, definitions) for one in of["anyOf"])
    kind = of.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(of.get('items', {}), definitions)}"
    if kind == "object" and of.get("title") and of.get("properties"):
        return f"[{of['title']}](#{of['title'].lower()})"
    if kind == "object" and isinstance(of.get("additionalProperties"), Mapping):
        return f"mapping to {_kind(of['additionalProperties'], definitions)}"
    return str(of.get("format", kind))


def _row(cells: list[str]) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"
