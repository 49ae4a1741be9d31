//! Data go with the release that they belong to, and never under a daemon that runs: one that cannot be stopped, and one
//! that nobody can ask.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use super::{GO, ONE, TWO, install, timed};
use crate::error::{Error, Kind, Result};
use crate::node::Node;
use crate::node::activate::Options;
use crate::node::backup::host::{
    BackupHost, Identity, Listed, RestoreSurvey, Seen, Source, Survey, Swapped,
};
use crate::node::backup::journal::BackupJournal;
use crate::node::backup::manifest::{BackupAbout, BackupId, Begun, Manifest, Part, Root};
use crate::node::backup::plan::RestorePlan;
use crate::node::config::NodeConfig;
use crate::node::config::backup::Mode;
use crate::node::fake::{CONFIG, Fake, Fault};
use crate::node::receipt::Receipts;
use crate::release::edges::Edges;

const DATA: &str = "/var/lib/timed";
const ASIDE: &str = "/var/lib/timed.before";
/// The directories, by inode: of today, and of the backup.
const TODAY: u64 = 1;
const BACK: u64 = 2;
const WITH_DATA: Options = Options {
    with_data: true,
    ..GO
};

/// One backup of the data as [`ONE`] left them, and what is at their place.
struct Data<'a> {
    world: &'a Fake,
    journal: RefCell<Option<BackupJournal>>,
    there: Cell<u64>,
    exchanged_under_a_daemon: Cell<bool>,
}

fn kept() -> (BackupId, Manifest) {
    let about = BackupAbout {
        tag: Some(TWO.into()),
        previous: Some(ONE.into()),
        reason: "a test".into(),
    };
    let begun = Begun {
        made: "2026-02-01T00:00:00Z".parse().unwrap(),
        about: &about,
        mode: Mode::Cold,
    };
    let root = Root {
        part: Part::Data,
        path: DATA.into(),
        at: "data".into(),
    };
    let manifest = Manifest::new(1, &begun, vec![root]);
    let bytes = manifest.to_bytes().unwrap();
    (BackupId::of(1, &manifest.made, &bytes), manifest)
}

fn identity(ino: u64) -> Identity {
    Identity { dev: 1, ino }
}

impl BackupHost for Data<'_> {
    fn read_journal(&self) -> Result<Option<BackupJournal>> {
        Ok(self.journal.borrow().clone())
    }
    fn write_journal(&self, journal: &BackupJournal) -> Result<()> {
        *self.journal.borrow_mut() = Some(journal.clone());
        Ok(())
    }
    fn remove_journal(&self) -> Result<()> {
        *self.journal.borrow_mut() = None;
        Ok(())
    }
    fn survey(&self, sources: &[Source]) -> Result<Survey> {
        Ok(Survey {
            seen: vec![Seen::default(); sources.len()],
            free: 1 << 40,
        })
    }
    fn make(&self, _: &[Source], _: &Begun<'_>) -> Result<BackupId> {
        Ok(kept().0)
    }
    fn clean(&self) -> Result<()> {
        Ok(())
    }
    fn list(&self) -> Result<Vec<Listed>> {
        let (id, manifest) = kept();
        let manifest = Ok(manifest);
        Ok(vec![Listed { id, manifest }])
    }
    fn manifest(&self, _: &BackupId) -> Result<Manifest> {
        Ok(kept().1)
    }
    fn verify(&self, _: &BackupId) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn remove(&self, _: &BackupId) -> Result<()> {
        Ok(())
    }
    fn look(&self, _: &BackupId) -> Result<RestoreSurvey> {
        Ok(RestoreSurvey {
            present: Some(identity(self.there.get())),
            before: ASIDE.into(),
            free: 1 << 40,
            ..RestoreSurvey::default()
        })
    }
    fn stage(&self, _: &BackupId) -> Result<Identity> {
        Ok(identity(BACK))
    }
    fn unstage(&self) -> Result<()> {
        Ok(())
    }
    fn swap(&self, _: &RestorePlan, staged: Identity) -> Result<()> {
        if self.world.0.borrow().running.is_some() {
            self.exchanged_under_a_daemon.set(true);
        }
        self.there.set(staged.ino);
        Ok(())
    }
    fn swapped(&self, _: &RestorePlan, staged: Identity) -> Result<Swapped> {
        Ok(match self.there.get() == staged.ino {
            true => Swapped::Yes,
            false => Swapped::No,
        })
    }
    fn finish_swap(&self, _: &RestorePlan, _: Identity) -> Result<()> {
        Ok(())
    }
    fn identity(&self, path: &Path) -> Result<Option<Identity>> {
        let there = self.there.get();
        Ok(match path == Path::new(ASIDE) {
            false => Some(identity(there)),
            true => (there == BACK).then(|| identity(TODAY)),
        })
    }
    fn restore_configuration(&self, _: &BackupId) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn put_aside(&self) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
    fn remove_aside(&self, _: &Path) -> Result<()> {
        Err(Error::failed("nothing was put aside for good"))
    }
}

impl<'a> Data<'a> {
    fn of(world: &'a Fake) -> Self {
        Data {
            world,
            journal: RefCell::new(None),
            there: Cell::new(TODAY),
            exchanged_under_a_daemon: Cell::new(false),
        }
    }

