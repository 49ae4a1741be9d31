//! Bench `release`: a whole install, durable when it ends, beside the pipeline that operators run; and
//! how long relman itself keeps the daemon away.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use relman::io::backup::BackupFs;
use relman::io::node_fs::NodeFs;
use relman::io::node_receipts::NodeReceipts;
use relman::io::node_releases::NodeReleases;
use relman::io::service;
use relman::node::Node;
use relman::node::activate::Options;
use relman::node::config::NodeConfig;
use relman::node::host::{Service, ServiceState, Stop};
use relman::node::probe::LogSource;
use relman::node::receipt::Receipts;

use crate::children::INSTALL;
use crate::harness::{CHILD, Outcome};
use crate::pairs::{Run, Table, interleaved};
use crate::project::{Project, TAG, timed};
use crate::unpack::download;

const SIZES: [(&str, u64, f64); 2] = [("12 MB", 12_000_000, 0.2), ("256 MiB", 256 << 20, 0.25)];
/// Restarts that are measured.
const RESTARTS: usize = 20;
/// relman's own part of the time without the daemon.
const AWAY_GOAL: Duration = Duration::from_millis(10);

/// What the team's guide does, with the checks that it asks for, durable at its end.
const BY_HAND: &str = r#"
cd "$1"
ssh-keygen -q -Y verify -f allowed_signers -I "builder@$2" -n relman -s SHA256SUMS.sig < SHA256SUMS
sha256sum --check --strict --ignore-missing --quiet SHA256SUMS
tar -xzf "$3.tar.gz" -C out
install -m 755 "out/$3/timed" bin/.timed.new
sync
mv bin/.timed.new bin/timed
"#;

/// Measures.
pub fn run(work: &Path, table: &mut Table) -> Outcome<()> {
    for (size, len, goal) in SIZES {
        let project = Project::create(work, "relman-bench-install", len)?;
        project.cut(&project.dir)?;
        let by_hand = work.join("download");
        download(&project, &by_hand)?;
        let theirs = || {
            for dir in ["out", "bin"] {
                emptied(&by_hand.join(dir))?;
            }
            let args = [&by_hand, Path::new(&project.name), Path::new(TAG)];
            timed(BY_HAND, &args)
        };
        let node = work.join("node");
        let ours = || ours(&project, &node);
        let name = format!("install of {size}");
        let row = interleaved(&name, ours, theirs)?;
        table.push(row.goal(goal).goal_mib(32.0));
        if fs::read(node.join("bin/timed"))? != fs::read(&project.payload)? {
            return Err("what was installed is not what was packed".into());
        }
        for dir in [&project.dir, &project.secret_keys, &by_hand, &node] {
            fs::remove_dir_all(dir)?;
        }
        fs::remove_file(&project.payload)?;
    }
    Ok(())
}

fn emptied(dir: &Path) -> Outcome<()> {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir)?;
    Ok(())
}

fn node_toml(project: &Project, node: &Path, service: &str) -> Outcome<PathBuf> {
    emptied(&node.join("bin"))?;
    let path = node.join("node.toml");
    let text = format!(
        "name = \"n1\"\nstore = {:?}\nroot = {:?}\nstate = \"state\"\n[[binary]]\nname = \"timed\"\npath = \"bin/timed\"\n{service}",
        project.dir.join("releases"),
        project.dir.join("keys/root.json")
    );
    fs::write(&path, text)?;
    Ok(path)
}

fn ours(project: &Project, node: &Path) -> Outcome<Run> {
    let _ = fs::remove_dir_all(node);
    let config = node_toml(project, node, "")?;
    rustix::fs::sync();
    let began = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, INSTALL, TAG])
        .arg(config)
        .stdin(Stdio::null())
        .output()?;
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let said = String::from_utf8(output.stdout)?;
    let peak = said.lines().last().ok_or("no peak")?;
    Ok(Run {
        ms,
        subtracted: 0.0,
        peak_kib: Some(peak.trim().parse()?),
    })
}

/// Notes when the daemon's own stop ended and its own start began.
struct Watched<'a> {
    inner: &'a dyn Service,
    stopped: RefCell<Option<Instant>>,
    away: RefCell<Vec<Duration>>,
}

impl Service for Watched<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn start(&self) -> relman::Result<()> {
        if let Some(at) = self.stopped.take() {
            self.away.borrow_mut().push(at.elapsed());
        }
        self.inner.start()
    }
    fn stop(&self, at_once: bool) -> relman::Result<Stop> {
        let how = self.inner.stop(at_once);
        self.stopped.replace(Some(Instant::now()));
        how
    }
    fn state(&self) -> relman::Result<ServiceState> {
        self.inner.state()
    }
    fn log(&self, started: jiff::Timestamp) -> LogSource {
        self.inner.log(started)
    }
    fn last_lines(&self, count: usize) -> Vec<String> {
        self.inner.last_lines(count)
    }
}

/// Rolls a small daemon to and fro, and prints what of its absence is relman's own.
pub fn away(work: &Path) -> Outcome<usize> {
    let project = Project::create(work, "relman-bench-away", 1_000_000)?;
    fs::copy("/bin/sleep", &project.payload)?;
    project.cut(&project.dir)?;
    let node = work.join("node-away");
    let service = "[service]\nstart = [\"bin/timed\", \"600\"]\n[health]\nstable_seconds = 0\n";
    let path = node_toml(&project, &node, service)?;
    // Adopted at the install, so that there is something to go to and fro between.
    fs::copy("/bin/sleep", node.join("bin/timed"))?;
    let mut other = fs::read("/bin/sleep")?;
    other.extend_from_slice(b"by hand");
    fs::write(node.join("bin/timed"), other)?;
    let config = NodeConfig::parse(&fs::read_to_string(path)?, &node.canonicalize()?)?;
    let host = NodeFs::new(&config);
    let inner = service::from_config(&config).ok_or("no service")?;
    let watched = Watched {
        inner: inner.as_ref(),
        stopped: RefCell::default(),
        away: RefCell::default(),
    };
    let releases = NodeReleases::new(&config, false)?;
    let ledger = NodeReceipts::new(&config);
    let backups = BackupFs::new(&config, &|_, _| {});
    let node = Node {
        config: &config,
        host: &host,
        service: Some(&watched),
        backups: &backups,
        releases: &releases,
        receipts: Receipts::new(&ledger),
        say: &|_| {},
        at_once: false,
        booting: false,
    };
    let options = Options {
        force: true,
        start: true,
        ..Options::default()
    };
    node.install(TAG, &options)?;
    let versions = host_versions(&config)?;
    watched.away.borrow_mut().clear();
    for n in 0..RESTARTS {
        let to = versions.get(n % 2).ok_or("two versions are wanted")?;
        node.rollback(Some(to), &options)?;
    }
    inner.stop(true)?;
    let mut away = watched.away.into_inner();
    away.sort();
    let median = *away.get(away.len() / 2).ok_or("no restart was measured")?;
    let missed = median > AWAY_GOAL;
    println!(
        "between the end of the daemon's stop and the order to start it: median {:.2} ms, most {:.2} ms of {} (goal {} ms){}",
        median.as_secs_f64() * 1000.0,
        away.last().map_or(0.0, |d| d.as_secs_f64() * 1000.0),
        away.len(),
        AWAY_GOAL.as_millis(),
        if missed { "  MISSED" } else { "" }
    );
    Ok(usize::from(missed))
}

/// The adopted version first: the other is current.
fn host_versions(config: &NodeConfig) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(config.state.join("versions"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
