//! `relman fleet halt`: any one on-call key stops new installs in an environment. Nothing of the fleet is asked: each
//! node honours it by itself.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::args::{Cli, FleetHaltArgs};
use crate::cli::desk::{Desk, Settled};
use crate::cli::project::{keyring, start_dir, store_and_root};
use crate::cli::sign;
use crate::io::keyring::{Chosen, Keyring};
use crate::io::{clock, proposals};
use crate::keys::PublicKey;
use crate::release::ceremony::{Base, Exchange, Proposal, Signing};
use crate::release::config;
use crate::release::environment::check_reason;
use crate::release::halt::{Asked, Halt, Stop, role_name};
use crate::release::publish::{Keys, Publisher};
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &FleetHaltArgs, progress: &mut Progress) -> Result<Answer> {
    check_reason(&args.reason).map_err(|e| e.with_kind(Kind::Usage))?;
    match args.store.store {
        Some(_) => elsewhere(cli, args),
        None => here(cli, args, progress),
    }
}

fn stop(args: &FleetHaltArgs) -> Stop<'_> {
    Stop {
        environment: &args.env,
        reason: &args.reason,
    }
}

fn chosen(cli: &Cli, args: &FleetHaltArgs) -> Result<Option<Chosen>> {
    let key = args.key.as_ref();
    key.map(|word| Chosen::read(word, &start_dir(cli)?, &cli.passphrases))
        .transpose()
}

fn at_hand(args: &FleetHaltArgs, keys: &dyn Keys) -> Result<Vec<PublicKey>> {
    let keys = keys.all(&role_name(&args.env))?;
    Ok(keys.iter().map(|key| key.public()).collect())
}

/// In the project, whose store is written to.
fn here(cli: &Cli, args: &FleetHaltArgs, progress: &mut Progress) -> Result<Answer> {
    let desk = Desk::open(cli, progress)?;
    let chosen = chosen(cli, args)?;
    let keys: &dyn Keys = match &chosen {
        Some(chosen) => chosen,
        None => &desk.keyring,
    };
    let hands = at_hand(args, keys)?;
    let asked = desk.with_view(|view| stop(args).propose(&desk.publisher(), view, &hands))?;
    let proposal = match asked {
        Asked::Already(halt) => return Ok(already(&halt)),
        Asked::Proposed(proposal) => *proposal,
    };
    if desk.proposals.load(&proposal.id)?.is_some() {
        let id = &proposal.id;
        return Err(
            Error::failed(format!("proposal {id} is there already and waits")).hint(format!(
                "sign it as well: relman sign {id}; or begin anew: relman withdraw {id}"
            )),
        );
    }
    let (base, mut exchange) = desk.with_view(|view| {
        let exchange = Exchange::new(proposal, desk.store.reader(), view)?;
        Ok((Base::of(view)?, exchange))
    })?;
    exchange.require_sound(&base, clock::now(), Some(desk.store.reader()))?;
    if args.dry_run {
        return planned(&exchange, &base);
    }
    let signing = sign_it(&mut exchange.proposal, &base, keys)?;
    let missing = missing(&desk.keyring)?;
    if !missing.is_empty() {
        return file_alone(cli, args, &exchange, &base, &signing, &missing);
    }
    let signed = exchange.clone();
    let settled = match desk.keep(exchange, signing) {
        Ok(settled) => settled,
        Err(e) => {
            let path = write(cli, args, &signed)?;
            return Err(e.hint(format!(
                "it is signed; publish it from another place: relman import {}",
                path.display()
            )));
        }
    };
    let Settled::Waiting { .. } = &settled else {
        let next = format!(
            "nodes of {} install nothing more once they see it\n",
            args.env
        );
        return Ok(sign::answer(settled, &next));
    };
    let path = write(cli, args, &signed)?;
    let mut answer = sign::answer(settled, "");
    answer.data["file"] = json!(path);
    answer.text.push_str(&next(&path));
    Ok(answer)
}

/// The keys of the store that a publication wants and that are not here.
fn missing(keyring: &Keyring) -> Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    for purpose in ["publisher", "log", "snapshot", "timestamp"] {
        if keyring.all(purpose)?.is_empty() {
            missing.push(purpose);
        }
    }
    Ok(missing)
}

