//! The commented `node.toml` that a new node starts from. Text only.

/// A commented `node.toml` for a daemon called `name`, reading releases from `store` with the
/// trust root at `root`. The strings are written as TOML strings, whatever is in them.
pub fn node_toml(name: &str, store: &str, root: &str) -> String {
    let quote = |text: &str| toml::Value::String(text.into()).to_string();
    let (name_q, store_q, root_q) = (quote(name), quote(store), quote(root));
    let path_q = quote(&format!("/usr/local/bin/{name}"));
    let unit_q = quote(&format!("{name}.service"));
    format!(
        r#"# One daemon on one host. Relative paths are relative to this file's directory.

# Name of this node; letters, digits, . _ @ -
name = {name_q}

# local: installs any tag of the store that verifies. testnet, mainnet: only what the network agreed on.
environment = "local"

# A directory, or an https:// address (http:// inside a network of your own).
store = {store_q}

# The public trust root. Nothing else is trusted, and none is guessed.
root = {root_q}

# Versions, journal and history; owned by whoever runs relman. Default: /var/lib/relman/<name>
# state = "/var/lib/relman/{name}"

# One table for each binary: its name in the release, and the path that becomes a link to the
# current version. A file that is there already is kept as the first version to roll back to.
[[binary]]
name = {name_q}
path = {path_q}

# How the daemon is restarted. Without this table relman swaps files and restarts nothing.
[service]
# By systemd:
unit = {unit_q}
# Or without it: a command that stays in the foreground, or that daemonises and writes pid_file.
# start = [{path_q}, "--config", "daemon.toml"]
# stop = ["/usr/local/bin/stop-it"]     # default: SIGTERM, and SIGKILL after the deadline
# pid_file = "daemon.pid"
# log_file = "daemon.log"               # its last lines are shown when it fails
# binary = {name_q}                     # which binary the main process runs; default: the first
stop_timeout_seconds = 30

# Healthy: the main process runs the verified binary and stays up with one process id.
[health]
timeout_seconds = 30
stable_seconds = 5
# Only for daemons that print their version and exit; the digest decides without it.
# version = ["--version"]
# version_contains = "{{version}}"        # {{version}} and {{tag}} stand for the release's

# Probes: what has to hold of the daemon besides, see docs/health.md.
# [health.rpc]
# url = "http://127.0.0.1:24101/rpc"
# cookie_file = "/var/lib/{name}/.cookie" # never a password in this file
# [[probe]]
# name = "height"
# kind = "rpc"
# preset = "height-grows"
# deadline_seconds = 900
# [[probe]]
# name = "log"
# kind = "journal"
# level = "critical"

# Versions kept, the current one included. The one to roll back to is never removed.
[retention]
keep = 5
"#
    )
}
