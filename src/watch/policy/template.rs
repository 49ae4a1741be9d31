//! The `watch.toml` that `relman init` writes: the team's decision matrix, its alerts and its thresholds. Pure.

/// The commented default policy.
pub fn template() -> &'static str {
    TEMPLATE
}

const TEMPLATE: &str = r#"# watch.toml: what is measured while a network runs, when it is bad enough, and what is to be done then. This is the
# deployment guide's decision matrix; change it, see what it would have done (relman watch replay FILE), and have it
# signed (relman root watch watch.toml), so that everybody acts on the same one. See docs/watch.md.
format = 1

# From one look to the next.
interval_seconds = 15
# A value that nobody has confirmed for so long is unknown. Unknown is never healthy, and never a reason to go back.
stale_seconds = 60
# One block in 10 minutes: 6 an hour, 144 a day.
block_interval_seconds = 600
# Clocks that are further apart than this are not believed.
clock_skew_seconds = 120
# Heights that are further apart than this, or different blocks at one height, part the network.
height_within = 2
# Looks in a row that a row needs to begin and to end, so that one odd answer does neither.
samples = 2
# Labels that the daemons' metrics have in your Prometheus.
prometheus_selector = 'job="timed"'
# Where the pages are that alerts lead to; a row's name is appended as an anchor.
runbook = "docs/runbook-matrix.md"

# ---------------------------------------------------------------------------------------------------------------------
# Signals. `source` is metrics (the daemon's page, by Prometheus or directly), rpc, systemd, journal or person. With
# `network = true` there is one value for all nodes.

[[signal]]
name = "blocks-overdue"     # the age of the newest block beyond the interval
source = "rpc"
metric = "block_height"
network = true
unit = "s"

[[signal]]
name = "block-height"
source = "rpc"
metric = "block_height"
network = true
counter = true

[[signal]]
name = "partition"          # 1: nodes are on different chains, too far apart, or without any peer
source = "rpc"
metric = "forked_peers"
network = true

[[signal]]
name = "foreign-nodes"      # nodes that answer for another network
source = "rpc"
network = true

[[signal]]
name = "finality"           # 1: the block before the newest is final
source = "rpc"

[[signal]]
name = "peers-missing"      # nodes - 1, less the peers that a node has
source = "rpc"
metric = "active_peers"

[[signal]]
name = "up"                 # 1: the daemon runs
source = "systemd"
metric = "up"

[[signal]]
name = "restarts"           # times that the service manager started it anew
source = "systemd"
counter = true

[[signal]]
name = "log-signatures"     # lines that tell of a signature that failed
source = "journal"
counter = true

[[signal]]
name = "log-corruption"     # lines that tell of damaged data
source = "journal"
counter = true

[[signal]]
name = "consensus-timeouts"
source = "metrics"
metric = "consensus_timeouts"
counter = true

[[signal]]
name = "critical-errors"
source = "metrics"
metric = 'errors_total{severity="critical"}'
counter = true

[[signal]]
name = "errors"
source = "metrics"
metric = 'errors_total{severity="error"}'
counter = true

[[signal]]
name = "warnings"
source = "metrics"
metric = "warnings_total"
counter = true

[[signal]]
name = "panics"
source = "metrics"
metric = "panics"
counter = true

[[signal]]
name = "finality-latency"
source = "metrics"
metric = "finality_latency"
unit = "s"

[[signal]]
name = "network-latency"
source = "metrics"
metric = "network_latency"
unit = "s"

[[signal]]
name = "memory"
source = "metrics"
metric = "memory_usage"
unit = "bytes"

[[signal]]
name = "cpu"
source = "metrics"
metric = "cpu_usage"
unit = "%"

[[signal]]
name = "vulnerability"      # relman watch declare vulnerability --env mainnet --why "…"
source = "person"
network = true

[[signal]]
name = "ordinary-bug"       # a bug that a patch will mend: see the exceptions
source = "person"
network = true

# ---------------------------------------------------------------------------------------------------------------------
# The decision matrix. A row holds while `take` of its signal passes `test` at `nodes` (any, all, more than 20 %).
# Its steps say what is to be done once it has held for so long: observe, patch, restart, page, prepare, roll-back.

[[row]]
name = "no-blocks"
symptom = "No blocks 10+ min"
severity = "critical"
signal = "blocks-overdue"
test = "> 600"
step = [{ after_seconds = 0, action = "roll-back" }]

[[row]]
name = "consensus-timeouts"
symptom = "Consensus timeout >3x"
severity = "critical"
signal = "consensus-timeouts"
take = "increase"
window_seconds = 600
test = "> 3"
# Above 3 in 10 minutes prepares; still so after 5 minutes goes back.
step = [{ after_seconds = 0, action = "prepare" }, { after_seconds = 300, action = "roll-back" }]

[[row]]
name = "data-corruption"
symptom = "Data corruption"
severity = "critical"
signal = "log-corruption"
take = "increase"
window_seconds = 600
test = "> 0"
samples = 1
step = [{ after_seconds = 0, action = "roll-back" }]

[[row]]
name = "vulnerability"
symptom = "Security vulnerability discovered in new code"
severity = "critical"
signal = "vulnerability"
test = "== 1"
samples = 1
step = [{ after_seconds = 0, action = "roll-back" }]

