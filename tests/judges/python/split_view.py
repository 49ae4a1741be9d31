"""Judges evidence of a split view (docs/audit.md) with nothing but the log's vkey and the file.

usage: split_view.py VKEY FILE

Exit 0 with a JSON document, or 3 with the reason on stderr.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    pass


def parse_vkey(vkey):
    name, key_id, encoded = vkey.split("+", 2)
    kind_and_key = base64.b64decode(encoded, validate=True)
    if kind_and_key[0] != 1 or len(kind_and_key) != 33:
        raise Refused("vkey: not an Ed25519 log key")
    wanted = hashlib.sha256(name.encode() + b"\n" + kind_and_key).digest()[:4]
    if wanted.hex() != key_id:
        raise Refused("vkey: another key ID")
    return name, wanted, Ed25519PublicKey.from_public_bytes(kind_and_key[1:])


def open_note(note, vkey):
    """The size and root that the log's key has signed (C2SP signed-note, tlog-checkpoint)."""
    name, key_id, key = vkey
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        mark, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if mark == "\u2014" and signer == name and raw[:4] == key_id:
            try:
                key.verify(raw[4:], text.encode())
            except InvalidSignature:
                raise Refused("note: a signature by the log does not verify") from None
            origin, size, root = text.splitlines()[:3]
            if origin != name:
                raise Refused("note: of another log")
            return int(size), base64.b64decode(root, validate=True)
    raise Refused("note: not signed by the log")


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_consistency(first, first_root, second, second_root, proof):
    """RFC 9162, section 2.1.4.2, line by line."""
    if first == second:
        if proof or first_root != second_root:
            raise Refused("proof: equal sizes")
        return
    if not 0 < first < second or not proof and first & (first - 1):
        raise Refused("proof: sizes")
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for hash_ in path[1:]:
        if sn == 0:
            raise Refused("proof: too long")
        if fn & 1 or fn == sn:
            fr = node(hash_, fr)
            sr = node(hash_, sr)
            while fn and not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            sr = node(sr, hash_)
        fn >>= 1
        sn >>= 1
    if fr != first_root or sr != second_root or sn != 0:
        raise Refused("proof: leads elsewhere")


def enclosed(text, name):
    begin, end = f"\n-----begin {name}-----\n", f"-----end {name}-----\n"
    try:
        return text.split(begin, 1)[1].split(end, 1)[0]
    except IndexError:
        raise Refused(f"form: no {name}") from None


def judge(vkey, text):
    lines = text.splitlines()
    if lines[0] != "log split view v1":
        raise Refused("form: another first line")
    members = dict(line.split(" ", 1) for line in lines[1:9])
    count = int(members["consistency-proof"])
    proof = []
    for line in lines[9 : 9 + count]:
        name, value = line.split(" ", 1)
        if name != "hash":
            raise Refused("form: not a hash")
        proof.append(base64.b64decode(value, validate=True))
    heads = []
    for which in ("smaller", "larger"):
        head = open_note(enclosed(text, f"{which} checkpoint"), vkey)
        said = (
            int(members[f"{which}-size"]),
            base64.b64decode(members[f"{which}-root"], validate=True),
        )
        if head != said:
            raise Refused(f"head: the {which} one is another than the text says")
        heads.append(head)
    (small, small_root), (large, large_root) = heads
    then = base64.b64decode(members["larger-root-at-smaller-size"], validate=True)
    check_consistency(small, then, large, large_root, proof)
    if then == small_root:
        raise Refused("history: one and the same")
    return {"smaller": small, "larger": large}


def main():
    vkey, path = sys.argv[1:]
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    try:
        seen = judge(parse_vkey(vkey), text)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(3)
    except (ValueError, KeyError, IndexError) as error:
        print(f"form: {error}", file=sys.stderr)
        sys.exit(3)
    json.dump(seen, sys.stdout)


main()
