// A TUF client: refreshes from a trusted root over HTTP and downloads targets.
//
// usage: client.js URL ROOT STATE [TARGET...]
//
// URL is the store's, STATE is the client's own directory. Prints the digests of the targets as JSON;
// ends with 3 and the error if tuf-js refuses.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { Updater } = require("tuf-js");

// Ours, or of this machine: no verdict.
const MISTAKES = [TypeError, ReferenceError];

async function client(url, root, state, names) {
  const metadataDir = path.join(state, "metadata");
  const targetDir = path.join(state, "targets");
  for (const directory of [metadataDir, targetDir]) {
    fs.mkdirSync(directory, { recursive: true });
  }
  const kept = path.join(metadataDir, "root.json");
  if (!fs.existsSync(kept)) {
    fs.copyFileSync(root, kept);
  }
  const updater = new Updater({
    metadataDir,
    metadataBaseUrl: `${url}/metadata`,
    targetDir,
    targetBaseUrl: `${url}/targets`,
    config: { fetchRetry: false, fetchTimeout: 20000 },
  });
  await updater.refresh();
  const seen = {};
  for (const name of names) {
    const info = await updater.getTargetInfo(name);
    if (info === undefined) {
      throw new Error(`absent: ${name}`);
    }
    const file = await updater.downloadTarget(info);
    seen[name] = crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  }
  return seen;
}

const [url, root, state, ...names] = process.argv.slice(2);
client(url, root, state, names).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    const mistake = MISTAKES.some((kind) => error instanceof kind);
    console.error(mistake ? error : `${error.constructor.name}: ${error.message}`);
    process.exitCode = mistake ? 1 : 3;
  },
);
