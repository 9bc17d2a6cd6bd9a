"""Write policies: what one comes to with everything it extends, and a first one to start from."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from gate.options import encode
from gate.policy.exceptions import PolicyException
from gate.policy.policy import Policy, RuleSetting, Scope
from gate.rule import Action


def render_policy(policy: Policy) -> str:
    """Return the effective policy as YAML: every rule that runs with every option, and why the others do not.

    It is a policy file itself: loaded again, it selects the same rules with the same options, scopes and exceptions.
    """
    document: dict[str, Any] = {
        "schema": 1,
        "scanners": {
            "required": list(policy.scanners_required),
            "max-database-age-days": {name: age.days for name, age in policy.database_max_age.items()},
            "approved": policy.scanning.approved,
            "programs": list(map(str, policy.scanning.programs)),
            "refused": list(map(str, policy.scanning.refused)),
        },
        "sources": encode(policy.sources),
        "platforms": encode(policy.platforms),
        "rules": {setting.rule.id: _setting(setting) for setting in policy.settings},
    }
    if policy.scopes:
        document["scopes"] = [_scope(scope) for scope in policy.scopes]
    if policy.sudden_fall is Action.DENY:
        document["sudden-fall"] = "deny"
    if policy.baseline is not None:
        baseline = policy.baseline
        document["baseline"] = {"file": baseline.file, "until": baseline.until.isoformat()}
    if policy.vex or policy.vex_signers or policy.vex_from_runs:
        files = [found.name for found in policy.vex]
        attested = {} if policy.vex_signers is None else {"attested": encode(policy.vex_signers)}
        document["vex"] = {"files": files, **attested, "command-line": policy.vex_from_runs}
    if policy.verdict_reuse is not None:
        document["reuse-verdicts"] = encode(policy.verdict_reuse)
    if policy.exceptions:
        document["exceptions-notice-days"] = policy.exceptions_notice_days
        document["exceptions"] = [_exception(exception) for exception in policy.exceptions]
    not_selected = "".join(f"#   {rule}: {reason}\n" for rule, reason in sorted(policy.not_selected.items()))
    return (
        f"# The effective policy. Source: {policy.origin}\n# Digest (--policy-digest): {policy.digest}\n"
        f"{_dump(document)}" + (f"# These rules do not run:\n{not_selected}" if not_selected else "")
    )


def template(
    profile: str, *, registry: str = "", bases: Sequence[str] = (), trivy_alone: bool = False
) -> str:
    """Return the text of a first policy file that extends `profile`, with the usual changes as comments.

    `registry` and `bases`, names in the grammar of references, take the place of the examples in them. `trivy_alone` is for
    pipelines that get no other scanner by themselves.
    """
    text = _TEMPLATE.replace("PROFILE", profile)
    if trivy_alone:
        text = text.replace("# scanners: {required: [trivy, grype]}", _TRIVY_ALONE)
    text = text.replace("REGISTRY", registry or "registry.example.com")
    return text.replace("BASES", ", ".join(bases) or "registry.example.com/base/java:21")


def suggestion(rules: Mapping[str, Mapping[str, Any]], roots: Sequence[str]) -> str:
    """Return the text of a policy of rules about signatures; `roots` are the files that vouch for identities, if any."""
    entries = {}
    for rule, entry in rules.items():
        vouched = bool(roots) and any("key" not in signer for signer in entry["signers"])
        entries[rule] = {**entry, **({"trusted-roots": list(roots)} if vouched else {})}
    return (
        "# What the signatures that are there now satisfy. Read who is listed before you use it: of several signers one\n"
        f"# suffices, unless `threshold` says how many.\n{_dump({'schema': 1, 'rules': entries})}"
    )


def _setting(setting: RuleSetting) -> dict[str, Any]:
    """Return a rule's entry, with nothing left to a default."""
    control = {
        "action": str(setting.action),
        "on-unknown": str(setting.on_unknown),
        "severity": str(setting.severity),
    }
    if setting.severity.name == "UNKNOWN":
        del control["severity"]
    return {**control, **encode(setting.options)}


def _scope(scope: Scope) -> dict[str, Any]:
    """Return a scope as it was written."""
    return {
        "match": str(scope.match),
        "rules": {rule: entry.plain() for rule, entry in scope.entries.items()},
    }


def _exception(exception: PolicyException) -> dict[str, Any]:
    """Return an exception as it was written, with what it does not state left out."""
    names = ("rule", "id", "package", "versions", "path", "layer", "reason", "owner", "link")
    stated = {name: str(getattr(exception, name)) for name in names if getattr(exception, name)}
    images = {"images": [str(image) for image in exception.images]} if exception.images else {}
    return {**stated, **images, "until": exception.until.isoformat()}


def _dump(document: dict[str, Any]) -> str:
    """Write plain values as YAML, innermost collections on one line."""
    from ruamel.yaml import YAML  # here, because only this command writes YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 120
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()


_TRIVY_ALONE = """\
# The pipeline installs Trivy alone. Two scanners see more: once it has Grype as well, write [trivy, grype].
scanners: {required: [trivy]}"""

_TEMPLATE = """\
# What images must be like here. `image-gate rules` lists the rules, `image-gate explain RULE` tells about one,
# `image-gate policy show` prints what this file comes to. For completion in an editor, save `image-gate policy schema`
# beside this file and name it in a comment: yaml-language-server: $schema=policy.schema.json
schema: 1

# A built-in profile first; the entries below replace its entries key by key.
#   baseline  sensible for any team        strict  distroless, everything denies        audit  everything only warns
extends: PROFILE

# Scanners that must have run. Without one of them the rules that judge their findings are unknown, which is no pass.
# scanners: {required: [trivy, grype]}

# Where images may come from, and whether a plain name that the engine does not have is looked for in its registry.
# sources: {from: [registry], fallback: false}

# Platforms that every image must have, and those that are not judged. All others are judged.
# platforms: {required: [linux/amd64], leave-out: ['windows/*']}

# Per rule: `action` (deny, warn, off), `on-unknown` (deny, warn), and the rule's own options.
rules:
  max-age: {days: 90}
  # allowed-registries: {action: deny, registries: [REGISTRY]}
  # base-image: {action: warn, bases: [BASES]}

# What differs for some images, by name; later scopes refine earlier ones.
# scopes:
#   - match: registry.example.com/tools/**
#     rules:
#       max-age: {action: warn}

# Accepted deviations. Each needs a reason and a last day, and names an id, package, path, layer or images.
# exceptions:
#   - rule: max-age
#     images: registry.example.com/shop/legacy-api
#     until: 2026-12-31
#     reason: replaced by the end of the year
"""
