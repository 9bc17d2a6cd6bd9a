from __future__ import annotations

from typing import Any

import pytest

from gate.rule import Finding, Remark
from gate.rules.config_lint import ConfigLintOptions, check
from samples.images.entries import Entry, directory, file, program, symbolic_link
from samples.images.programs import static_program
from tests.kit.trees import config, filesystem, messages

ELF = static_program("hello")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def judged(tree: dict[str, Entry] | None = None, checks: Any = None, **fields: Any) -> list[Finding | Remark]:
    options = ConfigLintOptions(checks=checks) if checks else ConfigLintOptions()
    return list(check(filesystem(tree or {"app": program(ELF)}), config(**fields), options))


def steps(*commands: str) -> list[dict[str, str]]:
    return [{"created_by": command} for command in commands]


def test_passes_an_ordinary_image() -> None:
    history = steps(
        "ADD rootfs.tar.xz / # buildkit",
        "RUN /bin/sh -c apt-get update && apt-get install -y ca-certificates && rm -rf /var/lib/apt/lists/* # buildkit",
        "RUN /bin/sh -c apk add --no-cache tini",
        "COPY --from=build /app /app # buildkit",
        "ADD --checksum=sha256:abc https://example.com/x /x",
    )
    tree = {"usr/bin/app": program(ELF), "tmp": directory(0o1777), "tmp/x": file("x", 0o666)}
    assert judged(tree, history=history, Env=[PATH], Volumes={"/data": {}, "/var/lib/x": {}}) == []


@pytest.mark.parametrize(
    "command",
    [
        "ADD https://example.com/x.tar.gz /tmp/",
        "/bin/sh -c #(nop) ADD https://example.com/x in /x",
        "ADD --chown=1:1 --link http://h/x /x # buildkit",
        "ADD a.txt https://example.com/x /x",
    ],
)
def test_finds_addresses_that_are_added(command: str) -> None:
    (message,) = messages(judged(history=steps("x", command)))
    assert message.startswith("build step 1 adds http")


@pytest.mark.parametrize(
    "command",
    [
        "COPY https.txt /",
        "RUN curl https://example.com",
        "ADD file:abc in /",
        "ADD x /http://y",
        "ADDRESS http://x",
    ],
)
def test_near_misses_of_add(command: str) -> None:
    assert messages(judged(history=steps(command), checks=("add-url",))) == []


def test_finds_search_paths_that_others_control() -> None:
    tree = {
        "opt/tools": directory(0o777),
        "opt/link": symbolic_link("tools"),
        "opt/fine": directory(0o775),
        "tmp": directory(0o1777),
    }
    assert messages(judged(tree, Env=["PATH=/bin::./x:/opt/link:/opt/fine:/nowhere:/tmp"])) == [
        "PATH holds '', which depends on the working directory",
        "PATH holds './x', which depends on the working directory",
        "PATH holds /opt/link, which everybody may write to",
        "PATH holds /tmp, which everybody may write to",
    ]


@pytest.mark.parametrize("volume", ["/", "/etc", "/usr/", "/root"])
def test_finds_volumes_over_the_system(volume: str) -> None:
    assert messages(judged(Volumes={volume: {}})) == [f"volume {volume} hides files of the system"]


def test_finds_triggers_left_behind() -> None:
    assert len(messages(judged(OnBuild=["COPY . /app"]))) == 1
    assert judged(OnBuild=[]) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [("usr/sbin/sshd", "remote login server sshd"), ("usr/bin/sudo", "program for changing the user sudo")],
)
def test_finds_login_servers_and_sudo(path: str, message: str) -> None:
    assert messages(judged({path: program(ELF)})) == [message]
    assert judged({"etc/sudoers.d/sudo": file("x"), "etc/pam.d/sshd": file("x")}) == []


def test_finds_programs_that_everybody_may_change() -> None:
    assert messages(judged({"app/run": program(ELF, 0o777)})) == [
        "program run may be changed by everybody (mode 0777)"
    ]


@pytest.mark.parametrize(
    "command",
    ["RUN /bin/sh -c apt-get update # buildkit", "/bin/sh -c apt-get -qq update", "RUN dnf makecache"],
)
def test_finds_package_lists_updated_alone(command: str) -> None:
    assert len(messages(judged(history=steps(command)))) == 1


def test_checks_can_be_chosen() -> None:
    tree = {"usr/bin/sudo": program(ELF, 0o777)}
    assert messages(judged(tree, checks=("sudo",))) == ["program for changing the user sudo"]
    assert len(messages(judged(tree))) == 2
