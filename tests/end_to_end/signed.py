"""What the gate makes of the signatures and attestations that real programs stored beside an image."""

from __future__ import annotations

from gate.deadline import Deadline
from gate.evidence import Attestations, Signatures, TrustRequest
from gate.oci.reference import Reference
from gate.registry import RegistrySettings
from gate.signatures import Trust
from gate.signatures.collect import collected
from gate.signatures.discovery import Budget
from gate.signatures.discovery_registry import in_repository
from gate.signatures.subjects import Subjects
from gate.signatures.trusting import Trusts
from gate.sources import Access, SourceSettings

REQUEST = TrustRequest()


def evidence(name: Reference, trust: Trust) -> tuple[Signatures, Attestations]:
    """Collect what is signed of a digest in a registry, under one trust."""
    assert name.digest is not None
    with Access(SourceSettings(RegistrySettings()), Deadline(60)) as access:
        items = in_repository(access.registry, name, name.digest, Budget())
        return collected(Subjects((name.digest,)), items, {REQUEST: Trusts(trust, trust)})
