from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.signatures import InclusionProof, LogEntry, LogKey, Refused, Window, transparency
from tests.kit.sigstore import NOW
from tests.kit.transparency_log import Log, b64, path_of, tree_root

SECOND = timedelta(seconds=1)
LOG = Log("rekor.test")
LOG_2 = Log("log.test", version=2)


def key_of(log: Log, window: Window | None = None) -> LogKey:
    return LogKey(f"https://{log.origin}", log.log_id, log.spki, window or Window(NOW - SECOND))


def proven(index: int, size: int, log: Log = LOG) -> LogEntry:
    """Return an entry of a tree of some size, with its proof."""
    bodies = [b"entry %d" % number for number in range(size)]
    leaves = [hashlib.sha256(b"\x00" + body).digest() for body in bodies]
    root = tree_root(leaves)
    proof = InclusionProof(index, size, root, tuple(path_of(index, leaves)), log.checkpoint(size, root))
    return LogEntry(bodies[index], log.log_id, index, proof=proof)


def verify(entry: LogEntry, log: Log = LOG) -> None:
    assert entry.proof is not None
    transparency.verify_inclusion(entry, entry.proof, key_of(log))


def changed(entry: LogEntry, **changes: Any) -> LogEntry:
    assert entry.proof is not None
    return replace(entry, proof=replace(entry.proof, **changes))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_entry_of_every_tree_is_proven(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, size - 1))
    verify(proven(index, size))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_proof_is_for_one_place(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index, other = data.draw(st.permutations(range(size)))[:2]
    with pytest.raises(Refused, match="the inclusion proof"):
        verify(changed(proven(index, size), index=other))


@pytest.mark.parametrize("log", [LOG, LOG_2])
def test_logs_of_both_versions(log: Log) -> None:
    verify(proven(2, 5, log), log)


ENTRY = proven(2, 5)
TEXT, _, SIGNATURES = ENTRY.proof.checkpoint.partition("\n\n") if ENTRY.proof else ("", "", "")
WITNESS = f"\u2014 witness.test {b64(b'wit!' + bytes(64))}\n"


@pytest.mark.parametrize(
    "checkpoint",
    [
        f"{TEXT}\nan extension\n\n",
        f"{TEXT}\n\n",
        f"{TEXT}\n\n{WITNESS}",
        f"{TEXT}\n\nnot a signature\n",
        f"{TEXT}\n{SIGNATURES}",
        f"{TEXT}\n\n{SIGNATURES}\n{WITNESS}",
        f"{TEXT}\n\n{SIGNATURES}- {LOG.origin} {b64(b'x')}\n",
        TEXT.replace("\n5\n", "\n6\n") + f"\n\n{SIGNATURES}",
        TEXT.replace("\n5\n", "\n05\n") + f"\n\n{SIGNATURES}",
        TEXT.replace("\n5\n", "\n-5\n") + f"\n\n{SIGNATURES}",
        TEXT.replace("rekor.test", "rekor.evil") + f"\n\n{SIGNATURES}",
        TEXT.replace("rekor.test", "") + f"\n\n{SIGNATURES}",
        "",
    ],
)
def test_other_checkpoints_are_refused(checkpoint: str) -> None:
    with pytest.raises(Refused, match="the checkpoint"):
        verify(changed(ENTRY, checkpoint=checkpoint))


@pytest.mark.parametrize("signatures", [f"{SIGNATURES}{WITNESS}", f"{WITNESS}{SIGNATURES}", SIGNATURES * 2])
def test_signatures_of_witnesses_are_left_aside(signatures: str) -> None:
    verify(changed(ENTRY, checkpoint=f"{TEXT}\n\n{signatures}"))


def test_one_wrong_signature_of_the_log_refuses_all() -> None:
    wrong = f"\u2014 {LOG.origin} {b64(LOG.log_id[:4] + LOG.sign(b'other'))}\n"
    with pytest.raises(Refused, match="the checkpoint's signature does not verify"):
        verify(changed(ENTRY, checkpoint=f"{TEXT}\n\n{SIGNATURES}{wrong}"))


def test_the_size_is_the_one_that_was_signed() -> None:
    assert ENTRY.proof is not None
    with pytest.raises(Refused, match="the checkpoint is for another tree than the inclusion proof"):
        verify(changed(ENTRY, checkpoint=LOG.checkpoint(6, ENTRY.proof.root)))


def test_an_extension_is_signed_with_the_rest() -> None:
    text = f"{TEXT}\nan extension\n"
    signature = f"\u2014 {LOG.origin} {b64(LOG.log_id[:4] + LOG.sign(text.encode()))}\n"
    verify(changed(ENTRY, checkpoint=f"{text}\n{signature}"))


def promised(**changes: Any) -> LogEntry:
    found = LOG.add({"kind": "dsse", "apiVersion": "0.0.1"}, NOW)
    promise = LOG.promise(found)
    body = b'{"apiVersion":"0.0.1","kind":"dsse"}'
    entry = LogEntry(body, LOG.log_id, int(found["logIndex"]), int(NOW.timestamp()), promise)
    return replace(entry, **changes)


def test_a_promise_is_a_time() -> None:
    assert transparency.promised_time(promised(), [key_of(LOG)]) == NOW


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"integrated": int(NOW.timestamp()) + 1},
            "the log's promise (signed entry timestamp) does not verify",
        ),
        ({"index": 7_000_000}, "the log's promise"),
        ({"body": b"{}"}, "the log's promise"),
        ({"promise": b"x"}, "the log's promise"),
        ({"log_id": bytes(32)}, "the entry is in an unknown log (key 0000000000000000…)"),
        ({"integrated": 2**62}, "time 4611686018427387904 is none"),
        ({"integrated": 0}, "was not valid at the time of signing"),
    ],
)
def test_other_promises_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        transparency.promised_time(promised(**changes), [key_of(LOG)])
    assert reason in refused.value.message


def test_a_log_that_renewed_its_window_is_found_at_any_of_its_times() -> None:
    old, new = key_of(LOG, Window(NOW, NOW + SECOND)), key_of(LOG, Window(NOW + 2 * SECOND))
    entry = promised()
    assert transparency.log_at(entry, [old, new], [NOW]) == old
    assert transparency.log_at(entry, [old, new], [NOW + 2 * SECOND]) == new
    assert transparency.log_at(entry, [old, new], []) == new
    for times in ([NOW, NOW + 2 * SECOND], [NOW - SECOND]):
        with pytest.raises(Refused, match="was not valid at the time of signing"):
            transparency.log_at(entry, [old, new], times)
    with pytest.raises(Refused, match="was not valid at the time of signing"):
        transparency.log_at(entry, [old], [])
