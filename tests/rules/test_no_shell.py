from __future__ import annotations

import pytest

from gate.errors import Unavailable
from gate.rule import Finding, Remark
from gate.rules.no_shell import RULE, NoShellOptions, check
from samples.images.entries import (
    Entry,
    directory,
    file,
    hard_link,
    program,
    symbolic_link,
    whiteout,
    whiteout_of,
)
from samples.images.programs import static_program
from tests.kit.trees import config, filesystem, messages, remarks

ELF = static_program("hello")
BUILT = {"app/server": program(ELF), "etc/ssl/certs/ca.crt": file("certificate")}


def judged(*layers: dict[str, Entry], interpreters: bool = False) -> list[Finding | Remark]:
    return list(check(filesystem(*layers), config(), NoShellOptions(interpreters=interpreters)))


def found(*layers: dict[str, Entry], interpreters: bool = False) -> list[str]:
    return messages(judged(*layers, interpreters=interpreters))


def test_passes_an_image_of_one_program() -> None:
    assert judged(BUILT) == []


@pytest.mark.parametrize(
    "path",
    [
        "bin/sh",
        "usr/local/bin/bash",
        "opt/tools/.hidden/zsh",
        "busybox/busybox",
        "nix/store/abc-bash-5.2/bin/bash",
    ],
)
def test_finds_a_shell_by_name_anywhere(path: str) -> None:
    (finding,) = check(filesystem({path: program(ELF)}), config(), NoShellOptions())
    assert isinstance(finding, Finding)
    assert finding.location.path == f"/{path}"
    assert finding.location.layer_index == 0
    assert finding.details["recognised_by"] == "name"


def test_lists_all_names_of_one_file_in_one_finding() -> None:
    tree = {
        "bin": symbolic_link("usr/bin"),
        "usr/bin/dash": program(ELF),
        "usr/bin/sh": symbolic_link("dash"),
        "etc/alternatives/ash": symbolic_link("/bin/dash"),
    }
    assert found(tree) == ["shell dash, also as /etc/alternatives/ash, /usr/bin/sh"]


def test_a_hard_link_is_the_same_file() -> None:
    tree = {"usr/bin/bash": program(ELF), "usr/bin/rbash": hard_link("usr/bin/bash", 0o755)}
    assert found(tree) == ["shell bash, also as /usr/bin/rbash"]


def test_hard_link_under_a_harmless_name_does_not_hide_it() -> None:
    tree = {"app/run": program(ELF), "bin/sh": hard_link("app/run", 0o755)}
    assert found(tree) == ["shell by the name of a link to run, also as /bin/sh"]


def test_a_link_named_sh_to_another_program_counts() -> None:
    assert found({"opt/x": program(ELF), "bin/sh": symbolic_link("../opt/x")}) == [
        "shell by the name of a link to x, also as /bin/sh"
    ]


def test_busybox_with_its_applets_is_one_finding() -> None:
    applets = {f"bin/{name}": symbolic_link("/bin/busybox") for name in ("sh", "ash", "cat", "ls", "hush")}
    assert found({"bin/busybox": program(ELF), **applets}) == [
        "multi-call binary with a shell busybox, also as /bin/ash, /bin/hush, /bin/sh"
    ]


@pytest.mark.parametrize(
    "tree",
    [
        {"bin/sh": symbolic_link("/bin/busybox")},
        {"bin/sh": symbolic_link("sh")},
        {"bin/sh": symbolic_link("../../../bin/sh2")},
        {"usr/share/sh": directory(), "usr/share/sh/readme": file("x")},
        {"usr/share/doc/bash/copyright": file("GPL"), "usr/share/bash-completion/completions/bash": file("x")},
        {"etc/shells": file("/bin/sh\n/bin/bash\n"), "etc/skel/.bashrc": file("x")},
        {"usr/share/vim/syntax/sh": file("syntax")},
        {"opt/bash": symbolic_link("/usr/share/doc")} | {"usr/share/doc/a": file("x")},
        {"etc/rc": program(b"#!/bin/sh\necho\n"), "etc/init.d/rc": program(b"#!/bin/sh\n")},
        {"usr/bin/sh": program(b"#!/usr/bin/env bash\nexec bash\n")},
        {"usr/bin/pushd-sh": program(ELF), "usr/bin/bashful": program(ELF), "usr/bin/ssh": program(ELF)},
    ],
    ids=[
        "dangling link", "loop", "link out of the root", "directory", "documents", "list of shells", "data file",
        "link to a directory", "init script", "script without a shell", "names that contain one",
    ],
)  # fmt: skip
def test_near_misses(tree: dict[str, Entry]) -> None:
    assert judged({**BUILT, **tree}) == []


def test_a_shell_written_in_python_counts() -> None:
    assert found({"usr/bin/xonsh": program(b"#!/usr/bin/python3\nimport xonsh\n")}) == ["shell xonsh"]


def test_a_binary_called_rc_counts() -> None:
    assert found({"usr/bin/rc": program(ELF)}) == ["shell rc"]


def by_content(tree: dict[str, Entry], marks: dict[str, tuple[str, ...]], **options: bool) -> list[str]:
    return messages(list(check(filesystem(tree, marks=marks), config(), NoShellOptions(**options))))


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("bash", "shell bash under another name, server"),
        ("dash", "shell dash under another name, server"),
        ("busybox", "multi-call binary busybox under another name, server"),
        ("toybox", "multi-call binary toybox under another name, server"),
    ],
)
def test_finds_a_shell_by_its_content(mark: str, message: str) -> None:
    assert by_content(BUILT, {"app/server": (mark,)}) == [message]


