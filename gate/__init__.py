"""image-gate decides whether a container image may go further: pass, fail or unknown, with reasons.

The public API is what this module names; everything else may change::

    from gate import Policy, Status, check

    report = check("oci:build/image", Policy.load("baseline"))
    admit = report.status is Status.PASS
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gate.pipeline import RunSettings
    from gate.policy.policy import Policy as Policy
    from gate.verdict import Report
    from gate.verdict import Status as Status

__version__ = "0.1.0"
__all__ = ["Policy", "Status", "__version__", "check"]


def check(reference: str | Sequence[str], policy: Policy, settings: RunSettings | None = None) -> Report:
    """Judge one image, or several, under a policy.

    Only a report whose status is `Status.PASS` opens the gate. Raises `gate.errors.InvalidInput` where the request cannot
    be used; what goes wrong later is in the report. Without `settings` all platforms are judged, the user's configuration
    and logins count, and layers and databases are kept in the user's cache folder.
    """
    from gate import pipeline

    references = (reference,) if isinstance(reference, str) else tuple(reference)
    return pipeline.check(references, policy, settings or _default_settings())


def _default_settings() -> RunSettings:
    """Return what the command line uses when no option is given."""
    import os

    import platformdirs

    from gate import configuration
    from gate.pipeline import RunSettings
    from gate.scanners import ScannerSettings
    from gate.sources import SourceSettings

    folder = platformdirs.user_cache_path("image-gate")
    configured = configuration.load(None)
    scanners = ScannerSettings(
        work_dir=folder,
        trivy_cache=folder / "trivy",
        grype_database=folder / "grype",
        trivy_sources=configured.trivy_sources,
        trivy_java_sources=configured.trivy_java_sources,
        grype_sources=configured.grype_sources,
        feeds=folder / "feeds",
        feed_sources=configured.feed_sources,
    )
    sources = SourceSettings(configured.registries(os.environ))
    return RunSettings(scanners, sources=sources, cache_dir=folder)


def __getattr__(name: str) -> Any:
    """Import the public types when they are first asked for: `image-gate --version` needs none of them."""
    if name == "Policy":
        from gate.policy.policy import Policy

        return Policy
    if name == "Status":
        from gate.verdict import Status

        return Status
    raise AttributeError(f"module 'gate' has no attribute {name!r}")
