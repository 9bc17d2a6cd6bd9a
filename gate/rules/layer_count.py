"""The image does not have more layers than allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.rule import Finding, Rule, Severity


class LayerCountOptions(Options):
    """Options of `layer-count`."""

    max_layers: Annotated[
        int,
        describe(
            "Most layers accepted. Container engines stop at 127, and a base has its own.", ge=1, le=500
        ),
    ] = 64


def check(config: ImageConfig, options: LayerCountOptions) -> Iterator[Finding]:
    """Yield a finding if the configuration lists more layers than allowed."""
    count = len(config.diff_ids)
    if count > options.max_layers:
        yield Finding(
            f"{count} layers, allowed {options.max_layers}",
            details={"layers": count, "limit": options.max_layers},
        )


RULE = Rule(
    id="layer-count",
    title="The image does not have too many layers",
    rationale="Each layer costs a request when the image is pulled and a mount when it runs; engines refuse more than 127.",
    remediation="Join steps that belong together in one RUN, or build in stages and copy only the result.",
    severity=Severity.LOW,
    check=check,
)
