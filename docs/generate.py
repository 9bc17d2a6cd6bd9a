"""Write everything in the repository that is generated: schemas, references, and the profiles' parsed form.

Run by `make generate`; tests/test_generated.py checks that what is committed is what this writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.ci_reference import action_readme, component_readme
from docs.cli_reference import cli_reference, readme
from docs.schema_reference import schema_reference
from gate.configuration.file import ConfigurationFile, DatabaseSources, RegistryEntry, configuration_schema
from gate.options import Options, option_table
from gate.policy.baseline import baseline_schema
from gate.policy.bases import bases_schema
from gate.policy.catalogue import Catalogue
from gate.policy.exceptions_file import exceptions_schema
from gate.policy.load import parsed_profiles
from gate.policy.policy import Policy
from gate.policy.schema import PROFILES, policy_schema
from gate.reporters._document import report_schema
from gate.rule import Rule
from gate.signatures.verdict_statement import verdict_schema

ROOT = Path(__file__).parent.parent

_INTRODUCTION = """\
# Rules

A policy runs exactly the rules it lists, after those of the profile it extends. `image-gate explain RULE` prints what
stands here about one. Beside its own options every rule takes `action` (`deny`, `warn` or `off`), `on-unknown` (`deny` or
`warn`; the same as `action` unless stated) and `severity`.

"""


_CONFIGURATION = """\
# Configuration

Where bytes come from: mirrors, certificates, proxies, databases. It is a file of its own, because it belongs to a machine
and not to a project, and it can change no verdict otherwise. It is read from `config.yaml` in the user's configuration folder
(`~/.config/image-gate` on Linux, `~/Library/Application Support/image-gate` on macOS) or from where `--config PATH` or the
variable `IMAGE_GATE_CONFIG` says, never from the working directory. In a CI job, a file in the checkout is read only where
it was named. It is as strict as a policy: mistakes are errors with line and column
([its schema](../gate/schemas/configuration.json)). Files are named from the folder that it lies in.

```yaml
EXAMPLE```

Credentials do not belong here. The first place that has any for a registry counts: `--username` with `--password-stdin`,
`DOCKER_AUTH_CONFIG`, `REGISTRY_AUTH_FILE`, what `docker login` and its helpers keep (`DOCKER_CONFIG`, else `~/.docker`), what `podman login`
keeps (`$XDG_RUNTIME_DIR/containers/auth.json`, else below `~/.config`), and what GitHub and GitLab give to their jobs.

"""
EXAMPLE = ROOT / "samples" / "config.yaml"


def configuration_reference() -> str:
    """Return docs/configuration.md."""
    kinds: tuple[tuple[str, type[Options]], ...] = (
        ("The file", ConfigurationFile),
        ("registries.HOST", RegistryEntry),
        ("scanners", DatabaseSources),
    )
    head = [_row(["key", "allowed", "default", "meaning"]), _row(["---"] * 4)]
    sections = [
        "\n".join(
            [f"## {title}", "", *head]
            + [_row([f"`{name}`", allowed, f"`{default}`" if default else "–", text])
               for name, allowed, default, text in option_table(kind)]
        )
        for title, kind in kinds
    ]  # fmt: skip
    return (
        _CONFIGURATION.replace("EXAMPLE", EXAMPLE.read_text(encoding="utf-8")) + "\n\n".join(sections) + "\n"
    )


def configuration_schema_text() -> str:
    """Return gate/schemas/configuration.json."""
    return json.dumps(configuration_schema(), indent=2, ensure_ascii=False) + "\n"


def rule_reference() -> str:
    """Return docs/rules.md."""
    rules = Catalogue()
    profiles = {name: Policy.load(name) for name in PROFILES}
    actions = {
        name: {setting.rule.id: str(setting.action) for setting in policy.settings}
        for name, policy in profiles.items()
    }
    head = ["rule", "what it requires", "severity", *PROFILES]
    lines = [_row(head), _row(["---"] * len(head))]
    for name, rule in rules.items():
        chosen = [actions[profile].get(name, "–") for profile in PROFILES]
        lines.append(_row([f"[{name}](#{name})", rule.title, str(rule.severity), *chosen]))
    return _INTRODUCTION + "\n".join(lines) + "\n\n" + "\n".join(_section(rule) for rule in rules.values())


_POLICY = """\
# Policy files

