"""Find and read a policy: the file, the profile it extends, and what both come to."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gate.errors import InvalidInput
from gate.oci.descriptor import Platform
from gate.oci.reference import Pattern
from gate.options import Mark, Node, Options, decode, encode, suggestion
from gate.policy import document
from gate.policy.catalogue import Catalogue
from gate.policy.named import with_files
from gate.policy.policy import Policy, Scope, check_scanners, overlay, read_entries, select
from gate.policy.schema import (
    PROFILES,
    PlatformRequirements,
    PolicyFile,
    ScannerSettings,
    ScopeEntry,
    SourceRequirements,
)
from gate.rule import Action, Rule

if TYPE_CHECKING:
    from gate.policy.exceptions import PolicyException
    from gate.policy.verdict_reuse import VerdictReuse
    from gate.rules._signers import SignersOptions

FILE_NAMES = (".image-gate.yaml", ".image-gate.yml")
DEFAULT_PROFILE = "baseline"
PROFILE_FOLDER = os.path.join(
    os.path.dirname(__file__), "profiles"
)  # not pathlib, which takes 3 ms to import
PARSED_PROFILES = os.path.join(PROFILE_FOLDER, "parsed.json")

Section = TypeVar("Section", bound=Options)


class Source(msgspec.Struct, frozen=True):
    """Where a policy comes from: what to call it, its bytes, and the folder where paths in it start."""

    name: str
    origin: str
    in_checkout: bool
    data: bytes
    folder: str = ""


def load(
    path_or_profile: str | None,
    *,
    directory: str | PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    rules: Mapping[str, Rule] | None = None,
) -> Policy:
    """Load a policy; see `Policy.load`."""
    directory = os.getcwd() if directory is None else os.fspath(directory)
    rules = Catalogue() if rules is None else rules
    found = find(directory) if path_or_profile is None else None
    profile = path_or_profile if path_or_profile in PROFILES else DEFAULT_PROFILE
    if path_or_profile in PROFILES or (path_or_profile is None and found is None):
        data = _profile_bytes(profile)
        note = " (no policy file found)" if path_or_profile is None else ""
        source = Source(profile, f"profile {profile}{note}", False, data)
        return _policy(source, _profile(profile, data), rules)
    shown = os.path.relpath(found, directory) if found else str(path_or_profile)
    path = os.path.join(directory, shown)
    data = _read(path, shown)
    environment = os.environ if environment is None else environment
    inside = in_checkout(path, directory, environment)
    origin = f"{shown} (from the checkout under test)" if inside else shown
    folder = os.path.dirname(path)
    source = Source(os.path.basename(path), origin, inside, data, folder)
    policy = _policy(source, document.parse(data, shown), rules)
    editable = [
        file for file in policy.named_files if in_checkout(os.path.join(folder, file), directory, environment)
    ]
    if inside or not editable:
        return policy
    origin = f"{shown} ({', '.join(editable)} from the checkout under test)"
    return msgspec.structs.replace(policy, origin=origin, in_checkout=True)


def from_bytes(data: bytes, path: str, rules: Mapping[str, Rule]) -> Policy:
    """Build the policy that these bytes would be at `path`, whatever lies there now; raises `InvalidInput`."""
    source = Source(os.path.basename(path), path, False, data, os.path.dirname(path))
    return _policy(source, document.parse(data, path), rules)


def find(directory: str | PathLike[str]) -> str | None:
    """Return the policy file for `directory`: the nearest one upward, not above the repository's root.

    Outside a repository only `directory` itself counts: what lies above may be anyone's. Raises `InvalidInput` where
    both spellings of the name stand side by side.
    """
    root = repository_root(directory)
    folders = list(_upward(directory))
    for folder in folders[: folders.index(root) + 1] if root else folders[:1]:
        places = (os.path.join(folder, name) for name in FILE_NAMES)
        here = [place for place in places if os.path.lexists(place)]
        if len(here) > 1:
            raise InvalidInput(
                f"both {here[0]} and {FILE_NAMES[1]} exist",
                hint="keep one of them, or name it with --policy",
            )
        if here:
            return here[0]
    return None


def repository_root(directory: str | PathLike[str]) -> str | None:
    """Return the nearest folder upward that holds `.git`, None outside a repository."""
    return next(
        (folder for folder in _upward(directory) if os.path.lexists(os.path.join(folder, ".git"))), None
    )


def _upward(directory: str | PathLike[str]) -> Iterator[str]:
    """Yield a folder and all folders above it."""
    folder = os.fspath(directory)
    yield folder
    while (above := os.path.dirname(folder)) != folder:
        folder = above
        yield folder


def verify_digest(policy: Policy, expected: str) -> None:
    """Refuse any policy but the one named by `--policy-digest`; raises `InvalidInput`."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", expected):
        raise InvalidInput(
            f"{expected[:100]!r} is not a policy digest",
            hint="write sha256: and 64 lower-case hexadecimal digits",
        )
    if expected != policy.digest:
        raise InvalidInput(
            f"the policy from {policy.origin} has the digest {policy.digest}, not {expected}",
            hint="it was changed, or image-gate's profile was by an update; review it, then state the new digest",
        )


