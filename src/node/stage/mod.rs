//! Health stages: the team's checks of the first minutes, hour, day and week after a deployment. The
//! driver looks again and again over the stage's window and remembers after each look, so that it can
//! be killed and go on. Looks only through the traits.

pub mod items;
pub mod report;
pub mod signals;
pub mod tally;

use std::time::Duration;

use self::items::{Stage, Verdict};
use self::report::{ItemReport, StageReport};
use self::signals::{Before, Signals};
use self::tally::Memory;
use super::Node;
use super::health::Wanted;
use super::host::Process;
use super::probe::{Look, Looks, Seen};
use super::record::{json, rfc3339};
use crate::error::{Error, Result};
use crate::hash::Sha256;
use crate::limits::MAX_STAGE_LEN;

/// Pauses while a look is out.
const PAUSE: Duration = Duration::from_millis(20);

impl Node<'_> {
    /// Looks over the window of a stage and judges its items. With `resume`, a run that was killed goes
    /// on, if there is one.
    ///
    /// # Errors
    /// Kind failed: nothing is installed; an unfinished run is there and `resume` is not wanted; another
    /// release becomes current meanwhile.
    pub fn run_stage(&self, stage: Stage, resume: bool) -> Result<StageReport> {
        let (tag, retained) = self.installed()?;
        let wanted = Wanted {
            tag: &tag,
            origin: retained.record.origin,
            files: &retained.files,
        };
        let digest = match (self.service, self.config.service_binary()) {
            (Some(_), Some(binary)) => self.service_digest(&wanted, &binary.name)?,
            _ => {
                return Err(Error::failed(
                    "a stage watches a daemon, and no [service] is configured",
                )
                .hint("relman health looks once at all probes"));
            }
        };
        let _lock = self.host.lock_stage(stage.name())?;
        let mut memory = self.begin_stage(stage, &tag, resume)?;
        let mut told = Vec::new();
        self.watch(stage, &tag, digest, &mut memory, &mut told)?;
        self.host.write_stage(stage.name(), None)?;
        let config = &self.config.stages;
        let items = report::judge(stage, &memory, config);
        let fine = |item: &ItemReport| matches!(item.verdict, Verdict::Passed | Verdict::LeftOut);
        Ok(StageReport {
            stage: stage.name(),
            tag,
            node: self.config.name.clone(),
            began: memory.began,
            ended: rfc3339(self.host.now()),
            window_seconds: config.window(stage).as_secs(),
            elapsed_seconds: memory.elapsed_ms / 1_000,
            looks: memory.looks,
            passed: items.iter().all(fine),
            items,
            gaps: memory.gaps,
            gap_seconds: memory.gap_ms / 1_000,
        })
    }

    fn begin_stage(&self, stage: Stage, tag: &str, resume: bool) -> Result<Memory> {
        let name = stage.name();
        let now = self.host.now();
        let new = || Memory::new(name, tag, rfc3339(now), now.as_second());
        let Some(bytes) = self.host.read_stage(name)? else {
            if resume {
                (self.say)(&format!(
                    "no run of stage {name} is unfinished, a new one begins"
                ));
            }
            return Ok(new());
        };
        let file = self
            .config
            .state
            .join("health")
            .join(format!("{name}.json"));
        let again = format!("rm {}", file.display());
        let memory = Memory::parse(&bytes).map_err(|e| e.hint(again))?;
        if memory.tag != tag {
            (self.say)(&format!(
                "an unfinished run of stage {name} was of {}, which is not current any more: a new one begins",
                memory.tag
            ));
            return Ok(new());
        }
        if !resume {
            return Err(Error::failed(format!(
                "a run of stage {name} that began at {} is unfinished: {} looks, {} of {} s",
                memory.began,
                memory.looks,
                memory.elapsed_ms / 1_000,
                self.config.stages.window(stage).as_secs()
            ))
            .caused_by(format!("to begin anew, remove {}", file.display()))
            .hint(format!("relman health --stage {name} --resume")));
        }
        (self.say)(&format!(
            "stage {name} goes on: {} looks since {}",
            memory.looks, memory.began
        ));
        Ok(memory)
    }

    fn watch(
        &self,
        stage: Stage,
        tag: &str,
        digest: Sha256,
        memory: &mut Memory,
        told: &mut Vec<Verdict>,
    ) -> Result<()> {
        let config = &self.config.stages;
        let window = config.window(stage);
        let window_ms = millis(window);
        let longest = millis(config.interval * 3 + config.timeout * 2);
        let looks = self.host.looks();
        let rules = signals::rules(config).map_err(Error::usage)?;
        // The time that an earlier run took, and what has passed by the time of day since.
        let away = self
            .host
            .now()
            .as_second()
            .saturating_sub(memory.last_look)
            .max(0);
        let offset = match memory.looks {
            0 => 0,
            _ => memory
                .elapsed_ms
                .saturating_add(away.unsigned_abs().saturating_mul(1_000)),
        };
        let stage_began = memory.began.parse().unwrap_or_else(|_| self.host.now());
        let begin = self.host.uptime();
        let mut verified = None;
        loop {
            let began = self.host.uptime();
            let now = offset.saturating_add(millis(began.saturating_sub(begin)));
            if self.host.current()?.as_deref() != Some(tag) {
                return Err(Error::failed(format!(
                    "{tag} is not current any more, so stage {} is over",
                    stage.name()
                ))
                .hint("relman status"));
            }
            let (up, process) = self.main_process(digest, &mut verified);
            if let Some(process) = &process {
                let found = (process.pid, process.start_ticks);
                if memory.process.is_some_and(|before| before != found) {
                    memory.restarts += 1;
                }
                memory.process = Some(found);
            }
            let before = Before {
                place: memory.place.clone(),
                final_to: memory.final_to,
                anchor: memory.anchor.clone(),
                now: self.host.now().as_second(),
                began: stage_began,
            };
            let subject = self.subject(process.as_ref());
            let mut signals = {
                let look = signals::look(config, &rules, &subject, before);
                self.ask(&*looks, look, memory.looks)
            };
            signals.set("up", up);
            signals.set("restarts", Ok(memory.restarts));
            memory.add(&signals, now, longest, window_ms, config);
            memory.last_look = self.host.now().as_second();
            let bytes = json(memory)?;
            if bytes.len() as u64 > MAX_STAGE_LEN {
                return Err(Error::bug("the memory of a stage is longer than it may be"));
            }
            self.host.write_stage(stage.name(), Some(&bytes))?;
            self.tell(stage, memory, told);
            let over = now >= window_ms;
            // A window of so many blocks has one less in it, depending on where it begins.
            let longer = window_ms.saturating_add(millis(config.block_interval));
            if over && (now >= longer || !report::waits_for_a_block(stage, memory, config)) {
                return Ok(());
            }
            let took = self.host.uptime().saturating_sub(began);
            let left = Duration::from_millis(match over {
                true => longer.saturating_sub(now),
                false => window_ms.saturating_sub(now),
            });
            self.host.pause(
                config
                    .interval
                    .min(left)
                    .saturating_sub(took)
                    .max(Duration::from_millis(1)),
            );
        }
    }

    /// Whether the daemon runs the verified bytes, and its process.
    fn main_process(
        &self,
        digest: Sha256,
        verified: &mut Option<Process>,
    ) -> (std::result::Result<i64, String>, Option<Process>) {
        let Some(service) = self.service else {
            return (Err("no service".into()), None);
        };
        let state = match service.state() {
            Ok(state) => state,
            Err(error) => return (Err(error.to_string()), None),
        };
        let found = state.pid.map(|pid| self.host.process(pid));
        let process = match found {
            Some(Ok(Some(process))) => process,
            Some(Err(error)) => return (Err(error.to_string()), None),
            Some(Ok(None)) | None => return (Ok(0), None),
        };
        if verified.as_ref() == Some(&process) {
            return (Ok(1), Some(process));
        }
        let up = match self.host.exe_digest(process.pid) {
            Ok(Some(found)) if found == digest => {
                *verified = Some(process.clone());
                Ok(1)
            }
            Ok(_) => Ok(0),
            Err(error) => Err(error.to_string()),
        };
        (up, Some(process))
    }

    /// One look at everything; what does not come in time is unknown.
    fn ask(&self, looks: &dyn Looks, look: Look, id: u64) -> Signals {
        let config = &self.config.stages;
        let begin = self.host.uptime();
        looks.begin(id, config.timeout, look);
        loop {
            for (answered, seen) in looks.answers() {
                if let (true, Ok(Seen::Signals(signals))) = (answered == id, seen) {
                    return *signals;
                }
            }
            if self.host.uptime().saturating_sub(begin) > config.timeout * 2 {
                return Signals::none(&format!(
                    "no answer within {} s",
                    (config.timeout * 2).as_secs()
                ));
            }
            self.host.pause(PAUSE);
        }
    }

    /// Says what changed.
    fn tell(&self, stage: Stage, memory: &Memory, told: &mut Vec<Verdict>) {
        let items = report::judge(stage, memory, &self.config.stages);
        for (at, item) in items.iter().enumerate() {
            if told.get(at) != Some(&item.verdict) {
                (self.say)(&format!(
                    "{} {}: {}",
                    item.verdict.word(),
                    item.title,
                    item.values
                ));
            }
        }
        *told = items.iter().map(|item| item.verdict).collect();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
