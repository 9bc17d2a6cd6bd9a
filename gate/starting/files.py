"""The first files of a repository: its policy, and the pipeline that asks the gate."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from gate.policy.load import FILE_NAMES
from gate.policy.render import template
from gate.starting.repository import Repository

TEMPLATES = Path(__file__).parent / "templates"

PIPELINES = {
    "github": ".github/workflows/image-gate.yml",
    "gitlab": ".gitlab-ci.yml",
}
"""CI system to the file that is written for it."""

BESIDE = ".gitlab/image-gate.yml"
"""Where GitLab's part goes in a repository that has a pipeline; it has to be included there."""

_TO_DO = {
    "github": "put the repository that you take image-gate from, and the full hash of a commit, in the place of OWNER and COMMIT",
    "gitlab": "put the project and the version of the component in the place of OWNER and VERSION, and name the image of its jobs",
}
_CALL = 'image-gate check "$IMAGE" --output json=image-gate.json --output junit=image-gate.xml'

EXAMPLE_IMAGE = "registry.example.com/NAME"


class FirstFile(Struct, frozen=True):
    """A file to write: where, its text, and what remains to be done by hand."""

    path: str
    text: str
    to_do: tuple[str, ...] = ()


def first_files(root: Path, found: Repository, profile: str) -> tuple[FirstFile, ...]:
    """Return the files for a repository, of which some may be there already."""
    present = next((name for name in FILE_NAMES if (root / name).exists()), FILE_NAMES[0])
    registry = found.image.rpartition("/")[0]
    text = template(profile, registry=registry, bases=found.bases, trivy_alone=found.ci == "github")
    other = found.ci not in ("", "none", *PIPELINES)
    policy = FirstFile(
        present, text, (f"call this after the build, in the pipeline: {_CALL}",) if other else ()
    )
    return (policy, *([pipeline(root, found)] if found.ci in PIPELINES else []))


def pipeline(root: Path, found: Repository) -> FirstFile:
    """Return the pipeline file for GitHub or GitLab."""
    path, to_do = PIPELINES[found.ci], [_TO_DO[found.ci]]
    parts = [found.ci]
    if found.ci == "gitlab" and not (root / path).exists():
        parts.append("gitlab-build")
    text = "".join((TEMPLATES / f"{part}.yml").read_text(encoding="utf-8") for part in parts)
    image = found.image or EXAMPLE_IMAGE
    text = text.replace("IMAGE_NAME", image).replace("DOCKERFILE", found.dockerfile or "Dockerfile")
    text = text.replace("BRANCH", found.branch or "main")
    if found.ci == "github":
        to_do.append(
            f"bring the policy to {found.branch or 'main'} first: a pull request is judged by the policy there, and where "
            "there is none by the profile baseline, which asks for Grype as well"
        )
    if found.ci == "github" and not found.image:
        to_do.append(f"put the name of your image in the place of {EXAMPLE_IMAGE}")
    if found.others:
        to_do.append(f"do the same for what is built from {found.further}")
    if found.ci == "gitlab" and (root / path).exists():
        path = BESIDE
        to_do.append(f"include it in {PIPELINES['gitlab']}:  include: [{{local: {BESIDE}}}]")
        to_do.append("push the image in an earlier stage than its `stage`")
    return FirstFile(path, text, tuple(to_do))
