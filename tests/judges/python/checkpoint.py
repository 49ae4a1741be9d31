"""Reads a checkpoint with sigstore's own parser and verifies its signature with sigstore's keyring.

usage: checkpoint.py CHECKPOINT VKEY

Prints origin, size, root and who signed as JSON; ends with 3 and the reason if sigstore refuses.
"""

import base64
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sigstore._internal.rekor.checkpoint import SignedCheckpoint
from sigstore._internal.trust import Keyring
from sigstore._utils import KeyID
from sigstore.errors import VerificationError
from sigstore_models.common import v1


def keyring(vkey):
    """The key of a log as sigstore has keys, and its ID in signature lines."""
    _, key_id, key = vkey.split("+", 2)
    raw = base64.b64decode(key, validate=True)
    der = Ed25519PublicKey.from_public_bytes(raw[1:]).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    key = v1.PublicKey(
        raw_bytes=base64.b64encode(der), key_details=v1.PublicKeyDetails.PKIX_ED25519
    )
    return Keyring([key]), KeyID(bytes.fromhex(key_id))


def main():
    checkpoint, vkey = (pathlib.Path(path).read_text() for path in sys.argv[1:])
    keys, key_id = keyring(vkey.strip())
    try:
        signed = SignedCheckpoint.from_text(checkpoint)
        signed.signed_note.verify(keys, key_id)
    except VerificationError as refusal:
        print(f"sigstore: {refusal}", file=sys.stderr)
        return 3
    head = signed.checkpoint
    json.dump(
        {
            "origin": head.origin,
            "size": head.log_size,
            "root": head.log_hash,
            "other": head.other_content,
            "signatures": [s.name for s in signed.signed_note.signatures],
        },
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
