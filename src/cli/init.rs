//! `relman init`: configuration, keys, trust root and an empty, signed, valid store.

use std::path::Path;

use serde_json::json;

use super::args::{Cli, InitArgs};
use super::project::{self, Project};
use crate::io::durable::{self, MODE_FILE};
use crate::io::keyring::{Keyring, PURPOSES};
use crate::io::passphrase::Passphrases;
use crate::io::{ask, clock, git, process};
use crate::limits::MAX_CONFIG_LEN;
use crate::release::config::{self, FILE_NAME};
use crate::release::cut::Events;
use crate::release::policy::ReleasePolicy;
use crate::release::public;
use crate::release::publish::{Founded, Genesis};
use crate::release::text::check_person;
use crate::store::stage::{Authoritative, Lease};
use crate::trust::{Pin, Root, Unverified};
use crate::ui::{Answer, Progress};
use crate::watch::policy as watch;
use crate::{Error, Result};

/// Runs the command.
pub fn run(cli: &Cli, args: &InitArgs, progress: &mut Progress) -> Result<Answer> {
    let dir = project::start_dir(cli)?;
    let source = git::GitSource::open(&dir).map_err(|e| {
        Error::usage(format!("{} is not a git repository", dir.display()))
            .caused_by(e)
            .hint("run it at the top of the daemon's repository, or: git init")
    })?;
    // Everything that can be refused is refused before anything is written.
    let (project, template) = match Project::at(cli, &dir)? {
        Some(project) => (project, None),
        None => {
            let text = config::template(&project_name(args, &dir)?);
            (Project::of(cli, &dir, &text)?, Some(text))
        }
    };
    let keyring = project.keyring()?;
    project.keys_outside(&dir)?;
    if let Some(top) = source.work_dir() {
        project.keys_outside(&top)?;
    }
    let store = project.authoritative()?;
    let person = match is_founded(store.as_ref())? {
        true => String::new(),
        false => person(args)?,
    };

    let mut made = Vec::new();
    if let Some(text) = template {
        durable::write_once(&dir.join(FILE_NAME), text.as_bytes(), MODE_FILE)?;
        made.push(FILE_NAME.to_owned());
    }
    let watch = dir.join(watch::FILE_NAME);
    if !durable::is_there(&watch) {
        durable::write_once(&watch, watch::template().as_bytes(), MODE_FILE)?;
        made.push(watch::FILE_NAME.to_owned());
    }
    for (file, lines) in git_files(&project) {
        if add_lines(&dir.join(file), &lines)? {
            made.push(file.to_owned());
        }
    }
    let lease = store.lease("init")?;
    if lease.finished_earlier() {
        made.push(format!(
            "{}/, begun by an earlier run",
            project.config.store.name()
        ));
    }
    let root_file = project.keys_dir().join("root.json");
    if !is_founded(store.as_ref())? {
        make_keys(args, &cli.passphrases, &project, &keyring)?;
        made.extend(found(
            args,
            &person,
            (&project, &keyring),
            lease.as_ref(),
            progress,
        )?);
    } else if durable::read_bounded(&root_file, MAX_CONFIG_LEN)?.is_none() {
        return Err(Error::failed(format!(
            "the store at {} has metadata, but there is no {}",
            store.location(),
            root_file.display()
        ))
        .hint(
            "get root.json back from git or from the team; it cannot be guessed from the store",
        ));
    }
    let mut answer = answer(&project, &keyring, &made);
    if args.encrypt && !made.is_empty() {
        answer.text.push_str(
            "keep their passphrase in another place than the backup: nobody can open them without it\n",
        );
    }
    Ok(answer)
}

fn is_founded(store: &dyn Authoritative) -> Result<bool> {
    let timestamp = store.read("metadata/timestamp.json", MAX_CONFIG_LEN)?;
    Ok(timestamp.is_some())
}

fn person(args: &InitArgs) -> Result<String> {
    let person = match &args.person {
        Some(person) => person.clone(),
        None if args.yes => process::login_name(),
        None => ask::line("whose keys are these", &process::login_name())?,
    };
    check_person(&person)?;
    Ok(person)
}

