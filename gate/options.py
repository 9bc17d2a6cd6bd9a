"""Typed options: the types that policies and rules state are the schema that YAML is checked against.

A document is read into `Node`s, which know where they stand; `decode` turns a node into a typed value, strictly, and
says of anything wrong where it is (file, line and column), what is there, and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeVar, dataclass_transform

import msgspec

from gate.errors import ImageGateError, InvalidInput


class _OptionsType(msgspec.StructMeta):
    """Makes every kind of options frozen, with fields by name only, without each having to say so."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any
    ) -> _OptionsType:
        return super().__new__(mcls, name, bases, namespace, **{"frozen": True, "kw_only": True} | config)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Options(
    msgspec.Struct,
    metaclass=_OptionsType,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="kebab",
):
    """Base of everything that is read from a policy: frozen, typed, and strict about unknown keys.

    Fields are written in kebab case in YAML. A field's description and bounds stand in its annotation::

        class MaxAgeOptions(Options):
            days: Annotated[int, describe("Oldest accepted age in days.", ge=1)] = 90

    A field may be of a subclass of `str` with a class method `parse(text)` that raises `InvalidInput` for what it does
    not accept, and a `SYNTAX` that says in words what it does. Its default is given as `msgspec.field(default_factory=…)`.
    """


def describe(description: str, **bounds: Any) -> msgspec.Meta:
    """Describe a field for schema and documents; `bounds` are msgspec's (`ge`, `le`, `min_length`, `pattern`, …)."""
    return msgspec.Meta(description=description, **bounds)


class NoOptions(Options):
    """For rules that have nothing to set."""


Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
"""A text that someone wrote on purpose: not empty, not a document."""


class Mark(msgspec.Struct, frozen=True):
    """A place in a document; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Node(msgspec.Struct, frozen=True):
    """One value of a document and where it stands.

    `value` is a mapping from text to nodes, a list of nodes, or a scalar (text, int, float, bool, None). `key` is the
    place of the key that holds it, None for list items and the document itself.
    """

    value: Any
    mark: Mark
    key: Mark | None = None

    @classmethod
    def of(cls, value: Any, mark: Mark) -> Node:
        """Wrap plain values that all stand at one place, such as those of a generated document."""
        if isinstance(value, dict):
            return cls({name: cls.of(item, mark) for name, item in value.items()}, mark, mark)
        if isinstance(value, list):
            return cls([cls.of(item, mark) for item in value], mark, mark)
        return cls(value, mark, mark)

    def plain(self) -> Any:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def find(self, path: Iterable[str | int]) -> Node:
        """Return the node at `path`, or the last one on the way that there is."""
        node = self
        for step in path:
            steps = dict(enumerate(node.value)) if isinstance(node.value, list) else node.value
            if not isinstance(steps, dict) or step not in steps:
                break
            node = steps[step]
        return node

    def mapping(self, label: str) -> dict[str, Node]:
        """Return the value if it is a mapping; raises `InvalidInput`, which calls it `label`."""
        if isinstance(self.value, dict):
            return self.value
        raise InvalidInput(
            f"{self.mark}: {label} is {shown(self.plain())}", hint="write a mapping, such as `key: value`"
        )


Value = TypeVar("Value")


def decode(node: Node, kind: type[Value], label: str) -> Value:
    """Turn `node` into a value of `kind`, without coercion; `label` names the node in errors (`rules.max-age`).

    Raises `InvalidInput` that starts with the place and ends with what is allowed there.
    """
    try:
        return msgspec.convert(node.plain(), kind, dec_hook=_parse)
    except msgspec.ValidationError as error:
        raise _explained(str(error), node, kind, label) from None


def encode(value: object) -> Any:
    """Turn decoded options back into plain values, as they are written in YAML, defaults included."""
    return msgspec.to_builtins(value, enc_hook=str)


def json_schema(*kinds: type) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the JSON schema (2020-12) of each of `kinds`, and the definitions that they refer to under `#/$defs/`."""
    schemas, definitions = msgspec.json.schema_components(
        kinds, schema_hook=lambda _: {"type": "string"}, ref_template="#/$defs/{name}"
    )
    return list(schemas), encode(definitions)


