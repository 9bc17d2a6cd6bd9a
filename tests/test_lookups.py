"""What is asked of registries beside images, how often, and what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gate.errors import Fault, InvalidInput, MalformedImage, Unavailable
from gate.evidence import LOOKED_UP, BaseNow, Bases, BaseTags, TagDigest
from gate.limits import LIMITS
from gate.lookups import ListedBases, Lookups, listed_bases
from gate.oci import descriptor
from gate.oci.descriptor import Digest
from gate.oci.image import EngineImage, Image, Origin
from gate.oci.reference import Reference
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images import builder
from samples.images.builder import MANIFEST, Platform, Settings, build_image, build_index, encode
from samples.images.entries import file
from samples.images.layers import Layer, layer_of
from samples.images.layout import oci_layout, write_directory
from tests.kit import runs
from tests.kit.asked_registry import AskedRegistry, access_to
from tests.kit.known_bases import base, names

DEBIAN, NEWER, JAVA, OWN = (layer_of({word: file(word)}) for word in ("debian", "newer", "java", "own"))
AMD64, ARM64 = Platform(), Platform("linux", "arm64", "v8")
DEBIAN_NAME = "docker.io/library/debian:12"
ARM64_RECORDED = descriptor.Platform("linux", "arm64", "v8")
Opened = Callable[..., Image]


def image_of(*layers: Layer, platform: Platform = AMD64, **more: Any) -> builder.Image:
    return build_image(layers, Settings(None, platform, **more))


def annotated(image: builder.Image, **annotations: str) -> builder.Image:
    """The image with annotations `org.opencontainers.image.base.WORD`."""
    stated = {f"org.opencontainers.image.base.{word}": text for word, text in annotations.items()}
    body = {**builder.manifest_of(image.config, image.layers), "annotations": stated}
    return replace(image, manifest=builder.Blob(MANIFEST, encode(body)))


OLD_DEBIAN = build_index([image_of(DEBIAN), image_of(DEBIAN, platform=ARM64)], attested=True)
NEW_DEBIAN = build_index([image_of(NEWER), image_of(NEWER, platform=ARM64)])
ARM_REBUILT = build_index([image_of(DEBIAN), image_of(NEWER, platform=ARM64)])
JAVA_BASE = image_of(DEBIAN, JAVA)


@pytest.fixture
def registry() -> AskedRegistry:
    return AskedRegistry({DEBIAN_NAME: OLD_DEBIAN, "registry.example.com/base/java:21": JAVA_BASE})


@pytest.fixture
def lookups(registry: AskedRegistry, monkeypatch: pytest.MonkeyPatch) -> Lookups:
    monkeypatch.setattr("gate.lookups.open_source", registry.open_source)
    return Lookups(access_to(registry))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Open a sample image from a layout."""
    with ExitStack() as stack:

        def open_(sample: builder.Image) -> Image:
            folder = tmp_path / sample.manifest.digest[-12:]
            path = write_directory(oci_layout({"": sample}), folder)
            (image,) = stack.enter_context(open_source(locate(str(path)), None)).images
            return image

        yield open_


@pytest.fixture
def built(opened: Opened) -> Image:
    """An image on Debian."""
    return opened(image_of(DEBIAN, OWN))


def listed(*texts: str, recorded: Any = ()) -> ListedBases:
    return ListedBases(tuple(Reference.parse(text) for text in texts), tuple(recorded))


def asked_as(name: str, *repo_digests: str, engine: bool = False) -> Origin:
    """Where an image came from that was asked for by this name."""
    if not engine:
        return Origin("docker", Reference.parse(name), "docker.io")
    pulled = tuple(Reference.parse(one) for one in repo_digests)
    held = EngineImage(Digest("sha256", "0" * 64), pulled, "classic", "Docker", "28.0.0")
    return Origin("docker-daemon", Reference.parse(name), engine=held)


def tag(lookups: Lookups, image: Image, origin: Origin) -> Any:
    return lookups.collect({TagDigest}, image, origin, ListedBases())[TagDigest]


