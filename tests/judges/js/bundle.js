// Judges a Sigstore bundle that was signed with a key of one's own.
//
// usage: bundle.js BUNDLE KEY.pem [HINT]
//
// The bundle must be a valid v0.3 one whose signature verifies under the key; with HINT, the key is
// known by that name alone. Prints the statement as JSON; ends with 3 and the error if Sigstore's own
// libraries refuse.
"use strict";

const fs = require("node:fs");
const { crypto } = require("@sigstore/core");
const { bundleFromJSON, ValidationError } = require("@sigstore/bundle");
const { Verifier, VerificationError, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const none = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };

function judge(file, pem, hint) {
  const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(file, "utf8")));
  const key = { publicKey: crypto.createPublicKey(fs.readFileSync(pem, "utf8")), validFor: () => true };
  const find = (found) => {
    if (hint !== undefined && hint !== found) {
      throw new VerificationError({ code: "PUBLIC_KEY_ERROR", message: `no key ${found}` });
    }
    return key;
  };
  const options = { tlogThreshold: 0, ctlogThreshold: 0, tsaThreshold: 0 };
  new Verifier(toTrustMaterial(none, find), options).verify(toSignedEntity(bundle));
  return bundle.content.dsseEnvelope.payload.toString("utf8");
}

try {
  console.log(judge(...process.argv.slice(2)));
} catch (error) {
  const verdict = [ValidationError, VerificationError, SyntaxError].some((kind) => error instanceof kind);
  console.error(verdict ? `${error.code ?? error.constructor.name}: ${error.message}` : error);
  process.exitCode = verdict ? 3 : 1;
}
