//! A node's host on a real system: the state directory, the binaries' paths, processes and time.

use std::any::Any;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Mode, OFlags, fstatvfs, openat};

use super::node_dir::{Dir, cannot};
use super::node_lock::NodeLock;
use super::node_state::{self, check_owner, create_state};
use super::node_tree::{Modes, hash_tree, keep_tree};
use super::{clock, fault, node_dress, node_link, node_process, node_run};
use crate::error::{Context, Error, Result};
use crate::hash::Sha256;
use crate::limits;
use crate::node::config::{Binary, NodeConfig};
use crate::node::host::{Found, Host, Process, Scratch, Staging};
use crate::node::probe::Looks;
use crate::node::record::{AdoptedFrom, FileRecord, check_version_name, rfc3339};

const JOURNAL: &str = "journal.json";
const FLOOR: &str = "floor.json";
const CURRENT: &str = "current";
const CURRENT_NEW: &str = ".current.new";
const VERSIONS: &str = "versions";
const EVIDENCE: &str = "evidence";
const STAGING: &str = "staging";
const HEALTH: &str = "health";

/// The host of one node.
pub struct NodeFs {
    state: PathBuf,
    binaries: Vec<Binary>,
    opened: OnceLock<Dir>,
}

impl NodeFs {
    /// The host of the node of `config`. Nothing is opened or created yet.
    pub fn new(config: &NodeConfig) -> NodeFs {
        NodeFs {
            state: config.state.clone(),
            binaries: config.binaries.clone(),
            opened: OnceLock::new(),
        }
    }

    /// The state directory, opened once and checked; none where it does not exist.
    fn existing(&self) -> Result<Option<&Dir>> {
        if let Some(dir) = self.opened.get() {
            return Ok(Some(dir));
        }
        let Some(dir) = Dir::open(&self.state)? else {
            return Ok(None);
        };
        check_owner(&dir)?;
        Ok(Some(self.opened.get_or_init(|| dir)))
    }

    fn state(&self) -> Result<&Dir> {
        self.existing()?.ok_or_else(|| {
            Error::failed(format!("{} does not exist", self.state.display()))
                .hint("relman install TAG creates it")
        })
    }

    fn below(&self, name: &str) -> Result<Option<Dir>> {
        match self.existing()? {
            Some(state) => state.dir(name),
            None => Ok(None),
        }
    }

    fn staged(&self, staging: &Staging) -> Result<Dir> {
        self.state()?
            .existing_dir(STAGING)?
            .existing_dir(&staging.id)
    }

    fn target(&self, binary: &Binary) -> PathBuf {
        self.state.join(CURRENT).join(&binary.name)
    }
}

impl Host for NodeFs {
    fn now(&self) -> jiff::Timestamp {
        clock::now()
    }