def known(lookups: Lookups, image: Image, of: ListedBases) -> Any:
    return lookups.collect({Bases}, image, Origin("oci"), of)[Bases]


def tags(lookups: Lookups, image: Image, of: ListedBases) -> Any:
    return lookups.collect({BaseTags}, image, Origin("oci"), of)[BaseTags]


def old(index: builder.Index) -> Digest:
    return Digest.parse(index.manifest.digest)


# --- what a tag names now ---


def test_only_what_is_wanted_is_asked(lookups: Lookups, registry: AskedRegistry, built: Image) -> None:
    name = f"{DEBIAN_NAME}@{old(OLD_DEBIAN)}"
    assert lookups.collect(set(), built, asked_as(name), listed("debian:12")) == {}
    assert registry.asked == []
    found = lookups.collect(LOOKED_UP, built, asked_as(name), listed("debian:12"))
    assert set(found) == LOOKED_UP
    assert [kind for kind, value in found.items() if not isinstance(value, kind)] == []


def test_a_name_with_tag_and_digest_is_compared(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    found = tag(lookups, built, asked_as(f"debian:12@{old(OLD_DEBIAN)}"))
    assert found == TagDigest(Reference.parse("debian:12"), (old(OLD_DEBIAN),), old(OLD_DEBIAN), ())
    assert registry.asked == [f"tag {DEBIAN_NAME}"]


def test_of_a_tag_that_moved_the_manifests_are_fetched_by_digest(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    now = registry.push("debian:12", NEW_DEBIAN)
    found = tag(lookups, built, asked_as(f"debian:12@{old(OLD_DEBIAN)}"))
    members = tuple(Digest.parse(image.manifest.digest) for image in NEW_DEBIAN.images)
    assert (found.now, found.members) == (now, members)
    assert registry.asked == [f"tag {DEBIAN_NAME}", f"manifest docker.io/library/debian@{now}"]


def test_a_single_manifest_has_no_members(lookups: Lookups, registry: AskedRegistry, built: Image) -> None:
    now = registry.push("debian:12", JAVA_BASE)
    found = tag(lookups, built, asked_as(f"debian:12@{old(OLD_DEBIAN)}"))
    assert (found.now, found.members) == (now, ())


def test_an_engine_knows_what_it_pulled(lookups: Lookups, built: Image) -> None:
    digests = [f"debian@{old(OLD_DEBIAN)}", f"debian@{old(NEW_DEBIAN)}", f"x.test/debian@sha256:{'0' * 64}"]
    found = tag(lookups, built, asked_as("debian:12", *digests, engine=True))
    assert found.pinned == (old(OLD_DEBIAN), old(NEW_DEBIAN))
    assert found.now == old(OLD_DEBIAN)


def test_an_engines_name_without_a_tag_means_latest(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    registry.push("debian:latest", NEW_DEBIAN)
    found = tag(lookups, built, asked_as("debian", f"debian@{old(OLD_DEBIAN)}", engine=True))
    assert (str(found.name), found.now) == ("docker.io/library/debian:latest", old(NEW_DEBIAN))


@pytest.mark.parametrize(
    "origin",
    [
        Origin("oci"),
        asked_as("debian:12"),
        asked_as("debian"),
        asked_as(f"debian@sha256:{'0' * 64}"),
        asked_as("debian:12", engine=True),
        asked_as("debian:12", f"x.test/debian@sha256:{'0' * 64}", engine=True),
        msgspec.structs.replace(asked_as("debian:12", f"debian@sha256:{'0' * 64}", engine=True), name=None),
    ],
    ids=["a file", "a tag", "a name", "a digest", "built here", "pulled under another name", "by id"],
)
def test_without_something_to_compare_nothing_is_asked(
    origin: Origin, lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    assert tag(lookups, built, origin) == TagDigest()
    assert registry.asked == []


def test_an_index_that_cannot_be_read_is_no_answer(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    broken = replace(NEW_DEBIAN, manifest=builder.Blob(builder.INDEX, b'{"schemaVersion": 2, "layers": []}'))
    registry.push("debian:12", broken)
    assert isinstance(tag(lookups, built, asked_as(f"debian:12@{old(OLD_DEBIAN)}")), MalformedImage)


# --- bases ---


def test_listed_bases_are_read_for_the_platform_of_the_image(
    lookups: Lookups, opened: Opened, built: Image
) -> None:
    of = listed("debian:12", "registry.example.com/base/java:21")
    found = known(lookups, built, of)
    assert names(found.listed) == [DEBIAN_NAME, "registry.example.com/base/java:21"]
    assert (found.listed[0].digest, str(found.listed[0].manifest)) == (
        old(OLD_DEBIAN),
        OLD_DEBIAN.images[0].manifest.digest,
    )
    assert found.listed[0].diff_ids == (DEBIAN.diff_id,)
    assert names(found.under([DEBIAN.diff_id, OWN.diff_id])) == [DEBIAN_NAME]
    on_arm = known(lookups, opened(image_of(DEBIAN, platform=ARM64)), of)
    assert [str(one.platform) for one in on_arm.listed] == ["linux/arm64/v8"]
    assert on_arm.missing == {}


def test_a_base_by_digest_is_the_one_as_it_was(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    registry.push("debian:12", NEW_DEBIAN)
    found = known(lookups, built, listed(f"debian:12@{old(OLD_DEBIAN)}", "debian:12"))
    assert names(found.listed) == [DEBIAN_NAME, DEBIAN_NAME]
    assert [one.digest for one in found.listed] == [old(OLD_DEBIAN), old(NEW_DEBIAN)]


def test_recorded_bases_are_not_asked_for(lookups: Lookups, registry: AskedRegistry, built: Image) -> None:
    recorded = base("debian:12", "ab")
    assert known(lookups, built, listed(recorded=[recorded])).listed == (recorded,)
    assert registry.asked == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unavailable("no network"), Unavailable),
        (MalformedImage("twice"), MalformedImage),
        (InvalidInput("no such proxy"), Unavailable),
        (ValueError("a bug"), Fault),
    ],
)
def test_a_base_that_cannot_be_had_is_missing(
    error: Exception, kind: type, lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    registry.failing["registry.example.com/base/java:21"] = error
    found = known(lookups, built, listed("debian:12", "registry.example.com/base/java:21"))
    assert names(found.listed) == [DEBIAN_NAME]
    ((name, missing),) = found.missing.items()
    assert (str(name), type(missing)) == ("registry.example.com/base/java:21", kind)


def test_a_base_whose_entry_cannot_be_opened_is_missing(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    entry = image_of(DEBIAN).manifest.descriptor()
    body = encode({"schemaVersion": 2, "mediaType": builder.INDEX, "manifests": [{**entry, "size": 3}]})
    registry.push("debian:13", builder.Index(builder.Blob(builder.INDEX, body), (image_of(DEBIAN),)))
    assert names(list(known(lookups, built, listed("debian:13")).listed)) == []
    assert len(known(lookups, built, listed("debian:13")).missing) == 1


@pytest.mark.parametrize("times", [1, 50])
def test_every_answer_is_asked_for_once(
    times: int, lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    registry.failing["registry.example.com/base/java:21"] = Unavailable("no network")
    registry.push("debian:12", NEW_DEBIAN)
    of = listed(f"debian:12@{old(OLD_DEBIAN)}", "registry.example.com/base/java:21")
    for _ in range(times):
        lookups.collect(LOOKED_UP, built, asked_as(f"debian:12@{old(OLD_DEBIAN)}"), of)
    now = old(NEW_DEBIAN)
    assert sorted(registry.asked) == sorted(
        [
            f"tag {DEBIAN_NAME}",
            f"manifest docker.io/library/debian@{now}",
            f"open {DEBIAN_NAME}@{old(OLD_DEBIAN)} linux/amd64",
            "manifest registry.example.com/base/java:21",
            f"open {DEBIAN_NAME}@{now} linux/amd64",
        ]
    )


def test_threads_share_the_answers(lookups: Lookups, registry: AskedRegistry, built: Image) -> None:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(tags(lookups, built, listed("debian:12"))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(one == found[0] for one in found)
    assert registry.asked == [f"open {DEBIAN_NAME} linux/amd64"]


def test_spellings_of_a_platform_are_one_question(
    lookups: Lookups, registry: AskedRegistry, opened: Opened
) -> None:
    for platform in (
        ARM64,
        Platform("linux", "arm64"),
        Platform("linux", "aarch64"),
        Platform("Linux", "ARM64"),
    ):
        known(lookups, opened(image_of(DEBIAN, platform=platform)), listed("debian:12"))
    assert registry.asked == [f"open {DEBIAN_NAME} linux/arm64"]


def test_questions_are_bounded(
    lookups: Lookups, registry: AskedRegistry, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images can claim to be for any platform, and each would be another question."""
    monkeypatch.setattr("gate.lookups.LIMITS", msgspec.structs.replace(LIMITS, lookups=5))
    last: Any = None
    for number in range(10):
        odd = opened(image_of(DEBIAN, platform=Platform("linux", f"cpu{number}")))
        last = known(lookups, odd, listed("debian:12"))
    assert len(registry.asked) == 5
    assert "more than 5 questions" in last.missing[Reference.parse("debian:12")].message


# --- what the tags of bases name now ---


def test_of_the_recognised_base_the_tag_is_asked(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    registry.push("debian:12", NEW_DEBIAN)
    of = listed(f"debian:12@{old(OLD_DEBIAN)}", "registry.example.com/base/java:21")
    found = tags(lookups, built, of)
    (manifest, _) = (Digest.parse(image.manifest.digest) for image in NEW_DEBIAN.images)
    expected = BaseNow(old(NEW_DEBIAN), (manifest,), ((NEWER.diff_id,),))
    assert found == BaseTags({Reference.parse("debian:12"): expected})


def test_a_digest_that_did_not_move_is_not_opened_again(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    found = tags(lookups, built, listed(f"debian:12@{old(OLD_DEBIAN)}"))
    assert found.now[Reference.parse("debian:12")].digest == old(OLD_DEBIAN)
    assert registry.asked == [f"open {DEBIAN_NAME}@{old(OLD_DEBIAN)} linux/amd64", f"tag {DEBIAN_NAME}"]


def test_an_index_in_which_this_platform_stayed_tells_the_same_layers(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    registry.push("debian:12", ARM_REBUILT)
    found = tags(lookups, built, listed(f"debian:12@{old(OLD_DEBIAN)}"))
    assert found.now[Reference.parse("debian:12")].layers == ((DEBIAN.diff_id,),)


def test_a_base_that_was_opened_by_its_tag_is_what_that_names(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    found = tags(lookups, built, listed("debian:12"))
    assert found.now[Reference.parse("debian:12")].digest == old(OLD_DEBIAN)
    assert registry.asked == [f"open {DEBIAN_NAME} linux/amd64"]


def test_what_is_recorded_for_another_platform_tells_nothing_of_this_one(
    lookups: Lookups, registry: AskedRegistry, built: Image
) -> None:
    arm64 = base(DEBIAN_NAME, platform=ARM64_RECORDED)
    recorded = [
        msgspec.structs.replace(base(DEBIAN_NAME), diff_ids=(DEBIAN.diff_id,)),
        msgspec.structs.replace(arm64, digest=registry.push("debian:12", ARM_REBUILT)),
    ]
    found = tags(lookups, built, listed(recorded=recorded)).now[Reference.parse("debian:12")]
    assert found.layers == ((DEBIAN.diff_id,),)


def test_a_base_without_a_tag_is_not_asked(lookups: Lookups, registry: AskedRegistry, built: Image) -> None:
    registry.push("debian:12", OLD_DEBIAN)
    assert tags(lookups, built, listed(f"debian@{old(OLD_DEBIAN)}")) == BaseTags({})


def test_a_tag_that_cannot_be_asked_says_why(lookups: Lookups, registry: AskedRegistry, built: Image) -> None:
    registry.failing[DEBIAN_NAME] = Unavailable("no network")
    found = tags(lookups, built, listed(f"debian:12@{old(OLD_DEBIAN)}"))
    assert found.now[Reference.parse("debian:12")].message == "no network"


def test_no_registry_is_asked_that_only_an_image_names(
    lookups: Lookups, registry: AskedRegistry, opened: Opened
) -> None:
    sample = annotated(
        image_of(OWN, labels={"org.opencontainers.image.base.name": "evil.test/x:1"}), name="evil.test/y:1"
    )
    found = tags(lookups, opened(sample), listed("debian:12"))
    assert found == BaseTags({})
    assert registry.asked == [f"open {DEBIAN_NAME} linux/amd64"]


def test_of_a_listed_base_that_the_image_states_the_tag_is_known(
    lookups: Lookups, registry: AskedRegistry, opened: Opened
) -> None:
    found = tags(lookups, opened(annotated(image_of(OWN), name="debian:12")), listed("debian:12"))
    assert list(found.now) == [Reference.parse("debian:12")]
    assert registry.asked == [f"open {DEBIAN_NAME} linux/amd64"]


# --- what images say ---


def test_claims_are_read_from_annotations_and_labels(lookups: Lookups, opened: Opened) -> None:
    labels = {
        "org.opencontainers.image.base.name": "debian:12",
        "org.opencontainers.image.base.digest": f"sha256:{'1' * 64}",
    }
    sample = annotated(image_of(OWN, labels=labels), name="registry.example.com/a", digest="sha256:x")
    first, second = known(lookups, opened(sample), ListedBases()).claims
    assert (first.text, str(first.name), first.digest, first.place) == (
        "registry.example.com/a",
        "registry.example.com/a",
        None,
        "an annotation",
    )
    assert (second.text, str(second.name), second.place) == ("debian:12", DEBIAN_NAME, "a label")
    assert second.digest == Digest("sha256", "1" * 64)


def test_a_claim_that_is_made_twice_is_one(lookups: Lookups, opened: Opened) -> None:
    labels = {"org.opencontainers.image.base.name": "debian:12"}
    sample = annotated(image_of(OWN, labels=labels), name="debian:12")
    assert len(known(lookups, opened(sample), ListedBases()).claims) == 1


@pytest.mark.parametrize("text", ["NOT A NAME", "a b", "\x1b[2J", "x" * 100_000, "debian:12@sha256:1"])
def test_a_claim_that_is_no_name_is_kept_short_and_names_nothing(
    text: str, lookups: Lookups, opened: Opened
) -> None:
    (claim,) = known(lookups, opened(annotated(image_of(OWN), name=text)), ListedBases()).claims
    assert claim.name is None
    assert claim.text == text[:300]


def test_a_digest_without_a_name_claims_nothing(lookups: Lookups, opened: Opened) -> None:
    sample = annotated(image_of(OWN), digest=f"sha256:{'1' * 64}")
    assert known(lookups, opened(sample), ListedBases()).claims == ()


# --- what a policy lists ---


def test_what_the_options_of_selected_rules_list(tmp_path: Path) -> None:
    policy = runs.policy(
        tmp_path,
        """\
schema: 1
rules:
  base-image: {bases: ["debian:12", "x.test/java"]}
  base-outdated: {bases: ["docker.io/library/debian:12", "alpine:3"]}
  no-shell: {}
scopes:
  - {match: x.test/tools, rules: {base-image: {action: off}}}
""",
    )
    texts = [str(name) for name in listed_bases(policy).names]
    assert texts == [DEBIAN_NAME, "x.test/java:latest", "docker.io/library/alpine:3"]
    scoped = policy.for_subject([Reference.parse("x.test/tools/a:1")])
    assert [str(name) for name in listed_bases(scoped).names] == texts[:1] + texts[2:]
    assert listed_bases(runs.policy(tmp_path, "strict")) == ListedBases()
