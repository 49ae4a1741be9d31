//! `relman witness`: a standard witness of other people's logs.

use std::io::Write;

use serde_json::{Value, json};

use super::args::{Cli, WitnessArgs};
use super::project::start_dir;
use crate::io::durable;
use crate::io::keyring::Chosen;
use crate::io::witness_server::WitnessServer;
use crate::io::witness_state::WitnessState;
use crate::keys::Signer;
use crate::limits::MAX_CONFIG_LEN;
use crate::log::add_checkpoint::{Notary, Watched};
use crate::log::{CosignerKey, VerifierKey, WitnessPolicy};
use crate::ui::{Answer, answer, text};
use crate::{Error, Result};

/// Runs the command, until it is told to end.
pub fn run(cli: &Cli, args: &WitnessArgs) -> Result<Answer> {
    let signer = signer(cli, args)?;
    let key = CosignerKey::new(&args.name, signer.public())?;
    let watched = Watched::new(log_keys(cli, args)?, &key)?;
    if let Some(url) = &args.url {
        policy_line(&key, url)?;
    }
    let dir = start_dir(cli)?.join(&args.state);
    let state = WitnessState::open(&dir, &key)?;
    let notary = Notary::new(&args.name, signer, watched, Box::new(state))?;
    let server = WitnessServer::bind(&args.listen)?;
    let listens = format!("http://{}", server.address());
    let url = args
        .url
        .as_deref()
        .unwrap_or(&listens)
        .trim_end_matches('/');
    let line = policy_line(&key, url)?;
    // Before it runs, since whoever started it needs it to go on.
    answer::print(
        cli.command.name(),
        cli.json,
        &Ok(begins(&notary, &listens, url, &line)),
    );
    let quiet = cli.quiet || cli.json;
    let say = move |line: &str, trouble: bool| {
        if trouble || !quiet {
            let _ = writeln!(std::io::stderr(), "{}", text::line(line));
        }
    };
    server.run(notary, Box::new(say));
    Ok(Answer::said())
}

/// The witness's key, ready to sign: a service cannot ask for a passphrase later.
fn signer(cli: &Cli, args: &WitnessArgs) -> Result<Box<dyn Signer + Send + Sync>> {
    match Chosen::read(&args.key, &start_dir(cli)?, &cli.passphrases)? {
        Chosen::File(file) => Ok(Box::new(file.open()?)),
        Chosen::Held(key) => Ok(Box::new(key)),
        Chosen::Agent(_) => Err(Error::usage(
            "a witness signs with one key, and the ssh-agent may have several",
        )
        .hint("name its public half: relman witness --key KEY.pub")),
    }
}

fn log_keys(cli: &Cli, args: &WitnessArgs) -> Result<Vec<VerifierKey>> {
    let mut vkeys = args.logs.clone();
    if let Some(file) = &args.logs_file {
        let path = start_dir(cli)?.join(file);
        let bytes = durable::read_required(&path, MAX_CONFIG_LEN)?;
        let text = String::from_utf8(bytes)
            .map_err(|e| Error::usage(format!("{} is not UTF-8", path.display())).caused_by(e))?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        vkeys.extend(lines.map(str::to_owned));
    }
    vkeys.iter().map(|vkey| VerifierKey::parse(vkey)).collect()
}

/// The line of a tlog-policy that makes logs ask this witness.
fn policy_line(key: &CosignerKey, url: &str) -> Result<String> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(Error::usage(format!(
            "a witness's address is {url:?}, wanted http://… or https://…"
        )));
    }
    let line = format!("witness {} {key} {url}", key.name());
    // What it prints must be a line that is read.
    WitnessPolicy::parse(&format!("{line}\nquorum none\n")).map_err(|e| {
        e.with_kind(crate::Kind::Usage)
            .under("name and address make no line of a policy")
    })?;
    Ok(line)
}

fn begins(notary: &Notary, listens: &str, url: &str, line: &str) -> Answer {
    let logs = notary.logs();
    let watched: Vec<Value> = logs
        .iter()
        .map(|(origin, newest)| {
            json!({ "origin": origin,
                "size": newest.as_ref().map(|record| record.head().size),
                "root": newest.as_ref().map(|record| record.head().root),
                "cosigned": newest.as_ref().map(|record| record.time().to_string()) })
        })
        .collect();
    let data = json!({ "key": notary.key().to_string(), "listens": listens, "url": url,
        "policy": line, "logs": watched });
    let mut out = format!(
        "witness {} listens on {listens}\n  key     {}\n  policy  {line}\n",
        text::line(notary.key().name()),
        notary.key()
    );
    for (origin, newest) in &logs {
        let seen = match newest {
            Some(record) => format!("size {}, cosigned at {}", record.head().size, record.time()),
            None => "nothing cosigned yet".to_owned(),
        };
        out.push_str(&format!("  log     {}: {seen}\n", text::line(origin)));
    }
    Answer::done(data, out)
}
