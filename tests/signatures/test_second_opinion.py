from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from gate.errors import Unavailable
from gate.evidence import Identity, Signer
from gate.signatures import Refused, Trust, TrustedRoot, bundle, legacy, trust
from gate.signatures.verify import verify
from tests.kit.forgeries import FORGERIES
from tests.kit.forgeries import INSTANCE as FORGED
from tests.kit.sigstore import ISSUER, SIMPLE_SIGNING, WORKFLOW, Signing, Sigstore, new_key
from tests.kit.transparency_log import canonical

if TYPE_CHECKING:
    from gate.signatures.second_opinion import SecondOpinion

DIGEST = "sha256:" + "a" * 64
INSTANCE = Sigstore()
ROOT = INSTANCE.roots()[0]

LAXER_THAN_WE = {
    "a_certificate_with_two_issuers": "it compares one of them",
    "a_claim_that_goes_on_after_its_end": "it reads no claims",
}
"""Forgeries that sigstore-python accepts, and why. What it cannot know, the subject of a statement, is not among them."""


def opinion_under(root: TrustedRoot) -> SecondOpinion:
    from gate.signatures.second_opinion import SecondOpinion  # most of a second

    return SecondOpinion(root)


@pytest.fixture(scope="module")
def opinion() -> SecondOpinion:
    return opinion_under(ROOT)


@pytest.fixture(scope="module")
def forged() -> SecondOpinion:
    return opinion_under(FORGED.roots()[0])


@pytest.mark.parametrize("signing", [Signing(), Signing(stamped=True), Signing(log=2, stamped=True)])
def test_it_agrees_on_what_it_covers(opinion: SecondOpinion, signing: Signing) -> None:
    from gate.signatures.second_opinion import covers

    data = INSTANCE.signature(DIGEST, signing)
    material = bundle.from_bytes(data)
    assert covers(material, ROOT)
    opinion.confirm(data, material, verify(material, Trust(roots=(ROOT,))))


def test_it_agrees_on_the_first_entry_of_a_log() -> None:
    """Its models insist on the zeros that bundles leave out."""
    fresh = Sigstore()
    found = fresh.bundle(b"{}")
    entry = found["verificationMaterial"]["tlogEntries"][0]
    for holder, name in (
        (entry, "logIndex"),
        (entry["inclusionProof"], "logIndex"),
        (entry["inclusionProof"], "hashes"),
    ):
        del holder[name]
    material = bundle.from_bytes(canonical(found))
    signer = verify(material, Trust(roots=fresh.roots()))
    assert signer.log_index == 0
    opinion_under(fresh.roots()[0]).confirm(canonical(found), material, signer)


@pytest.mark.parametrize(
    "signing",
    [
        Signing(leaf_key="p384"),
        Signing(leaf_key="rsa"),
        Signing(leaf_key="ed25519"),
        Signing(log=0, stamped=True),
        Signing(sct=False),
        Signing(key=new_key()),
    ],
)
def test_it_is_not_asked_about_other_shapes(signing: Signing) -> None:
    from gate.signatures.second_opinion import covers

    assert not covers(bundle.from_bytes(INSTANCE.signature(DIGEST, signing)), ROOT)


def test_it_is_not_asked_where_it_would_demand_more() -> None:
    from gate.signatures.second_opinion import covers

    material = bundle.from_bytes(INSTANCE.signature(DIGEST))
    assert not covers(material, ROOT, frozenset({"log"}))
    assert not covers(material, replace(ROOT, certificate_logs=()))
    assert not covers(legacy.from_layer(SIMPLE_SIGNING, *INSTANCE.legacy_signature(DIGEST)), ROOT)


@pytest.mark.parametrize(
    "forge", [forge for _, forge in FORGERIES], ids=[forge.__name__ for _, forge in FORGERIES]
)
def test_it_refuses_the_forgeries_that_we_refuse(forged: SecondOpinion, forge: Any) -> None:
    data = canonical(forge())
    try:
        material = bundle.from_bytes(data)
    except Refused:
        return  # what we cannot read is not verified at all
    claimed = Signer(identity=Identity(WORKFLOW, "uri", ISSUER))
    if forge.__name__ in LAXER_THAN_WE:
        forged.confirm(data, material, claimed)
        return
    with pytest.raises(Refused, match="and sigstore-python"):
        forged.confirm(data, material, claimed)


def test_a_signer_whom_only_we_see_is_refused(opinion: SecondOpinion) -> None:
    data = INSTANCE.signature(DIGEST)
    other = Signer(identity=Identity("https://github.com/evil/app", "uri", ISSUER))
    with pytest.raises(Refused, match="we accept it, and sigstore-python refuses it"):
        opinion.confirm(data, bundle.from_bytes(data), other)


def test_a_payload_that_only_we_see_is_refused(opinion: SecondOpinion) -> None:
    data = INSTANCE.signature(DIGEST)
    material = bundle.from_bytes(data)
    signer = verify(material, Trust(roots=(ROOT,)))
    with pytest.raises(Refused, match="read two different payloads"):
        opinion.confirm(data, replace(material, payload=b"{}"), signer)


def test_verifying_alone_imports_little() -> None:
    code = (
        "import sys; from gate.signatures import bundle, legacy, statement, trust, verify; trust.public_good()\n"
        "print({'sigstore.verify', 'pydantic', 'requests', 'tuf'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_a_root_that_it_cannot_read_is_no_agreement() -> None:
    document = INSTANCE.trusted_root()
    del document["timestampAuthorities"][0]["subject"]
    (root,) = trust.from_bytes(canonical(document), "odd")
    with pytest.raises(Unavailable, match="sigstore-python cannot read the trusted root odd"):
        opinion_under(root)
