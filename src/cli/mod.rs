//! Commands: each reads its arguments, wires the machine to a driver, and words the answer.

#[cfg(feature = "maintainer")]
mod approve;
pub mod args;
mod audit;
mod backup;
mod bundle;
#[cfg(feature = "maintainer")]
mod cut;
#[cfg(feature = "maintainer")]
mod demo;
#[cfg(feature = "maintainer")]
mod desk;
mod docs;
#[cfg(feature = "maintainer")]
mod exchange;
#[cfg(feature = "maintainer")]
mod fleet;
#[cfg(feature = "maintainer")]
mod gate;
mod health;
#[cfg(feature = "maintainer")]
mod init;
#[cfg(feature = "maintainer")]
mod key;
mod log;
mod matrix;
mod mirror;
#[cfg(feature = "maintainer")]
mod monitor;
mod node;
mod node_daemon;
mod node_group;
#[cfg(feature = "maintainer")]
mod policy_file;
mod project;
#[cfg(feature = "maintainer")]
mod promote;
#[cfg(feature = "maintainer")]
mod rebuild;
mod receipts;
mod repo;
#[cfg(feature = "maintainer")]
mod root;
mod show;
#[cfg(feature = "maintainer")]
mod sign;
mod verify;
#[cfg(feature = "maintainer")]
mod watch;
#[cfg(feature = "maintainer")]
mod witness;
#[cfg(feature = "maintainer")]
mod yank;

use std::ffi::OsString;
use std::io::Write;
#[cfg(feature = "maintainer")]
use std::rc::Rc;

use clap::Parser;
use clap::error::ErrorKind;

use crate::Result;
#[cfg(feature = "maintainer")]
use crate::io::passphrase::Passphrases;
use crate::io::{clock, process};
use crate::ui::{Answer, Progress, answer, text};
use args::{Cli, Command};

/// Runs the command line and gives the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|a| a == "--json");
    #[cfg_attr(not(feature = "maintainer"), allow(unused_mut))]
    let mut cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = e.print();
            return 0;
        }
        Err(e) if json => {
            let text = e.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            let message = first.trim_start_matches("error: ").to_owned();
            let error = crate::Error::usage(message).hint("relman --help");
            return answer::print("", true, &Err(error));
        }
        Err(e) => {
            // Arguments may come from a script, and what they quote from anybody.
            let text = e.render().to_string();
            let lines: Vec<String> = text.lines().map(text::line).collect();
            let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
            return crate::Kind::Usage.exit_code();
        }
    };
    let mut progress = Progress::new(
        cli.quiet || cli.json,
        process::stderr_is_terminal(),
        clock::elapsed,
    );
    #[cfg(feature = "maintainer")]
    let result = secrets(&mut cli, &progress).and_then(|()| run(&cli, &mut progress));
    #[cfg(feature = "maintainer")]
    let result = fleet::tell_of_halts(&cli, result, &mut progress);
    #[cfg(not(feature = "maintainer"))]
    let result = run(&cli, &mut progress);
    if result.is_ok() {
        progress.end();
    }
    drop(progress);
    answer::print(cli.command.name(), cli.json, &result)
}

/// Where this run gets passphrases from, should it need one.
#[cfg(feature = "maintainer")]
fn secrets(cli: &mut Cli, progress: &Progress) -> Result<()> {
    let passphrases = match (cli.passphrase_fd, cli.json) {
        (Some(number), _) => Passphrases::from_descriptor(number)?,
        (None, true) => Passphrases::none_under_json(),
        (None, false) => Passphrases::from_terminal(progress.interlude()),
    };
    cli.passphrases = Rc::new(passphrases);
    Ok(())
}

fn run(cli: &Cli, progress: &mut Progress) -> Result<Answer> {
    match &cli.command {
        #[cfg(feature = "maintainer")]
        Command::Init(args) => init::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Gate(args) => gate::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Cut(args) => cut::cut(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Publish(args) => cut::publish(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Timestamp(args) => cut::timestamp(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Yank(args) => yank::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Sign(args) => sign::sign(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Export(args) => exchange::export(cli, args),
        #[cfg(feature = "maintainer")]
        Command::Import(args) => exchange::import(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Withdraw(args) => exchange::withdraw(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Approve(args) => approve::approve(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Announce(args) => promote::announce(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Promote(args) => promote::promote(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Agree(args) => promote::agree(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Root(args) => root::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Key(args) => key::run(cli, args),
        #[cfg(feature = "maintainer")]
        Command::Rebuild(args) => rebuild::run(cli, args, progress),
        Command::List(args) => show::list(cli, args),
        Command::Show(args) => show::show(cli, args),
        Command::Verify(args) => verify::run(cli, args),
        Command::Bundle(args) => bundle::run(cli, args, progress),
        Command::Install(args) => node::install(cli, args, progress),
        Command::Rollback(args) => node::rollback(cli, args, progress),
        Command::Backup(args) => backup::run(cli, args, progress),
        Command::Status(args) => node::status(cli, args, progress),
        Command::Recover(args) => node::recover(cli, args, progress),
        Command::Doctor(args) => node_group::doctor(cli, args, progress),
        Command::Node(args) => node_group::run(cli, args, progress),
        Command::Receipts(args) => receipts::run(cli, args, progress),
        Command::Health(args) => health::run(cli, args, progress),
        Command::Audit(args) => audit::run(cli, args, progress),
        Command::Log(args) => log::run(cli, args, progress),
        Command::Docs(args) => docs::run(cli, args),
        Command::Repo(args) => repo::run(cli, args),
        Command::Mirror(args) => mirror::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Fleet(args) => fleet::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Watch(args) => watch::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Monitor(args) => monitor::run(cli, args, progress),
        #[cfg(feature = "maintainer")]
        Command::Witness(args) => witness::run(cli, args),
        #[cfg(feature = "maintainer")]
        Command::Demo(args) => demo::run(cli, args),
    }
}