[[row]]
name = "crashed-nodes"
symptom = "More than 20% of nodes crashed"
severity = "critical"
signal = "up"
test = "== 0"
nodes = "more than 20 %"
step = [{ after_seconds = 0, action = "roll-back" }]

[[row]]
name = "finality"
symptom = "Finality not working"
severity = "critical"
signal = "finality"
test = "== 0"
nodes = "more than 50 %"
step = [{ after_seconds = 0, action = "prepare" }, { after_seconds = 300, action = "roll-back" }]

[[row]]
name = "critical-errors"
symptom = "Critical errors logged"
severity = "critical"
signal = "critical-errors"
take = "increase"
window_seconds = 300
test = "> 0"
samples = 1
# Page on call, prepare the way back.
step = [{ after_seconds = 0, action = "prepare" }]

[[row]]
name = "partition"
symptom = "Network partition"
severity = "high"
signal = "partition"
test = "== 1"
# Monitor, go back if it lasts for more than 30 minutes.
step = [{ after_seconds = 0, action = "observe" }, { after_seconds = 300, action = "page" }, { after_seconds = 1800, action = "roll-back" }]

[[row]]
name = "signature-failures"
symptom = "Signature failures"
severity = "high"
signal = "log-signatures"
take = "increase"
window_seconds = 600
test = "> 0"
step = [{ after_seconds = 0, action = "roll-back" }]

[[row]]
name = "panics"
symptom = "A daemon panicked"
severity = "high"
signal = "panics"
take = "increase"
window_seconds = 600
test = "> 0"
samples = 1
step = [{ after_seconds = 0, action = "page" }]

[[row]]
name = "foreign-network"
symptom = "A node answers for another network"
severity = "high"
signal = "foreign-nodes"
test = "> 0"
step = [{ after_seconds = 0, action = "page" }]

[[row]]
name = "memory-leak"
symptom = "Memory leak detected"
severity = "medium"
signal = "memory"
take = "growth-percent"
window_seconds = 21600
test = "> 20"
# Deploy a patch, monitor.
step = [{ after_seconds = 0, action = "patch" }]

[[row]]
name = "finality-latency"
symptom = "Blocks are final late"
severity = "medium"
signal = "finality-latency"
test = "> 30"
step = [{ after_seconds = 0, action = "observe" }, { after_seconds = 300, action = "page" }]

[[row]]
name = "single-node-crash"
symptom = "Single node crash"
severity = "low"
signal = "up"
test = "== 0"
step = [{ after_seconds = 0, action = "restart" }]

[[row]]
name = "restarts"
symptom = "Unplanned restart"
severity = "low"
signal = "restarts"
take = "increase"
window_seconds = 600
test = "> 0"
step = [{ after_seconds = 0, action = "observe" }]

[[row]]
name = "memory"
symptom = "Memory above 500 MB"
severity = "low"
signal = "memory"
take = "mean"
window_seconds = 600
test = "> 500000000"
step = [{ after_seconds = 0, action = "observe" }]

[[row]]
name = "cpu"
symptom = "CPU above 50 %"
severity = "low"
signal = "cpu"
take = "mean"
window_seconds = 600
test = "> 50"
step = [{ after_seconds = 0, action = "observe" }]

[[row]]
name = "network-latency"
symptom = "Network latency above 100 ms"
severity = "low"
signal = "network-latency"
take = "mean"
window_seconds = 600
test = "> 0.1"
step = [{ after_seconds = 0, action = "observe" }]

[[row]]
name = "peers"
symptom = "Fewer peers than nodes - 1"
severity = "low"
signal = "peers-missing"
test = "> 0"
step = [{ after_seconds = 0, action = "observe" }]

[[row]]
name = "block-rate"
symptom = "Blocks come at less than half their rate"
severity = "low"
signal = "block-height"
take = "rate-per-minute"
window_seconds = 3600
test = "< 0.05"
step = [{ after_seconds = 0, action = "observe" }]

[[row]]
name = "errors"
symptom = "Errors logged"
severity = "low"
signal = "errors"
take = "increase"
window_seconds = 600
test = "> 0"
step = [{ after_seconds = 0, action = "patch" }]

[[row]]
name = "warnings"
symptom = "Warnings logged"
severity = "low"
signal = "warnings"
take = "increase"
window_seconds = 600
test = "> 0"
step = [{ after_seconds = 0, action = "observe" }]

# ---------------------------------------------------------------------------------------------------------------------
# Do not roll back if: while an exception holds, its rows lead to `action` at most.

[[exception]]
name = "single-node"
says = "Single node crashed (restart node, don't rollback network)"
when = "single-node"
rows = ["crashed-nodes"]
action = "restart"

[[exception]]
name = "temporary-partition"
says = "Temporary network partition (<5 minutes)"
when = "row"
row = "partition"
under_seconds = 300
rows = ["partition", "finality", "consensus-timeouts"]
action = "observe"

[[exception]]
name = "ordinary-bugs"
says = "Normal bugs (can fix with patch)"
when = "declared"
signal = "ordinary-bug"
rows = ["critical-errors", "panics", "errors", "warnings", "memory-leak", "finality-latency"]
action = "patch"
"#;
