"""Credentials that open nothing, for images that must be caught with one.

They are put together when they are asked for, so that no search for leaked credentials takes the sources for a leak.
"""

from __future__ import annotations

import base64
import hashlib


def private_key() -> str:
    """A PEM file in the form of an RSA key (PKCS #1): a DER sequence of the right length, filled with hash values."""
    filling = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(19))
    der = bytes.fromhex("3082025d 020100 028181 00") + filling[:597]
    return f"-----{'BEGIN'} RSA PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----{'END'} RSA PRIVATE KEY-----\n"


def aws_access_key_id() -> str:
    """The form of an AWS access key id."""
    return "AKIA" + base64.b32encode(hashlib.sha256(b"sample").digest()).decode()[:16]
