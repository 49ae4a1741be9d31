//! `relman key`: secret keys, made and taken over; told and exported in the rooms below.

mod ring;
mod tell;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Cli;
use super::args::key::{GenerateArgs, ImportArgs, KeyArgs, KeyCommand};
use super::project::{Project, start_dir};
use crate::Result;
use crate::attest::dsse::short;
use crate::error::Error;
use crate::io::durable;
use crate::io::git::GitSource;
use crate::io::keyring::{self, FileKey, Source, check_name, public_half, purpose_of, write_pair};
use crate::keys::{PublicKey, Signer, spell};
use crate::limits::MAX_COMMENT_LEN;
use crate::release::ceremony::{Base, KeyRole};
use crate::ui::{Answer, text};
use ring::Ring;

/// Runs the command.
pub fn run(cli: &Cli, args: &KeyArgs) -> Result<Answer> {
    match &args.command {
        KeyCommand::Generate(args) => generate(cli, args),
        KeyCommand::List => tell::list(&Ring::look(cli)?),
        KeyCommand::Show(args) => tell::show(cli, &args.key),
        KeyCommand::Export(args) => tell::export(cli, args),
        KeyCommand::Import(args) => import(cli, args),
    }
}

fn generate(cli: &Cli, args: &GenerateArgs) -> Result<Answer> {
    let place = Place::of(cli, &args.name, args.out.as_deref())?;
    place.require_free()?;
    let comment = match &args.comment {
        Some(comment) => checked(comment)?.to_owned(),
        None => place.comment(),
    };
    let passphrase = match args.no_passphrase {
        true => None,
        false => {
            let what = place.file.display().to_string();
            let new = cli.passphrases.new_one(&what);
            Some(new.map_err(|e| match e.kind() {
                crate::Kind::Failed if cli.passphrase_fd.is_none() => e.hint(
                    "give one on a descriptor: --passphrase-fd 3 3<FILE; or go without: --no-passphrase",
                ),
                _ => e,
            })?)
        }
    };
    let key = FileKey::random()?;
    let written = key.to_text(&comment, passphrase.as_ref().map(|p| p.as_slice()))?;
    place.write(written.as_bytes(), &key.public(), &comment)?;
    Ok(place.answer("made", &key.public(), passphrase.is_some()))
}

fn import(cli: &Cli, args: &ImportArgs) -> Result<Answer> {
    let place = Place::of(cli, &args.name, None)?;
    place.require_free()?;
    let file = start_dir(cli)?.join(&args.file);
    let source = Source::read(&file, &cli.passphrases)?;
    let public = source.public();
    place.require_new(&public)?;
    let encrypted = matches!(&source, Source::OpenSsh(key, _) if key.is_encrypted());
    if args.new_passphrase && encrypted && cli.passphrases.are_from_descriptor() {
        return Err(Error::usage(
            "one descriptor gives one passphrase, and a key that changes it needs the old and the new one",
        )
        .hint(format!(
            "change it first: ssh-keygen -p -f {0}; or be asked for both: leave --passphrase-fd out",
            file.display()
        )));
    }
    let comment = place.comment();
    let new = match args.new_passphrase {
        true => {
            if let Source::OpenSsh(key, _) = &source {
                key.prepare()?;
            }
            Some(cli.passphrases.new_one(&place.file.display().to_string())?)
        }
        false => None,
    };
    let written = source.to_text(&comment, new.as_ref().map(|p| p.as_slice()))?;
    place.write(&written, &public, &comment)?;
    Ok(place.answer("took over", &public, encrypted || new.is_some()))
}

/// Where a new key goes.
struct Place {
    name: String,
    file: PathBuf,
    /// The directory of secret keys, where the file is in it.
    dir: Option<PathBuf>,
    project: Option<Project>,
    founded: bool,
}

impl Place {
    /// The place that `out` names, or the one in the directory of secret keys.
    fn of(cli: &Cli, name: &str, out: Option<&Path>) -> Result<Self> {
        check_name(name)?;
        let project = Project::look(cli)?;
        let base = match &project {
            Some(project) => ring::base(project).ok(),
            None => None,
        };
        check_purpose(name, base.as_ref())?;
        let dir = match (&project, &cli.secret_keys) {
            (Some(project), _) => Some(project.keyring()?.dir().to_owned()),
            (None, Some(dir)) => Some(dir.clone()),
            (None, None) => None,
        };
        let (file, dir) = match (out, dir) {
            (Some(out), _) => (start_dir(cli)?.join(out), None),
            (None, Some(dir)) => {
                if let Some(project) = &project {
                    outside(project)?;
                }
                (dir.join(name), Some(dir))
            }
            (None, None) => {
                return Err(
                    Error::usage("outside a project nothing says where secret keys are")
                        .hint("name the file: --out FILE; or the directory: --secret-keys DIR"),
                );
            }
        };
        Ok(Place {
            name: name.to_owned(),
            file,
            dir,
            founded: project.as_ref().is_some_and(|p| p.root().is_ok()),
            project,
        })
    }

