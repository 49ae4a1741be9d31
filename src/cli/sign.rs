//! `relman sign` and `agree`: what a proposal changes, in words, and a signature on it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Cli, SignArgs};
use super::desk::{Desk, Settled};
use super::project::{self, Project, start_dir};
use crate::io::keyring::OneKey;
use crate::io::proposals::{self, LocalProposals};
use crate::io::{ask, clock, process};
use crate::keys::Signer;
use crate::release::ceremony::{self, Base, Demand, Exchange, Signing};
use crate::release::environment;
use crate::release::publish::Keys;
use crate::store::Reader;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Result};

/// `relman sign`.
pub fn sign(cli: &Cli, args: &SignArgs, progress: &mut Progress) -> Result<Answer> {
    match &args.what {
        None => waiting(cli, args),
        Some(what) => match file_named(cli, what)? {
            Some(path) => sign_file(cli, args, &path, false),
            None if Project::find(cli).is_err() => Err(Error::failed(format!(
                "there is no file {}",
                start_dir(cli)?.join(what).display()
            ))
            .hint("name the file that was exported; ids of proposals are for their project's directory")),
            None => sign_here(cli, args, what, false, progress),
        },
    }
}

/// Signs a promotion, with keys of its environments alone.
pub fn agree(cli: &Cli, args: &SignArgs, what: &str, progress: &mut Progress) -> Result<Answer> {
    match file_named(cli, what)? {
        Some(path) => sign_file(cli, args, &path, true),
        None => sign_here(cli, args, what, true, progress),
    }
}

/// What a proposal is, whom it waits for and what it changes, as it stands.
pub fn described(exchange: &Exchange, base: &Base, store: &dyn Reader) -> Result<(String, Value)> {
    let proposal = &exchange.proposal;
    let mut out = format!(
        "{}: {}\n",
        text::line(&proposal.id),
        text::line(&proposal.summary)
    );
    let problems = exchange.check(base, clock::now(), Some(store))?;
    for problem in &problems {
        out.push_str(&format!("  problem: {}\n", text::line(problem)));
    }
    // Nobody need sign what can never be published; what only has to wait is not given up.
    let demands = match proposal.check(base, clock::now())?.is_empty() {
        true => proposal.demands(base)?,
        false => {
            out.push_str(&format!("  give it up: relman withdraw {}\n", proposal.id));
            Vec::new()
        }
    };
    for demand in &demands {
        out.push_str(&format!("  {}\n", text::line(&demand.line())));
    }
    if problems.is_empty() && demands.iter().all(Demand::is_met) {
        let id = &proposal.id;
        out.push_str(&format!(
            "  has all signatures: relman sign {id} where the store's keys are, to publish it\n"
        ));
    }
    let data = json!({ "id": proposal.id, "kind": proposal.kind, "summary": proposal.summary,
        "demands": demands, "problems": problems });
    Ok((out, data))
}

/// Lists everything that waits for signatures.
fn waiting(cli: &Cli, args: &SignArgs) -> Result<Answer> {
    let project = Project::find(cli)?;
    let root = trusted_root(cli, args.root.as_deref())?;
    let proposals = LocalProposals::new(project.work_dir().join("proposals"));
    let store = project.authoritative()?;
    // The store as it is, not as it was when a proposal was made.
    let base = Base::open(store.reader(), &root, clock::now())?;
    let (mut out, mut all) = (String::new(), Vec::new());
    for id in proposals.ids()? {
        let found = proposals.load(&id).and_then(|exchange| {
            exchange
                .map(|exchange| described(&exchange, &base, store.reader()))
                .transpose()
        });
        // One that cannot be read must not hide the others.
        let (said, data) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(e) => unreadable(&id, &e),
        };
        out.push_str(&said);
        all.push(data);
    }
    if all.is_empty() {
        out.push_str("nothing waits for signatures here\n");
    }
    Ok(Answer::done(json!({ "proposals": all }), out))
}

fn unreadable(id: &str, error: &Error) -> (String, Value) {
    let said = format!(
        "{id}\n  problem: {}\n  give it up: relman withdraw {id}\n",
        text::line(&error.to_string())
    );
    let problems = [error.to_string()];
    let data =
        json!({ "id": id, "kind": null, "summary": null, "demands": [], "problems": problems });
    (said, data)
}

fn trusted_root(cli: &Cli, named: Option<&Path>) -> Result<Vec<u8>> {
    match named {
        Some(path) => project::read_root(&start_dir(cli)?.join(path)),
        None => Project::find(cli)
            .map_err(|e| e.hint("outside a project, name the trust root: --root FILE"))?
            .root(),
    }
}

