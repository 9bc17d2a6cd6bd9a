"""Several processes on one cache, and processes that are killed while they fill it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samples.images.builder import Image, Platform, Settings, build_image, build_index
from samples.images.entries import file
from samples.images.layers import Compression, layer_of
from tests.cli.conftest import clean_environment
from tests.kit.registry import Fault, Registry, serving_registry

pytestmark = pytest.mark.slow

NAME = "shop/api:1"


@pytest.fixture(scope="module")
def image() -> Image:
    """An image of three layers, large enough that their indexes are kept and that reading them takes a moment."""
    layers = [
        layer_of({f"data{number}": file(random.Random(number).randbytes(1_500_000))}, Compression.NONE)
        for number in range(3)
    ]
    return build_image(layers, Settings(datetime.now(UTC), user="1000"))


def started(registry: Registry, place: Path) -> subprocess.Popen[str]:
    """Start a check of the image with the cache in `place`."""
    command = [sys.executable, "-m", "gate", "check", f"docker://{registry.host}/{NAME}"]
    options = ["--policy", "policy.yaml", "--format", "json", "--cache-dir", "shared"]
    return subprocess.Popen(
        [*command, *options],
        cwd=place,
        env=clean_environment(TMPDIR=str(place / "tmp")),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.parametrize("call", ["layer", "manifest", "config"])
def test_a_signal_ends_what_waits_for_a_slow_registry(call: str, image: Image, place: Path) -> None:
    """Several things are asked for at a time, and none of them ever comes."""
    arm = Settings(datetime.now(UTC), Platform("linux", "arm64"), user="1000")
    both = build_index([image, build_image(image.layers, arm)])
    with serving_registry({NAME: both}, [Fault(call, "slow")]) as registry:
        process = started(registry, place)
        while registry.count(call) < 2 and process.poll() is None:
            time.sleep(0.05)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert time.monotonic() - begun < 5
    assert (process.returncode, output) == (3, "")
    assert list((place / "tmp").iterdir()) == []


def verdict(process: subprocess.Popen[str]) -> Any:
    """What a check says: its exit code, and its results."""
    output, _ = process.communicate(timeout=120)
    (found,) = json.loads(output)["verdicts"]
    return process.returncode, found["status"], found["subject"]["digest"], found["results"]


def check_blobs(place: Path) -> None:
    """Every blob in the store is what its name says."""
    for blob in (place / "shared/v1/blobs/sha256").glob("*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


@pytest.fixture
def place(place: Path) -> Path:
    (place / "tmp").mkdir()
    (place / "policy.yaml").write_text("schema: 1\nrules: {no-shell: {}, non-root: {}, no-setuid: {}}\n")
    return place


def test_processes_that_start_together_fetch_each_layer_once(image: Image, place: Path) -> None:
    with serving_registry({NAME: image}) as registry:
        processes = [started(registry, place) for _ in range(6)]
        found = [verdict(process) for process in processes]
        assert registry.count("layer") == len(image.layers)
        assert registry.sent["layer"] == sum(len(layer.data) for layer in image.layers)
    assert found[0][:2] == (0, "pass")
    assert found == [found[0]] * len(found)
    check_blobs(place)


def test_processes_that_are_killed_leave_nothing_wrong(image: Image, place: Path) -> None:
    """At any point; the transfer is slow enough that most are hit while a layer arrives."""
    moments = random.Random(11)
    with serving_registry({NAME: image}, [Fault("layer", "slow")]) as registry:
        for _ in range(12):
            process = started(registry, place)
            time.sleep(moments.uniform(0.1, 1.2))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            check_blobs(place)
    with serving_registry({NAME: image}) as registry:
        process = started(registry, place)
        assert verdict(process)[:2] == (0, "pass")
        again = started(registry, place)
        assert verdict(again)[:2] == (0, "pass")
    check_blobs(place)
    assert list((place / "shared/v1/partial").iterdir()) == []
    assert os.listdir(place / "tmp") == []