def parsed_profiles() -> dict[str, object]:
    """Parse the profiles' YAML into the form of `profiles/parsed.json`, each beside the digest of what it was read from."""
    found: dict[str, object] = {}
    for name in PROFILES:
        data = _profile_bytes(name)
        found[name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "document": document.parse(data, f"{name}.yaml").plain(),
        }
    return found


def _profile(name: str, data: bytes) -> Node:
    """Return a profile, from its parsed form while that belongs to these bytes: reading YAML takes 15 ms, this none."""
    place = Mark(f"profile {name}", 1, 1)
    parsed = {}
    if os.path.exists(PARSED_PROFILES):
        with open(PARSED_PROFILES, "rb") as file:
            parsed = json.load(file)
    known = parsed.get(name, {})
    if known.get("sha256") == hashlib.sha256(data).hexdigest():
        return Node.of(known["document"], place)
    return document.parse(data, place.file)


def _profile_bytes(name: str) -> bytes:
    """Return the YAML of a built-in profile."""
    with open(os.path.join(PROFILE_FOLDER, f"{name}.yaml"), "rb") as file:
        return file.read()


def _read(path: str, shown: str) -> bytes:
    """Read a file that a user named, no further than the limit."""
    try:
        with open(path, "rb") as file:
            return file.read(document.DOCUMENT_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        near = f"; {suggestion(shown, PROFILES)}" if "/" not in shown else ""
        raise InvalidInput(
            f"the policy {shown!r} cannot be read: {reason}", hint=f"name a file or a built-in profile{near}"
        ) from None


def in_checkout(
    path: str | PathLike[str], directory: str | PathLike[str], environment: Mapping[str, str]
) -> bool:
    """Whether a CI job judges a change by a file that the change itself can edit."""
    root = repository_root(directory)
    in_ci = environment.get("CI", "").lower() not in ("", "0", "false")
    if not in_ci or root is None:
        return False
    real = os.path.realpath(root)
    return os.path.commonpath((real, os.path.realpath(path))) == real


def _policy(source: Source, root: Node, rules: Mapping[str, Rule]) -> Policy:
    """Build the policy that a document and the profile it extends come to."""
    sections = root.mapping("the policy")
    file = decode(root, PolicyFile, "")
    digest = hashlib.sha256(source.data)
    below: Mapping[str, Node] = {}
    if file.extends:
        profile_data = _profile_bytes(file.extends)
        digest.update(profile_data)
        below = _profile(file.extends, profile_data).value
    entries = read_entries(below["rules"], rules, "rules") if below else {}
    if "rules" in sections:
        entries = overlay(entries, read_entries(sections["rules"], rules, "rules"))
    settings, not_selected = select(entries, rules)
    if not settings:
        raise InvalidInput(
            f"{sections.get('rules', root).mark}: the policy selects no rule",
            hint="list at least one under `rules`, or extend a profile: an empty policy would let everything pass",
        )
    scanning = _section("scanners", ScannerSettings, sections, below)
    platforms = _section("platforms", PlatformRequirements, sections, below)
    _check_platforms(platforms, sections.get("platforms", root).mark)
    check_scanners(settings, scanning.required, sections.get("scanners", root).mark)
    policy = Policy(
        name=source.name,
        origin=source.origin,
        digest=f"sha256:{digest.hexdigest()}",
        in_checkout=source.in_checkout,
        scanners_required=tuple(sorted(set(scanning.required))),
        database_max_age={
            name: timedelta(days=days) for name, days in encode(scanning.max_database_age_days).items()
        },
        scanning=scanning,
        sources=_section("sources", SourceRequirements, sections, below),
        platforms=platforms,
        settings=settings,
        not_selected=not_selected,
        scopes=_scopes(sections, rules),
        exceptions=_exceptions(sections, rules),
        vex_signers=_vex_signers(sections),
        vex_from_runs=file.vex.command_line,
        verdict_reuse=_verdict_reuse(sections),
        sudden_fall=Action(file.sudden_fall),
        exceptions_notice_days=file.exceptions_notice_days,
        entries=entries,
        rules=rules,
    )
    variants = [policy, *(policy.scoped([scope]) for scope in policy.scopes)]
    return with_files(policy, file, variants, source.folder, digest)


def _section(
    key: str, kind: type[Section], sections: Mapping[str, Node], below: Mapping[str, Node]
) -> Section:
    """Decode a section over what the profile says of it, key by key, and mappings in it once more."""
    merged: dict[str, Node] = {}
    for section in (below.get(key), sections.get(key)):
        for name, node in section.value.items() if section else ():
            under = merged.get(name)
            both = under is not None and isinstance(under.value, dict) and isinstance(node.value, dict)
            merged[name] = (
                Node({**under.value, **node.value}, node.mark, node.key) if under and both else node
            )
    place = sections[key].mark if key in sections else Mark("", 1, 1)
    return decode(Node(merged, place), kind, key)


def _check_platforms(platforms: PlatformRequirements, where: Mark) -> None:
    """Refuse a policy that requires a platform and leaves it out."""
    for name in platforms.required:
        wanted = name.pattern
        platform = Platform(wanted.os, wanted.architecture, wanted.variant or "")
        for other in platforms.leave_out:
            if other.pattern.matches(platform):
                raise InvalidInput(
                    f"{where}: platforms: {name} is required, and {other} is left out",
                    hint="drop one of them",
                )


def _scopes(sections: Mapping[str, Node], rules: Mapping[str, Rule]) -> tuple[Scope, ...]:
    """Read the section `scopes`."""
    found: list[Scope] = []
    for number, node in enumerate(sections["scopes"].value if "scopes" in sections else ()):
        label = f"scopes[{number}]"
        entry = decode(node, ScopeEntry, label)
        try:
            pattern = Pattern.parse(entry.match)
        except InvalidInput as error:
            raise InvalidInput(
                f"{node.value['match'].mark}: {label}.match: {error.message}", hint=error.hint
            ) from None
        entries = read_entries(node.value["rules"], rules, f"{label}.rules")
        found.append(Scope(pattern, entries, str(node.mark)))
    return tuple(found)


def _exceptions(sections: Mapping[str, Node], rules: Mapping[str, Rule]) -> tuple[PolicyException, ...]:
    """Read the section `exceptions`."""
    if "exceptions" not in sections:
        return ()
    from gate.policy.exceptions_file import read_exceptions  # here: few policies have any

    return read_exceptions(sections["exceptions"], rules)


def _vex_signers(sections: Mapping[str, Node]) -> SignersOptions | None:
    """Read whose VEX attestations count; None where the policy lets none count."""
    node = sections["vex"].value.get("attested") if "vex" in sections else None
    if node is None:
        return None
    from gate.rules._signers import SignersOptions  # here: few policies have any

    return decode(node, SignersOptions, "vex.attested")


def _verdict_reuse(sections: Mapping[str, Node]) -> VerdictReuse | None:
    """Read whose verdicts may spare a scan; None where the policy lets none."""
    if "reuse-verdicts" not in sections:
        return None
    from gate.policy.verdict_reuse import VerdictReuse  # here: few policies have any

    return decode(sections["reuse-verdicts"], VerdictReuse, "reuse-verdicts")
