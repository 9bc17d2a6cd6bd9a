"""Made-up credentials that look real. They are put together when a test runs, so that the repository holds none."""

from __future__ import annotations

import base64
import random
import string

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

WORD = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + "234567"


def text(length: int, alphabet: str = WORD, seed: int = 1) -> str:
    """Characters that look random, and are the same each time."""
    return "".join(random.Random(seed).choices(alphabet, k=length))


def tokens(seed: int = 1) -> dict[str, str]:
    """One token of each kind that is recognised by its form, by kind; several tokens of a kind are numbered."""
    return {
        "AWS access key id": "AKIA" + text(16, UPPER, seed),
        "GitHub token": "ghp_" + text(36, seed=seed),
        "GitHub token 2": "gho_" + text(36, seed=seed),
        "GitHub token 3": "ghu_" + text(36, seed=seed),
        "GitHub token 4": "ghs_" + text(36, seed=seed),
        "GitHub token 5": "ghr_" + text(76, seed=seed),
        "GitHub token 6": "github_pat_" + text(22, seed=seed) + "_" + text(59, seed=seed + 1),
        "GitLab token": "glpat-" + text(20, seed=seed),
        "Slack token": "xoxb-" + text(12, string.digits, seed) + "-" + text(24, seed=seed),
        "Slack token 2": "xoxp-" + text(12, string.digits, seed) + "-" + text(24, seed=seed),
        "Google API key": "AIza" + text(35, seed=seed),
        "npm token": "npm_" + text(36, seed=seed),
        "PyPI token": "pypi-AgEI" + text(150, seed=seed),
        "Docker Hub token": "dckr_pat_" + text(27, seed=seed),
        "Stripe key": "sk_live_" + text(24, seed=seed),
        "Anthropic key": "sk-ant-api03-" + text(93, seed=seed),
        "age private key": "AGE-SECRET-KEY-1" + text(58, UPPER, seed),
    }


def values(seed: int = 1) -> dict[str, str]:
    """Lines that hold a secret which is recognised by the name before it."""
    secret = text(40, WORD + "/+", seed)
    webhook = f"T{text(8, UPPER, seed)}/B{text(8, UPPER, seed)}/{text(24, seed=seed)}"
    login = base64.b64encode(f"robot:{text(20, seed=seed)}".encode()).decode()
    return {
        "AWS secret key": f"aws_secret_access_key = {secret}",
        "AWS secret key 2": f"export AWS_SECRET_ACCESS_KEY='{secret}'",
        "AWS secret key 3": f'{{"SecretAccessKey": "{secret}"}}',
        "Slack webhook": f"https://hooks.slack.com/services/{webhook}",
        "npm token": f"//registry.npmjs.org/:_authToken={text(36, seed=seed)}",
        "registry login": f'{{"auths": {{"registry.example.com": {{"auth": "{login}"}}}}}}',
        "Azure storage key": f"AccountName=shop;AccountKey={text(86, WORD + '/+', seed)}==;EndpointSuffix=x",
    }


def private_keys() -> dict[str, bytes]:
    """Private keys in the forms that programs write, by form. They are new each time, and belong to nothing."""
    rsa_key = rsa.generate_private_key(65537, 1024)
    pem, der = serialization.Encoding.PEM, serialization.NoEncryption()
    locked = serialization.BestAvailableEncryption(b"secret")
    pkcs8, old, ssh = (
        serialization.PrivateFormat.PKCS8,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.PrivateFormat.OpenSSH,
    )
    ed = ed25519.Ed25519PrivateKey.generate()
    return {
        "RSA, PKCS #1": rsa_key.private_bytes(pem, old, der),
        "RSA, PKCS #8": rsa_key.private_bytes(pem, pkcs8, der),
        "RSA, PKCS #1, encrypted": rsa_key.private_bytes(pem, old, locked),
        "RSA, PKCS #8, encrypted": rsa_key.private_bytes(pem, pkcs8, locked),
        "EC": ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, old, der),
        "Ed25519": ed.private_bytes(pem, pkcs8, der),
        "OpenSSH": ed.private_bytes(pem, ssh, der),
    }
