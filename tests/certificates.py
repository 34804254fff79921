"""Certificates of this machine for tests, made by the commands of docs/how-to/operations.md."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["has_openssl", "self_signed"]


def has_openssl() -> bool:
    return shutil.which("openssl") is not None


def self_signed(certificate: Path, key: Path) -> None:
    """Write a certificate for localhost that is its own authority, and its key."""
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
