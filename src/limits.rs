//! Every limit on input that relman does not control, by name. Sizes are in bytes.

/// Longest tag name accepted anywhere.
pub const MAX_TAG_LEN: usize = 128;
/// `N.root.json` (TUF client limit).
pub const MAX_ROOT_LEN: u64 = 512_000;
/// `timestamp.json`.
pub const MAX_TIMESTAMP_LEN: u64 = 16_384;
/// `N.snapshot.json` when timestamp gives no length.
pub const MAX_SNAPSHOT_LEN: u64 = 2_000_000;
/// `N.targets.json` and delegated roles when snapshot gives no length.
pub const MAX_TARGETS_LEN: u64 = 5_000_000;
/// Root versions followed in one refresh.
pub const MAX_ROOT_ROTATIONS: u64 = 256;
/// Delegated roles visited in one target search.
pub const MAX_DELEGATIONS: usize = 32;
/// A metadata file whose length the role above lists; a longer listing is refused.
pub const MAX_LISTED_METADATA_LEN: u64 = 16 * 1024 * 1024;
/// The time at which a node last refreshed, with its line end.
pub const MAX_LAST_SEEN_LEN: u64 = 21;
/// `<sha256>.policy.json`.
pub const MAX_POLICY_LEN: u64 = 1_048_576;
/// A signed checkpoint with all its cosignatures; room for the 16 post-quantum signatures of
/// nearly 5 kB that signed-note ("Format") wants accepted.
pub const MAX_CHECKPOINT_LEN: u64 = 131_072;
/// Signatures in one signed note.
pub const MAX_NOTE_SIGNATURES: usize = 100;
/// A verifier key in its text form.
pub const MAX_VKEY_LEN: usize = 1_024;
/// A witness policy in C2SP's text form.
pub const MAX_WITNESS_POLICY_LEN: usize = 65_536;
/// Logs, witnesses and groups in one witness policy, of each (tlog-policy, "Implementation
/// limits": at least 32); all cosignatures fit into [`MAX_NOTE_SIGNATURES`].
pub const MAX_WITNESS_POLICY_ITEMS: usize = 64;
/// Name of a witness or group.
pub const MAX_WITNESS_NAME_LEN: usize = 255;
/// A line of a witness policy.
pub const MAX_WITNESS_LINE_LEN: usize = 32_768;
/// Seconds that a machine's clock may be set back without a word: corrections by NTP are less.
pub const MAX_CLOCK_STEP_SECONDS: i64 = 300;
/// Seconds that witnessed time may be ahead of the reader's clock.
pub const MAX_WITNESS_SKEW_SECONDS: i64 = 300;
/// Seconds that a proposal may be dated ahead of the clock of whoever looks at it.
pub const MAX_PROPOSAL_SKEW_SECONDS: i64 = 300;
/// What a witness remembers of one log.
pub const MAX_WITNESS_MEMORY_LEN: u64 = 16_384;
/// Logs' keys that one witness knows.
pub const MAX_WATCHED_LOGS: usize = 1_024;
/// Connections that a witness holds at the same time; more wait to be taken.
pub const MAX_WITNESS_CONNECTIONS: usize = 256;
/// Head of a request to a witness.
pub const MAX_WITNESS_HEAD_LEN: usize = 16_384;
/// Body of an `add-checkpoint` request: an old size, a proof and a signed checkpoint.
pub const MAX_ADD_CHECKPOINT_LEN: u64 = MAX_CHECKPOINT_LEN + 8_192;
/// Hashes in one consistency proof of an `add-checkpoint` request (tlog-witness, "add-checkpoint").
pub const MAX_CONSISTENCY_HASHES: usize = 63;
/// Body of a witness's answer: room for the keys of all formats that it may sign with.
pub const MAX_WITNESS_ANSWER_LEN: u64 = 65_536;
/// Signature lines in a witness's answer: a few keys, of each a few formats.
pub const MAX_WITNESS_ANSWER_LINES: usize = 16;
/// Times that a witness is asked about one checkpoint: from a guess, from the size that it names, and
/// once more where somebody else asked in between.
pub const MAX_WITNESS_ROUNDS: usize = 3;
/// Leaves in a log.
pub const MAX_LOG_SIZE: u64 = MAX_JSON_INTEGER;
/// Hashes in one inclusion proof.
pub const MAX_PROOF_HASHES: usize = 63;
/// Hash tiles that a proof maker keeps in memory (8 KiB each).
pub const MAX_CACHED_TILES: usize = 1_024;
/// One log entry (tlog-tiles: length is a u16).
pub const MAX_LOG_ENTRY_LEN: usize = 65_535;
/// Hashes or entries in one tile.
pub const TILE_WIDTH: u64 = 256;
/// An entry bundle of 256 entries.
pub const MAX_ENTRY_BUNDLE_LEN: u64 = TILE_WIDTH * (2 + MAX_LOG_ENTRY_LEN as u64);
/// A hash tile of 256 hashes.
pub const MAX_HASH_TILE_LEN: u64 = TILE_WIDTH * 32;
/// Partial tiles and bundles that one publication removes once full ones have replaced them; the next
/// one goes on.
pub const MAX_COLLECTED_TILES: usize = 128;
/// A `.tlog-proof` file with its `extra` leaf.
pub const MAX_TLOG_PROOF_LEN: u64 = 262_144;
/// Fresher proofs beside one proof.
pub const MAX_FRESH_PROOFS: u64 = 256;
/// `<environment>.current.json`.
pub const MAX_CURRENT_LEN: u64 = 65_536;
/// Announcements of one release to one environment.
pub const MAX_ANNOUNCEMENTS: u32 = 64;
/// Earlier versions of an environment's role that are searched for where a release ran.
pub const MAX_SEARCHED_VERSIONS: u64 = 10_000;
/// An attestation file (DSSE lines).
pub const MAX_ATTESTATION_LEN: u64 = 4 * 1024 * 1024;
/// `SHA256SUMS` and its signature.
pub const MAX_SUMS_LEN: u64 = 1_048_576;
/// Signatures looked at in one envelope, note or metadata file.
pub const MAX_SIGNATURES: usize = 4_096;
/// JSON nesting depth accepted.
pub const MAX_JSON_DEPTH: usize = 64;
/// A release archive.
pub const MAX_ARCHIVE_LEN: u64 = 4 * 1024 * 1024 * 1024;
/// All files of a release, unpacked.
pub const MAX_UNPACKED_LEN: u64 = 16 * 1024 * 1024 * 1024;
/// Bytes that one byte of deflate can become (zlib, "Technical Details", maximum expansion).
pub const MAX_DEFLATE_RATIO: u64 = 1_032;
/// Entries in an archive.
pub const MAX_ARCHIVE_ENTRIES: usize = 4_096;
/// Path of an archive member.
pub const MAX_MEMBER_PATH_LEN: usize = 1_024;
/// Configuration files.
pub const MAX_CONFIG_LEN: u64 = 1_048_576;
/// A secret or public key file.
pub const MAX_KEY_FILE_LEN: u64 = 16_384;
/// A passphrase.
pub const MAX_PASSPHRASE_LEN: usize = 1_024;
/// A passphrase for a key that is made or encrypted now, at least.
pub const MIN_NEW_PASSPHRASE_LEN: usize = 8;
/// Rounds of bcrypt_pbkdf that a key file may ask for: about ten seconds (ssh-keygen writes 16 or 24).
pub const MAX_KDF_ROUNDS: u32 = 2_000;
/// A key file's comment.
pub const MAX_COMMENT_LEN: usize = 256;
/// One message to or from an ssh-agent (OpenSSH's `AGENT_MAX_LEN`).
pub const MAX_AGENT_MESSAGE_LEN: usize = 262_144;
/// Keys in one ssh-agent (OpenSSH's `MAX_AGENT_IDENTITIES`).
pub const MAX_AGENT_KEYS: u32 = 2_048;
/// Key files looked at in one directory.
pub const MAX_KEY_FILES: usize = 1_024;
/// One gzip member of an archive holds this much tar.
pub const GZIP_MEMBER_TAR_LEN: usize = 1 << 20;
/// One gzip member of an archive, compressed: what does not compress grows by 5 bytes in 5,000.
pub const MAX_GZIP_MEMBER_LEN: usize = GZIP_MEMBER_TAR_LEN + 4_096;
/// Zeros after a tar's end marker (some tools pad to a record).
pub const MAX_TAR_PADDING_LEN: u64 = 1_048_576;
/// Characters of a bad name that an error shows.
pub const MAX_SHOWN_NAME: usize = 60;
/// A person's name, as it is signed in the policy.
pub const MAX_PERSON_LEN: usize = 128;
/// Tags looked at in a repository.
pub const MAX_TAGS: usize = 100_000;
/// Bytes of a tag's or commit's message that are kept.
pub const MAX_MESSAGE_LEN: usize = 65_536;
/// Commits listed in one set of release notes.
pub const MAX_NOTES_COMMITS: usize = 2_000;
/// Files in one checkout.
pub const MAX_CHECKOUT_FILES: usize = 1_000_000;
/// Directories above a file in one checkout.
pub const MAX_CHECKOUT_DEPTH: usize = 128;
/// One line of a build's output; longer ones are cut.
pub const MAX_BUILD_LINE_LEN: usize = 4 * 1024 * 1024;
/// A build's log on disk; what comes after is dropped.
pub const MAX_BUILD_LOG_LEN: u64 = 256 * 1024 * 1024;
/// Last lines of a failed build that its error carries.
pub const BUILD_ERROR_LINES: usize = 20;
/// `Cargo.lock`.
pub const MAX_LOCKFILE_LEN: u64 = 32 * 1024 * 1024;
/// Packages in one `Cargo.lock`: a provenance and an SBOM that name them all stay below
/// [`MAX_ATTESTATION_LEN`] as far as their names are not long.
pub const MAX_LOCKED_PACKAGES: usize = 5_000;
/// A raw tag object of git, with its message and signature.
pub const MAX_TAG_OBJECT_LEN: usize = 131_072;
/// Branches that a provenance names.
pub const MAX_BRANCHES: usize = 64;
/// A downloaded `.crate` file that is reused.
pub const MAX_CRATE_LEN: u64 = 256 * 1024 * 1024;
/// Binaries that one node installs.
pub const MAX_NODE_BINARIES: usize = 64;
/// A node's `journal.json`.
pub const MAX_JOURNAL_LEN: u64 = 65_536;
/// How much of a node's `history.jsonl` is read, counted from its end.
pub const MAX_HISTORY_LEN: u64 = 4 * 1024 * 1024;
/// Evidence files kept with one version.
pub const MAX_EVIDENCE_FILES: usize = 1_024;
/// One evidence file kept with a version.
pub const MAX_EVIDENCE_LEN: u64 = 8 * 1024 * 1024;
/// Directories inside each other in an installed version.
pub const MAX_TREE_DEPTH: usize = 32;
/// What is read of the output of a command that a node runs.
pub const MAX_COMMAND_OUTPUT_LEN: u64 = 65_536;
/// A daemon's own log file before it is put aside at the next start.
pub const MAX_SERVICE_LOG_LEN: u64 = 64 * 1024 * 1024;
/// A file that `relman export` writes.
pub const MAX_EXCHANGE_LEN: u64 = 32 * 1024 * 1024;
/// The reason of a yank, in characters.
pub const MAX_REASON_LEN: usize = 500;
/// Versions of the snapshot that are copied to a mirror, counted back from the newest.
pub const MAX_SNAPSHOTS_BACK: u64 = 100_000;
/// Name of a gate, or of a role in which somebody approves.
pub const MAX_ROLE_NAME_LEN: usize = 64;
/// The comment of an approval, in bytes.
pub const MAX_APPROVAL_COMMENT_LEN: usize = 4_000;
/// Links and files that one approval names.
pub const MAX_APPROVAL_EVIDENCE: usize = 16;
/// A web address in an approval, in bytes.
pub const MAX_URL_LEN: usize = 2_000;
/// How far an attestation may be dated ahead of when it was seen, in seconds.
pub const MAX_ATTESTATION_SKEW_SECONDS: i64 = 300;
/// Attestations of one kind (gate, approval, rebuild) beside one release.
pub const MAX_ATTESTATIONS: u64 = 256;
/// Gates, or approvals, that a policy asks for in one place.
pub const MAX_RULES: usize = 64;
/// Yanks of one release, one after another.
pub const MAX_YANKS: u64 = 1_000;
/// Largest integer every JSON reader agrees on (2^53 - 1).
pub const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;
/// The plan of a publication in an object store, with the small objects in it.
pub const MAX_PLAN_LEN: u64 = 8 * 1024 * 1024;
/// An object that travels inside a plan; larger ones are staged beside it.
pub const MAX_INLINE_LEN: u64 = 65_536;
/// All objects inside one plan.
pub const MAX_INLINE_TOTAL: u64 = 1_048_576;
/// The lease of an object store.
pub const MAX_LEASE_LEN: u64 = 16_384;
/// Bytes asked of an object store at a time while an object is streamed in either direction.
pub const OBJECT_PART_LEN: u64 = 8 * 1024 * 1024;
/// Characters of an object store's own error that are shown.
pub const MAX_SHOWN_ANSWER: usize = 400;
/// Bytes a second that a server has to send, averaged over a while; less is an attack or as good as
/// one (TUF 1.0, section 1.5.2, "slow retrieval").
pub const MIN_TRANSFER_RATE: u64 = 1_024;
/// Redirects followed from one URL.
pub const MAX_REDIRECTS: usize = 3;
/// Hosts that redirects led to whose connections are kept.
pub const MAX_REDIRECT_HOSTS: usize = 8;
/// Body of an answer without an object that is read so that its connection can be used again.
pub const MAX_DRAINED_LEN: u64 = 16_384;
/// A file of certificates to trust besides the system's.
pub const MAX_CA_LEN: u64 = 1_048_576;
/// An `ETag` or `Last-Modified` that is remembered.
pub const MAX_VALIDATOR_LEN: usize = 512;
/// What is kept of an HTTP answer beside its object.
pub const MAX_VALIDATORS_LEN: u64 = 16_384;
/// Gates in one `relman.toml`.
pub const MAX_GATES: usize = 64;
/// Minutes that one gate may take: a week, for suites that run for days.
pub const MAX_GATE_MINUTES: u64 = 10_080;
/// Program and arguments of a gate, together.
pub const MAX_GATE_COMMAND_LEN: usize = 4_096;
/// Paths, or patterns, in one list of a gate.
pub const MAX_GATE_PATTERNS: usize = 64;
/// A path or regular expression of a gate.
pub const MAX_PATTERN_LEN: usize = 1_024;
/// A compiled regular expression of a gate.
pub const MAX_REGEX_LEN: usize = 1_048_576;
/// A report of tests or coverage that a gate leaves.
pub const MAX_REPORT_LEN: u64 = 64 * 1024 * 1024;
/// Elements inside each other in a report.
pub const MAX_XML_DEPTH: usize = 64;
/// Tests in one run of a gate.
pub const MAX_TESTS: u64 = 1_000_000;
/// Bytes of a test's name that are kept.
pub const MAX_TEST_NAME_LEN: usize = 512;
/// Source lines in one coverage report.
pub const MAX_COVERED_LINES: u64 = 5_000_000;
/// Files that differ between two releases.
pub const MAX_CHANGED_FILES: usize = 100_000;
/// Lines that a release adds and a gate looks at.
pub const MAX_ADDED_LINES: u64 = 5_000_000;
/// Names of tests in one result, as JSON: what is longer is left out, so that a result fits into a
/// log entry.
pub const MAX_RESULT_NAMES_LEN: usize = 16_384;
/// Problems in one result, as JSON.
pub const MAX_RESULT_PROBLEMS_LEN: usize = 12_288;
/// Characters of one problem of a gate.
pub const MAX_GATE_PROBLEM_LEN: usize = 400;
/// Problems of one kind (tests that failed, lines that are forbidden) that a result names.
pub const MAX_NAMED: usize = 10;
/// Characters of a compiler's version in a result.
pub const MAX_TOOL_VERSION_LEN: usize = 200;
/// The command in a rebuild's statement, as JSON; a longer one is left out.
pub const MAX_REBUILD_COMMAND_LEN: usize = 8_192;
/// Contents of a release's differing files that a rebuild looks into, all together; of more it tells
/// sizes and digests.
pub const MAX_COMPARED_LEN: u64 = 512 * 1024 * 1024;
/// Sections looked at in one ELF file.
pub const MAX_ELF_SECTIONS: usize = 16_384;
/// Pieces of text looked at among the differences of one section or file.
pub const MAX_SPOTS: usize = 200;
/// Bytes of such a piece that are kept.
pub const MAX_SHOWN_SPOT: usize = 240;
/// Differing lines of a text file that are looked at.
pub const MAX_DIFFERING_LINES: usize = 8;
/// Findings of one kind that are shown of one section or file.
pub const MAX_FINDINGS: usize = 4;
/// Entries of the log in one JSON document; a stream of them has no bound.
pub const MAX_SHOWN_ENTRIES: usize = 100_000;
/// Characters of foreign text in one cell of a page that is made from the log.
pub const MAX_PROJECTED_TEXT: usize = 500;
/// Lines of one release's notes in the changelog.
pub const MAX_NOTES_LINES: usize = 5_000;
/// Characters of one of these lines.
pub const MAX_NOTES_LINE: usize = 2_000;
/// Objects that one publication of a repair adds: the plan of it stays small.
pub const MAX_REPAIRED_OBJECTS: usize = 1_000;
/// Bytes that one publication of a repair adds, at least one object.
pub const MAX_REPAIRED_LEN: usize = 32 * 1024 * 1024;
/// Log entries that are in no table of such a page, listed at its end.
pub const MAX_LEFT_OUT_LINES: usize = 1_000;
/// Entries of a log whose leaf hashes are held in memory, to look for damage: 1.6 GB of them.
pub const MAX_FSCK_ENTRIES: u64 = 50_000_000;
/// Log entries with problems that an audit names one by one.
pub const MAX_AUDIT_PROBLEMS: usize = 1_000;
/// Evidence of a split view: two signed checkpoints and a proof.
pub const MAX_SPLIT_VIEW_LEN: u64 = 2 * MAX_CHECKPOINT_LEN + 16_384;
/// Lines of history that an audit keeps unless it is told otherwise.
pub const AUDIT_HISTORY_LINES: usize = 1_000;
/// `/etc/passwd` and `/etc/group`.
pub const MAX_ACCOUNTS_LEN: u64 = 8 * 1024 * 1024;
/// Backups kept on a node.
pub const MAX_BACKUPS: usize = 1_000;
/// Patterns in one list of a node's `[data]`.
pub const MAX_BACKUP_PATTERNS: usize = 256;
/// Files, directories and links in one backup.
pub const MAX_BACKUP_ENTRIES: u64 = 10_000_000;
/// Directories inside each other in a backup; two descriptors are held for each.
pub const MAX_BACKUP_DEPTH: usize = 100;
/// A backup's `manifest.json`.
pub const MAX_MANIFEST_LEN: u64 = 1_048_576;
/// One line of a backup's `entries.jsonl`: a path of 4,096 bytes three times as long, its target, and attributes.
pub const MAX_BACKUP_LINE_LEN: u64 = 262_144;
/// All extended attributes of one file, in bytes.
pub const MAX_XATTRS_LEN: usize = 98_304;
/// Skipped or unsteady files that a backup's manifest names.
pub const MAX_BACKUP_NOTES: usize = 1_000;
/// Problems of one backup that are told one by one.
pub const MAX_BACKUP_PROBLEMS: usize = 1_000;
/// Files of a backup that are worked on at the same time: their directories are held open.
pub const BACKUP_BATCH: usize = 128;
/// How often a file that changes while it is read is read again.
pub const MAX_HOT_TRIES: usize = 3;
/// A node's `backup.json`, the journal of what backups have under way.
pub const MAX_BACKUP_JOURNAL_LEN: u64 = 65_536;
/// Seconds that a snapshot's command may take.
pub const MAX_SNAPSHOT_SECONDS: u64 = 600;
/// The receipts that a node keeps: thirty thousand of them, a few kilobytes each.
pub const MAX_RECEIPTS_LEN: u64 = 128 * 1024 * 1024;
/// A file of receipts that is exported, imported or kept.
pub const MAX_RECEIPTS_FILE_LEN: u64 = 128 * 1024 * 1024;
/// How much of a node's receipts is read before one is added, counted from the end.
pub const MAX_RECEIPTS_TAIL_LEN: u64 = 1_048_576;
/// One signed line among receipts.
pub const MAX_RECEIPT_LINE_LEN: usize = 131_072;
/// Characters of an operation's reason, and of what was checked, in a receipt.
pub const MAX_RECEIPT_TEXT: usize = 2_000;
/// What a bundle says of itself and of its members.
pub const MAX_BUNDLE_INDEX_LEN: u64 = 4 * 1024 * 1024;
/// Members of a bundle: metadata, proofs and the hash tiles of a log of a million entries.
pub const MAX_BUNDLE_MEMBERS: usize = 16_384;
/// All members of a bundle but the archive.
pub const MAX_BUNDLE_SMALL_LEN: u64 = 256 * 1024 * 1024;
/// The report of a health check in a receipt, as JSON; of a longer one only the short members are kept.
pub const MAX_RECEIPT_HEALTH_LEN: usize = 32_768;
/// Probes in one `node.toml`, and peers that they compare with.
pub const MAX_PROBES: usize = 64;
/// Steps of a path into an answer.
pub const MAX_PATH_STEPS: usize = 32;
/// Values that one path may lead to.
pub const MAX_PATH_VALUES: usize = 10_000;
/// One expectation of a probe.
pub const MAX_EXPECTATION_LEN: usize = 4_096;
/// Characters of a probe's value or reason that are shown and kept.
pub const MAX_SHOWN_VALUE: usize = 200;
/// The answer of a daemon's RPC.
pub const MAX_RPC_ANSWER_LEN: u64 = 4 * 1024 * 1024;
/// A page of metrics.
pub const MAX_METRICS_LEN: u64 = 16 * 1024 * 1024;
/// Samples on one page of metrics.
pub const MAX_SERIES: usize = 200_000;
/// Samples of one metric that a window keeps; older ones are thinned out.
pub const MAX_WINDOW_SAMPLES: usize = 4_096;
/// A file with a cookie or a password that a probe reads.
pub const MAX_SECRET_LEN: u64 = 4_096;
/// Bytes of a log that one look reads; the next one goes on behind them.
pub const MAX_LOG_PART_LEN: u64 = 4 * 1024 * 1024;
/// Log lines that one look judges.
pub const MAX_LOG_LINES: usize = 50_000;
/// Bytes of a log line that are judged.
pub const MAX_LOG_LINE_LEN: usize = 16_384;
/// Patterns in one list of a probe.
pub const MAX_PROBE_PATTERNS: usize = 64;
/// Blocks that one look of a stage holds against finality; the next one goes on behind them.
pub const MAX_CHECKED_BLOCKS: u64 = 64;
/// What a stage remembers between two runs.
pub const MAX_STAGE_LEN: u64 = 262_144;
/// Gaps in a stage's samples that are told one by one.
pub const MAX_TOLD_GAPS: usize = 50;
/// What a stage of a release remembers of all nodes between two runs.
pub const MAX_RELEASE_STAGE_LEN: u64 = 16 * 1_048_576;
/// Nodes, or different answers of nodes, that an item of a report names.
pub const MAX_TOLD_NODES: usize = 5;
/// A checklist of one release.
pub const MAX_CHECKLIST_LEN: u64 = 65_536;
/// Pieces of evidence for one item of a checklist.
pub const MAX_CHECKLIST_EVIDENCE: usize = 16;
/// `fleet.toml`.
pub const MAX_FLEET_CONFIG_LEN: u64 = 1_048_576;
/// Nodes of one fleet.
pub const MAX_FLEET_NODES: usize = 1_024;
/// Connections to nodes at the same time.
pub const MAX_FLEET_PARALLEL: usize = 256;
/// The JSON document that one node answers with.
pub const MAX_NODE_ANSWER_LEN: u64 = 4 * 1_048_576;
/// The record of one rollout.
pub const MAX_ROLLOUT_LEN: u64 = 8 * 1_048_576;
/// Events that a record keeps; the middle ones are left out first.
pub const MAX_ROLLOUT_EVENTS: usize = 2_000;
/// Wishes for one rollout that nobody has answered.
pub const MAX_ROLLOUT_WISHES: usize = 64;
/// Characters of a node's words, or of an event, that a record keeps.
pub const MAX_ROLLOUT_WORDS: usize = 400;
/// Records of rollouts that are looked through.
pub const MAX_ROLLOUTS: usize = 10_000;
/// What is kept of a node's talk on stderr, and read of the log of one connection.
pub const MAX_NODE_TALK_LEN: u64 = 65_536;
/// Seconds that a node's clock may be off, beyond what cannot be measured, before it is told.
pub const MAX_NODE_CLOCK_SKEW_SECONDS: u64 = 5;
/// A relman that is brought to a node.
pub const MAX_RELMAN_LEN: u64 = 256 * 1024 * 1024;
/// Seconds that `relman node stop` waits for a change that is under way to end.
pub const MAX_STOP_WAIT_SECONDS: u64 = 180;
/// Seconds that all questions of `relman node chain` may take.
pub const MAX_CHAIN_LOOK_SECONDS: u64 = 20;
/// Lines of a daemon that `relman node journal` prints, in bytes.
pub const MAX_JOURNAL_STREAM_LEN: u64 = 256 * 1024 * 1024;
/// `watch.toml`, also as the trust policy carries it.
pub const MAX_WATCH_POLICY_LEN: u64 = 65_536;
/// Signals of one watch policy.
pub const MAX_WATCH_SIGNALS: usize = 128;
/// Rows of a decision matrix, and exceptions to it.
pub const MAX_WATCH_ROWS: usize = 128;
/// A name in `watch.toml`, in bytes.
pub const MAX_WATCH_NAME_LEN: usize = 64;
/// A line of text in `watch.toml`, in bytes.
pub const MAX_WATCH_TEXT_LEN: usize = 400;
/// The longest time that a watch policy may speak of: 30 days.
pub const MAX_WATCH_SECONDS: u64 = 30 * 86_400;
/// Values of one signal of one node that are remembered, however long the window.
pub const MAX_WATCH_POINTS: usize = 512;
/// One line of a recording: what one look saw.
pub const MAX_WATCH_LINE_LEN: u64 = 4 * 1_048_576;
/// A recording that is replayed.
pub const MAX_WATCH_RECORDING_LEN: u64 = 1_073_741_824;
/// Characters of a reason that is kept with a look.
pub const MAX_WATCH_WORDS: usize = 200;
/// Seconds that all questions of `relman node signals` may take.
pub const MAX_SIGNALS_LOOK_SECONDS: u64 = 5;
/// How far a node's log was read, as one node tells it and is told again, in bytes.
pub const MAX_LOG_CURSOR_LEN: usize = 1_024;
/// Seconds that one look of a watch waits for its sources; who answers later is silent at that look.
pub const MAX_WATCH_LOOK_SECONDS: u64 = 8;
/// Characters of all reasons of one look together; beyond it each is cut short.
pub const MAX_LOOK_REASONS_LEN: usize = 1_048_576;
/// A page of metrics that is looked at from outside: many are held at the same time.
pub const MAX_WATCH_PAGE_LEN: u64 = 2 * 1_048_576;
/// Threads that ask nodes' pages and RPCs from outside.
pub const MAX_WATCH_THREADS: usize = 64;
/// One query to a Prometheus server, in bytes.
pub const MAX_PROMETHEUS_QUERY_LEN: usize = 4_096;
/// The answer of a Prometheus server to one query.
pub const MAX_PROMETHEUS_ANSWER_LEN: u64 = 32 * 1_048_576;
/// Series in one answer of a Prometheus server.
pub const MAX_PROMETHEUS_SERIES: usize = 100_000;
/// Labels of one series.
pub const MAX_SERIES_LABELS: usize = 64;
/// Remarks about what sources said that a look keeps.
pub const MAX_WATCH_REMARKS: usize = 20;
/// One message of an Alertmanager.
pub const MAX_WEBHOOK_LEN: u64 = 1_048_576;
/// Alerts in one message, and alerts that are kept.
pub const MAX_WEBHOOK_ALERTS: usize = 1_024;
/// The head of one request to the webhook.
pub const MAX_WEBHOOK_HEAD_LEN: usize = 16_384;
/// Connections to the webhook that are served at the same time; further ones are turned away.
pub const MAX_WEBHOOK_CONNECTIONS: usize = 16;
/// Connections that are turned away politely at the same time; further ones are just closed.
pub const MAX_WEBHOOK_REFUSALS: usize = 16;
/// Messages that the webhook takes in one second, on average and at once.
pub const MAX_WEBHOOK_RATE: u32 = 20;
/// Characters of a webhook's token, at least.
pub const MIN_WEBHOOK_TOKEN_LEN: usize = 16;
