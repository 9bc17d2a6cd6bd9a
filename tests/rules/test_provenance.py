"""Provenance in both versions of SLSA, as several builders write it."""

from __future__ import annotations

from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.rules._provenance import V0_2, V1, Source, provenance_of
from gate.rules.provenance import ProvenanceOptions, check
from tests.kit.trees import messages
from tests.kit.vouched import attestation, attestations, key, options

APP = "https://github.com/acme/app"
RUNNER = "https://github.com/actions/runner/github-hosted"
GITHUB = "https://actions.github.io/buildtypes/workflow/v1"
PARAMETERS = {
    "workflow": {"ref": "refs/heads/main", "repository": APP, "path": ".github/workflows/release.yml"}
}
NEW = {
    "buildDefinition": {"buildType": GITHUB, "externalParameters": PARAMETERS},
    "runDetails": {"builder": {"id": RUNNER}},
}
OLD = {
    "builder": {"id": RUNNER},
    "buildType": "https://example.com/build@v1",
    "invocation": {
        "configSource": {"uri": f"git+{APP}@refs/heads/main", "digest": {"sha1": "0" * 40}},
        "parameters": {"env": "prod", "level": 3},
    },
}


def run(version: str, predicate: dict[str, Any], **given: Any) -> list[str]:
    told = options(ProvenanceOptions, **given)
    return messages(list(check(attestations(told, attestation(key("a"), version, predicate)), told)))


@pytest.mark.parametrize(("version", "predicate"), [(V0_2, OLD), (V1, NEW)])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"builder": RUNNER},
        {"builder": "https://github.com/actions/runner/*"},
        {"source": APP},
        {"source": "https://github.com/acme/*"},
        {"ref": "refs/heads/*"},
        {"source": APP, "ref": "refs/heads/main"},
    ],
)
def test_what_is_as_wanted(version: str, predicate: dict[str, Any], given: Any) -> None:
    assert run(version, predicate, **given) == []


@pytest.mark.parametrize(("version", "predicate"), [(V0_2, OLD), (V1, NEW)])
@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"builder": f"{RUNNER}-no"}, f"its builder is {RUNNER}, not {RUNNER}-no"),
        ({"source": f"{APP}2"}, f"its source is {APP} refs/heads/main, not {APP}2"),
        ({"source": "https://github.com/acme/ap"}, f"its source is {APP} refs/heads/main"),
        ({"ref": "refs/tags/*"}, f"its source is {APP} refs/heads/main, not refs/tags/*"),
        ({"build_type": "https://example.com/other"}, "its build type is https://"),
        ({"parameters": [{"field": "/none", "equals": 1}]}, "its parameter /none is not stated, not 1"),
    ],
)
def test_what_differs_is_told(version: str, predicate: dict[str, Any], given: Any, what: str) -> None:
    (message,) = run(version, predicate, **given)
    assert what in message


@pytest.mark.parametrize(("version", "predicate"), [(V0_2, OLD), (V1, NEW)])
def test_what_is_not_stated_is_not_as_wanted(version: str, predicate: dict[str, Any]) -> None:
    for given in ({"builder": RUNNER}, {"source": APP}, {"ref": "refs/heads/main"}, {"build_type": GITHUB}):
        (message,) = run(version, {}, **given)
        assert "not stated" in message


def test_parameters() -> None:
    path = {"field": "/workflow/path", "equals": ".github/workflows/release.yml"}
    assert run(V1, NEW, parameters=[path], build_type=GITHUB) == []
    level = [{"field": "/env", "equals": "prod"}, {"field": "/level", "any-of": [2, 3]}]
    assert run(V0_2, OLD, parameters=level) == []
    assert (
        "its parameter /level is 3, not '3'"
        in run(V0_2, OLD, parameters=[{"field": "/level", "equals": "3"}])[0]
    )


