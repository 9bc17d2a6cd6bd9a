"""The images of Kubernetes manifests: those of containers of every kind, and those that pods mount as volumes.

Where the kinds of Kubernetes itself hold their pod is known. In other kinds (of an Argo rollout or workflow, a Knative
service, a Tekton task, …) whatever looks like containers counts as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gate.limits import LIMITS
from gate.sources.tool_yaml import Reader, Value

_TEMPLATE = ("spec", "template", "spec")
_PODS = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "ReplicationController": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "Deployment": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_SEVERAL = (*_CONTAINERS, "sidecars", "steps")
"""Lists of containers in other kinds: also those of Argo's workflows and Tekton's tasks."""
_SINGLE = ("container", "script", "stepTemplate")
"""And containers that stand alone there."""
_GROUPS = {
    "Pod": "v1", "PodTemplate": "v1", "ReplicationController": "v1", "ReplicaSet": "apps/", "Deployment": "apps/",
    "StatefulSet": "apps/", "DaemonSet": "apps/", "Job": "batch/", "CronJob": "batch/",
}  # fmt: skip
"""What the API version of a kind starts with; under another one it is another project's kind of the same name."""


def images(
    root: Value, reader: Reader, depth: int = 0, listed: tuple[str, str] = ("", "")
) -> Iterator[tuple[str, int]]:
    """Yield each image's name and its line; raises `InvalidInput` for a workload that is none.

    `listed` is the kind and API version that a list of one kind states for its items, which then need not.
    """
    _bound(root, reader, depth)
    reader.mapping(root, "the document")
    kind, version = (_word(root, *each, reader) for each in zip(("kind", "apiVersion"), listed, strict=True))
    items = reader.get(root, "items")
    if kind.endswith("List") and items is not None:
        stated = ("", "") if kind == "List" else (kind.removesuffix("List"), version)
        for item in reader.items(items, "items"):
            yield from images(item, reader, depth + 1, stated)
    elif kind in _PODS and version.startswith(_GROUPS[kind]):
        spec: Value | None = root
        for step in _PODS[kind]:
            spec = None if spec is None else reader.get(spec, step)
        if spec is None:
            raise reader.error(root.line, f"this {kind} has no {'.'.join(_PODS[kind])}")
        yield from _of_pod(reader.mapping(spec, f"the pod of this {kind}"), reader)
    else:
        yield from _anywhere(root, reader, depth)


def is_object(root: Value) -> bool:
    """Whether a document is an object of Kubernetes, of whatever kind."""
    return isinstance(root.value, dict) and "apiVersion" in root.value and "kind" in root.value


def _word(root: Value, key: str, listed: str, reader: Reader) -> str:
    """Return one of the two words that say what an object is."""
    found = reader.get(root, key)
    if found is None and listed:
        return listed
    if found is None:
        raise reader.error(root.line, f"this object has no {key}")
    return reader.text(found, key)


def _of_pod(spec: Value, reader: Reader) -> Iterator[tuple[str, int]]:
    """Yield the images of a pod."""
    found = False
    for key in _CONTAINERS:
        containers = reader.get(spec, key)
        for number, container in enumerate(reader.items(containers, key) if containers else ()):
            image = reader.get(reader.mapping(container, f"{key}[{number}]"), "image")
            if image is None:
                raise reader.error(container.line, f"{key}[{number}] has no image")
            found = True
            yield reader.text(image, f"{key}[{number}].image"), image.line
    if not found:
        raise reader.error(spec.line, "this pod has no containers")
    yield from _mounted(spec, reader)


def _mounted(spec: Value, reader: Reader) -> Iterator[tuple[str, int]]:
    """Yield the images that a pod mounts."""
    volumes = reader.get(spec, "volumes")
    for number, volume in enumerate(reader.items(volumes, "volumes") if volumes else ()):
        mounted = reader.get(volume, "image")
        reference = None if mounted is None else reader.get(mounted, "reference")
        if mounted is not None and reference is None:
            raise reader.error(mounted.line, f"volumes[{number}].image has no reference")
        if reference is not None:
            yield reader.text(reference, f"volumes[{number}].image.reference"), reference.line


def _bound(value: Value, reader: Reader, depth: int) -> None:
    """Refuse what nests deeper than a file may: aliases put together what stands in several places."""
    reader.take(value)
    if depth > LIMITS.list_depth:
        raise reader.error(value.line, f"it nests deeper than {LIMITS.list_depth} levels")


def _anywhere(value: Value, reader: Reader, depth: int) -> Iterator[tuple[str, int]]:
    """Yield the images of whatever looks like containers, however deep."""
    _bound(value, reader, depth)
    inner: Any = value.value
    if isinstance(inner, dict):
        if "containers" in inner and isinstance(inner["containers"].value, list):
            yield from _mounted(value, reader)
        for key, below in inner.items():
            if key in _SEVERAL and isinstance(below.value, list):
                for container in below.value:
                    yield from _of_container(container, reader)
            elif key in _SINGLE:
                yield from _of_container(below, reader)
            yield from _anywhere(below, reader, depth + 1)
    elif isinstance(inner, list):
        for below in inner:
            yield from _anywhere(below, reader, depth + 1)


def _of_container(container: Value, reader: Reader) -> Iterator[tuple[str, int]]:
    """Yield the image of what may be a container."""
    image = reader.get(container, "image") if isinstance(container.value, dict) else None
    if image is not None and isinstance(image.value, str):
        yield reader.text(image, "image"), image.line
