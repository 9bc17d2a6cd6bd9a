from __future__ import annotations

import pytest

from gate.errors import Unavailable
from gate.rule import Finding, Remark
from gate.rules.non_root import NonRootOptions, check
from samples.images.entries import Entry, file, symbolic_link
from tests.kit.trees import config, filesystem, messages, remarks

PASSWD = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\napp:x:1000:1000::/app:\nzero:x:1001:0::/:\n65534:x:0:0::/:\n"
GROUP = "root:x:0:\ndocker:x:998:app,other\napp:x:1000:\nwheel:x:10:zero\n"
ACCOUNTS: dict[str, Entry] = {"etc/passwd": file(PASSWD), "etc/group": file(GROUP)}


def judged(user: str, tree: dict[str, Entry] | None = None, **options: object) -> list[Finding | Remark]:
    settings = NonRootOptions(**options)  # type: ignore[arg-type]
    return list(check(filesystem(ACCOUNTS if tree is None else tree), config(User=user), settings))


@pytest.mark.parametrize(
    "user",
    ["1000", "1000:1000", "65532", "65532:65532", "app", "app:app", "1000:0", "+1000", "007", "2147483647"],
)
def test_passes_another_user(user: str) -> None:
    assert messages(judged(user)) == []


@pytest.mark.parametrize(
    "user",
    [
        "",
        "root",
        "0",
        "0:0",
        "00",
        "0000:1000",
        "+0",
        "-0",
        "toor",
        "root:app",
        ":1000",
        "0:1000",
        "0" * 60,
        "toor:1000",
    ],
)
def test_finds_root_however_it_is_written(user: str) -> None:
    (message,) = messages(judged(user))
    assert message.startswith("runs as root: ")


def test_a_long_number_with_leading_zeros_is_no_root() -> None:
    assert messages(judged("0" * 50 + "1")) == []


@pytest.mark.parametrize(
    "user", ["2147483648", "4294967296", "4294967297", "-1", "9" * 30, "2147483648:1000"]
)
def test_finds_ids_out_of_range(user: str) -> None:
    (message,) = messages(judged(user))
    assert "CVE-2024-40635" in message


@pytest.mark.parametrize(
    "user",
    ["nobody", "App", " app", "app ", "1000x", "１０００", "0x0", "1_0", "0.0", "a:b:c", "app:nogroup"],
)
def test_what_cannot_be_resolved_is_unknown(user: str) -> None:
    with pytest.raises(Unavailable):
        judged(user)


@pytest.mark.parametrize("user", ["root", "app"])
def test_a_name_without_passwd_is_unknown(user: str) -> None:
    with pytest.raises(Unavailable, match="not in the image's /etc/passwd"):
        judged(user, {})


def test_no_user_is_root_without_passwd_too() -> None:
    assert len(messages(judged("", {}))) == 1
    assert messages(judged("1000", {})) == []


@pytest.mark.parametrize(
    "line",
    ["app:x:0:1", "app:x::1000", "app:x", "app", "app:x:zero:0", "app:x:0x3e8:0", "app:x:00:0", "app:x:-0:0"],
)
def test_reads_a_damaged_line_as_engines_do(line: str) -> None:
    (message,) = messages(judged("app", {"etc/passwd": file(f"{line}\n")}))
    assert message.startswith("runs as root: /etc/passwd maps app to user id 0")


@pytest.mark.parametrize("uid", ["4294967296", "8589934592"])
def test_an_account_id_that_wraps_to_zero_is_root(uid: str) -> None:
    assert messages(judged("app", {"etc/passwd": file(f"app:x:{uid}:1\n")}))[0].startswith("runs as root")


@pytest.mark.parametrize("uid", ["2147483648", "-1", "4294967295"])
def test_an_account_id_out_of_range_is_a_finding(uid: str) -> None:
    assert "out of range" in messages(judged("app", {"etc/passwd": file(f"app:x:{uid}:1\n")}))[0]


def test_the_first_of_two_accounts_counts() -> None:
    assert messages(judged("app", {"etc/passwd": file("app:x:5:5\napp:x:0:0\n")})) == []
    assert len(messages(judged("app", {"etc/passwd": file("app:x:0:0\napp:x:5:5\n")}))) == 1


def test_a_number_that_is_also_the_name_of_a_root_account_is_a_finding() -> None:
    (message,) = messages(judged("65534"))
    assert "also the name of an account with user id 0" in message


def test_a_line_too_long_for_engines_is_unknown() -> None:
    with pytest.raises(Unavailable, match="give up"):
        judged("app", {"etc/passwd": file(f"{PASSWD}x:{'y' * 70_000}\n")})


def test_follows_links_inside_the_image() -> None:
    tree = {"etc/passwd": symbolic_link("../usr/share/passwd"), "usr/share/passwd": file("app:x:0:0\n")}
    assert len(messages(judged("app", tree))) == 1


def test_names_are_remarked_upon_and_numbers_can_be_required() -> None:
    assert remarks(judged("app")) == [
        "USER app is a name, so Kubernetes' runAsNonRoot cannot verify it; /etc/passwd maps app to user id 1000"
    ]
    assert remarks(judged("1000")) == []
    assert messages(judged("app", numeric=True)) == [
        "USER app is a name; Kubernetes can only verify a number"
    ]
    assert messages(judged("1000", numeric=True)) == []


@pytest.mark.parametrize(
    ("user", "in_group_zero"),
    [("zero", True), ("1001", True), ("5000", True), ("1000:0", True), ("1000:root", True), ("app", False),
     ("1000", False), ("5000:5000", False), ("zero:10", False), ("1000:00", True)],
)  # fmt: skip
def test_group_zero_counts_only_by_option(user: str, in_group_zero: bool) -> None:
    assert messages(judged(user)) == []
    assert bool(messages(judged(user, group_zero=True))) is in_group_zero


def test_supplementary_group_zero_counts_by_option() -> None:
    tree = {"etc/passwd": file("app:x:1:1\n"), "etc/group": file("# a comment\nroot:x:0:app\n")}
    assert len(messages(judged("app", tree, group_zero=True))) == 1
    assert messages(judged("app:1", tree, group_zero=True)) == []


def test_groups_can_be_forbidden() -> None:
    forbidden = ("docker", "wheel")
    assert messages(judged("app", forbidden_groups=forbidden)) == ["the user is in the group docker"]
    assert messages(judged("1000:10", forbidden_groups=forbidden)) == ["the user is in the group wheel"]
    assert messages(judged("1000:1000", forbidden_groups=forbidden)) == []


def test_windows_images_are_unknown() -> None:
    with pytest.raises(Unavailable, match="Windows"):
        list(check(filesystem(ACCOUNTS), config(User="ContainerUser", os="windows"), NonRootOptions()))


def test_a_hostile_user_is_not_printed_whole() -> None:
    with pytest.raises(Unavailable) as caught:
        judged("x" * 100_000)
    assert len(caught.value.message) < 400
