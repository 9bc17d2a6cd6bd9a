"""Who may sign: a key, an identity of an issuer, or a workflow of GitHub or GitLab, as a policy writes it."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import UNSET, UnsetType

from gate.errors import InvalidInput
from gate.evidence import Identity
from gate.options import Options, Text, describe
from gate.rules._identity_patterns import IdentityPattern, Issuer, RefPattern, matches

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
GITLAB_ISSUER = "https://gitlab.com"

_REPOSITORY = re.compile(r"(?:https://[^\s/*?#@]+/)?[^\s/*?#@:]+(?:/[^\s/*?#@:]+)+", re.ASCII)


class RepositoryName(str):
    """A repository of a forge."""

    __slots__ = ()
    SYNTAX = "OWNER/REPOSITORY, or its address https://HOST/OWNER/REPOSITORY"

    @classmethod
    def parse(cls, value: str) -> RepositoryName:
        """Check it; raises `InvalidInput` for a pattern: `identity` has those."""
        if not _REPOSITORY.fullmatch(value) or len(value) > 500:
            raise InvalidInput(f"{value[:100]!r} is no repository", hint=f"write {cls.SYNTAX}")
        return cls(value)


class SignerWorkflow(str):
    """A reusable workflow of GitHub, at the refs at which it may be called."""

    __slots__ = ()
    SYNTAX = (
        "OWNER/REPOSITORY/PATH@REF such as acme/shared/.github/workflows/build.yml@refs/tags/v1, with * in the ref for any "
        "characters but / and @, ** for any"
    )

    @classmethod
    def parse(cls, value: str) -> SignerWorkflow:
        """Check it; raises `InvalidInput` for one without a ref, which no signer's name lacks, so it would match nobody."""
        IdentityPattern.parse(_address(value, "https://github.com"))
        file, at, ref = value.partition("@")
        if not at or not ref or not _REPOSITORY.fullmatch(file) or len(value) > 1_000:
            raise InvalidInput(f"{value[:100]!r} is no workflow at a ref", hint=f"write {cls.SYNTAX}")
        return cls(value)


class GitHubWorkflow(Options):
    """A workflow of GitHub Actions, by what the certificate says of it beside its subject."""

    repository: Annotated[
        RepositoryName,
        describe(
            "The repository whose workflow ran: acme/app, or its address where that is not on github.com."
        ),
    ]
    workflow: Annotated[
        Text | UnsetType,
        describe(
            "The file of the workflow that ran there, such as .github/workflows/release.yml; any unless stated."
        ),
    ] = UNSET
    signer_workflow: Annotated[
        SignerWorkflow | UnsetType,
        describe(
            "The reusable workflow that signed, if it is another repository's, and at which ref it was called: "
            "acme/shared/.github/workflows/build.yml@refs/tags/v*."
        ),
    ] = UNSET
    ref: Annotated[
        RefPattern | UnsetType,
        describe("The ref that was built: refs/heads/main, refs/tags/v*; any unless stated."),
    ] = UNSET
    trigger: Annotated[
        Text | UnsetType, describe("The event that started it, such as push; any unless stated.")
    ] = UNSET

    def mismatch(self, identity: Identity) -> str:
        """Say what of an identity is not as it should be; empty if it is all right.

        `source-repository-uri` and `build-config-uri` are of the workflow that ran, the caller; `build-signer-uri` and the
        subject of the one that signed, which may be one that was called. Without `signer-workflow` both are of the
        repository: else any workflow that it calls, of whomever, could sign.
        """
        address = _address(self.repository, "https://github.com")
        signer = f"{address}/"
        if self.signer_workflow is not UNSET:
            signer = _address(self.signer_workflow, "https://github.com")
        wanted = [
            ("source-repository-uri", identity.claims.get("source-repository-uri", "") == address, address),
            ("build-signer-uri", _is_signer(identity, signer), signer),
        ]
        if self.workflow is not UNSET:
            config = f"{address}/{self.workflow.lstrip('/')}@"
            wanted.append(("build-config-uri", _starts(identity, "build-config-uri", config), config))
        return _first_wrong(identity, [*wanted, *_ref_and_trigger(identity, self.ref, self.trigger)])


class GitLabPipeline(Options):
    """A pipeline of GitLab, by what the certificate says of it."""

    project: Annotated[
        RepositoryName,
        describe("The project whose pipeline ran: acme/app, or its address where that is not on gitlab.com."),
    ]
    ref: Annotated[
        RefPattern | UnsetType,
        describe("The ref that was built: refs/heads/main, refs/tags/v*; any unless stated."),
    ] = UNSET
    config: Annotated[
        Text | UnsetType,
        describe("The file of the pipeline, such as .gitlab-ci.yml; any of the project unless stated."),
    ] = UNSET
    trigger: Annotated[Text | UnsetType, describe("What started it, such as push; any unless stated.")] = (
        UNSET
    )

    def mismatch(self, identity: Identity) -> str:
        """Say what of an identity is not as it should be; empty if it is all right."""
        address = _address(self.project, "https://gitlab.com")
        signer = f"{address}//" if self.config is UNSET else f"{address}//{self.config.lstrip('/')}@"
        wanted = [
            ("source-repository-uri", identity.claims.get("source-repository-uri", "") == address, address),
            ("build-config-uri", _starts(identity, "build-config-uri", signer), signer),
        ]
        return _first_wrong(identity, [*wanted, *_ref_and_trigger(identity, self.ref, self.trigger)])


