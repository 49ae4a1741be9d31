//! `relman receipts`: what this node did and refused, signed by its key; and the way of receipts into the log.

#[cfg(feature = "maintainer")]
mod collect;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{
    Cli, NodeArgs, ReceiptsArgs, ReceiptsCommand, ReceiptsExportArgs, ReceiptsShowArgs,
    ReceiptsVerifyArgs,
};
use super::node::read;
use super::project::{self, open_store, start_dir};
use crate::attest::dsse::short;
use crate::io::clock;
use crate::io::durable::{self, MODE_SECRET};
use crate::io::node_fs::NodeFs;
use crate::io::node_receipts::NodeReceipts;
use crate::keys::PublicKey;
use crate::node::config::{NodeConfig, StoreLocation};
use crate::node::host::Host;
use crate::node::receipt::Ledger;
use crate::node::receipt::chain::{self, Chain, Receipt};
use crate::release::policy::ReleasePolicy;
use crate::release::view::View;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::ui::stream::Lines;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

#[cfg(feature = "maintainer")]
pub use collect::{are_receipts, import};

/// Runs the command.
pub fn run(cli: &Cli, args: &ReceiptsArgs, progress: &mut Progress) -> Result<Answer> {
    #[cfg(not(feature = "maintainer"))]
    let _ = &progress;
    match &args.command {
        ReceiptsCommand::List(args) => list(cli, args),
        ReceiptsCommand::Show(args) => show(cli, args),
        ReceiptsCommand::Verify(args) => verify(cli, args),
        ReceiptsCommand::Export(args) => export(cli, args),
        ReceiptsCommand::Key(args) => key(cli, args),
        #[cfg(feature = "maintainer")]
        ReceiptsCommand::Push => collect::push(cli, progress),
    }
}

/// The receipts of the node, checked under its own keys.
fn own(config: &NodeConfig) -> Result<(Vec<u8>, Chain)> {
    let ledger = NodeReceipts::new(config);
    let bytes = ledger.all()?;
    let keys: Vec<PublicKey> = ledger.public()?;
    let accepted = |_: Timestamp| keys.clone();
    let chain = chain::check(&bytes, true, &accepted);
    Ok((bytes, chain))
}

fn data(receipt: &Receipt) -> Value {
    let mut value = json!(receipt.deployment);
    value["digest"] = json!(receipt.digest);
    value["key"] = receipt.key.keyid().into();
    value
}

fn line(receipt: &Receipt) -> String {
    let d = &receipt.deployment;
    let mut line = format!(
        "{:>5}  {}  {} {} {}",
        d.sequence, d.ended, d.operation, d.release, d.outcome
    );
    if let Some(reason) = &d.reason {
        line.push_str(&format!(": {reason}"));
    }
    if d.late {
        line.push_str(" (written later)");
    }
    text::line(&line)
}

/// An answer with what is wrong, if anything is.
fn answer(mut data: Value, mut out: String, problems: &[String]) -> Answer {
    data["problems"] = json!(problems);
    for problem in problems {
        out.push_str(&format!("problem  {}\n", text::line(problem)));
    }
    match problems.is_empty() {
        true => Answer::done(data, out),
        false => Answer::findings(Kind::Refused, data, out),
    }
}

fn list(cli: &Cli, args: &NodeArgs) -> Result<Answer> {
    let config = read(cli, args)?;
    let (_, chain) = own(&config)?;
    let mut out: String = chain.receipts.iter().map(|r| line(r) + "\n").collect();
    if chain.receipts.is_empty() {
        out.push_str("no receipts yet\n");
    }
    let receipts: Vec<Value> = chain.receipts.iter().map(data).collect();
    let data = json!({ "node": config.name, "receipts": receipts });
    Ok(answer(data, out, &chain.problems))
}

fn show(cli: &Cli, args: &ReceiptsShowArgs) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let (_, chain) = own(&config)?;
    let mut found = chain.receipts.iter();
    let receipt = found.find(|r| r.deployment.sequence == args.number);
    let receipt = receipt.ok_or_else(|| {
        let error = Error::failed(format!("there is no receipt {} here", args.number));
        let error = chain.problems.iter().fold(error, Error::caused_by);
        error.hint("see which there are: relman receipts list")
    })?;
    let mut value = data(receipt);
    value["verified"] = receipt.verification.clone().unwrap_or_default();
    let pretty = serde_json::to_string_pretty(&value)
        .map_err(|e| Error::bug("a receipt has no JSON").caused_by(e))?;
    let out = pretty.lines().map(|l| text::line(l) + "\n").collect();
    Ok(answer(value, out, &chain.problems))
}

