//! Who is told that a halt is in force, or is no more: whoever `fleet.toml` names, where there is one. Whichever command
//! published it, it has been published: nothing here fails.

use serde_json::json;

use super::{find, parse};
use crate::Result;
use crate::cli::args::{Cli, FleetFileArgs};
use crate::fleet::notice::{Notice, Occasion, tell_all};
use crate::io::clock;
use crate::io::durable;
use crate::io::herald::Heralds;
use crate::io::identity::Identity;
use crate::release::halt::Change;
use crate::ui::{Answer, Progress, text};

/// Tells people what this run did to halts, and adds to `answer` who was not told.
pub fn tell(cli: &Cli, answer: Result<Answer>, progress: &mut Progress) -> Result<Answer> {
    let changes = cli.halts.take();
    if changes.is_empty() {
        return answer;
    }
    let Some(untold) = untold(cli, &changes) else {
        return answer;
    };
    match answer {
        Ok(mut answer) => {
            for why in &untold {
                answer
                    .text
                    .push_str(&format!("warning: {}\n", text::line(why)));
            }
            if let Some(data) = answer.data.as_object_mut() {
                data.insert("untold".into(), json!(untold));
            }
            Ok(answer)
        }
        Err(e) => {
            untold.iter().for_each(|why| progress.say(why));
            Err(e)
        }
    }
}

/// Who was not told, and why; none where there is no fleet.
fn untold(cli: &Cli, changes: &[Change]) -> Option<Vec<String>> {
    let path = find(cli, &FleetFileArgs { file: None });
    let config = match path {
        Ok(path) if !durable::is_there(&path) => return None,
        Ok(path) => parse(&path),
        Err(e) => Err(e),
    };
    let config = match config {
        Ok(config) => config,
        Err(e) => return Some(vec![format!("nobody was told: {e}")]),
    };
    let heralds = Heralds::new(config.dir.clone());
    let by = Identity::here().map_or_else(|_| "unknown".into(), |identity| identity.who);
    let notices = changes.iter().map(|change| notice(change, &by));
    Some(
        notices
            .flat_map(|notice| tell_all(&heralds, &config.notify, &notice))
            .collect(),
    )
}

fn notice(change: &Change, by: &str) -> Notice {
    let (occasion, halt, by, summary, details) = match change {
        Change::Began(halt) => (
            Occasion::Halted,
            halt,
            halt.by.as_str(),
            format!(
                "{} is halted: no node installs {} any more",
                halt.environment, halt.tag
            ),
            vec![
                format!("why: {}", halt.reason),
                "daemons run on, and the way back is open".to_owned(),
                format!(
                    "it ends when the network agrees anew: relman promote TAG --to {}",
                    halt.environment
                ),
            ],
        ),
        Change::Ended(halt) => (
            Occasion::HaltEnded,
            halt,
            by,
            format!("{} is halted no more", halt.environment),
            vec![format!("what ended: {}", halt.line(&[]))],
        ),
    };
    Notice {
        occasion,
        environment: halt.environment.clone(),
        tag: Some(halt.tag.clone()),
        rollout: None,
        by: by.to_owned(),
        at: clock::now(),
        summary,
        details,
    }
}