class SignerEntry(Options):
    """One signer: a key, an identity with its issuer, or a workflow of GitHub or GitLab."""

    key: Annotated[
        Text | UnsetType,
        describe(
            "A PEM file of a public key; its path starts from the policy's folder, and the policy's digest covers it."
        ),
    ] = UNSET
    identity: Annotated[
        IdentityPattern | UnsetType,
        describe("Whom the certificate must name: an address of a workflow, or of a person."),
    ] = UNSET
    issuer: Annotated[
        Issuer | UnsetType,
        describe(
            "Who must have said so, exactly. Needed with `identity`; with `github` and `gitlab` theirs is implied."
        ),
    ] = UNSET
    github: Annotated[GitHubWorkflow | UnsetType, describe("A workflow of GitHub Actions.")] = UNSET
    gitlab: Annotated[GitLabPipeline | UnsetType, describe("A pipeline of GitLab.")] = UNSET

    def __post_init__(self) -> None:
        stated = [
            name for name in ("key", "identity", "github", "gitlab") if getattr(self, name) is not UNSET
        ]
        if len(stated) != 1:
            raise ValueError("a signer is one of key, identity, github and gitlab")
        if stated == ["identity"] and self.issuer is UNSET:
            raise ValueError("an identity needs its issuer: any other could give a certificate in that name")
        if stated == ["key"] and self.issuer is not UNSET:
            raise ValueError("a key has no issuer")

    @property
    def expected_issuer(self) -> str:
        """The issuer that the certificate must name; empty for a key."""
        if self.issuer is not UNSET:
            return self.issuer
        return (
            GITHUB_ISSUER if self.github is not UNSET else GITLAB_ISSUER if self.gitlab is not UNSET else ""
        )

    def mismatch(self, identity: Identity) -> str:
        """Say why an identity is not this signer; empty if it is. A key is no identity."""
        if self.key is not UNSET:
            return "a key was expected"
        if identity.issuer != self.expected_issuer:
            return f"its issuer is {identity.issuer}, not {self.expected_issuer}"
        if self.github is not UNSET:
            return self.github.mismatch(identity)
        if self.gitlab is not UNSET:
            return self.gitlab.mismatch(identity)
        if self.identity is not UNSET and self.identity.matches(identity.subject):
            return ""
        return f"its identity is {identity.subject}"

    def __str__(self) -> str:
        if self.key is not UNSET:
            return f"key {self.key}"
        if self.github is not UNSET:
            return f"GitHub {self.github.repository}"
        if self.gitlab is not UNSET:
            return f"GitLab {self.gitlab.project}"
        return f"{self.identity} of {self.expected_issuer}"


_Wanted = tuple[str, bool, str]
"""A claim's name, whether it is right, and what it should be."""


def _ref_and_trigger(
    identity: Identity, ref: RefPattern | UnsetType, trigger: str | UnsetType
) -> list[_Wanted]:
    """Return what is wanted of the ref and of the event."""
    claims = identity.claims
    wanted = []
    if ref is not UNSET:
        wanted.append(
            ("source-repository-ref", ref.matches(claims.get("source-repository-ref", "")), str(ref))
        )
    if trigger is not UNSET:
        wanted.append(("build-trigger", claims.get("build-trigger") == trigger, trigger))
    return wanted


def _first_wrong(identity: Identity, wanted: list[_Wanted]) -> str:
    """Say which claim is wrong first; empty if none is."""
    for name, right, expected in wanted:
        if not right:
            return f"its {name} is {identity.claims.get(name) or 'not stated'}, not {expected}"
    return ""


def _address(name: str, forge: str) -> str:
    """Return the address of a repository or workflow that may be written without its forge."""
    return name if name.startswith("https://") else f"{forge}/{name}"


def _is_signer(identity: Identity, wanted: str) -> bool:
    """Whether the workflow that signed is the wanted one, or lies below it if that is a repository with a slash behind.

    Subject and claim say the same; a certificate in which they part is no forge's.
    """
    stated = identity.claims.get("build-signer-uri", identity.subject)
    if stated != identity.subject:
        return False
    return stated.startswith(wanted) if wanted.endswith("/") else matches(wanted, stated)


def _starts(identity: Identity, claim: str, prefix: str) -> bool:
    """Whether a claim starts with a prefix that ends at a separator, so that no longer name passes for it."""
    return identity.claims.get(claim, "").startswith(prefix)
