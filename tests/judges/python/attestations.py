"""Judges attestations with securesystemslib (DSSE) and in-toto-attestation (statements, SLSA).

usage: attestations.py [--archive TAR.GZ] FILE KEY...

FILE has one envelope a line, or is an entry bundle of a log (below `tile/entries/`); every one must
be signed by one of the KEYs (OpenSSH public keys), whose key ids securesystemslib computes. With
--archive, the subjects of every statement must be that archive and its members. Prints the
statements as a JSON list; ends with 3 and the reason if one is not as its specification says.
"""

import argparse
import hashlib
import json
import pathlib
import re
import struct
import sys
import tarfile

import google.protobuf.json_format as pb_json
import in_toto_attestation.v1.statement_pb2 as statement_pb
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SLSA = "https://slsa.dev/provenance/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
RECEIPT = "urn:relman:deployment:v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
# RFC 3986: a scheme, and only the characters of a URI.
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
# in-toto's DigestSet: hexadecimal digits in each algorithm's own length.
DIGEST_DIGITS = {"sha256": 64, "gitCommit": 40, "gitTree": 40, "gitTag": 40}


class Refused(Exception):
    pass


def want(condition, reason):
    if not condition:
        raise Refused(reason)


def envelopes(path):
    data = path.read_bytes()
    if "/tile/entries/" not in str(path):
        want(data.endswith(b"\n"), "lines: the last one does not end")
        return data.splitlines()
    entries = []
    while data:
        (length,) = struct.unpack_from(">H", data)
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]
    return entries


def check_uri(what, text):
    want(URI.fullmatch(text), f"uri: {what} is {text!r}, which is no URI")


def check_descriptor(what, descriptor):
    ResourceDescriptor.copy_from_pb(descriptor).validate()
    for field in ("uri", "download_location"):
        if text := getattr(descriptor, field):
            check_uri(f"{what}.{field}", text)
    for algorithm, digest in descriptor.digest.items():
        length = DIGEST_DIGITS.get(algorithm)
        want(length, f"digest: {what} has a {algorithm}")
        want(re.fullmatch(f"[0-9a-f]{{{length}}}", digest), f"digest: {what}: {digest!r}")


def check_slsa(predicate):
    provenance = pb_json.ParseDict(predicate, Provenance())
    build, run = provenance.build_definition, provenance.run_details
    # "Required" in the specification of SLSA provenance v1; protocol buffers know no such thing.
    want(len(build.external_parameters), "slsa: no externalParameters")
    check_uri("buildType", build.build_type)
    check_uri("builder.id", run.builder.id)
    want(build.resolved_dependencies, "slsa: no source")
    for dependency in build.resolved_dependencies:
        check_descriptor(f"dependency {dependency.name}", dependency)
    for byproduct in run.byproducts:
        check_descriptor(f"byproduct {byproduct.name}", byproduct)
    times = run.metadata.started_on.ToDatetime(), run.metadata.finished_on.ToDatetime()
    want(times[0] <= times[1], f"slsa: ended before it began: {times}")
    # What the schema does not know would have been refused; what it would lose shows here.
    again = pb_json.MessageToDict(provenance)
    want(again == predicate, f"slsa: another meaning once read: {again}")


def check_test_result(predicate):
    # One further member is relman's; consumers ignore what they do not know (in-toto, parsing rules).
    predicate = {name: value for name, value in predicate.items() if name != "relman"}
    result = pb_json.ParseDict(predicate, TestResult())
    want(result.result in ("PASSED", "WARNED", "FAILED"), f"test result: {result.result!r}")
    want(result.configuration, "test result: no configuration")
    for descriptor in result.configuration:
        check_descriptor(f"configuration {descriptor.name}", descriptor)
    want((result.result == "FAILED") >= bool(result.failed_tests), "test result: tests failed, and it passed")


def check_summary(predicate):
    # In this package's schema it is one string, in SLSA's specification a list.
    levels = predicate["verifiedLevels"]
    rest = {name: value for name, value in predicate.items() if name != "verifiedLevels"}
    summary = pb_json.ParseDict(rest, VerificationSummary())
    # "Required" in the specification of the summary.
    check_uri("verifier.id", summary.verifier.id)
    check_uri("resourceUri", summary.resource_uri)
    for reference in [summary.policy, *summary.input_attestations]:
        check_uri("reference", reference.uri)
        want(re.fullmatch("[0-9a-f]{64}", reference.digest["sha256"]), f"digest: {reference.digest}")
    passed = summary.verification_result == "PASSED"
    want(passed or summary.verification_result == "FAILED", f"summary: {summary.verification_result!r}")
    want(levels and (levels == ["FAILED"]) != passed, f"summary: {levels} of a verification that passed: {passed}")
    again = pb_json.MessageToDict(summary)
    want(again == rest, f"summary: another meaning once read: {again}")


def check_chain(lines):
    """Receipts follow each other, and each names the summary in the line before it."""
    before, summary, sequence = None, None, 0
    for line in lines:
        statement = json.loads(Envelope.from_dict(json.loads(line)).payload)
        digest = hashlib.sha256(line).hexdigest()
        if statement["predicateType"] == SUMMARY:
            summary = digest
        if statement["predicateType"] == RECEIPT:
            predicate = statement["predicate"]
            sequence += 1
            found = predicate["sequence"], predicate["previous"], predicate["verification"]
            want(found == (sequence, before, summary), f"chain: {found} at receipt {sequence}")
            before, summary = digest, None


def check_subjects(statement, archive):
    """The archive and its members, each with the right digest, length and mode."""
    found = {archive.name: (hashlib.sha256(archive.read_bytes()).hexdigest(), {})}
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if member.isfile():
                digest = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
                facts = {"length": member.size, "executable": member.mode & 0o111 != 0}
                found[member.name.split("/", 1)[1]] = (digest, facts)
    claimed = {
        subject["name"]: (subject["digest"]["sha256"], subject.get("annotations", {}))
        for subject in statement["subject"]
    }
    want(claimed == found, f"subjects: {claimed}, but the archive has {found}")


def judge(line, keys, archive):
    envelope = Envelope.from_dict(json.loads(line))
    want(envelope.payload_type == PAYLOAD_TYPE, f"payload type: {envelope.payload_type}")
    try:
        envelope.verify(keys, 1)
    except VerificationError as error:
        raise Refused(f"signature: {error}") from error
    message = pb_json.Parse(envelope.payload, statement_pb.Statement())
    Statement.copy_from_pb(message).validate()
    for subject in message.subject:
        check_descriptor(f"subject {subject.name}", subject)
    check_uri("predicateType", message.predicate_type)
    statement = json.loads(envelope.payload)
    if message.predicate_type == SLSA:
        check_slsa(statement["predicate"])
    if message.predicate_type == TEST_RESULT:
        check_test_result(statement["predicate"])
    if message.predicate_type == SUMMARY:
        check_summary(statement["predicate"])
    if archive:
        check_subjects(statement, archive)
    return statement


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--archive", type=pathlib.Path)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("keys", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    keys = [SSlibKey.from_crypto(load_ssh_public_key(path.read_bytes())) for path in args.keys]
    try:
        lines = envelopes(args.file)
        statements = [judge(line, keys, args.archive) for line in lines]
        check_chain(lines)
        want(statements, "lines: there is none")
    except Refused as reason:
        print(reason, file=sys.stderr)
        sys.exit(3)
    except (ValueError, KeyError, pb_json.ParseError) as error:
        print(f"malformed: {error!r}", file=sys.stderr)
        sys.exit(3)
    print(json.dumps(statements))


main()
