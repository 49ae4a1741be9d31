"""Judges a bill of materials with the CycloneDX project's own validator and packageurl-python.

usage: cyclonedx.py SBOM CARGO_LOCK

The file must be as the schema of its version says, strictly; its references must lead somewhere; it
must have every package of the lock file, each with its checksum and a Package URL that says the same,
and what each needs; nothing in it may be an absolute path. Prints how many components and edges it
saw as JSON; ends with 3 and the reason if something is not so.
"""

import json
import pathlib
import re
import sys
import tomllib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


class Refused(Exception):
    pass


def want(condition, reason):
    if not condition:
        raise Refused(reason)


def check_schema(text):
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    want(error is None, f"schema: {error}")


def check_references(bom):
    refs = [bom["metadata"]["component"]["bom-ref"]] + [c["bom-ref"] for c in bom["components"]]
    want(len(refs) == len(set(refs)), "references: one is there twice")
    edges = 0
    for dependency in bom["dependencies"]:
        for ref in [dependency["ref"], *dependency.get("dependsOn", [])]:
            want(ref in refs, f"references: {ref!r} leads nowhere")
        edges += len(dependency.get("dependsOn", []))
    return edges


def check_component(component, package):
    hashes = [h["content"] for h in component.get("hashes", [])]
    checksum = package.get("checksum")
    want(hashes == ([checksum] if checksum else []), f"digest: of {package['name']}: {hashes}")
    purl, source = component.get("purl"), package.get("source")
    want((purl is None) == (source is None), f"purl: {purl!r} for source {source!r}")
    if purl is None:
        return
    parsed = PackageURL.from_string(purl)
    want(parsed.to_string() == purl, f"purl: {purl!r} is written as {parsed.to_string()!r}")
    found = (parsed.type, parsed.name, parsed.version)
    want(found == ("cargo", package["name"], package["version"]), f"purl: {purl!r}")
    want((source == CRATES_IO) == (not parsed.qualifiers), f"purl: {purl!r} for {source!r}")


def judge(text, lock):
    check_schema(text)
    bom = json.loads(text)
    edges = check_references(bom)
    want(not re.search(r'"/|file:', text), "paths: one is of some machine")
    packages = {(p["name"], p["version"], p.get("source")): p for p in lock["package"]}
    want(len(bom["components"]) == len(packages), f"components: {len(bom['components'])}")
    by_name = {}
    for key, package in packages.items():
        by_name.setdefault(key[:2], []).append(package)
    for component in bom["components"]:
        same = by_name.get((component["name"], component["version"]), [])
        want(same, f"components: {component['name']} is not in the lock file")
        check_component(component, same[0])
    needed = sum(len(p.get("dependencies", [])) for p in packages.values())
    own = sum(1 for p in packages.values() if "source" not in p)
    want(edges == needed + own, f"references: {edges} edges, the lock file has {needed + own}")
    return {"components": len(bom["components"]), "edges": edges}


def main():
    sbom, lock = map(pathlib.Path, sys.argv[1:])
    try:
        seen = judge(sbom.read_text(), tomllib.loads(lock.read_text()))
    except Refused as reason:
        print(reason, file=sys.stderr)
        sys.exit(3)
    except (ValueError, KeyError) as error:
        print(f"malformed: {error!r}", file=sys.stderr)
        sys.exit(3)
    print(json.dumps(seen))


main()
