"""Writes a repository with python-tuf's Metadata API, for our client to read.

usage: tuf_repository.py OUT [--plain-names] [--forge N.ROLE] [--short N.ROLE]

OUT/root.json is what a client trusts, OUT/metadata and OUT/targets are served. Three root versions,
all types of keys, thresholds, delegations of delegations, a role's name that needs quoting.
--plain-names: no consistent snapshots. --forge: the signatures of that file are by a stranger, under
the right key ids. --short: it has a signature too few.
"""

import argparse
import datetime
import hashlib
import pathlib

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

EXPIRES = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
QUOTED = "two & more/ü"
# Who lists which targets; what is in them is their name.
TARGETS = {
    "targets": ["plain.txt", "nested/dir/file.txt", "a b+c%20é.txt", "what?#.txt"],
    "one": ["one/a.txt", "two/not-its-own.bin"],
    "deep": ["one/deep.txt"],
    QUOTED: ["two/b.bin", "one/c.txt"],
    "hashed": ["by-hash.txt"],
}


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


class Repository:
    def __init__(self, out, consistent, forged, short):
        self.out, self.consistent, self.forged, self.short = out, consistent, forged, short
        self.serializer = JSONSerializer(compact=False)
        self.stranger = CryptoSigner.generate_ed25519()

    def write(self, role, signed, signers):
        """Signs and writes a role; what snapshot or timestamp say of it comes back."""
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        file = f"{signed.version}.{role}"
        if file == self.short:
            metadata.signatures.popitem()
        if file == self.forged:
            wrong = self.stranger.sign(metadata.signed_bytes).signature
            for signature in metadata.signatures.values():
                signature.signature = wrong
        data = metadata.to_bytes(self.serializer)
        versioned = role == "root" or self.consistent and role != "timestamp"
        put(self.out / "metadata" / f"{file if versioned else role}.json", data)
        return data

    def roles(self, keys):
        root = Root(expires=EXPIRES, consistent_snapshot=self.consistent)
        for role, signers, threshold in keys:
            for signer in signers:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = threshold
        return root

    def targets(self, role):
        files = {}
        for path in TARGETS[role]:
            data = path.encode()
            files[path] = TargetFile.from_data(path, data, ["sha256", "sha512"])
            directory, _, name = path.rpartition("/")
            if self.consistent:
                name = f"{files[path].hashes['sha256']}.{name}"
            put(self.out / "targets" / directory / name, data)
        return Targets(expires=EXPIRES, targets=files)


def delegations(*roles):
    keys, delegated = {}, {}
    for name, signers, threshold, terminating, paths, prefixes in roles:
        ids = [signer.public_key.keyid for signer in signers]
        keys.update({signer.public_key.keyid: signer.public_key for signer in signers})
        delegated[name] = DelegatedRole(name, ids, threshold, terminating, paths, prefixes)
    return Delegations(keys, delegated)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--plain-names", action="store_true")
    parser.add_argument("--forge")
    parser.add_argument("--short")
    args = parser.parse_args()
    repository = Repository(args.out, not args.plain_names, args.forge, args.short)
    write = repository.write

    ed, ec = CryptoSigner.generate_ed25519, CryptoSigner.generate_ecdsa
    rsa = CryptoSigner.generate_rsa
    first, second, third, new = ed(), ec(), rsa(), ed()
    old_timestamp, timestamp, snapshot = ed(), ec(), rsa()
    top, other = ec(), ed()

    # Version 2 replaces a root key and the timestamp key, version 3 takes a threshold down.
    before = [("root", [first, second, third], 2), ("timestamp", [old_timestamp], 1),
              ("snapshot", [snapshot], 1), ("targets", [top, other], 2)]
    after = [("root", [new, second, third], 2), ("timestamp", [timestamp], 1), *before[2:]]
    root = repository.roles(before)
    put(args.out / "root.json", write("root", root, [first, second]))
    root = repository.roles(after)
    root.version = 2
    write("root", root, [second, third])
    root.version = 3
    root.roles["root"].threshold = 1
    write("root", root, [new, third])

    keys = {"one": [ec()], "deep": [rsa()], QUOTED: [ed(), ec()], "hashed": [ed()]}
    roles = {role: repository.targets(role) for role in TARGETS}
    prefix = hashlib.sha256(TARGETS["hashed"][0].encode()).hexdigest()[:3]
    roles["targets"].delegations = delegations(
        ("one", keys["one"], 1, False, ["one/*"], None),
        (QUOTED, keys[QUOTED], 2, True, ["two/*.bin", "one/?.txt"], None),
        ("hashed", keys["hashed"], 1, False, None, [prefix]),
    )
    roles["one"].delegations = delegations(("deep", keys["deep"], 1, False, ["one/d*"], None))
    keys["targets"] = [top, other]
    meta = {}
    for role, targets in roles.items():
        data = write(role, targets, keys[role])
        # Some with length and hashes, some without, as they may be.
        entry = MetaFile.from_data(1, data, ["sha256"]) if role in ("targets", "one") else MetaFile(1)
        meta[f"{role}.json"] = entry
    data = write("snapshot", Snapshot(expires=EXPIRES, meta=meta), [snapshot])
    entry = MetaFile.from_data(1, data, ["sha512"])
    write("timestamp", Timestamp(expires=EXPIRES, snapshot_meta=entry), [timestamp])
    print("{}")


main()
