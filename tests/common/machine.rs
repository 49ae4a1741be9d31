//! A machine of its own: Debian with systemd as process 1, booted by systemd-nspawn in a directory.
//!
//! It has a loopback network and nothing else, or a place on a bridge, and ends when it is dropped. Power can be cut at any
//! time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::relman::Run;
use super::wait_for;

/// Two machines in one control group would stop each other's services. Which hierarchies there are
/// differs between hosts.
const INTO_A_GROUP: &str = "\
group=$1; shift
for base in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -e $base/cgroup.procs ]; then mkdir $base/$group && echo $$ > $base/$group/cgroup.procs || exit 1; fi
done
exec \"$@\"";

/// A machine; off until [`Machine::boot`].
pub struct Machine {
    dir: TempDir,
    binds: Vec<(PathBuf, &'static str)>,
    plug: Option<Plug>,
    running: Option<Running>,
}

/// Where a machine is plugged in.
struct Plug {
    /// A network namespace, as `nsenter --net=` takes it.
    namespace: PathBuf,
    bridge: String,
    name: String,
}

struct Running {
    nspawn: Child,
    /// Process 1 of the machine, as the host sees it.
    init: u32,
}

impl Machine {
    /// As the image, and directories of the host that it sees at paths of its own, read-only.
    pub fn new(binds: Vec<(PathBuf, &'static str)>) -> Machine {
        let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nspawn");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nspawn/image");
        let made = Command::new(script).arg(&image).status();
        assert!(made.expect("the script runs").success(), "no image");
        let dir = tempfile::Builder::new()
            .prefix("relman-machine-")
            .tempdir_in("/var/tmp")
            .expect("a directory");
        if !lie_over(&image.join("root"), dir.path()) {
            let copied = Command::new("cp")
                .args(["-a", "--reflink=auto"])
                .arg(image.join("root"))
                .arg(dir.path())
                .status();
            assert!(copied.expect("cp runs").success(), "no copy of the image");
        }
        Machine {
            dir,
            binds,
            plug: None,
            running: None,
        }
    }

    /// Plugs it, by the name that it has for itself, into a bridge of a network namespace: its `host0` is the bridge's
    /// [`Machine::wire`].
    pub fn plugged_into(mut self, namespace: &Path, bridge: &str, name: &str) -> Machine {
        self.plug = Some(Plug {
            namespace: namespace.to_owned(),
            bridge: bridge.to_owned(),
            name: name.to_owned(),
        });
        self
    }

    /// The interface of the bridge's side, for a machine of that (short) name.
    pub fn wire(name: &str) -> String {
        format!("vb-{name}")
    }

    /// A path of the machine as the host sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        let path = path.strip_prefix('/').expect("an absolute path");
        self.dir.path().join("root").join(path)
    }

    /// Writes a file of the machine, and the directories above it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Starts it and waits until systemd says that everything is up.
    pub fn boot(&mut self) {
        assert!(self.running.is_none(), "it is on already");
        let log = fs::File::create(self.dir.path().join("console")).expect("a file");
        let mut nspawn = Command::new("sh");
        nspawn.args(["-c", INTO_A_GROUP, "sh", &self.group()]);
        match &self.plug {
            None => nspawn.args(["systemd-nspawn", "--private-network"]),
            Some(plug) => nspawn
                .arg("nsenter")
                .arg(format!("--net={}", plug.namespace.display()))
                .args(["systemd-nspawn", "--machine", &plug.name])
                .arg(format!("--network-bridge={}", plug.bridge)),
        };
        nspawn
            .args(["--quiet", "--boot", "--register=no"])
            .args(["--keep-unit", "--console=pipe", "--link-journal=no", "-D"])
            .arg(self.dir.path().join("root"));
        for (host, inside) in &self.binds {
            nspawn.arg(format!("--bind-ro={}:{inside}", host.display()));
        }
        let child = nspawn
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            .spawn()
            .expect("systemd-nspawn runs");
        let outer = child.id();
        let mut running = Running {
            nspawn: child,
            init: 0,
        };
        running.init = wait_for("the machine's process 1", || {
            if let Some(status) = running.nspawn.try_wait().expect("a child can be asked") {
                panic!("systemd-nspawn ended, {status}: {}", self.console());
            }
            let tasks = format!("/proc/{outer}/task/{outer}/children");
            let children = fs::read_to_string(tasks).ok()?;
            children.split_whitespace().find_map(|pid| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
                (name == "systemd\n").then(|| pid.parse().ok())?
            })
        });
        self.running = Some(running);
        wait_for("the machine to be up", || {
            let run = self.run(&["systemctl", "is-system-running"]);
            matches!(run.stdout.trim(), "running" | "degraded").then_some(())
        });
    }

    /// Has it end in order, as its own `systemctl poweroff` does.
    pub fn shut_down(&mut self) {
        self.run(&["systemctl", "--no-block", "poweroff"]).exits(0);
        let mut running = self.running.take().expect("it is on");
        wait_for("the machine to end", || {
            running.nspawn.try_wait().expect("a child can be asked")
        });
        self.disband();
    }

    /// Name of its control group.
    fn group(&self) -> String {
        let name = self.dir.path().file_name().expect("a name");
        name.to_string_lossy().into_owned()
    }

    /// Removes what is left of its control group.
    fn disband(&self) {
        let script = format!(
            "for base in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do \
             [ ! -d $base/{0} ] || find $base/{0} -depth -type d -exec rmdir {{}} +; done",
            self.group()
        );
        wait_for("the end of a control group", || {
            let done = Command::new("sh").args(["-c", &script]).status();
            done.expect("sh runs").success().then_some(())
        });
    }

    fn console(&self) -> String {
        fs::read_to_string(self.dir.path().join("console")).unwrap_or_default()
    }

    /// Runs a program in the machine, with nothing of this environment.
    pub fn run(&self, argv: &[&str]) -> Run {
        self.run_with(&[], argv)
    }

    /// [`Machine::run`] with environment variables.
    pub fn run_with(&self, env: &[(&str, &str)], argv: &[&str]) -> Run {
        let init = self.running.as_ref().expect("it is on").init.to_string();
        let output = Command::new("nsenter")
            .args([
                "--target", &init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
            ])
            .args(["--root", "--wd", "--", "env", "-i"])
            .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args(env.iter().map(|(name, value)| format!("{name}={value}")))
            .args(argv)
            .stdin(Stdio::null())
            .output()
            .expect("nsenter runs");
        Run::of(output)
    }

    /// Pulls the plug: nothing in the machine gets to do anything more.
    pub fn cut_power(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let pid = i32::try_from(running.init)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Process 1 takes all of its namespace with it.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = running.nspawn.wait();
        self.disband();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the machine's console:\n{}", self.console());
        }
        self.cut_power();
        let root = self.dir.path().join("root");
        let _ = Command::new("umount").arg("-l").arg(root).output();
    }
}

/// Makes `dir/root` look like the image, with changes kept beside it: copying hundreds of megabytes for each machine is
/// what takes longest. `false` where the filesystem cannot (overlayfs on overlayfs).
fn lie_over(image: &Path, dir: &Path) -> bool {
    let [root, upper, work] = ["root", "upper", "work"].map(|name| dir.join(name));
    for made in [&root, &upper, &work] {
        fs::create_dir(made).expect("a directory");
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        image.display(),
        upper.display(),
        work.display()
    );
    let mounted = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(&root)
        .output();
    let mounted = mounted.is_ok_and(|output| output.status.success());
    if !mounted {
        fs::remove_dir(&root).expect("it is empty");
    }
    mounted
}
