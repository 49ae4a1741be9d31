//! `relman watch --env …`: looks again and again, decides, keeps the record, and acts if it is told to.

use std::time::Duration;

use serde_json::json;

use super::act::Actor;
use super::declared::WithDeclared;
use super::show::Show;
use super::words::Watched;
use crate::cli::args::{Cli, WatchLiveArgs};
use crate::cli::fleet::wiring::Wiring;
use crate::cli::policy_file::{Chosen, policy};
use crate::cli::project::{Project, start_dir};
use crate::fleet::record::{Record, RolloutId, State, Step};
use crate::io::clock;
use crate::io::recordings::Recorder;
use crate::io::watch::webhook::Receiver;
use crate::ui::{Answer, Progress};
use crate::watch::decision::{Decision, Verdict};
use crate::watch::engine::Engine;
use crate::watch::looker::Looker;
use crate::watch::policy::Action;
use crate::watch::recording::{Header, Line, line};
use crate::{Error, Kind, Result};

/// What stands for the rollout that is not over.
const OPEN: &str = "open";

/// `relman watch`.
pub fn run(cli: &Cli, args: &WatchLiveArgs, progress: &mut Progress) -> Result<Answer> {
    let env = args
        .env
        .as_deref()
        .ok_or_else(|| Error::usage("no environment is named"))?;
    let chosen = policy(cli, args.policy.policy.as_deref(), progress)?;
    if args.act && !chosen.is_signed {
        return Err(Error::refused(format!(
            "{} is not signed, so nobody has agreed to act on it",
            chosen.place
        ))
        .hint("relman root watch watch.toml; without --act the same command recommends"));
    }
    let wiring = Wiring::new(cli, &args.place, None, true)?;
    wiring.config.environment(env)?;
    let names: Vec<String> = wiring.nodes_of(env).into_iter().map(|n| n.name).collect();
    if names.is_empty() {
        return Err(
            Error::usage(format!("the fleet has no node in {env}")).hint("relman fleet check")
        );
    }
    let rollout = match args.during.as_deref() {
        None => None,
        Some(OPEN) => Some(wiring.find(None)?),
        Some(id) => Some(RolloutId::parse(id)?),
    };
    if let Some(id) = rollout.as_ref().filter(|id| id.environment() != env) {
        return Err(Error::usage(format!(
            "rollout {id} is of {}, not of {env}",
            id.environment()
        )));
    }
    let work_dir = match Project::look(cli)? {
        Some(project) => project.work_dir(),
        None => start_dir(cli)?.join(".relman"),
    };
    let receiver = match &args.alertmanager {
        None => None,
        Some(address) => Some(Receiver::listen(address, &wiring.config, env)?),
    };
    let mut sources = wiring.sources(env);
    if let Some(receiver) = receiver {
        progress.say(&format!(
            "Alertmanager's webhook is http://{}/",
            receiver.address()
        ));
        sources = sources.with_alertmanager(receiver);
    }
    let now = clock::now();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let watch_dir = work_dir.join("watch");
    let mut recorder = Recorder::create(&watch_dir.join(format!(
        "{env}-{stamp}-{}.jsonl",
        &crate::io::identity::random()?[..8]
    )))?;
    let header = Header {
        rollout: rollout.as_ref().map(ToString::to_string),
        policy_sha256: Some(chosen.sha256.hex()),
        ..Header::new(env, &names)
    };
    recorder.append(&line(&header)?, true)?;
    let watched = Watched {
        environment: env.to_owned(),
        rollout: header.rollout.clone(),
        runbook: chosen.policy.runbook.clone(),
    };
    let show = Show::new(cli, args, title(&chosen, &watched));
    let session = Session {
        args,
        wiring: &wiring,
        rollout,
        watched,
        recorder,
        show,
        interval: Duration::from_secs(chosen.policy.interval_seconds),
        engine: Engine::new(chosen.policy, names),
    };
    let mut looker = WithDeclared::new(sources, &work_dir, env);
    session.run(&mut looker, progress)
}

fn title(chosen: &Chosen, watched: &Watched) -> String {
    let rollout = watched.rollout.as_deref();
    format!(
        "{}{}, policy {} ({})",
        watched.environment,
        rollout.map_or(String::new(), |id| format!(" during {id}")),
        chosen.place,
        chosen.standing()
    )
}

struct Session<'a> {
    args: &'a WatchLiveArgs,
    wiring: &'a Wiring,
    rollout: Option<RolloutId>,
    watched: Watched,
    recorder: Recorder,
    show: Show,
    interval: Duration,
    engine: Engine,
}

/// Why a watch ended.
enum End {
    /// Somebody wanted it, or so many looks were made.
    Wanted,
    /// The rollout is over.
    Over(State),
    /// It acted, and what became of it.
    Acted(Action, Answer),
}