/// A file by its path, where `what` is not the id of a proposal.
fn file_named(cli: &Cli, what: &str) -> Result<Option<PathBuf>> {
    let path = start_dir(cli)?.join(what);
    Ok(crate::io::durable::is_file(&path).then_some(path))
}

/// Signs an exchange file where it lies: no project and no store are needed.
fn sign_file(cli: &Cli, args: &SignArgs, path: &Path, agree: bool) -> Result<Answer> {
    let root = trusted_root(cli, args.root.as_deref())?;
    let mut exchange = read(path)?;
    let base = exchange.base(&root, clock::now())?;
    exchange.require_sound(&base, clock::now(), None)?;
    let keys = keys(cli, args, &exchange.proposal.project)?;
    let keys = match agree {
        true => only_of(&exchange, &base, keys)?,
        false => keys,
    };
    let mut review = review(&exchange, &base, None)?;
    review.push_str(&age(&base, clock::now()));
    if args.dry_run {
        return looked_at(&exchange, &base, &review);
    }
    confirm(cli, args.yes, &review)?;
    let signing = exchange.proposal.sign(&base, keys.as_ref())?;
    require_use(&signing, &exchange, &path.display().to_string())?;
    let out = match &args.out {
        Some(out) => start_dir(cli)?.join(out),
        None => path.to_owned(),
    };
    proposals::write(&out, &exchange)?;
    let demands = exchange.proposal.demands(&base)?;
    let mut said = said(&signing, &demands);
    said.push_str(&format!(
        "next: send {} back, where it is read by: relman import FILE\n",
        out.display()
    ));
    let data = json!({ "id": exchange.proposal.id, "state": "waiting", "file": out,
        "signing": signing, "demands": demands });
    Ok(Answer::done(data, said))
}

/// Signs a proposal of this project, and publishes it if that was the last signature.
fn sign_here(
    cli: &Cli,
    args: &SignArgs,
    id: &str,
    agree: bool,
    progress: &mut Progress,
) -> Result<Answer> {
    let mut desk = Desk::open(cli, progress)?;
    let mut exchange = load(&desk, id)?;
    let base = desk.with_view(Base::of)?;
    exchange.require_sound(&base, clock::now(), Some(desk.store.reader()))?;
    let review = review(&exchange, &base, Some(desk.store.reader()))?;
    if args.dry_run {
        return looked_at(&exchange, &base, &review);
    }
    desk.while_asking(cli, id, || confirm(cli, args.yes, &review))?;
    let keys = keys(cli, args, &desk.project.config.project)?;
    let keys = match agree {
        true => only_of(&exchange, &base, keys)?,
        false => keys,
    };
    let signing = exchange.proposal.sign(&base, keys.as_ref())?;
    // What has all signatures may have waited for a key of the sequencer alone.
    if !exchange.proposal.demands(&base)?.iter().all(Demand::is_met) {
        require_use(&signing, &exchange, id)?;
    }
    let settled = desk.keep(exchange, signing)?;
    Ok(answer(settled, ""))
}

/// Keys of the environments that a proposal moves, and no others.
struct OnlyOf {
    keys: Box<dyn Keys>,
    environments: Vec<String>,
}

impl Keys for OnlyOf {
    fn all(&self, purpose: &str) -> Result<Vec<Box<dyn Signer>>> {
        match self.environments.iter().any(|name| name == purpose) {
            true => self.keys.all(purpose),
            false => Ok(Vec::new()),
        }
    }
}

fn only_of(exchange: &Exchange, base: &Base, keys: Box<dyn Keys>) -> Result<Box<dyn Keys>> {
    let moves = environment::touched(&exchange.proposal, base)?;
    if moves.is_empty() || exchange.proposal.kind != ceremony::Kind::Promotion {
        let id = &exchange.proposal.id;
        return Err(
            Error::refused(format!("{id} is not only about what an environment runs")).hint(
                format!("look at it, and sign it as what it is: relman sign {id}"),
            ),
        );
    }
    let environments = moves.into_iter().map(|(name, _)| name).collect();
    Ok(Box::new(OnlyOf { keys, environments }))
}

fn load(desk: &Desk, id: &str) -> Result<Exchange> {
    desk.proposals.load(id)?.ok_or_else(|| {
        Error::failed(format!("there is no proposal {id} here"))
            .hint("see which there are: relman sign")
    })
}

/// Reads an exchange file.
///
/// # Errors
/// There is none at `path`; a malformed one.
pub fn read(path: &Path) -> Result<Exchange> {
    proposals::read(path)?
        .ok_or_else(|| Error::failed(format!("there is no file {}", path.display())))
}