def option_table(kind: type[Options]) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, allowed values, default (empty where there is none) and description of each option, for documents."""
    for field in msgspec.structs.fields(kind):
        described = _field_type(kind, field.encode_name)
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        text = (
            ""
            if default in (msgspec.NODEFAULT, msgspec.UNSET)
            else msgspec.json.encode(encode(default)).decode()
        )
        yield field.encode_name, _allowed(described), text, _description(described)


def misspelt(mark: Mark, what: str, name: str, known: Iterable[str]) -> InvalidInput:
    """Build the error for a name that is not one of `known`, with the nearest of them first; `what` starts the sentence."""
    return InvalidInput(f"{mark}: {what} {name[:100]!r}", hint=suggestion(name, known))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which of `known` was probably meant, and list them all."""
    import difflib  # here, because only mistakes need it

    choices = sorted(known)
    near = difflib.get_close_matches(name.lower(), choices, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + "allowed: " + ", ".join(choices)


def shown(value: object) -> str:
    """Describe a plain value as the author of the document sees it, in a few words."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return f"the text {value[:60]!r}" if value else "an empty text"
    return str(value)[:60]


def _parse(kind: type, value: object) -> Any:
    """Build a value of a class of our own (msgspec's hook for types that it does not know)."""
    parse: Callable[[str], object] = kind.parse  # type: ignore[attr-defined]
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} where a text belongs")
    try:
        return parse(value)
    except ImageGateError as error:
        raise ValueError(str(error)) from None


_AT = " - at `"
_STEP = r"\.([^.\[\]]+)|\[(\d+)\]"
_FIELD = r"(?s)Object (?:contains unknown|missing required) field `(.*)`"
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def _explained(message: str, node: Node, kind: type, label: str) -> InvalidInput:
    """Translate msgspec's message and path (`Expected `int`, got `str` - at `$.days``) into place, value and remedy."""
    what, _, where = message.rpartition(_AT) if _AT in message else (message, "", "")
    path = [int(index) if index else name for name, index in re.findall(_STEP, where.removesuffix("`"))]
    found = node.find(path)
    label = "".join([label, *(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)]).lstrip(
        "."
    )
    field = re.fullmatch(_FIELD, what)
    if field:
        names = _field_names(kind, path)
        if "unknown" in what:
            place = found.find([field[1]]).key or found.mark
            return misspelt(place, f"{label} has no key" if label else "there is no key", field[1], names)
        return InvalidInput(
            f"{found.mark}: {label or 'the document'} lacks the key {field[1]!r}",
            hint=f"keys: {', '.join(names)}",
        )
    if what.startswith(("Expected `", "Invalid ")):
        value = found.plain()
        truth = _TRUTH.get(value.lower()) if isinstance(value, str) else None
        allowed = _allowed(_type_at(kind, path))
        remedy = f"allowed: {allowed}" + (f"; write {truth}" if truth and allowed == "true or false" else "")
        return InvalidInput(f"{found.mark}: {label} is {shown(value)}", hint=remedy)
    return InvalidInput(f"{found.mark}: {label}: {what}")


def _type_at(kind: type, path: Sequence[str | int]) -> msgspec.inspect.Type:
    """Return msgspec's description of the type that belongs at `path`."""
    found = msgspec.inspect.type_info(kind)
    for step in path:
        options = (
            [_bare(option) for option in found.types]
            if isinstance(found, msgspec.inspect.UnionType)
            else [_bare(found)]
        )
        inner = (_step(option, step) for option in options)
        found = next((option for option in inner if option is not None), msgspec.inspect.AnyType())
        if not isinstance(found, msgspec.inspect.Metadata):
            found = _bare(found)
    return found


def _step(kind: msgspec.inspect.Type, step: str | int) -> msgspec.inspect.Type | None:
    """Go one step down into a type; None where it has nothing there."""
    if isinstance(kind, msgspec.inspect.StructType):
        return next((field.type for field in kind.fields if field.encode_name == step), None)
    if isinstance(kind, msgspec.inspect.DictType):
        return kind.value_type
    return getattr(kind, "item_type", None)


def _field_type(kind: type, name: str) -> msgspec.inspect.Type:
    """Return the type of one field, with its description."""
    return _type_at(kind, [name])


def _field_names(kind: type, path: Sequence[str | int]) -> list[str]:
    """Return the keys that the mapping at `path` may have."""
    found = _bare(_type_at(kind, path))
    options = (
        [_bare(option) for option in found.types] if isinstance(found, msgspec.inspect.UnionType) else [found]
    )
    return [
        field.encode_name
        for option in options
        if isinstance(option, msgspec.inspect.StructType)
        for field in option.fields
    ]


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """Take description and the like off a type."""
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    return kind


def _description(kind: msgspec.inspect.Type) -> str:
    """Return the description of a field, which stands on its type or, for an optional one, on what is optional."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return next((text for option in kind.types if (text := _description(option))), "")
    while isinstance(kind, msgspec.inspect.Metadata):
        stated = (kind.extra_json_schema or {}).get("description")
        if stated:
            return str(stated)
        kind = kind.type
    return ""


def _allowed(kind: msgspec.inspect.Type) -> str:
    """Say in words what a type accepts."""
    kind = _bare(kind)
    match kind:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.NoneType():
            return "nothing"
        case msgspec.inspect.DateType():
            return "a date such as 2026-12-31"
        case msgspec.inspect.LiteralType(values=values):
            return ", ".join(str(value) for value in values)
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return ("a whole number" if isinstance(kind, msgspec.inspect.IntType) else "a number") + _range(
                kind
            )
        case msgspec.inspect.StrType(pattern=pattern, min_length=least):
            return f"a text like {pattern}" if pattern else "a text, not empty" if least else "a text"
        case msgspec.inspect.DictType(value_type=msgspec.inspect.AnyType()):
            return "a mapping"
        case msgspec.inspect.DictType(value_type=value):
            return f"a mapping from text to {_allowed(value)}"
        case msgspec.inspect.StructType(fields=fields):
            return "a mapping with the keys " + ", ".join(field.encode_name for field in fields)
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(_allowed(option) for option in types)
        case msgspec.inspect.CustomType(cls=own):
            return getattr(own, "SYNTAX", "a text")
    item = getattr(kind, "item_type", None)
    many = "a list, not empty, of: " if getattr(kind, "min_length", None) else "a list of: "
    return many + _allowed(item) if item is not None else "a value"


def _range(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    """Say the bounds of a number."""
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge} to {kind.le}"
    if kind.ge is not None:
        return f", at least {kind.ge}"
    return "" if kind.le is None else f", at most {kind.le}"