impl Session<'_> {
    fn run(mut self, looker: &mut dyn Looker, progress: &mut Progress) -> Result<Answer> {
        let mut actor = Actor::new(self.args.act);
        let mut looks = 0;
        let mut last;
        let end = loop {
            let begun = clock::elapsed();
            let decision = self.look(looker, progress)?;
            looks += 1;
            let acted = actor.act(&decision, self.wiring, &self.watched, progress);
            if let Some((action, answer)) = self.told(acted, progress)? {
                last = decision;
                break End::Acted(action, answer);
            }
            let over = self.over();
            last = decision;
            if let Some(state) = over {
                break End::Over(state);
            }
            if self.args.looks.is_some_and(|most| looks >= most) {
                break End::Wanted;
            }
            let took = clock::elapsed().saturating_sub(begun);
            if self.show.wait(self.interval.saturating_sub(took))? {
                break End::Wanted;
            }
        };
        self.show.close();
        Ok(self.answer(end, &last, looks))
    }

    /// One look, recorded, and what is decided on it.
    fn look(&mut self, looker: &mut dyn Looker, progress: &mut Progress) -> Result<Decision> {
        let nodes = self.engine.nodes().to_vec();
        let mut look = looker.look(&nodes, self.engine.policy());
        match self.record() {
            Ok(record) => look.away = record.iter().flat_map(away).collect(),
            Err(e) => {
                look.silent
                    .insert("the rollout's record".into(), e.to_string());
            }
        }
        // A disk that is full ends the record, not the watch.
        if let Err(e) =
            line(&Line::Look(look.clone())).and_then(|l| self.recorder.append(&l, false))
        {
            self.show.note(&e.to_string(), progress);
        }
        let decision = self.engine.look(&look);
        self.show
            .show(&look, &decision, &self.engine, &self.watched)?;
        if decision.action().is_some() {
            let event = Line::Decision(self.watched.event(&decision));
            if let Err(e) = line(&event).and_then(|l| self.recorder.append(&l, true)) {
                self.show.note(&e.to_string(), progress);
            }
        }
        Ok(decision)
    }

    fn told(
        &mut self,
        acted: Result<Option<(Action, Answer)>>,
        progress: &mut Progress,
    ) -> Result<Option<(Action, Answer)>> {
        match acted {
            Ok(Some((Action::RollBack, answer))) => Ok(Some((Action::RollBack, answer))),
            Ok(Some((action, answer))) => {
                let note = format!("{}: {}", action.word(), answer.text.trim_end());
                self.show.note(&note, progress);
                Ok(None)
            }
            Ok(None) => Ok(None),
            // Whoever watches goes on watching; the next look tries again.
            Err(e) => {
                self.show
                    .note(&format!("it was called for and failed: {e}"), progress);
                Ok(None)
            }
        }
    }

    fn record(&self) -> Result<Option<Record>> {
        self.rollout
            .as_ref()
            .map(|id| self.wiring.record(id))
            .transpose()
    }

    /// How the rollout ended, if it has. A store that is away for a moment does not end a watch.
    fn over(&self) -> Option<State> {
        let record = self.record().ok().flatten();
        record.filter(Record::is_over).map(|r| r.state)
    }

    fn answer(&self, end: End, last: &Decision, looks: u64) -> Answer {
        let event = self.watched.event(last);
        let recording = self.recorder.path().display().to_string();
        let mut data = json!({
            "looks": looks, "recording": recording, "last": event,
            "ended": match &end {
                End::Wanted => "wanted".to_owned(),
                End::Over(state) => state.name().to_owned(),
                End::Acted(action, _) => action.word().to_owned(),
            },
        });
        let mut text = match &end {
            End::Wanted => self.watched.told(last),
            End::Over(state) => format!(
                "the rollout is {}\n{}",
                state.name(),
                self.watched.told(last)
            ),
            End::Acted(_, answer) => format!("{}{}", self.watched.told(last), answer.text),
        };
        for unknown in last.unknowns() {
            text.push_str(&format!("unknown: {}\n", crate::ui::text::line(&unknown)));
        }
        text.push_str(&format!("recorded: {recording}\n"));
        if let End::Acted(_, answer) = &end {
            data["acted"] = answer.data.clone();
            return Answer::findings(Kind::Failed, data, text);
        }
        match (last.verdict(), &end) {
            (Verdict::Healthy, End::Wanted | End::Over(State::Done)) => Answer::done(data, text),
            _ => Answer::findings(Kind::Failed, data, text),
        }
    }
}

/// Nodes whose daemon the rollout has stopped, or is about to.
fn away(record: &Record) -> Vec<String> {
    let steps = [
        Step::Stopping,
        Step::Stopped,
        Step::Installing,
        Step::Starting,
        Step::RollingBack,
    ];
    record.in_step(&steps)
}