/// What git must not take, and what it must not change.
fn git_files(project: &Project) -> [(&'static str, Vec<String>); 2] {
    let mut ignored = vec!["/.relman/".to_owned()];
    let mut unchanged = Vec::new();
    let (store, keys) = (&project.config.store.path, &project.config.trust.keys);
    // A place outside of the repository is none of git's business.
    if project.config.store.url.is_none() && config::safe_relative(store) {
        ignored.push(format!("/{store}/.relman-*"));
        unchanged.push(format!("/{store}/** -text"));
    }
    if config::safe_relative(keys) {
        unchanged.push(format!("/{keys}/** -text"));
    }
    [(".gitignore", ignored), (".gitattributes", unchanged)]
}

fn answer(project: &Project, keyring: &Keyring, made: &[String]) -> Answer {
    let data = json!({
        "project": project.config.project,
        "store": project.store_place(),
        "secret_keys": keyring.dir(),
        "made": made,
    });
    if made.is_empty() {
        let text = format!(
            "{} is set up already; nothing was changed\n",
            project.config.project
        );
        return Answer::named("unchanged", data, text);
    }
    let mut text = format!("{} is set up\n", project.config.project);
    for name in made {
        text.push_str(&format!("  {name}\n"));
    }
    text.push_str(&format!(
        "\nsecret keys are in {}\nback them up now, away from this machine, and never commit them\n\
         next: git add . && git commit, then tag a release and run: relman cut TAG\n",
        keyring.dir().display()
    ));
    Answer::done(data, text)
}

/// Makes the keys that are missing. One that is in the ssh-agent is not: its public half is there.
fn make_keys(
    args: &InitArgs,
    passphrases: &Passphrases,
    project: &Project,
    keyring: &Keyring,
) -> Result<()> {
    let name = &project.config.project;
    let missing: Vec<_> = PURPOSES
        .iter()
        .filter(|purpose| !keyring.has(purpose))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let passphrase = match args.encrypt {
        true => Some(passphrases.new_one(&format!("the keys of {name}"))?),
        false => None,
    };
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    for purpose in missing {
        keyring.make(purpose, &format!("{purpose}@{name}"), passphrase)?;
    }
    Ok(())
}

/// Makes the trust root and the store's first state.
fn found(
    args: &InitArgs,
    person: &str,
    (project, keyring): (&Project, &Keyring),
    lease: &dyn Lease,
    progress: &mut Progress,
) -> Result<Vec<String>> {
    progress.stage("make trust root and store");
    let name = &project.config.project;
    let store = project.authoritative()?;
    let founded = Genesis {
        project: name,
        origin: &project.config.log_origin(),
        person,
        witnesses: "none",
        example: args.example,
        keys: keyring,
        expiry: &project.config.expiry,
        now: clock::now(),
    }
    .plan(store.reader())?;
    // The public half first: a store without its root would be unreadable, a root without its
    // store only waits for the next run.
    let mut made = public_files(project, &founded)?;
    lease.publish(&founded.transaction)?;
    progress.end();
    made.push(format!("{}/", project.config.store.name()));
    Ok(made)
}

fn public_files(project: &Project, founded: &Founded) -> Result<Vec<String>> {
    let root = Unverified::<Root>::parse(&founded.root)?;
    let root = root.unverified_signed();
    let policy = ReleasePolicy::parse(&founded.policy, Pin::from_root(root)?)?;
    let files = public::files(
        (root, &founded.root),
        (&policy, &founded.policy),
        clock::now(),
    )?;
    let dir = project.keys_dir();
    for (file, bytes) in &files {
        // An interrupted first run may have left others, signed at another second.
        durable::write_atomic(&dir.join(file), bytes, MODE_FILE)?;
    }
    let dir = &project.config.trust.keys;
    Ok(files
        .iter()
        .map(|(file, _)| format!("{dir}/{file}"))
        .collect())
}

fn project_name(args: &InitArgs, dir: &Path) -> Result<String> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let default: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect();
    let default = if default.is_empty() {
        "project".into()
    } else {
        default
    };
    match &args.project {
        Some(name) => Ok(name.clone()),
        None if args.yes => Ok(default),
        None => ask::line("name of the project", &default),
    }
}

/// Adds the lines that a file lacks; tells whether it did.
fn add_lines(path: &Path, lines: &[String]) -> Result<bool> {
    let bytes = durable::read_bounded(path, MAX_CONFIG_LEN)?.unwrap_or_default();
    let mut text = String::from_utf8(bytes)
        .map_err(|e| Error::failed(format!("{} is not UTF-8", path.display())).caused_by(e))?;
    let missing: Vec<&String> = lines
        .iter()
        .filter(|line| !text.lines().any(|have| have.trim() == *line))
        .collect();
    if missing.is_empty() {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in missing {
        text.push_str(line);
        text.push('\n');
    }
    durable::write_atomic(path, text.as_bytes(), MODE_FILE)?;
    Ok(true)
}
