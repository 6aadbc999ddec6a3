"""The certificate that every server shows when it speaks TLS, made anew for each session."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two files in PEM form: the certificate with those that lead from it to its authority, and its key."""

    chain: Path
    key: Path


@contextmanager
def certificate() -> Iterator[Certificate]:
    """Issue a certificate for 127.0.0.1 from an authority that nobody knows, and keep it while the block lasts."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    # trustme writes a key in its algorithm's own form, and granian reads none but PKCS #8 (RFC 5958).
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    with tempfile.TemporaryDirectory() as folder:
        files = Certificate(Path(folder, "chain.pem"), Path(folder, "key.pem"))
        files.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        yield files