    fn with<T>(&self, has_service: bool, f: impl FnOnce(&Node) -> T) -> T {
        let text = format!("{CONFIG}[data]\ndir = \"{DATA}\"\n");
        let config = NodeConfig::parse(&text, Path::new("/etc/relman")).unwrap();
        f(&Node {
            config: &config,
            host: self.world,
            service: has_service.then_some(self.world),
            backups: self,
            releases: self.world,
            receipts: Receipts::new(self.world),
            say: &|_| {},
            at_once: false,
            booting: false,
        })
    }

    #[track_caller]
    fn are(&self, there: u64) {
        assert_eq!(self.there.get(), there);
        assert!(!self.exchanged_under_a_daemon.get(), "under a daemon");
        assert!(self.journal.borrow().is_none(), "nothing is half done");
    }
}

/// A node that has gone from one release to the next, whose daemon nobody can stop any more.
fn stubborn() -> Fake {
    let fake = Fake::new();
    install(&fake, ONE);
    install(&fake, TWO);
    fake.0.borrow_mut().unstoppable = true;
    fake
}

#[test]
fn a_rollback_with_data_under_a_daemon_that_cannot_be_stopped_leaves_all_as_it_was() {
    let fake = stubborn();
    let data = Data::of(&fake);
    let error = data.with(true, |n| n.rollback(None, &WITH_DATA));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.message().contains("could not be stopped"), "{error}");
    data.are(TODAY);
    {
        let world = fake.0.borrow();
        assert_eq!(world.current.as_deref(), Some(TWO));
        assert_eq!(world.running, Some(timed(TWO)));
        assert!(world.journal.is_none());
    }
    // Once it can be, the same command does it.
    fake.0.borrow_mut().unstoppable = false;
    data.with(true, |n| n.rollback(None, &WITH_DATA)).unwrap();
    data.are(BACK);
    assert_eq!(fake.0.borrow().running, Some(timed(ONE)));
}

#[test]
fn a_killed_rollback_with_data_waits_for_the_end_of_a_daemon_that_somebody_started_meanwhile() {
    for point in [
        "rollback-swap-done",
        "rollback-restore",
        "restore-prepare",
        "restore-staged",
        "restore-swap",
    ] {
        let fake = stubborn();
        let data = Data::of(&fake);
        {
            let mut world = fake.0.borrow_mut();
            world.unstoppable = false;
            world.fault = Some((point.into(), Fault::Kill));
        }
        data.with(true, |n| n.rollback(None, &WITH_DATA))
            .unwrap_err();
        fake.reboot();
        {
            let mut world = fake.0.borrow_mut();
            (world.running, world.unstoppable) = (Some(timed(ONE)), true);
        }
        let error = data.with(true, |n| n.recover()).unwrap_err();
        assert!(
            error.message().contains("could not be recovered"),
            "{point}: {error}"
        );
        data.are(TODAY);
        assert!(fake.0.borrow().journal.is_some(), "{point}: it is known");
        fake.0.borrow_mut().unstoppable = false;
        data.with(true, |n| n.recover()).unwrap();
        data.are(BACK);
        assert_eq!(fake.0.borrow().running, Some(timed(ONE)), "{point}");
        assert!(fake.0.borrow().journal.is_none(), "{point}");
    }
}

#[test]
fn a_failed_install_whose_daemon_cannot_be_stopped_keeps_the_data_that_it_has_written() {
    let fake = Fake::new();
    for (tag, schema) in [(ONE, 1), (TWO, 2)] {
        let edges = Edges {
            data_schema: Some(schema),
            ..Edges::default()
        };
        fake.0.borrow_mut().edges.insert(tag.into(), edges);
    }
    install(&fake, ONE);
    let data = Data::of(&fake);
    // It runs, is found out of order, and does not end.
    fake.0.borrow_mut().fault = Some(("install-start-done".into(), Fault::Kill));
    data.with(true, |n| n.install(TWO, &GO)).unwrap_err();
    fake.reboot();
    fake.0.borrow_mut().unstoppable = true;
    data.with(true, |n| n.recover()).unwrap_err();
    data.are(TODAY);
    assert_eq!(fake.0.borrow().current.as_deref(), Some(TWO));
    assert_eq!(fake.0.borrow().running, Some(timed(TWO)));
    fake.0.borrow_mut().unstoppable = false;
    data.with(true, |n| n.recover()).unwrap();
    data.are(BACK);
    assert_eq!(fake.0.borrow().running, Some(timed(ONE)));
}

#[test]
fn where_nobody_can_tell_whether_the_daemon_runs_a_rollback_moves_no_data() {
    let fake = stubborn();
    let data = Data::of(&fake);
    let error = data.with(false, |n| n.rollback(None, &WITH_DATA));
    let error = error.unwrap_err();
    assert!(error.message().contains("no [service]"), "{error}");
    assert!(error.hint_text().unwrap().contains("--stopped"));
    data.are(TODAY);
    assert_eq!(fake.0.borrow().current.as_deref(), Some(TWO));
    // The binary alone goes back, as ever.
    data.with(false, |n| n.rollback(None, &GO)).unwrap();
    assert_eq!(fake.0.borrow().current.as_deref(), Some(ONE));
}
