"""Rule and Finding: what a rule is, what it says, and what it needs to know.

A rule is a value: its metadata and one pure function. The function's signature is its declaration: every parameter but
the last is a kind of evidence, the last is the rule's options.
"""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import force_setattr

from gate.errors import InvalidInput
from gate.evidence import KINDS
from gate.oci.filesystem import Entry, Filesystem
from gate.oci.reference import Reference
from gate.options import Options


class Severity(enum.IntEnum):
    """How bad a finding is; the order is the order of concern, with `UNKNOWN` below all that is rated.

    None is zero: an unrated finding must not read as one without a severity of its own.
    """

    UNKNOWN = 1
    NEGLIGIBLE = 2
    LOW = 3
    MEDIUM = 4
    HIGH = 5
    CRITICAL = 6

    def __str__(self) -> str:
        return self.name.lower()


class Action(enum.StrEnum):
    """What a broken rule does: close the gate, or be reported."""

    DENY = "deny"
    WARN = "warn"


class Location(Struct, frozen=True):
    """Where a finding is.

    `layer` is the diff ID and `layer_index` the position from 0 at the base; `path` starts with a slash. `package` is a
    purl. `base` says whether it comes from the recognised base or from what is above it; rules leave that open, and
    `evaluate` says it. What does not apply is None.
    """

    layer: str | None = None
    layer_index: int | None = None
    path: str | None = None
    package: str | None = None
    base: bool | None = None

    @classmethod
    def of(cls, entry: Entry, filesystem: Filesystem) -> Location:
        """The place of a file in the layer that provides it."""
        return cls(layer=filesystem.diff_ids[entry.layer], layer_index=entry.layer, path=entry.path)


class Finding(Struct, frozen=True):
    """One deviation from a rule.

    `id` names it where it has a name of its own (a CVE). `severity` and `action` are the rule's unless stated;
    `action_in_base` replaces `action` where the finding proves to come from the recognised base. `unknown` says that something
    could not be established rather than that it is wrong: unless its action is to warn, such a finding makes the rule unknown.
    `details` holds what a machine may want: JSON values only. `remediation` says what to do about this one.
    """

    message: str
    location: Location = Location()
    id: str = ""
    severity: Severity | None = None
    action: Action | None = None
    action_in_base: Action | None = None
    unknown: bool = False
    remediation: str = ""
    details: Mapping[str, object] = {}

    @property
    def purls(self) -> tuple[str, ...]:
        """The package URLs of its package: its own, and those that `details` quotes as scanners wrote them, with qualifiers."""
        written = self.details.get("purls")
        listed = written if isinstance(written, list | tuple) else ()
        own = (self.location.package,) if self.location.package else ()
        return (*own, *(text for text in listed if isinstance(text, str)))


class Remark(Struct, frozen=True):
    """Something worth knowing that breaks no rule, such as a shell that an upper layer removes."""

    message: str
    location: Location = Location()


Check = Callable[..., Iterator[Finding | Remark]]
Settle = Callable[..., Iterator[Finding]]
CheckName = Callable[[Reference, typing.Any], Iterator[Finding]]


class Rule(Struct, frozen=True):
    """One rule: metadata and a pure `check(evidence…, options)` that yields findings; none is a pass.

    A check may raise `Unavailable` for what its evidence does not tell. `evidence` and `options` are read from the
    signature; a signature that is not such a declaration raises `InvalidInput` when the rule is built. `marks` says that
    it looks at the byte signatures of programs, which cost the layer pass a search through them; `without_scanners` that
    what scanners say is welcome and not needed. `settle(findings, options)` yields all findings that count, once it is
    known which do, and may let some of them only warn: so many of a kind are tolerated. `check_name` judges a name by
    itself, as a Dockerfile has it, where the rule can.
    """

    id: str
    title: str
    rationale: str
    remediation: str
    severity: Severity
    check: Check
    marks: bool = False
    without_scanners: bool = False
    settle: Settle | None = None
    check_name: CheckName | None = None
    evidence: tuple[type, ...] = ()
    options: type[Options] = Options

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(self.check)
        parameters = [hints.get(name) for name in inspect.signature(self.check).parameters]
        if (
            not parameters
            or not _is_options(parameters[-1])
            or not all(kind in KINDS for kind in parameters[:-1])
        ):
            raise InvalidInput(
                f"rule {self.id}: the parameters of its check must be kinds of evidence, then its options"
            )
        force_setattr(self, "evidence", tuple(parameters[:-1]))
        force_setattr(self, "options", parameters[-1])


def _is_options(kind: object) -> bool:
    """Whether `kind` is a type of options."""
    return isinstance(kind, type) and issubclass(kind, Options)
