"""Which images a Dockerfile takes content from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from gate.dockerfile import WORD, Instruction, Source, unquoted
from gate.dockerfile.lines import instructions
from gate.dockerfile.substitution import expanded
from gate.errors import InvalidInput

NOTHING = "scratch"
"""The base that is no image."""

_FROM = re.compile(r"(?:--\S+\s+)*(?P<image>[^\s-]\S*)(?:\s+(?i:AS)\s+(?P<name>\S+))?")


class _Stage(Struct):
    """A stage: its name in lower case, and its base, which may be an earlier stage."""

    name: str
    source: Source
    parent: _Stage | None = None


def sources(data: bytes, arguments: Mapping[str, str] | None = None, target: str = "") -> tuple[Source, ...]:
    """Return the images that a Dockerfile names, in its order; stages of its own and `scratch` are none.

    `arguments` are those of `--build-arg`, `target` the stage that is built. Raises `InvalidInput` for what is no
    Dockerfile.
    """
    values = dict(arguments or {})
    stages: list[_Stage] = []
    found: list[Source] = []
    for instruction in instructions(data):
        if instruction.keyword == "ARG" and not stages:
            _declare(instruction.rest, arguments or {}, values)
        elif instruction.keyword == "FROM":
            stages.append(_stage(instruction, values, stages))
            if stages[-1].parent is None and stages[-1].source.name != NOTHING:
                found.append(stages[-1].source)
        elif instruction.keyword in ("COPY", "RUN") and stages:
            found += _copied(instruction, stages)
    if not stages:
        raise InvalidInput("it has no FROM", hint="is it a Dockerfile?")
    base = _base_of(_chosen(stages, target))
    return tuple(Source(s.line, s.keyword, s.image, s.name, s.problem, s is base) for s in found)


def _declare(rest: str, arguments: Mapping[str, str], values: dict[str, str]) -> None:
    """Take the defaults of an `ARG` before the first stage; those of the command line win."""
    for word in WORD.findall(rest):
        name, equals, default = word.partition("=")
        if equals and name not in arguments:
            value, problem = expanded(unquoted(default), values)
            if not problem:
                values[name] = value


def _stage(instruction: Instruction, values: Mapping[str, str], stages: Sequence[_Stage]) -> _Stage:
    """Read a `FROM`."""
    written = _FROM.fullmatch(instruction.rest)
    if written is None:
        raise InvalidInput(f"line {instruction.line}: FROM {instruction.rest[:100]!r} cannot be read")
    name, problem = expanded(unquoted(written["image"]), values)
    if not name and not problem:
        problem = "it comes to nothing"
    parent = next((stage for stage in stages if stage.name == name.lower()), None) if name else None
    source = Source(instruction.line, "FROM", written["image"], "" if problem else name, problem)
    return _Stage((written["name"] or "").lower(), source, parent)


def _copied(instruction: Instruction, stages: Sequence[_Stage]) -> Iterator[Source]:
    """Yield the images that an instruction copies from or mounts; stages, by name or number, are none."""
    named = {stage.name for stage in stages if stage.name} | {str(number) for number in range(len(stages))}
    for word in WORD.findall(instruction.rest):
        if not word.startswith("--"):
            break
        flag, _, value = word.partition("=")
        places = [value] if flag == "--from" else []
        if flag == "--mount":
            places = [part[5:] for part in unquoted(value).split(",") if part.startswith("from=")]
        for place in places:
            image = unquoted(place)
            if "$" in image:  # BuildKit expands nothing here
                yield Source(
                    instruction.line,
                    instruction.keyword,
                    image,
                    problem="variables are not replaced in --from",
                )
            elif image and image.lower() not in named and image != NOTHING:
                yield Source(instruction.line, instruction.keyword, image, image)


def _chosen(stages: Sequence[_Stage], target: str) -> _Stage:
    """Return the stage that is built: the last one unless another was asked for."""
    if not target:
        return stages[-1]
    for number, stage in enumerate(stages):
        if target.lower() == stage.name or target == str(number):
            return stage
    raise InvalidInput(f"it has no stage {target[:100]!r}")


def _base_of(stage: _Stage) -> Source:
    """Return what a stage is built on in the end."""
    while stage.parent is not None:
        stage = stage.parent
    return stage.source
