"""GitLab's variables: what is taken from them, and what a login is for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gate.ci.child import Outcome
from gate.ci.gitlab import VARIABLES, Job, certificates, images, login, order, origin_of, write_variables
from tests.kit.reports import failing_report

REGISTRY = {
    "CI_REGISTRY": "registry.example.com",
    "CI_REGISTRY_USER": "job",
    "CI_REGISTRY_PASSWORD": "s3cret",
}
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("asked", "variables", "expected"),
    [
        ("a b\nc", {"CS_IMAGE": "d"}, ("a", "b", "c")),
        ("", {"CS_IMAGE": "d"}, ("d",)),
        ("", {"CI_REGISTRY_IMAGE": "r/shop", "CI_COMMIT_SHA": "5f"}, ("r/shop:5f",)),
        ("", {"CI_REGISTRY_IMAGE": "r/shop", "IMAGE_GATE_IMAGES": "list"}, ()),
        ("", {}, ()),
    ],
)
def test_images(asked: str, variables: dict[str, str], expected: tuple[str, ...]) -> None:
    assert images(asked, variables) == expected


@pytest.mark.parametrize("image", ["registry.example.com/shop/api:1", "docker://registry.example.com/api"])
def test_the_jobs_login_is_for_gitlabs_registry(image: str) -> None:
    assert login((image,), REGISTRY) == ("job", "s3cret")


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.com.evil.test/shop/api",
        "evil.test/registry.example.com/api",
        "registry.example.com:5000/shop/api",
        "registry.example.com@evil.test/api",
        "alpine",
        "oci:build/image",
        "./registry.example.com/api.tar",
    ],
)
def test_and_for_no_other(image: str) -> None:
    assert login((image,), REGISTRY) == ("", "")


def test_a_login_of_its_own_wins() -> None:
    own = {"CS_REGISTRY_USER": "me", "CS_REGISTRY_PASSWORD": "mine"}
    assert login(("other.example.com/api",), REGISTRY | own) == ("me", "mine")


def test_the_password_stands_on_no_command_line(tmp_path: Path) -> None:
    job = Job(("registry.example.com/api:1",), tmp_path)
    with order(job, None, REGISTRY) as asked:
        assert asked.password == "s3cret"
        assert "s3cret" not in str(asked.arguments)
        assert {"--username", "--password-stdin"} <= set(asked.arguments)


def test_what_is_used_of_gitlabs_own_scanning(tmp_path: Path) -> None:
    variables = {
        "TRIVY_PLATFORM": "linux/arm64",
        "CS_DOCKERFILE_PATH": "build/Dockerfile",
        "IMAGE_GATE_DOCKERFILE": "Dockerfile",
        "SECURE_LOG_LEVEL": "debug",
        "DOCKER_AUTH_CONFIG": '{"auths": {}}',
        "ADDITIONAL_CA_CERT_BUNDLE": PEM,
    }
    with order(Job(("oci:image",), tmp_path), None, variables) as asked:
        config = Path(asked.settings["DOCKER_CONFIG"], "config.json")
        assert config.read_text() == '{"auths": {}}'
        assert asked.settings["IMAGE_GATE_PLATFORM"] == "linux/arm64"
        assert "IMAGE_GATE_DOCKERFILE" not in asked.settings
        assert "--verbose" in asked.arguments
        bundle = asked.arguments[asked.arguments.index("--ca-file") + 1]
        assert Path(bundle).read_text() == PEM
    assert not config.exists()


def test_certificates_can_be_a_file(tmp_path: Path) -> None:
    assert certificates({"ADDITIONAL_CA_CERT_BUNDLE": "/etc/ca.pem"}, tmp_path) == Path("/etc/ca.pem")
    assert certificates({}, tmp_path) is None


@pytest.mark.parametrize(
    ("variables", "branch"),
    [
        ({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "stable"}, "stable"),
        ({"CI_COMMIT_BRANCH": "feature"}, "main"),
        ({"CI_COMMIT_TAG": "1.0"}, "main"),
        ({"CI_COMMIT_BRANCH": "main"}, None),
        ({"CI_COMMIT_BRANCH": "main", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "stable"}, "stable"),
    ],
)
def test_whose_policy_counts(variables: dict[str, str], branch: str | None) -> None:
    job = {"CI_DEFAULT_BRANCH": "main", "CI_PROJECT_URL": "https://gitlab.example.com/acme/shop"}
    found = origin_of(job | variables)
    assert (found.commit if found else None) == (f"refs/heads/{branch}" if branch else None)
    assert found is None or found.address == "https://gitlab.example.com/acme/shop.git"


def test_without_gitlabs_variables_there_is_no_branch() -> None:
    assert origin_of({}) is None


def test_the_variables_for_later_jobs(tmp_path: Path) -> None:
    write_variables(Outcome(1, failing_report(), ()), tmp_path)
    lines = dict(line.split("=", 1) for line in (tmp_path / VARIABLES).read_text().splitlines())
    assert lines["IMAGE_GATE_VERDICT"] == "fail"
    assert lines["IMAGE_GATE_EXIT_CODE"] == "1"
    assert "no-shell" in lines["IMAGE_GATE_FAILED_RULES"].split(",")
    assert os.fsencode(lines["IMAGE_GATE_DIGEST"]).isascii()


def test_without_a_verdict_they_say_so(tmp_path: Path) -> None:
    write_variables(Outcome(3, None, ()), tmp_path)
    assert (
        (tmp_path / VARIABLES).read_text().startswith("IMAGE_GATE_VERDICT=unknown\nIMAGE_GATE_EXIT_CODE=3\n")
    )