What a policy can say, made from [its schema](../gate/schemas/policy.json), which editors read by a first line
`# yaml-language-server: $schema=…`. The options of each rule stand in [the reference of rules](rules.md); every rule takes
`action`, `on-unknown` and `severity` beside them. A mistake is an error with line and column.

The schema has a number, `schema: 1`. Under one number keys are only ever added, so a policy that is valid stays valid and means
the same; a release that knows a new key says so in the [list of changes](../CHANGELOG.md).
"""

_REPORT = """\
# The JSON report

What `--format json` writes, made from [its schema](../gate/schemas/report.json). Under one number of `schema` fields are only ever
added: read those you know, and leave the others aside. `image-gate report` reads the reports of earlier releases of the same
number. What stands under `run` and `evidence` is for people and for reports, and grows.
"""


def policy_reference() -> str:
    """Return docs/policy.md."""
    return schema_reference(policy_schema(Catalogue()), _POLICY)


def report_reference() -> str:
    """Return docs/report-format.md."""
    return schema_reference(report_schema(), _REPORT)


def policy_schema_text() -> str:
    """Return gate/schemas/policy.json."""
    return json.dumps(policy_schema(Catalogue()), indent=2, ensure_ascii=False) + "\n"


def report_schema_text() -> str:
    """Return gate/schemas/report.json."""
    return json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"


def bases_schema_text() -> str:
    """Return gate/schemas/bases.json."""
    return json.dumps(bases_schema(), indent=2, ensure_ascii=False) + "\n"


def baseline_schema_text() -> str:
    """Return gate/schemas/baseline.json."""
    return json.dumps(baseline_schema(), indent=2, ensure_ascii=False) + "\n"


def exceptions_schema_text() -> str:
    """Return gate/schemas/exceptions.json."""
    return json.dumps(exceptions_schema(Catalogue()), indent=2, ensure_ascii=False) + "\n"


def verdict_schema_text() -> str:
    """Return gate/schemas/verdict.json."""
    return json.dumps(verdict_schema(), indent=2, ensure_ascii=False) + "\n"


def parsed_profiles_text() -> str:
    """Return gate/policy/profiles/parsed.json, on one line because nobody reads it."""
    return json.dumps(parsed_profiles(), separators=(",", ":")) + "\n"


GENERATED: Mapping[str, Callable[[], str]] = {
    "README.md": readme,
    "actions/check/README.md": action_readme("check"),
    "actions/setup/README.md": action_readme("setup"),
    "gitlab/README.md": component_readme,
    "docs/cli.md": cli_reference,
    "docs/configuration.md": configuration_reference,
    "docs/policy.md": policy_reference,
    "docs/report-format.md": report_reference,
    "docs/rules.md": rule_reference,
    "gate/policy/profiles/parsed.json": parsed_profiles_text,
    "gate/schemas/baseline.json": baseline_schema_text,
    "gate/schemas/bases.json": bases_schema_text,
    "gate/schemas/configuration.json": configuration_schema_text,
    "gate/schemas/exceptions.json": exceptions_schema_text,
    "gate/schemas/policy.json": policy_schema_text,
    "gate/schemas/report.json": report_schema_text,
    "gate/schemas/verdict.json": verdict_schema_text,
}
"""Every generated file, and what makes its text."""


def _section(rule: Rule) -> str:
    """Return what the reference says of one rule."""
    needs = ", ".join(kind.__name__ for kind in rule.evidence)
    options = list(option_table(rule.options))
    table = [_row(["option", "allowed", "default", "meaning"]), _row(["---"] * 4)] if options else []
    table += [
        _row([f"`{name}`", allowed, f"`{default}`" if default else "must be stated", text])
        for name, allowed, default, text in options
    ]
    text = f"""\
## {rule.id}

**{rule.title}.** Severity: {rule.severity}. Evidence: {needs}.

{rule.rationale}

*What to do:* {rule.remediation}
"""
    return text + "".join(f"{line}\n" for line in (["", *table] if table else []))


def _row(cells: list[str]) -> str:
    """Return one row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def main() -> None:
    """Write every generated file that differs from what is there."""
    for name, text in GENERATED.items():
        path = ROOT / name
        new = text()
        if not path.exists() or path.read_text(encoding="utf-8") != new:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new, encoding="utf-8")
            print(f"wrote {name}")


if __name__ == "__main__":
    main()
