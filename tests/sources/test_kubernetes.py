from __future__ import annotations

import pytest

from gate.errors import InvalidInput
from gate.sources.compose import Variables
from gate.sources.listing import parse

POD = "{containers: [{name: a, image: a/b:1}]}"


def images(text: str) -> list[str]:
    """The images of manifests."""
    return [location.text for location in parse(text.encode(), "all.yaml", Variables())]


@pytest.mark.parametrize(
    ("version", "kind", "below"),
    [
        ("v1", "Pod", "spec: %s"),
        ("v1", "PodTemplate", "template: {spec: %s}"),
        ("v1", "ReplicationController", "spec: {template: {spec: %s}}"),
        ("apps/v1", "ReplicaSet", "spec: {template: {spec: %s}}"),
        ("apps/v1", "Deployment", "spec: {replicas: 2, template: {metadata: {}, spec: %s}}"),
        ("apps/v1", "StatefulSet", "spec: {template: {spec: %s}}"),
        ("apps/v1", "DaemonSet", "spec: {template: {spec: %s}}"),
        ("batch/v1", "Job", "spec: {template: {spec: %s}}"),
        ("batch/v1", "CronJob", "spec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: %s}}}}"),
        ("serving.knative.dev/v1", "Service", "spec: {template: {spec: %s}}"),
        ("argoproj.io/v1alpha1", "Rollout", "spec: {template: {spec: %s}}"),
        ("example.com/v1", "Job", "spec: {steps: [{pod: %s}]}"),
    ],
)
def test_kinds(version: str, kind: str, below: str) -> None:
    text = f"apiVersion: {version}\nkind: {kind}\n{below % POD}"
    assert images(text) == ["a/b:1"]
    listed = "".join(f"\n  {line}" for line in text.split("\n"))
    assert images(f"apiVersion: v1\nkind: List\nitems:\n-{listed[2:]}\n-{listed[2:]}") == ["a/b:1"] * 2


def test_a_list_of_one_kind_says_what_its_items_are() -> None:
    item = f"- {{metadata: {{name: x}}, spec: {{template: {{spec: {POD}}}}}}}"
    assert images(f"apiVersion: apps/v1\nkind: DeploymentList\nitems:\n{item}\n{item}") == ["a/b:1"] * 2
    with pytest.raises(InvalidInput, match="has no kind"):
        images(f"apiVersion: v1\nkind: List\nitems:\n{item}")
    with pytest.raises(InvalidInput, match="this Pod has no spec"):
        images("apiVersion: v1\nkind: PodList\nitems: [{status: {}}]")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{templates: [{container: {image: 'a:1'}}, {script: {image: 'b:2'}, sidecars: [{image: 'c:3'}]}]}", ["a:1", "b:2", "c:3"]),
        ("{stepTemplate: {image: 'a:1'}, steps: [{image: 'b:2'}, {ref: {name: x}}], sidecars: [{image: 'c:3'}]}", ["a:1", "b:2", "c:3"]),
        ("{template: {spec: {containers: [{image: 'a:1'}], volumes: [{image: {reference: 'm:2'}}]}}}", ["m:2", "a:1"]),
        ("{containers: {type: array}, script: text, container: null, steps: [[a]]}", []),
    ],
)  # fmt: skip
def test_containers_of_workflows_and_tasks(spec: str, expected: list[str]) -> None:
    pod = f"---\napiVersion: v1\nkind: Pod\nspec: {POD}\n"
    assert images(f"apiVersion: example.com/v1\nkind: Task\nspec: {spec}\n{pod}") == [*expected, "a/b:1"]


def test_every_container_and_mounted_image_counts() -> None:
    text = """\
# Source: shop/templates/pod.yaml
apiVersion: v1
kind: Pod
metadata: {labels: {app: a, app: a}, annotations: {x: !!binary YQ==}}
spec:
  initContainers:
    - {name: migrate, image: shop/migrate:1}
    - {name: sidecar, image: shop/proxy:2, restartPolicy: Always}
  containers:
    - name: api
      image: registry.example.com/shop/api:1.4
      env: [{name: image, value: not/this:1}]
    - {name: web, image: "shop/web:3"}
  ephemeralContainers:
    - {name: debug, image: busybox:1}
  volumes:
    - {name: data, emptyDir: {}}
    - {name: model, image: {reference: shop/model:9, pullPolicy: IfNotPresent}}
---
apiVersion: v1
kind: ConfigMap
data: {containers: "image: not/this:1"}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
spec: {properties: {containers: {type: array, items: {properties: {image: {type: string}}}}}}
"""
    assert images(text) == [
        "shop/migrate:1", "shop/proxy:2", "registry.example.com/shop/api:1.4", "shop/web:3", "busybox:1", "shop/model:9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("kind: Deployment\napiVersion: apps/v1\nspec: {}", "this Deployment has no spec.template.spec"),
        ("kind: Pod\napiVersion: v1", "this Pod has no spec"),
        ("kind: Pod\napiVersion: v1\nspec: []", "the pod of this Pod is not a mapping"),
        ("kind: Pod\napiVersion: v1\nspec: {}", "this pod has no containers"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: []}", "this pod has no containers"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: {}}", "containers is not a list"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: [a]}", "containers[0] is not a mapping"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: [{name: a}]}", "containers[0] has no image"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: [{image: ''}]}", "'' is not an image name"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: [{image: 1.5}]}", "which is no text to every reader"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: [{image: a, image: b}]}", "has the key 'image' twice"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: [{image: !x a}]}", "the tag '!x' of 'image'"),
        ("kind: Pod\napiVersion: v1\nspec: {containers: [{image: 'a/b:$(TAG)'}]}", "is not a tag"),
        ("kind: Pod\nkind: Job\napiVersion: v1\nspec: {}", "the document has the key 'kind' twice"),
        ("kind: Pod\napiVersion: \nspec: {}", "this object has no apiVersion"),
        ("kind: [a]\napiVersion: v1\nspec: {}", "kind is not a text"),
        ("kind: List\napiVersion: v1\nitems: a", "items is not a list"),
        ("kind: List\napiVersion: v1\nitems: [a]", "the document is not a mapping"),
        (f"kind: Pod\napiVersion: v1\nspec: {POD[:-1]}, volumes: [{{image: {{}}}}]}}", "volumes[0].image has no reference"),
        ("kind: Rollout\napiVersion: x/v1\nspec: {containers: [{image: a, image: b}]}", "the key 'image' stands twice"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidInput) as error:
        images(text)
    assert what in error.value.message
    assert error.value.message.startswith("all.yaml:")


def test_aliases_that_put_together_endless_depth_are_refused() -> None:
    deep = "".join(f"a{n}: &a{n} {'[' * 100}{f'*a{n - 1}' if n else 'x'}{']' * 100}\n" for n in range(50))
    with pytest.raises(InvalidInput, match="it nests deeper than 128 levels"):
        images(f"apiVersion: x/v1\nkind: X\n{deep}")
    lists = "".join(
        f"a{n}: &a{n} {{apiVersion: v1, kind: List, items: [{f'*a{n - 1}' if n else ''}]}}\n"
        for n in range(200)
    )
    with pytest.raises(InvalidInput, match="it nests deeper than 128 levels"):
        images(f"{lists}apiVersion: v1\nkind: List\nitems: [*a199]\n")


def test_aliases_that_multiply_are_refused() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(InvalidInput, match="comes to more than 500,000 values"):
        images(f"apiVersion: x/v1\nkind: X\n{text}")