    fn require_free(&self) -> Result<()> {
        let half = public_half(&self.file);
        match [&self.file, &half]
            .into_iter()
            .find(|path| durable::is_there(path))
        {
            Some(path) => Err(keyring::is_taken(path)),
            None => Ok(()),
        }
    }

    /// One key, one purpose.
    fn require_new(&self, public: &PublicKey) -> Result<()> {
        let Some(dir) = &self.dir else {
            return Ok(());
        };
        for shelved in keyring::Keyring::new(dir).shelf()? {
            if shelved.key.is_ok_and(|key| key == *public) {
                return Err(Error::usage(format!(
                    "key {} is here already, as {}",
                    short(&public.keyid()),
                    shelved.path.display()
                ))
                .hint("a key has one purpose; make another one: relman key generate"));
            }
        }
        Ok(())
    }

    fn comment(&self) -> String {
        match &self.project {
            Some(project) => format!("{}@{}", self.name, project.config.project),
            None => self.name.clone(),
        }
    }

    fn write(&self, written: &[u8], public: &PublicKey, comment: &str) -> Result<()> {
        match &self.dir {
            Some(dir) => {
                durable::create_dir_all(durable::parent(dir))?;
                durable::create_private_dir(dir)?;
            }
            None => durable::create_dir_all(durable::parent(&self.file))?,
        }
        write_pair(&self.file, written, public, comment)
    }

    fn answer(&self, did: &str, public: &PublicKey, encrypted: bool) -> Answer {
        let half = public_half(&self.file);
        let next = self.next(&half);
        let id = public.keyid();
        let data = json!({ "name": self.name, "purpose": purpose_of(&self.name), "file": self.file,
            "public": half, "keyid": id, "fingerprint": spell::fingerprint(public),
            "encrypted": encrypted, "next": next });
        let how = match encrypted {
            true => "with a passphrase",
            false => "without a passphrase",
        };
        let out = format!(
            "{did} {}, {how}\n  public       {}\n  key          {id}\n  fingerprint  {}\nnext: {next}\n",
            self.file.display(),
            half.display(),
            spell::fingerprint(public)
        );
        Answer::done(data, out)
    }

    /// The command that makes the key count.
    fn next(&self, half: &Path) -> String {
        let purpose = purpose_of(&self.name);
        let half = text::line(&half.to_string_lossy());
        match (&self.project, purpose) {
            (None, _) => format!(
                "send {half} to the team; they run: relman root add {purpose} KEY.pub --person NAME"
            ),
            (Some(_), _) if !self.founded => "relman init".into(),
            (Some(_), "witness") => format!(
                "relman key export {half} --format vkey --name NAME, for a line \"witness NAME VKEY\" in the \
                 file for: relman root witnesses FILE"
            ),
            (Some(_), _) => format!("relman root add {purpose} {half} --person NAME"),
        }
    }
}

/// Refuses a purpose that the project's policy does not know.
fn check_purpose(name: &str, base: Option<&Base>) -> Result<()> {
    match base {
        Some(base) => KeyRole::parse(purpose_of(name), base.policy.policy().document()).map(drop),
        // Before `init`, and on other people's machines, nobody knows the environments.
        None => Ok(()),
    }
}

/// Refuses a directory of secret keys inside the repository that nobody has named.
fn outside(project: &Project) -> Result<()> {
    project.keys_outside(&project.dir)?;
    match GitSource::open(&project.dir)
        .ok()
        .and_then(|source| source.work_dir())
    {
        Some(top) => project.keys_outside(&top),
        None => Ok(()),
    }
}

fn checked(comment: &str) -> Result<&str> {
    let fits = comment.len() <= MAX_COMMENT_LEN && !comment.chars().any(char::is_control);
    match fits {
        true => Ok(comment),
        false => Err(Error::usage(format!(
            "a comment of {} bytes, wanted at most {MAX_COMMENT_LEN} without control characters",
            comment.len()
        ))),
    }
}