    fn uptime(&self) -> Duration {
        clock::elapsed()
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn fault_point(&self, name: &str) -> Result<()> {
        fault::point(name);
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        create_state(&self.state)?;
        let state = self.state()?;
        for (name, mode) in [(VERSIONS, 0o755), (EVIDENCE, 0o755), (STAGING, 0o700)] {
            check_owner(&state.make_dir(name, mode)?)?;
        }
        let staging = state.existing_dir(STAGING)?;
        rustix::fs::fchmod(&staging.fd, Mode::from_raw_mode(0o700))
            .map_err(|e| cannot("set the mode of", &staging.path, e))
    }

    fn try_lock(&self, command: &str) -> Result<Result<Box<dyn Any>>> {
        let lock = NodeLock::try_take(self.state()?, command, &rfc3339(self.now()))?;
        Ok(lock.map(|lock| Box::new(lock) as Box<dyn Any>))
    }

    fn read_journal(&self) -> Result<Option<Vec<u8>>> {
        match self.existing()? {
            Some(state) => state.read(JOURNAL, limits::MAX_JOURNAL_LEN),
            None => Ok(None),
        }
    }

    fn write_journal(&self, bytes: &[u8]) -> Result<()> {
        self.state()?.replace(JOURNAL, bytes, 0o644)
    }

    fn remove_journal(&self) -> Result<()> {
        self.state()?.remove(JOURNAL)
    }

    fn read_floor(&self) -> Result<Option<Vec<u8>>> {
        match self.existing()? {
            Some(state) => state.read(FLOOR, limits::MAX_JOURNAL_LEN),
            None => Ok(None),
        }
    }

    fn write_floor(&self, bytes: &[u8]) -> Result<()> {
        self.state()?.replace(FLOOR, bytes, 0o644)
    }

    fn read_history(&self) -> Result<Vec<u8>> {
        let Some(state) = self.existing()? else {
            return Ok(Vec::new());
        };
        node_state::read_history(state)
    }

    fn append_history(&self, line: &[u8]) -> Result<()> {
        node_state::append_history(self.state()?, line)
    }

    fn scratch(&self) -> Result<Scratch> {
        let dir = tempfile::Builder::new()
            .prefix("relman-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .or_failed(|| "cannot create a temporary directory".into())?;
        Ok(Scratch {
            path: dir.path().into(),
            guard: Box::new(dir),
        })
    }

    fn create_staging(&self) -> Result<Staging> {
        let parent = self.state()?.existing_dir(STAGING)?;
        let stamp = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos());
        for attempt in 0..100u32 {
            let id = format!("{:x}-{stamp:x}-{attempt}", std::process::id());
            if !parent.make_new_dir(&id)? {
                continue;
            }
            let dir = parent.existing_dir(&id)?;
            dir.make_dir("archive", 0o700)?;
            dir.make_dir("tree", 0o700)?;
            return Ok(Staging {
                archive: dir.path.join("archive"),
                tree: dir.path.join("tree"),
                id,
            });
        }
        Err(Error::failed(format!(
            "every name for a new directory in {} is taken",
            parent.path.display()
        )))
    }

    fn clean(&self, binaries: &[Binary]) -> Result<()> {
        let state = self.state()?;
        let staging = state.existing_dir(STAGING)?;
        for name in staging.names()? {
            staging.remove_tree(&name)?;
        }
        state.remove(CURRENT_NEW)?;
        for binary in binaries {
            // A path that is refused is reported where it matters, not while tidying.
            let _ = node_link::clean(binary);
        }
        Ok(())
    }

    fn free_space(&self) -> Result<u64> {
        // Before the first install the directory above tells.
        let dir = self.state.ancestors().find_map(|p| {
            openat(
                rustix::fs::CWD,
                p,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .ok()
        });
        let Some(dir) = dir else {
            return Ok(u64::MAX);
        };
        let stat = fstatvfs(&dir).map_err(|e| cannot("look at", &self.state, e))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lacking_permissions(&self, binaries: &[Binary]) -> Vec<String> {
        node_state::lacking_permissions(&self.state, binaries)
    }

    fn keep_evidence(
        &self,
        staging: &Staging,
        version: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<()> {
        check_version_name(version)?;
        let evidence = self.state()?.existing_dir(EVIDENCE)?;
        node_state::keep_evidence(&self.staged(staging)?, &evidence, version, files)
    }

    fn keep_version(&self, staging: &Staging, version: &str, files: &[FileRecord]) -> Result<()> {
        check_version_name(version)?;
        let versions = self.state()?.existing_dir(VERSIONS)?;
        let current = match self.current()? {
            Some(current) => versions.dir(&current)?,
            None => None,
        };
        let ours = |binary: &Binary| matches!(self.inspect(binary), Ok(Found::Ours));
        let wardrobe = node_dress::wardrobe(&self.binaries, current.as_ref(), &ours)?;
        keep_tree(
            &self.staged(staging)?,
            "tree",
            &versions,
            version,
            files,
            Modes::Uniform(&wardrobe),
        )
    }

    fn adopt(
        &self,
        staging: &Staging,
        version: &str,
        binaries: &[Binary],
        files: &[FileRecord],
    ) -> Result<()> {
        check_version_name(version)?;
        let (staged, versions) = (self.staged(staging)?, self.state()?.existing_dir(VERSIONS)?);
        staged.remove_tree("adopted")?;
        let dir = staged.make_dir("adopted", 0o700)?;
        let current = match self.current()? {
            Some(current) => versions.dir(&current)?,
            None => None,
        };
        for binary in binaries {
            if !files.iter().any(|f| f.path == binary.name) {
                continue;
            }
            match (self.inspect(binary)?, &current) {
                (Found::File { .. }, _) => {
                    let (parent, name) = node_link::parent(binary)?;
                    node_link::copy(&parent, name, &dir, &binary.name)?;
                }
                (Found::Ours, Some(current)) => {
                    node_link::copy(current, &binary.name, &dir, &binary.name)?;
                }
                _ => {}
            }
        }
        keep_tree(
            &staged,
            "adopted",
            &versions,
            version,
            files,
            Modes::AsFound,
        )
    }

    fn versions(&self) -> Result<Vec<String>> {
        match self.below(VERSIONS)? {
            Some(dir) => dir.names(),
            None => Ok(Vec::new()),
        }
    }

    fn files(&self, version: &str) -> Result<Option<Vec<FileRecord>>> {
        check_version_name(version)?;
        match self.below(VERSIONS)? {
            Some(versions) => match versions.dir(version)? {
                Some(dir) => hash_tree(&dir).map(Some),
                None => Ok(None),
            },
            None => Ok(None),
        }
    }

    fn evidence(&self, version: &str) -> Result<Vec<(String, Vec<u8>)>> {
        check_version_name(version)?;
        let dir = match self.below(EVIDENCE)? {
            Some(evidence) => evidence.dir(version)?,
            None => None,
        };
        let Some(dir) = dir else {
            return Ok(Vec::new());
        };
        node_state::read_evidence(&dir)
    }

    fn remove_version(&self, version: &str) -> Result<()> {
        check_version_name(version)?;
        let state = self.state()?;
        // The files first: evidence without files is tidied by the next install of the tag.
        for name in [VERSIONS, EVIDENCE] {
            let dir = state.existing_dir(name)?;
            dir.remove_tree(version)?;
            dir.sync()?;
        }
        Ok(())
    }

    fn current(&self) -> Result<Option<String>> {
        let Some(state) = self.existing()? else {
            return Ok(None);
        };
        let Some(target) = state.read_link(CURRENT)? else {
            return Ok(None);
        };
        let version = target
            .to_str()
            .and_then(|t| t.strip_prefix("versions/"))
            .filter(|v| check_version_name(v).is_ok());
        match version {
            Some(version) => Ok(Some(version.into())),
            None => Err(Error::refused(format!(
                "{} points to {}, wanted versions/<tag>",
                state.path.join(CURRENT).display(),
                target.display()
            ))),
        }
    }

    fn set_current(&self, version: Option<&str>) -> Result<()> {
        let state = self.state()?;
        let Some(version) = version else {
            return state.remove(CURRENT);
        };
        check_version_name(version)?;
        let is_link = |s: rustix::fs::Stat| FileType::from_raw_mode(s.st_mode) == FileType::Symlink;
        if state.stat(CURRENT)?.is_some_and(|s| !is_link(s)) {
            return Err(Error::refused(format!(
                "{} is no link, wanted one that relman made",
                state.path.join(CURRENT).display()
            )));
        }
        state.replace_link(&Path::new(VERSIONS).join(version), CURRENT, CURRENT_NEW)
    }

    fn inspect(&self, binary: &Binary) -> Result<Found> {
        node_link::inspect(binary, &self.target(binary))
    }

    fn link(&self, binary: &Binary) -> Result<()> {
        node_link::link(binary, &self.target(binary))
    }

    fn put_file(
        &self,
        binary: &Binary,
        version: &str,
        wanted: &FileRecord,
        from: Option<&AdoptedFrom>,
    ) -> Result<()> {
        check_version_name(version)?;
        let dir = self
            .state()?
            .existing_dir(VERSIONS)?
            .existing_dir(version)?;
        node_link::put_file(binary, &dir, wanted, from)
    }

    fn unlink(&self, binary: &Binary) -> Result<()> {
        node_link::unlink(binary, &self.target(binary))
    }

    fn process(&self, pid: u32) -> Result<Option<Process>> {
        node_process::process(pid)
    }

    fn exe_digest(&self, pid: u32) -> Result<Option<Sha256>> {
        node_process::exe_digest(pid)
    }

    fn run_hook(
        &self,
        argv: &[String],
        told: &[(&'static str, String)],
        timeout: Duration,
    ) -> Result<()> {
        node_run::run_told(argv, told, timeout)?
            .ended_well(|status| format!("{} ended with {status}", argv.join(" ")))
            .map(|_| ())
    }

    fn run_version(
        &self,
        version: &str,
        binary: &str,
        args: &[String],
        timeout: Duration,
    ) -> Result<String> {
        check_version_name(version)?;
        let program = self.state.join(VERSIONS).join(version).join(binary);
        let mut argv = vec![program.to_string_lossy().into_owned()];
        argv.extend(args.iter().cloned());
        let output = node_run::run(&argv, None, timeout)?
            .ended_well(|status| format!("{} ended with {status}", argv.join(" ")))?;
        Ok(format!("{}{}", output.stdout, output.stderr))
    }

    fn looks(&self) -> Box<dyn Looks + '_> {
        Box::new(super::probe::Threads::new())
    }

    fn lock_stage(&self, stage: &str) -> Result<Box<dyn Any>> {
        let health = self.state()?.make_dir(HEALTH, 0o700)?;
        check_owner(&health)?;
        let dir = health.make_dir(format!("{stage}.lock"), 0o700)?;
        let command = format!("health --stage {stage}");
        let lock = NodeLock::take(&dir, &command, &rfc3339(self.now()))?;
        Ok(Box::new(lock))
    }

    fn read_stage(&self, stage: &str) -> Result<Option<Vec<u8>>> {
        match self.below(HEALTH)? {
            Some(dir) => dir.read(&format!("{stage}.json"), limits::MAX_STAGE_LEN),
            None => Ok(None),
        }
    }

    fn write_stage(&self, stage: &str, bytes: Option<&[u8]>) -> Result<()> {
        let dir = self.state()?.make_dir(HEALTH, 0o700)?;
        let name = format!("{stage}.json");
        match bytes {
            Some(bytes) => dir.replace(&name, bytes, 0o600),
            None => dir.remove(&name),
        }
    }
}
