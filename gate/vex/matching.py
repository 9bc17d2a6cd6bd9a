"""Which statement decides on a finding of one image.

Unclear is "does not match", because a statement only ever takes findings away. A finding whose package has no package
URL is reached by nothing but a statement on the image as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from gate.evidence import Subject
from gate.identifiers import names_of, same
from gate.packages.purls import means_any, parsed
from gate.rule import Finding
from gate.vex import WEAKENING, Claim, Product, Statement, Vex
from gate.vex.images import is_meant


class Claims:
    """The statements that speak of one image, or of packages wherever they are, by the ids that they name."""

    def __init__(self, vex: Vex, subject: Subject) -> None:
        self._by_id: dict[str, list[tuple[Claim, tuple[Product, ...]]]] = {}
        today = subject.day
        for document in vex.documents:
            for statement in document.statements:
                products = tuple(_for_image(statement, subject))
                if not products or _to_come(statement, today):
                    continue
                for id_ in statement.ids:
                    self._by_id.setdefault(id_, []).append((Claim(statement, document), products))

    def __iter__(self) -> Iterator[Claim]:
        """Yield all of them, once for each id that they name."""
        return (claim for claims in self._by_id.values() for claim, _ in claims)

    def about(self, finding: Finding) -> Claim | None:
        """Return the statement that takes a finding away; None where there is none.

        The newest statements on it decide. Where they contradict each other, or do not take it away, nothing does.
        """
        ids = names_of(finding.id, finding.details.get("aliases"))
        reaching = [
            claim
            for id_ in sorted(ids)
            for claim, products in self._by_id.get(id_, ())
            if same(ids, claim.statement.ids) and _reaches(claim.statement, products, finding)
        ]
        newest = max((claim.statement.dated for claim in reaching), default=None)
        latest = [claim for claim in reaching if claim.statement.dated == newest]
        statuses = {claim.statement.status for claim in latest}
        return latest[0] if len(statuses) == 1 and statuses <= WEAKENING else None


def _for_image(statement: Statement, subject: Subject) -> Iterator[Product]:
    """Yield the products of a statement that can be in this image."""
    fits: dict[object, bool] = {None: True}
    for product in statement.products:
        image = product.image
        if image is not None and image not in fits:
            fits[image] = is_meant(image, subject)
        if fits[image]:
            yield product


def _to_come(statement: Statement, today: date) -> bool:
    """Whether a statement is of a later day than the one that is judged: what it takes away is not taken away yet."""
    return statement.status in WEAKENING and statement.dated.date() > today


def _reaches(statement: Statement, products: tuple[Product, ...], finding: Finding) -> bool:
    """Whether one of the products has the finding's package in it."""
    found = finding.purls
    return any(
        _is_certain(statement, product) and (not product.package or means_any(product.package, found))
        for product in products
    )


def _is_certain(statement: Statement, product: Product) -> bool:
    """Whether a fix is said of certain bytes or of a certain version: without, it would cover what came before it."""
    if statement.status != "fixed" or (product.image is not None and product.image.digest):
        return True
    package = parsed(product.package) if product.package else None
    return package is not None and package.version is not None
