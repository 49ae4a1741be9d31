//! The commented `node.toml` that a new node starts from. Text only.

/// What is known of a node that is to be configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewNode {
    /// Its name.
    pub name: String,
    /// `local`, `testnet` or `mainnet`.
    pub environment: String,
    /// A directory or an address.
    pub store: String,
    /// The trust root's file.
    pub root: String,
    /// The daemon's binary in the release.
    pub binary: String,
    /// Where it is on the host.
    pub path: String,
    /// The daemon's unit; none where no service manager has it.
    pub unit: Option<String>,
}

/// A commented `node.toml`. The strings are written as TOML strings, whatever is in them.
pub fn node_toml(node: &NewNode) -> String {
    let quote = |text: &str| toml::Value::String(text.into()).to_string();
    let name = &node.name;
    let (name_q, store_q, root_q) = (quote(name), quote(&node.store), quote(&node.root));
    let (environment_q, binary_q) = (quote(&node.environment), quote(&node.binary));
    let path_q = quote(&node.path);
    let service = match &node.unit {
        Some(unit) => format!("[service]\n# By systemd:\nunit = {}", quote(unit)),
        None => format!(
            "# No unit of that name was found on this host; with one: unit = \"NAME.service\"\n[service]\nstart = [{path_q}]"
        ),
    };
    format!(
        r#"# One daemon on one host. Relative paths are relative to this file's directory.

# Name of this node; letters, digits, . _ @ -
name = {name_q}

# local: installs any tag of the store that verifies. testnet, mainnet: only what the network agreed on.
environment = {environment_q}

# A directory, or an https:// address (http:// inside a network of your own).
store = {store_q}

# The public trust root. Nothing else is trusted, and none is guessed.
root = {root_q}

# Versions, journal and history; owned by whoever runs relman. Default: /var/lib/relman/<name>
# state = "/var/lib/relman/{name}"

# One table for each binary: its name in the release, and the path that becomes a link to the
# current version. A file that is there already is kept as the first version to roll back to.
[[binary]]
name = {binary_q}
path = {path_q}

# How the daemon is restarted. Without this table relman swaps files and restarts nothing.
{service}
# Or without it: a command that stays in the foreground, or that daemonises and writes pid_file.
# start = [{path_q}, "--config", "daemon.toml"]
# stop = ["/usr/local/bin/stop-it"]     # default: SIGTERM, and SIGKILL after the deadline
# pid_file = "daemon.pid"
# log_file = "daemon.log"               # its last lines are shown when it fails
# binary = {binary_q}                   # which binary the main process runs; default: the first
stop_timeout_seconds = 30

# Healthy: the main process runs the verified binary and stays up with one process id.
[health]
timeout_seconds = 30
stable_seconds = 5
# Only for daemons that print their version and exit; the digest decides without it.
# version = ["--version"]
# version_contains = "{{version}}"        # {{version}} and {{tag}} stand for the release's

# What relman doctor looks at besides: where the daemon listens, a command that checks its configuration,
# and directories that want free space.
# [doctor]
# listen = ["0.0.0.0:24100", "127.0.0.1:24101"]
# config_check = [{path_q}, "--check-config"]
# paths = ["/var/lib/{name}"]
# min_free_percent = 10
# What is backed up before a change, and never taken back: see docs/backups.md. The first line goes
# above all tables.
# configuration = ["/etc/{name}/{name}.conf"]
# [data]
# dir = "/var/lib/{name}"
# protect = ["keys/", "last_signed"]    # stays as it is in every restore
# immutable = ["blocks/*.dat"]          # may be hard-linked
# [backup]
# mode = "cold"                         # or hot, none
# keep = 3
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

# Your own commands around a change; they see RELMAN_OPERATION, RELMAN_RELEASE, RELMAN_REASON and others.
# [hooks]
# before = ["/usr/local/bin/drain"]     # if it fails, nothing is begun
# after = ["/usr/local/bin/undrain"]
# failed = ["/usr/local/bin/page", "upgrade failed"]
# timeout_seconds = 60

# Versions kept, the current one included. The one to roll back to is never removed.
[retention]
keep = 5
"#
    )
}