def test_what_github_attests_today() -> None:
    """@actions/attest 1.3 and later: the builder is the workflow that attested, at its ref (packages/attest/src/provenance.ts)."""
    workflow = f"{APP}/.github/workflows/release.yml@refs/tags/v1.2.3"
    today = {
        "buildDefinition": {
            "buildType": GITHUB,
            "externalParameters": {
                "workflow": {
                    "ref": "refs/tags/v1.2.3",
                    "repository": APP,
                    "path": ".github/workflows/release.yml",
                }
            },
            "resolvedDependencies": [
                {"uri": f"git+{APP}@refs/tags/v1.2.3", "digest": {"gitCommit": "0" * 40}}
            ],
        },
        "runDetails": {"builder": {"id": workflow}},
    }
    told = {"source": APP, "ref": "refs/tags/v*", "build_type": GITHUB}
    assert run(V1, today, **told, builder=workflow) == []
    assert run(V1, today, **told, builder=f"{APP}/.github/workflows/release.yml@refs/tags/v*") == []
    (message,) = run(V1, today, **told, builder=RUNNER)
    assert message.endswith(f"its builder is {workflow}, not {RUNNER}")


def test_versions() -> None:
    assert run(V1, NEW, versions=["v1"]) == []
    assert run(V0_2, OLD, versions=["v1"])[0].startswith("there are no provenance attestations")
    assert run("https://slsa.dev/provenance/v1.1", NEW) != []
    with pytest.raises(InvalidInput):
        run(V1, NEW, versions=["v3"])


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (PARAMETERS, [Source(APP, "refs/heads/main")]),
        ({"source": "https://gitlab.com/acme/app"}, [Source("https://gitlab.com/acme/app")]),
        ({"source": {"uri": f"git+{APP}@refs/tags/v1", "digest": {}}}, [Source(APP, "refs/tags/v1")]),
        ({"configSource": {"uri": f"{APP}.git#refs/heads/main:docker"}}, [Source(APP, "refs/heads/main")]),
        ({"configSource": {"uri": f"{APP}.git#v1"}}, [Source(APP, "v1")]),
        (
            {"buildConfigSource": {"repository": f"git+{APP}", "ref": "refs/heads/main", "path": "x"}},
            [Source(APP, "refs/heads/main")],
        ),
        (
            {**PARAMETERS, "source": "https://evil.test/a/b"},
            [Source(APP, "refs/heads/main"), Source("https://evil.test/a/b")],
        ),
        ({"workflow": 1, "source": None, "configSource": [], "buildConfigSource": {}}, []),
        ({"source": "not an address"}, []),
        ({"source": "https://" + "x" * 3_000}, []),
        ({}, []),
    ],
)
def test_sources(parameters: dict[str, Any], expected: list[Source]) -> None:
    found = provenance_of(V1, {"buildDefinition": {"externalParameters": parameters}})
    assert list(found.sources) == expected


def test_every_source_that_is_stated_must_be_the_wanted_one() -> None:
    twice = {"buildDefinition": {"externalParameters": {**PARAMETERS, "source": "https://evil.test/a/b"}}}
    assert run(V1, twice, source=APP) != []


def test_a_dependency_is_no_source() -> None:
    predicate = {"buildDefinition": {"resolvedDependencies": [{"uri": f"git+{APP}@refs/heads/main"}]}}
    assert "its source is not stated" in run(V1, predicate, source=APP)[0]


@pytest.mark.parametrize(
    "predicate",
    [
        {"buildDefinition": [], "runDetails": 1},
        {"runDetails": {"builder": "x"}},
        {"builder": {"id": 5}, "invocation": "x"},
        {"invocation": {"configSource": 7, "parameters": [1]}},
    ],
)
@pytest.mark.parametrize("version", [V0_2, V1])
def test_what_has_another_shape_states_nothing(version: str, predicate: dict[str, Any]) -> None:
    found = provenance_of(version, predicate)
    assert (found.builder, found.sources, dict(found.parameters)) == ("", (), {})
