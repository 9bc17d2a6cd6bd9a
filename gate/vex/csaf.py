"""CSAF 2.0 (OASIS), profile 5 "VEX": `document.category` is `csaf_vex`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from gate.errors import InvalidInput
from gate.identifiers import names_of
from gate.packages.purls import parsed
from gate.vex import Format, Product, Refused, Statement, Status
from gate.vex.images import identity, is_image, with_hashes
from gate.vex.read import Moment, Part, bounded, converted, utc

FORMAT: Format = "CSAF"
_STATUSES: Mapping[str, Status] = {
    "first_affected": "affected",
    "first_fixed": "fixed",
    "fixed": "fixed",
    "known_affected": "affected",
    "known_not_affected": "not_affected",
    "last_affected": "affected",
    "under_investigation": "under_investigation",
}
"""What the lists of `product_status` say; that of recommended versions says nothing of a vulnerability."""
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Ids = tuple[str, ...]


class _Hash(Part, frozen=True):
    algorithm: str
    value: str


class _File(Part, frozen=True):
    file_hashes: tuple[_Hash, ...]


class _Helper(Part, frozen=True):
    purl: str = ""
    hashes: tuple[_File, ...] = ()


class _Product(Part, frozen=True):
    product_id: _Text
    helper: _Helper = msgspec.field(name="product_identification_helper", default=_Helper())


class _Branch(Part, frozen=True):
    product: _Product | None = None
    branches: tuple[_Branch, ...] = ()


class _Relationship(Part, frozen=True):
    category: str
    product_reference: str
    relates_to_product_reference: str
    full_product_name: _Product


class _Group(Part, frozen=True):
    group_id: str
    product_ids: _Ids


class _Tree(Part, frozen=True):
    branches: tuple[_Branch, ...] = ()
    full_product_names: tuple[_Product, ...] = ()
    relationships: tuple[_Relationship, ...] = ()
    product_groups: tuple[_Group, ...] = ()


class _Flag(Part, frozen=True):
    label: Literal[
        "component_not_present",
        "inline_mitigations_already_exist",
        "vulnerable_code_cannot_be_controlled_by_adversary",
        "vulnerable_code_not_in_execute_path",
        "vulnerable_code_not_present",
    ]
    product_ids: _Ids = ()
    group_ids: _Ids = ()


class _Id(Part, frozen=True):
    text: str


class _Vulnerability(Part, frozen=True):
    cve: str = ""
    ids: tuple[_Id, ...] = ()
    product_status: Mapping[str, _Ids] = {}
    flags: tuple[_Flag, ...] = ()


class _Publisher(Part, frozen=True):
    name: _Text


class _Tracking(Part, frozen=True):
    id: _Text
    current_release_date: Moment


class _Header(Part, frozen=True):
    category: Literal["csaf_vex"]
    csaf_version: Literal["2.0"]
    publisher: _Publisher
    tracking: _Tracking


class _Document(Part, frozen=True):
    document: _Header
    product_tree: _Tree = _Tree()
    vulnerabilities: tuple[_Vulnerability, ...] = ()


def is_one(plain: Any) -> bool:
    """Whether a parsed document says that it is one."""
    header = plain.get("document") if isinstance(plain, dict) else None
    return isinstance(header, dict) and "csaf_version" in header


def read(plain: Any, name: str) -> tuple[tuple[str, str], list[Statement], list[Refused]]:
    """Return id and author, the statements, and those that do not count; raises `InvalidInput`.

    A statement is what is said of one vulnerability with one status and one justification; they are numbered in their order.
    """
    document = converted(plain, _Document, name)
    listed = [ids for said in document.vulnerabilities for ids in said.product_status.values()]
    bounded(sum(map(len, listed)), name)
    tracking = document.document.tracking
    known = _products(document.product_tree, name)
    dated = utc(tracking.current_release_date, name)
    statements: list[Statement] = []
    refused: list[Refused] = []
    for said in document.vulnerabilities:
        ids = names_of(said.cve, [one.text for one in said.ids])
        for status, justification, product_ids in _parts(said, document.product_tree):
            number = len(statements) + len(refused) + 1
            products = tuple(known[one] for one in product_ids if one in known)
            if reason := _refusal(status, justification, products, ids):
                refused.append(Refused(number, said.cve, reason))
            else:
                statements.append(Statement(number, ids, status, dated, products, justification))
    return (tracking.id, document.document.publisher.name), statements, refused


def _refusal(status: Status, justification: str, products: tuple[Product, ...], ids: frozenset[str]) -> str:
    """Say why a statement does not count; empty for one that does."""
    if not ids:
        return "it names no vulnerability"
    if status == "not_affected" and not justification:
        return "it is known_not_affected without one flag that says why"
    return "" if products else "it names no image by digest or repository, and no package by package URL"


def _parts(said: _Vulnerability, tree: _Tree) -> Iterator[tuple[Status, str, list[str]]]:
    """Yield status, justification and products of what is said of one vulnerability.

    A justification is the one flag that a product has: of several it could not be told which is meant.
    """
    groups = {group.group_id: group.product_ids for group in tree.product_groups}
    labels: dict[str, set[str]] = {}
    for flag in said.flags:
        members = [one for group in flag.group_ids for one in groups.get(group, ())]
        for product in (*flag.product_ids, *members):
            labels.setdefault(product, set()).add(flag.label)
    for word, status in _STATUSES.items():
        parts: dict[str, list[str]] = {}
        for product in said.product_status.get(word, ()):
            stated = labels.get(product, set()) if status == "not_affected" else set()
            parts.setdefault(next(iter(stated)) if len(stated) == 1 else "", []).append(product)
        yield from ((status, label, products) for label, products in sorted(parts.items()))


def _products(tree: _Tree, name: str) -> dict[str, Product]:
    """Return what product ids come to, without those that cannot be told; raises `InvalidInput` for one that is two things."""
    stated = [*tree.full_product_names]
    waiting = [*tree.branches]
    while waiting:
        branch = waiting.pop()
        waiting += branch.branches
        stated += [branch.product] if branch.product else []
    ids = [one.product_id for one in (*stated, *(part.full_product_name for part in tree.relationships))]
    if len(set(ids)) != len(ids):
        raise InvalidInput(f"{name} states a product_id twice", hint="each product has one of its own")
    found = {one.product_id: product for one in stated if (product := _product(one.helper)) is not None}
    for part in tree.relationships:
        inner, outer = found.get(part.product_reference), found.get(part.relates_to_product_reference)
        if part.category == "default_component_of" and inner and outer and _contains(outer, inner):
            found[part.full_product_name.product_id] = Product(outer.image, inner.package)
    return found


def _contains(outer: Product, inner: Product) -> bool:
    """Whether a relationship is of a package in an image as a whole; which packages lie in others is not known."""
    return outer.image is not None and not outer.package and inner.image is None


def _product(helper: _Helper) -> Product | None:
    """Return the image or package that is identified; None where that cannot be told."""
    if helper.purl and not is_image(helper.purl):
        return Product(None, helper.purl) if parsed(helper.purl) and not helper.hashes else None
    if not helper.purl or len(helper.hashes) > 1:
        return None  # of several files it could not be told which is the image's manifest
    hashes = {one.algorithm: one.value for file in helper.hashes for one in file.file_hashes}
    image = with_hashes(identity(helper.purl), hashes)
    return None if image is None else Product(image)
