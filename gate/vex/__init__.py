"""VEX: what somebody says of vulnerabilities in a product, whether it is affected and why not.

`read.py` reads a document of any format into statements; `images.py` says which image a product is; `matching.py`
says which statement decides on a finding. A document's author is a claim: a document counts because the policy names
it, or names who may sign one. This file holds the values, which do not depend on where a document came from.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

Status = Literal["not_affected", "fixed", "affected", "under_investigation"]
Format = Literal["OpenVEX", "CycloneDX", "CSAF"]

WEAKENING: frozenset[str] = frozenset({"not_affected", "fixed"})
"""What takes a finding away; the other statuses never weaken anything."""


class ImageIdentity(Struct, frozen=True):
    """An image as a product: by its digest, or by repository (in full, without a tag) and tag; what is not said is empty."""

    digest: str = ""
    repository: str = ""
    tag: str = ""
    os: str = ""
    architecture: str = ""


class Product(Struct, frozen=True):
    """What a statement is about: a package in an image, an image as a whole (no package), or a package anywhere (no image).

    `package` is a package URL.
    """

    image: ImageIdentity | None = None
    package: str = ""


class Statement(Struct, frozen=True):
    """One statement: what is said of one vulnerability, by all names that it is given, in some products.

    `number` is its place among those of the document, from 1. `justification` is a word of the document's format, `note` a text.
    """

    number: int
    ids: frozenset[str]
    status: Status
    dated: datetime
    products: tuple[Product, ...]
    justification: str = ""
    note: str = ""


class Refused(Struct, frozen=True):
    """A statement that does not count, and why."""

    number: int
    id: str
    reason: str


class Document(Struct, frozen=True):
    """A document: what it is called, where it comes from (`policy`, `command line`), what it says of itself, and what it says.

    `digest` is `sha256:` over its bytes. `id` and `author` are claims of the document.
    """

    name: str
    origin: str
    digest: str
    format: Format
    id: str
    author: str
    statements: tuple[Statement, ...]
    refused: tuple[Refused, ...] = ()


class Vex(Struct, frozen=True):
    """A kind of evidence: all documents that the policy lets count, from files and wherever else it trusts."""

    documents: tuple[Document, ...]


class Claim(Struct, frozen=True):
    """A statement and the document that it stands in."""

    statement: Statement
    document: Document
