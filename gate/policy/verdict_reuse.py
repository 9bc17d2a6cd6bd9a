"""Whose signed verdicts may spare a scan: the section `reuse-verdicts` of a policy."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from gate.options import Text, describe
from gate.rules._signers import SignersOptions


class VerdictReuse(SignersOptions):
    """Which verdicts count, and how old they may be."""

    verifier: Annotated[Text, describe("Who must have judged: the URI that `attest --verifier` states.")]
    max_age_hours: Annotated[
        int,
        describe(
            "Oldest accepted verdict, in hours: what was published since it was made is not in it.",
            ge=1,
            le=168,
        ),
    ] = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold > 1:
            raise ValueError("threshold is 1 here: each verdict is signed once, by whoever made it")

    @property
    def max_age(self) -> timedelta:
        """How old a verdict may be."""
        return timedelta(hours=self.max_age_hours)
