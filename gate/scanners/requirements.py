"""What each scanner's program must be, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from gate.scanners import grype, trivy
from gate.scanners.program import Requirement

REQUIREMENTS: Mapping[str, Requirement] = {one.name: one for one in (trivy.REQUIREMENT, grype.REQUIREMENT)}
