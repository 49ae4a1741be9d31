//! `relman yank`: a release that must not be used (any more), said by those who released it.

use serde_json::json;

use super::args::{Cli, YankArgs};
use super::desk::Desk;
use super::sign;
use crate::release::cut::Events;
use crate::release::state;
use crate::release::yank;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &YankArgs, progress: &mut Progress) -> Result<Answer> {
    yank::check_words(args.level.word(), &args.reason)?;
    let desk = Desk::open(cli, progress)?;
    let tag = desk.parse(&args.tag)?;
    let (tag, level, reason) = (tag.as_str(), args.level.word(), args.reason.as_str());
    let before = desk.with_view(|view| {
        let released = state::find(view.refreshed.targets(), tag)?;
        let proposal = desk.publisher().propose_yank(view, tag, level, reason)?;
        Ok(proposal.is_none().then_some(released))
    })?;
    if let Some(released) = before {
        let said = match &released.yanked {
            Some(yank) => format!("{tag} is {yank} already\n"),
            None => format!("{tag} is not yanked\n"),
        };
        return Ok(Answer::named(
            "unchanged",
            json!({ "release": released }),
            text::line(said.trim_end()) + "\n",
        ));
    }
    progress.stage(&format!("yank {tag}"));
    let settled = desk.propose(|publisher, view| {
        let nothing = || Error::bug("a yank that changes nothing");
        let proposal = publisher.propose_yank(view, tag, level, reason)?;
        proposal.ok_or_else(nothing)
    })?;
    let next = match level {
        "none" => format!("nodes install {tag} again once they see it\n"),
        _ => format!(
            "nodes refuse to install {tag} once they see it; what runs it goes on: relman rollback \
             or a newer release on each\n"
        ),
    };
    Ok(sign::answer(settled, &next))
}