/// For a store that is only read here: the signed file is all that comes of it.
fn elsewhere(cli: &Cli, args: &FleetHaltArgs) -> Result<Answer> {
    let (store, root) = store_and_root(cli, &args.store)?;
    let store = store.as_ref();
    let (fetch, cache, now) = (StoreMetadata(store), Memory::new(), clock::now());
    let mut view = View::open(store, &fetch, &cache, &root, now)?;
    let project = view.policy.policy().document().project.clone();
    let keys: Box<dyn Keys> = match chosen(cli, args)? {
        Some(chosen) => Box::new(chosen),
        None => Box::new(keyring(
            cli.secret_keys.as_deref(),
            &project,
            &cli.passphrases,
        )?),
    };
    let hands = at_hand(args, keys.as_ref())?;
    let publisher = Publisher {
        store,
        keys: keys.as_ref(),
        expiry: &config::Expiry::default(),
        now,
    };
    let proposal = match stop(args).propose(&publisher, &mut view, &hands)? {
        Asked::Already(halt) => return Ok(already(&halt)),
        Asked::Proposed(proposal) => *proposal,
    };
    let mut exchange = Exchange::new(proposal, store, &mut view)?;
    let base = Base::of(&mut view)?;
    exchange.require_sound(&base, now, Some(store))?;
    if args.dry_run {
        return planned(&exchange, &base);
    }
    let signing = sign_it(&mut exchange.proposal, &base, keys.as_ref())?;
    file_alone(cli, args, &exchange, &base, &signing, &[])
}

/// The signed file is all that comes of it.
fn file_alone(
    cli: &Cli,
    args: &FleetHaltArgs,
    exchange: &Exchange,
    base: &Base,
    signing: &Signing,
    missing: &[&str],
) -> Result<Answer> {
    let path = write(cli, args, exchange)?;
    let demands = exchange.proposal.demands(base)?;
    let mut out: String = signing
        .signed
        .iter()
        .map(|line| format!("signed {}\n", text::line(line)))
        .collect();
    for demand in &demands {
        out.push_str(&format!("  {}\n", text::line(&demand.line())));
    }
    if !missing.is_empty() {
        out.push_str(&format!("not at hand: the {} key\n", missing.join(", ")));
    }
    let data = json!({ "id": exchange.proposal.id, "state": "waiting", "file": path, "signing": signing,
        "demands": demands, "lacks": null, "missing": missing });
    Ok(Answer::named("waiting", data, out + &next(&path)))
}

fn sign_it(proposal: &mut Proposal, base: &Base, keys: &dyn Keys) -> Result<Signing> {
    let signing = proposal.sign(base, keys)?;
    match signing.signed.is_empty() {
        false => Ok(signing),
        true => Err(Error::failed(format!(
            "nothing was signed: no key here may sign {}",
            proposal.id
        ))
        .hint("name the key: --key FILE")),
    }
}

/// Writes the file that whoever holds the store's keys imports.
fn write(cli: &Cli, args: &FleetHaltArgs, exchange: &Exchange) -> Result<PathBuf> {
    let name = match &args.out {
        Some(out) => out.clone(),
        None => format!("{}.json", exchange.proposal.id).into(),
    };
    let path = start_dir(cli)?.join(name);
    proposals::write(&path, exchange)?;
    Ok(path)
}

fn next(path: &Path) -> String {
    format!(
        "NOTHING IS STOPPED YET: send {} to whoever holds the store's keys, who runs: relman import FILE\n",
        path.display()
    )
}

fn planned(exchange: &Exchange, base: &Base) -> Result<Answer> {
    let review = sign::review(exchange, base, None)?;
    let data: Value = json!({ "id": exchange.proposal.id, "demands": exchange.proposal.demands(base)?,
        "review": review.lines().collect::<Vec<_>>() });
    Ok(Answer::named(
        "planned",
        data,
        review + "nothing was signed\n",
    ))
}

fn already(halt: &Halt) -> Answer {
    Answer::named(
        "unchanged",
        json!({ "halt": halt }),
        text::line(&halt.line(&[])) + "\n",
    )
}