def test_content_and_name_together_are_one_finding() -> None:
    tree = {"opt/x": program(ELF), "opt/y": hard_link("opt/x", 0o755), "bin/sh": symbolic_link("/opt/x")}
    assert by_content(tree, {"opt/x": ("dash",)}) == ["shell dash under another name, x, also as /bin/sh"]
    assert by_content({"opt/x": program(ELF), "opt/y": hard_link("opt/x", 0o755)}, {"opt/x": ("dash",)}) == [
        "shell dash under another name, x, also as /opt/y"
    ]


@pytest.mark.parametrize("path", ["bin/bash", "opt/data"])
def test_a_shell_without_execute_bit_counts_for_a_loader_runs_it(path: str) -> None:
    assert len(by_content({path: file(ELF)}, {path: ("bash",)})) == 1


def test_the_name_needs_an_execute_bit_or_a_binary() -> None:
    assert found({"bin/sh": program(b"")}) == ["shell sh"]
    assert found({"bin/sh": file(ELF)}) == ["shell sh"]
    assert found({"bin/sh": file("text")}) == []


def test_a_multi_call_binary_says_whether_it_has_a_shell() -> None:
    tree = {"app/server": program(ELF)}
    assert by_content(tree, {"app/server": ("busybox", "ash")}) == [
        "multi-call binary with a shell busybox under another name, server"
    ]
    assert by_content(tree, {"app/server": ("toybox",)}) == [
        "multi-call binary toybox under another name, server"
    ]


def test_other_marks_are_no_shell() -> None:
    assert by_content(BUILT, {"app/server": ("go", "rpm", "python")}) == []
    assert by_content(BUILT, {"app/server": ("python",)}, interpreters=True) == [
        "interpreter python under another name, server"
    ]


def test_a_shell_by_content_that_a_later_layer_deletes_is_a_remark() -> None:
    tree = filesystem(BUILT, {whiteout_of("app/server"): whiteout()}, marks={"app/server": ("busybox",)})
    result = list(check(tree, config(), NoShellOptions()))
    assert messages(result) == []
    assert remarks(result) == ["shell busybox, named server, only in a lower layer, removed later"]


def test_setuid_and_group_only_execute_bits_count() -> None:
    assert found({"bin/sh": program(ELF, 0o4750)}) == ["shell sh"]
    assert found({"bin/sh": program(ELF, 0o010)}) == ["shell sh"]


def test_a_shell_that_a_later_layer_deletes_is_a_remark() -> None:
    base = {"bin/bash": program(ELF), "bin/sh": symbolic_link("bash"), **BUILT}
    result = judged(base, {whiteout_of("bin/bash"): whiteout()})
    assert messages(result) == []
    assert remarks(result) == ["shell bash only in a lower layer, removed later"]


def test_a_shell_that_a_later_layer_replaces_by_data_is_a_remark() -> None:
    result = judged({"bin/bash": program(ELF)}, {"bin/bash": file("gone")})
    assert messages(result) == []
    assert len(remarks(result)) == 1


def test_an_updated_shell_is_a_finding_and_no_remark() -> None:
    result = judged({"bin/bash": program(ELF)}, {"bin/bash": program(static_program("newer"))})
    assert messages(result) == ["shell bash"]
    assert remarks(result) == []


def test_a_shell_that_a_later_layer_adds_is_found_there() -> None:
    (finding,) = check(filesystem(BUILT, {"bin/sh": program(ELF)}), config(), NoShellOptions())
    assert finding.location.layer_index == 1


def test_remarks_on_lower_layers_are_bounded() -> None:
    many = {f"opt/{number}/bash": program(ELF) for number in range(40)}
    result = judged(many, {whiteout_of("opt"): whiteout()})
    assert len(result) == len(remarks(result)) == 10


@pytest.mark.parametrize(
    "name",
    [
        "python3",
        "python3.11",
        "perl",
        "perl5.36.0",
        "node",
        "lua5.4",
        "gawk",
        "ruby3.1",
        "php8.2",
        "tclsh8.6",
    ],
)
def test_interpreters_count_only_by_option(name: str) -> None:
    tree = {f"usr/bin/{name}": program(ELF)}
    assert judged(tree) == []
    assert found(tree, interpreters=True) == [f"interpreter {name}"]


def test_interpreter_of_many_names_is_one_finding() -> None:
    tree = {
        "usr/bin/python3.11": program(ELF),
        "usr/bin/python3": symbolic_link("python3.11"),
        "usr/bin/python": symbolic_link("python3"),
    }
    assert found(tree, interpreters=True) == [
        "interpreter python3.11, also as /usr/bin/python, /usr/bin/python3"
    ]


def test_windows_images_are_unknown() -> None:
    with pytest.raises(Unavailable, match="Windows"):
        list(check(filesystem(BUILT), config(os="windows"), NoShellOptions()))


def test_rule_states_its_evidence() -> None:
    assert [kind.__name__ for kind in RULE.evidence] == ["Filesystem", "ImageConfig"]
    assert RULE.marks, "the layer pass only searches programs where a rule says that it looks at the marks"