fn keys(cli: &Cli, args: &SignArgs, project: &str) -> Result<Box<dyn Keys>> {
    Ok(match &args.key {
        Some(path) => Box::new(OneKey::read(&start_dir(cli)?.join(path))?),
        None => Box::new(project::keyring(cli.secret_keys.as_deref(), project)?),
    })
}

/// What a file shows is as old as its metadata: a signer without network cannot know what came since.
fn age(base: &Base, now: Timestamp) -> String {
    let until = base.fresh_until;
    match until > now {
        true => format!("  compared with the store as it was vouched for until {until}\n"),
        false => format!(
            "  warning: compared with a store that was vouched for until {until}, and it is now {now}: \
             what it changed since is not shown; ask for a new export\n"
        ),
    }
}

/// What is about to be signed, in words.
pub fn review(exchange: &Exchange, base: &Base, store: Option<&dyn Reader>) -> Result<String> {
    let proposal = &exchange.proposal;
    let mut out = format!(
        "{}, as its proposer says: {}\n",
        text::line(&proposal.id),
        text::line(&proposal.summary)
    );
    let meaning = environment::meaning(proposal, base, &exchange.files(store))?;
    for line in meaning.into_iter().chain(proposal.review(base)?) {
        out.push_str(&format!("  {}\n", text::whole_line(&line)));
    }
    Ok(out)
}

fn looked_at(exchange: &Exchange, base: &Base, review: &str) -> Result<Answer> {
    let demands = exchange.proposal.demands(base)?;
    let said = said(&Signing::default(), &demands);
    let data = json!({ "id": exchange.proposal.id, "demands": demands,
        "review": review.lines().collect::<Vec<_>>() });
    let said = format!("{review}signatures\n{said}nothing was signed\n");
    Ok(Answer::named("planned", data, said))
}

/// Asks whether to sign what is shown.
///
/// # Errors
/// No; or nobody to ask, and no `--yes`.
pub fn confirm(cli: &Cli, yes: bool, review: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if cli.json || !process::can_ask() {
        return Err(Error::usage("there is no terminal to ask on")
            .hint("look at it first: --dry-run; then sign without being asked: --yes"));
    }
    match ask::about(review, "sign this? type yes", "no")?.as_str() {
        "yes" => Ok(()),
        _ => Err(Error::failed("nothing was signed")),
    }
}

/// A key that was named and not wanted is an error, not a silent success.
fn require_use(signing: &Signing, exchange: &Exchange, what: &str) -> Result<()> {
    if !signing.signed.is_empty() {
        return Ok(());
    }
    let id = &exchange.proposal.id;
    Err(match signing.strange.is_empty() {
        true => Error::failed(format!(
            "the keys here have signed {id} already, or it asks for none of them"
        ))
        .hint(format!("see who is missing: relman sign {what} --dry-run")),
        false => Error::refused(format!(
            "{id} does not ask for the keys here: {}",
            signing.strange.join(", ")
        ))
        .hint("name the right one: --key FILE"),
    })
}

fn said(signing: &Signing, demands: &[Demand]) -> String {
    let mut out = String::new();
    for line in &signing.signed {
        out.push_str(&format!("signed {}\n", text::line(line)));
    }
    for demand in demands {
        out.push_str(&format!("  {}\n", text::line(&demand.line())));
    }
    out
}

/// The answer of every command that made or signed a proposal; `next` is said after publishing.
pub fn answer(settled: Settled, next: &str) -> Answer {
    match settled {
        Settled::Published { id, signing } => {
            let out = format!("{}published {id}\n{next}", said(&signing, &[]));
            let data = json!({ "id": id, "state": "published", "signing": signing });
            Answer::done(data, out)
        }
        Settled::Waiting {
            id,
            path,
            signing,
            demands,
            lacks,
        } => {
            let mut out = said(&signing, &demands);
            match &lacks {
                Some(lacks) if lacks.rule.is_some() => out.push_str(&format!(
                    "{id} has all signatures, and policy wants more: {}\nnext: relman approve, \
                     where those are who can give it: {}\n",
                    lacks.rule.as_deref().unwrap_or_default(),
                    lacks.missing.join(", ")
                )),
                Some(lacks) => out.push_str(&format!(
                    "{id} has all signatures; what is missing here is the {} key\n\
                     next: relman export {id} --out FILE, and import it where that key is\n",
                    lacks.role
                )),
                None => out.push_str(&format!(
                    "{id} waits for signatures: {}\nnext: relman export {id} --out FILE, \
                     and relman import FILE when it comes back\n",
                    path.display()
                )),
            }
            let data = json!({ "id": id, "state": "waiting", "file": path, "signing": signing,
                "demands": demands, "lacks": lacks });
            Answer::named("waiting", data, out)
        }
    }
}