fn verify(cli: &Cli, args: &ReceiptsVerifyArgs) -> Result<Answer> {
    let config = read(cli, &args.node)?;
    let (bytes, mut chain) = own(&config)?;
    let mut under = "the node's own keys".to_owned();
    if let Some(root) = &args.root {
        let root = project::read_root(&start_dir(cli)?.join(root))?;
        let policy = policy(&config, &root)?;
        let by_policy = |at: Timestamp| policy.accepted(&Purpose::Node, at);
        chain = chain::check(&bytes, true, &by_policy);
        under = "the keys that policy has for nodes".to_owned();
    }
    let count = chain.receipts.len();
    let mut out = match chain.problems.is_empty() {
        true => format!("{count} receipts verify under {under}, each follows the one before\n"),
        false => format!("{count} receipts verify under {under}\n"),
    };
    if chain.torn > 0 {
        out.push_str(&format!(
            "{} bytes at the end are an unfinished receipt, which the next command replaces\n",
            chain.torn
        ));
    }
    let last = chain.receipts.last();
    let data = json!({
        "node": config.name,
        "receipts": count,
        "under": under,
        "torn": chain.torn,
        "head": last.map(|r| r.digest),
        "key": last.map(|r| r.key.keyid()),
    });
    Ok(answer(data, out, &chain.problems))
}

/// The policy of the node's store, as it is now.
fn policy(config: &NodeConfig, root: &[u8]) -> Result<ReleasePolicy> {
    let place = match &config.store {
        StoreLocation::Path(path) => path.display().to_string(),
        StoreLocation::Url(url) => url.clone(),
    };
    let store = open_store(&place, &config.http)?;
    let (fetch, cache) = (StoreMetadata(store.as_ref()), Memory::new());
    let view = View::open(store.as_ref(), &fetch, &cache, root, clock::now())?;
    Ok(view.policy.clone())
}

fn export(cli: &Cli, args: &ReceiptsExportArgs) -> Result<Answer> {
    let to_stdout = args.out.as_os_str() == "-";
    if to_stdout && cli.json {
        return Err(
            Error::usage("with --out - stdout is the receipts, and no JSON document")
                .hint("leave --json out, or name a file"),
        );
    }
    let config = read(cli, &args.node)?;
    let (bytes, chain) = own(&config)?;
    // What does not verify is the alarm's business, not the collector's.
    if let Some(first) = chain.problems.first() {
        return Err(Error::refused("the receipts do not verify")
            .caused_by(first)
            .hint("see all that is wrong: relman receipts verify"));
    }
    let mut out = Vec::new();
    let (mut count, mut head) = (0u64, None);
    for (lines, receipt) in chain::sort(&bytes, true)
        .receipts
        .iter()
        .zip(&chain.receipts)
    {
        if receipt.deployment.sequence < args.since {
            continue;
        }
        for line in lines.verification.into_iter().chain([lines.receipt]) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        (count, head) = (count + 1, Some(receipt.deployment.sequence));
    }
    if to_stdout {
        // Whoever asks again and again for what is new is told so by an end without a line.
        let mut lines = Lines::stdout();
        let _ = lines.write(&out)?;
        lines.end()?;
        return Ok(Answer::said());
    }
    let Some(head) = head else {
        return Err(Error::failed(format!(
            "there are no receipts from number {} on",
            args.since
        ))
        .hint("see which there are: relman receipts list"));
    };
    let path = start_dir(cli)?.join(&args.out);
    // It says who runs what.
    durable::write_atomic(&path, &out, MODE_SECRET)?;
    let said = format!(
        "wrote {}: {count} receipts, up to number {head}\n\
         next: send it to the project's team, who run: relman import FILE; relman receipts push\n",
        path.display()
    );
    let data = json!({ "node": config.name, "file": path, "receipts": count,
        "sha256": crate::hash::Sha256::of(&out), "since": args.since, "up_to": head });
    Ok(Answer::done(data, said))
}

fn key(cli: &Cli, args: &NodeArgs) -> Result<Answer> {
    let config = read(cli, args)?;
    let ledger = NodeReceipts::new(&config);
    let (public, made) = match ledger.public()?.first() {
        Some(public) => (*public, false),
        None => {
            let host = NodeFs::new(&config);
            host.prepare()?;
            let _lock = host.lock("receipts key")?;
            let (signer, made) = ledger.signer()?;
            (signer.public(), made)
        }
    };
    let path = ledger.public_path();
    let line = public.to_openssh(&format!("node@{}", config.name))?;
    let out = format!(
        "{line}\nid    {}\nfile  {}\nnext: send the file to the project's team, who run: relman root add node FILE --person NAME\n",
        public.keyid(),
        path.display()
    );
    let data = json!({ "node": config.name, "id": public.keyid(), "short": short(&public.keyid()),
        "public": line, "file": path, "made": made });
    Ok(Answer::done(data, out))
}
