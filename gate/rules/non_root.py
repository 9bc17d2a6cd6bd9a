"""The image's user is not root, however it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Struct

from gate.errors import Unavailable
from gate.oci.filesystem import Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, Text, describe
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._programs import refuse_windows
from gate.rules._users import LARGEST_ID, PASSWD, Account, Group, accounts, groups, number

_SHOWN = 100
"""Characters of USER that a message shows."""
_WRAP = 2**32
"""The kernel's user ids have 32 bits; engines cut longer numbers off."""


class NonRootOptions(Options):
    """Options of `non-root`."""

    group_zero: Annotated[
        bool,
        describe(
            "Report a user whose primary or supplementary group is 0 too. OpenShift's convention is such a user."
        ),
    ] = False
    forbidden_groups: Annotated[
        tuple[Text, ...],
        describe("Groups that the user must not be in, by name, such as `docker`, `disk` or `sudo`."),
    ] = ()
    numeric: Annotated[
        bool,
        describe(
            "Require a number: Kubernetes' `runAsNonRoot` refuses to start an image whose user is a name."
        ),
    ] = False


class _User(Struct, frozen=True):
    """Who the container's first process is."""

    uid: int
    gid: int
    groups: tuple[Group, ...]
    how: str


def check(filesystem: Filesystem, config: ImageConfig, options: NonRootOptions) -> Iterator[Finding | Remark]:
    """Yield findings for a user who is root, or in a group that the options forbid."""
    refuse_windows(config)
    name, colon, group = config.user.partition(":")
    written = config.user[:_SHOWN]
    uid = number(name)
    if uid is not None and not 0 <= uid <= LARGEST_ID:
        yield Finding(
            f"USER {written} is no valid user id, and older engines run it as root (CVE-2024-40635)",
            id="user",
        )
        return
    known = accounts(filesystem)
    user = _resolve(config.user, known, groups(filesystem))
    if user.uid % _WRAP == 0:
        yield Finding(f"runs as root: {user.how}", id="user", details={"user": written, "uid": 0})
    elif not 0 < user.uid <= LARGEST_ID:
        yield Finding(
            f"the user id {user.uid} is out of range, and engines differ on it: {user.how}", id="user"
        )
    elif uid is not None and any(account.name == name and account.uid % _WRAP == 0 for account in known):
        yield Finding(f"USER {written} is also the name of an account with user id 0 in {PASSWD}", id="user")
    if options.numeric and name and uid is None:
        yield Finding(f"USER {written} is a name; Kubernetes can only verify a number", id="numeric")
    yield from _groups(user, group if colon else "", options)
    if uid is None and user.uid % _WRAP and not options.numeric:
        yield Remark(f"USER {written} is a name, so Kubernetes' runAsNonRoot cannot verify it; {user.how}")


def _resolve(written: str, known: tuple[Account, ...], all_groups: tuple[Group, ...]) -> _User:
    """Resolve as engines do: a number is a user id even where an account has that name; the first match wins."""
    name, _, group = written.partition(":")
    if ":" in group:
        raise Unavailable(
            f"USER {written[:_SHOWN]!r} has more than one colon, and engines differ on it",
            hint="write USER name:group or uid:gid",
        )
    uid = number(name)
    if name == "":
        how = f"USER {written[:_SHOWN]} names no user" if written else "no USER is set"
        account = next((account for account in known if account.uid == 0), Account("root", 0, 0))
    elif uid is not None:
        how = f"USER {written[:_SHOWN]}"
        account = next((account for account in known if account.uid == uid), Account("", uid, 0))
    else:
        found = next((account for account in known if account.name == name), None)
        if found is None:
            raise Unavailable(
                f"USER {written[:_SHOWN]!r} is not in the image's {PASSWD}, so the container may not start, or as someone else",
                hint="create the user in the image, or write its number",
            )
        how, account = f"{PASSWD} maps {name[:_SHOWN]} to user id {found.uid}", found
    if group:
        gid = _group_id(group, all_groups)
        member_of: tuple[Group, ...] = ()
    else:
        gid = account.gid
        member_of = tuple(entry for entry in all_groups if account.name and account.name in entry.members)
    primary = tuple(entry for entry in all_groups if entry.gid == gid)[:1]
    return _User(account.uid, gid, (*primary, *member_of), how)


def _group_id(written: str, all_groups: tuple[Group, ...]) -> int:
    """Resolve a group as engines do."""
    gid = number(written)
    if gid is not None:
        return gid
    found = next((entry.gid for entry in all_groups if entry.name == written), None)
    if found is None:
        raise Unavailable(
            f"the group {written[:_SHOWN]!r} of USER is not in the image's /etc/group, so the container may not start",
            hint="create the group in the image, or write its number",
        )
    return found


def _groups(user: _User, written: str, options: NonRootOptions) -> Iterator[Finding]:
    """Yield findings for groups that the options forbid."""
    if options.group_zero and (user.gid % _WRAP == 0 or any(entry.gid % _WRAP == 0 for entry in user.groups)):
        how = (
            f"as USER says ({written[:_SHOWN]})"
            if written
            else "by passwd and group, or because nothing names another"
        )
        yield Finding(f"the user is in group 0, {how}", id="group-zero", details={"gid": user.gid})
    for forbidden in options.forbidden_groups:
        if any(entry.name == forbidden for entry in user.groups):
            yield Finding(f"the user is in the group {forbidden}", id=f"group-{forbidden}")


RULE = Rule(
    id="non-root",
    title="The image does not run as root",
    rationale=(
        "Root in a container is root on the host as soon as one barrier fails, and may change every file of the image"
        " before that. Engines take a missing, empty or zero user for root."
    ),
    remediation=(
        "Set USER to a number other than 0, such as USER 65532:65532, as the last user of the Dockerfile. A number needs"
        " no entry in passwd, and Kubernetes can verify it."
    ),
    severity=Severity.HIGH,
    check=check,
)
