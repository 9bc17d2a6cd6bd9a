"""The files that a policy names: read once, in the order of their names, and covered by its digest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.policy.policy import Policy
from gate.policy.schema import PolicyFile

if TYPE_CHECKING:
    import hashlib


class Kind(msgspec.Struct, frozen=True):
    """One kind of file: what messages call it, and which command writes it."""

    what: str
    written_by: str
    limit: int = LIMITS.document


BASES = Kind("file of bases", "image-gate base record")
BASELINE = Kind("baseline", "image-gate baseline create", LIMITS.baseline)
TRUST = Kind("file of keys or trusted roots", "cosign generate-key-pair` or `image-gate trust update")
VEX = Kind("VEX document", "vexctl create", LIMITS.vex)
EXCEPTIONS = Kind("file of exceptions", "image-gate except add --file")


def with_files(
    policy: Policy, file: PolicyFile, variants: Iterable[Policy], folder: str, digest: hashlib._Hash
) -> Policy:
    """Read the files that the policy or, in any scope, options name, and let the digest cover them: they are part of it."""
    options = [setting.options for variant in variants for setting in variant.settings]
    kinds = {name: BASES for one in options if (name := getattr(one, "file", ""))}
    trusting = (*options, policy.vex_signers, policy.verdict_reuse)
    kinds |= {name: TRUST for one in trusting for name in getattr(one, "trust_files", ())}
    kinds |= dict.fromkeys(file.exceptions_files, EXCEPTIONS)
    kinds |= dict.fromkeys(file.vex.files, VEX)
    kinds |= {file.baseline.file: BASELINE} if file.baseline else {}
    if not kinds:
        return policy
    changes: dict[str, Any] = {
        "recorded_bases": {},
        "trust_files": {},
        "exceptions": policy.exceptions,
        "vex": (),
    }
    for name, kind in sorted(kinds.items(), key=lambda item: item[0]):
        data = read_file(os.path.join(folder, name), name, kind)
        digest.update(data)
        if kind is BASELINE and file.baseline:
            from gate.policy.baseline import Baseline, read_baseline

            changes["baseline"] = Baseline(name, *read_baseline(data, name), until=file.baseline.until)
        else:
            _take(changes, name, kind, data, policy)
    changes["named_files"] = tuple(sorted(kinds))
    return msgspec.structs.replace(policy, digest=f"sha256:{digest.hexdigest()}", **changes)


def _take(changes: dict[str, Any], name: str, kind: Kind, data: bytes, policy: Policy) -> None:
    """Read what a file holds into the fields of the policy that it belongs to."""
    if kind is BASES:
        from gate.policy.bases import read_bases  # here, because few policies name a file

        changes["recorded_bases"][name] = read_bases(data, name)
    elif kind is TRUST:
        changes["trust_files"][name] = data  # read where signatures are verified, which this row does not see
    elif kind is VEX:
        from gate.vex.read import read_vex

        changes["vex"] += (read_vex(data, name, "policy"),)
    else:
        from gate.policy.exceptions_file import read_exceptions_file

        changes["exceptions"] += read_exceptions_file(data, name, policy.rules)


def read_file(path: str, shown: str, kind: Kind) -> bytes:
    """Read a file that a policy names, no further than the limit; raises `InvalidInput`."""
    try:
        with open(path, "rb") as file:
            return file.read(kind.limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(
            f"the {kind.what} {shown!r} cannot be read: {reason}",
            hint=f"its path starts from the policy's folder; `{kind.written_by}` writes one",
        ) from None
