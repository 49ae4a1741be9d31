//! The rules over facts made by hand: one network that may move, and everything that may be wrong.

mod agreement;
mod documents;
mod order;
mod overriders;
mod waits;

use jiff::Timestamp;

use super::{Archive, Breach, Current, Facts, Known, Origin, Override, Rule, Times};
use crate::hash::Sha256;
use crate::release::attestations::Unmet;
use crate::release::leaf::{AnnouncementLeaf, OverrideLeaf};
use crate::release::state::{self, Released, Yank};
use crate::trust::policy::Environment;
use crate::trust::schema::Targets;

const FIRST: &str = "phase1-sig-verify-1.0.0";
const SECOND: &str = "phase2-finality-fork-1.0.0";
const THIRD: &str = "phase3-validation-1.0.0";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn environment(name: &str) -> Environment {
    Environment {
        minimum: None,
        name: name.into(),
        keys: Vec::new(),
        threshold: 1,
        approvals: Vec::new(),
        rebuilders: 0,
        soak_hours: 0,
        notice_hours: 0,
        halt: None,
        overriders: None,
    }
}

fn released(tag: &str) -> Released {
    Released {
        tag: tag.into(),
        commit: "0".repeat(40),
        tag_object: None,
        repository: "https://git.example.org/timed".into(),
        sha256: Sha256::of(tag.as_bytes()),
        length: 1_000,
        edges: Default::default(),
        yanked: None,
    }
}

fn yanked(tag: &str, level: &str) -> Released {
    let mut released = released(tag);
    released.yanked = Some(Yank {
        level: level.into(),
        reason: "loses coins".into(),
    });
    released
}

/// That `environment` runs `tag` since version `version`, known since a time of its own.
fn known(environment: &str, version: u64, tag: &str, since: Option<&str>) -> Known {
    Known {
        current: Current::new(environment, version, &released(tag)),
        since: since.map(at),
    }
}

/// Everything that the rules look at, to be changed by a test.
struct Case {
    environment: Environment,
    before: Option<Environment>,
    targets: Targets,
    current: Current,
    previous: Option<Known>,
    origin: Option<Known>,
    ended: Option<Known>,
    announced: Option<(AnnouncementLeaf, Option<Timestamp>)>,
    overridden: Option<Override>,
    unmet: Vec<Unmet>,
    times: Times,
}

impl Case {
    /// Mainnet moves from phase 1 to phase 2, which runs on testnet since the first of February.
    fn mainnet() -> Case {
        let mut current = Current::new("mainnet", 3, &released(SECOND));
        current.origin = Some(Origin {
            environment: "testnet".into(),
            version: 4,
            ended: None,
        });
        let previous = known("mainnet", 2, FIRST, Some("2026-01-20T00:00:00Z"));
        current.previous = Some(previous.current.step());
        let mut case = Case {
            environment: environment("mainnet"),
            before: Some(environment("testnet")),
            targets: Targets::new(1, at("2030-01-01T00:00:00Z")),
            current,
            previous: Some(previous),
            origin: Some(known("testnet", 4, SECOND, Some("2026-02-01T00:00:00Z"))),
            ended: None,
            announced: None,
            overridden: None,
            unmet: Vec::new(),
            times: Times {
                waits: Some(at("2026-02-03T00:00:00Z")),
                install: None,
            },
        };
        for tag in [FIRST, SECOND, THIRD] {
            case.list(&released(tag));
        }
        case
    }

    /// Testnet, which is first, moves from phase 1 to phase 2.
    fn testnet() -> Case {
        let mut case = Case::mainnet();
        case.environment = environment("testnet");
        case.before = None;
        case.origin = None;
        case.current = Current::new("testnet", 3, &released(SECOND));
        let previous = known("testnet", 2, FIRST, Some("2026-02-01T00:00:00Z"));
        case.current.previous = Some(previous.current.step());
        case.previous = Some(previous);
        case
    }

    fn list(&mut self, released: &Released) {
        let target = released.target().unwrap();
        self.targets.targets.insert(released.archive_name(), target);
    }

    /// The environment moves to `tag` instead.
    fn to(mut self, tag: &str) -> Case {
        let release = released(tag);
        self.current.tag = release.tag;
        self.current.archive = Archive {
            sha256: release.sha256,
            length: release.length,
        };
        if let Some(origin) = &mut self.origin {
            origin.current = Current::new("testnet", 4, &released(tag));
        }
        self
    }

    /// What it ran before, or nothing.
    fn from(mut self, tag: Option<&str>) -> Case {
        let name = self.environment.name.clone();
        self.previous = tag.map(|tag| known(&name, 2, tag, Some("2026-02-01T00:00:00Z")));
        self.current.previous = self.previous.as_ref().map(|p| p.current.step());
        self
    }

    /// The release ran in this environment before, and comes back.
    fn returning(mut self, tag: &str) -> Case {
        self = self.to(tag);
        let name = self.environment.name.clone();
        self.origin = Some(known(&name, 1, tag, Some("2026-01-10T00:00:00Z")));
        self.current.reason = Some("the new one stalls at block 1000".into());
        self
    }

    /// Nobody has given these approvals.
    fn lacking(mut self, roles: &[&str]) -> Case {
        let lack = |role: &&str| Unmet {
            rule: format!("approval {role}"),
            have: 0,
            wanted: 1,
            message: format!("approval {role} has 0 of 1 people"),
            missing: vec!["bob".into()],
        };
        self.unmet = roles.iter().map(lack).collect();
        self
    }

    fn overriding(mut self, rules: &[Rule]) -> Case {
        self.overridden = Some(Override {
            leaf: OverrideLeaf {
                tag: self.current.tag.clone(),
                archive: self.current.archive.sha256,
                environment: self.environment.name.clone(),
                version: self.current.version,
                sets_aside: rules.to_vec(),
                reason: "coins are lost every minute".into(),
                time: at("2026-02-03T00:00:00Z"),
            },
        });
        self
    }

    fn announced(mut self, window: &str, since: Option<&str>) -> Case {
        let leaf = AnnouncementLeaf {
            tag: self.current.tag.clone(),
            archive: self.current.archive.sha256,
            environment: self.environment.name.clone(),
            at: at(window),
            window_minutes: 240,
            downtime_minutes: 30,
            time: at("2026-01-01T00:00:00Z"),
        };
        self.announced = Some((leaf, since.map(at)));
        self.current.not_before = Some(at(window));
        self
    }

    fn judge(&self) -> Vec<Breach> {
        let released = state::find(&self.targets, &self.current.tag).ok();
        Facts {
            environment: &self.environment,
            before: self.before.as_ref(),
            targets: &self.targets,
            released: released.as_ref(),
            current: &self.current,
            previous: self.previous.as_ref(),
            origin: self.origin.as_ref(),
            ended: self.ended.as_ref(),
            announced: self.announced.as_ref().map(|(leaf, since)| (leaf, *since)),
            overridden: self.overridden.as_ref(),
            unmet: &self.unmet,
            times: self.times,
        }
        .judge()
    }

    #[track_caller]
    fn passes(&self) {
        assert_eq!(self.judge(), []);
    }

    /// Exactly these rules are broken; the first breach says all of `words`.
    #[track_caller]
    fn breaks(&self, rules: &[Rule], words: &[&str]) {
        let found = self.judge();
        let names: Vec<Rule> = found.iter().map(|b| b.rule).collect();
        assert_eq!(names, rules, "{found:?}");
        for word in words {
            assert!(found[0].message.contains(word), "{word:?} in {found:?}");
        }
    }
}
