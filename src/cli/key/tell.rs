//! `relman key list`, `show` and `export`: public halves alone.

use serde_json::{Value, json};

use super::super::args::Cli;
use super::super::args::key::{ExportArgs, Format};
use super::super::project::start_dir;
use super::ring::{Found, Ring};
use crate::attest::dsse::short;
use crate::io::durable::{self, MODE_FILE};
use crate::io::keyring::{KeyKind, Shelved, purpose_of};
use crate::keys::{PublicKey, spell};
use crate::log::{CosignerKey, VerifierKey};
use crate::release::standing::{KnownKey, Validity};
use crate::ui::{Answer, text};
use crate::{Error, Result};

/// One line of the list.
struct Row {
    name: String,
    kind: Option<KeyKind>,
    key: Option<PublicKey>,
    known: Option<KnownKey>,
    state: &'static str,
    /// More about the state.
    why: String,
}

/// All keys here.
pub fn list(ring: &Ring) -> Result<Answer> {
    let mut rows: Vec<Row> = ring
        .shelf
        .iter()
        .map(|shelved| on_shelf(ring, shelved))
        .collect();
    for held in ring.agent().iter().flatten() {
        let Some(key) = held.public else { continue };
        if rows.iter().any(|row| row.key == Some(key)) {
            continue;
        }
        let known = ring.known(&key).into_iter().next();
        let (state, why) = match (&known, ring.all_known()) {
            (Some(known), _) => validity(known),
            (None, Ok(_)) => ("unknown", held.comment.clone()),
            (None, Err(_)) => ("?", held.comment.clone()),
        };
        rows.push(Row {
            name: known
                .as_ref()
                .map_or("-".into(), |known| known.purpose.clone()),
            kind: Some(KeyKind::Agent),
            key: Some(key),
            known,
            state,
            why,
        });
    }
    let data: Vec<Value> = rows.iter().map(Row::data).collect();
    let mut out = match &ring.dir {
        Some(dir) => format!("{}\n", dir.display()),
        None => "no directory of secret keys is known here: --secret-keys DIR\n".into(),
    };
    let lines: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    out.push_str(&text::table(&lines));
    if rows.is_empty() {
        out.push_str("  no keys: relman key generate PURPOSE\n");
    }
    if let (Some(_), Err(e)) = (&ring.project, ring.all_known()) {
        out.push_str(&format!(
            "what they count for is not known: {}\n",
            text::line(&e.to_string())
        ));
    }
    let data = json!({ "directory": ring.dir, "keys": data,
        "agent": ring.agent().as_ref().map_or_else(|e| json!(e.message()), |keys| json!(keys.len())),
        "policy": ring.all_known().is_ok() });
    Ok(Answer::done(data, out))
}

fn on_shelf(ring: &Ring, shelved: &Shelved) -> Row {
    let row = |key, known, state, why| Row {
        name: shelved.name.clone(),
        kind: shelved.kind,
        key,
        known,
        state,
        why,
    };
    let key = match &shelved.key {
        Ok(key) => *key,
        Err(e) => return row(None, None, "unusable", e.to_string()),
    };
    let all = ring.known(&key);
    let purpose = purpose_of(&shelved.name);
    let fitting = all.iter().find(|known| known.purpose == purpose);
    let known = fitting.or(all.first()).cloned();
    // A key that cannot sign counts for nothing, whatever policy says.
    if shelved.kind == Some(KeyKind::Agent) && !ring.is_held(&key) {
        let why = match ring.agent() {
            Ok(_) => "the ssh-agent does not have it".to_owned(),
            Err(e) => e.message().to_owned(),
        };
        return row(Some(key), known, "absent", why);
    }
    let (state, why) = match (&known, ring.all_known()) {
        (Some(known), _) if known.purpose != purpose => {
            ("misplaced", format!("it is a key for {}", known.purpose))
        }
        (Some(known), _) => validity(known),
        (None, Ok(_)) => ("unknown", "neither root nor policy names it".into()),
        (None, Err(_)) => ("?", String::new()),
    };
    row(Some(key), known, state, why)
}

fn validity(known: &KnownKey) -> (&'static str, String) {
    let at = |time: &Option<String>| time.clone().unwrap_or_default();
    match known.state {
        Validity::Counts => ("counts", String::new()),
        Validity::NotYet => ("not yet", format!("from {} on", at(&known.not_before))),
        Validity::Ended => ("ended", format!("at {}", at(&known.not_after))),
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let person = self.known.as_ref().and_then(|known| known.person.clone());
        let state = match self.why.is_empty() {
            true => self.state.to_owned(),
            false => format!("{}: {}", self.state, self.why),
        };
        vec![
            format!("  {}", text::line(&self.name)),
            self.kind.map_or("-", KeyKind::name).to_owned(),
            self.key.map_or("-".into(), |key| short(&key.keyid())),
            text::line(&person.unwrap_or_else(|| "-".into())),
            text::line(&state),
        ]
    }

    fn data(&self) -> Value {
        let known = self.known.as_ref();
        json!({ "name": self.name, "kind": self.kind.map(KeyKind::name),
            "keyid": self.key.map(|key| key.keyid()),
            "fingerprint": self.key.as_ref().map(spell::fingerprint),
            "purpose": known.map(|known| &known.purpose),
            "person": known.and_then(|known| known.person.as_ref()),
            "not_before": known.and_then(|known| known.not_before.as_ref()),
            "not_after": known.and_then(|known| known.not_after.as_ref()),
            "state": self.state, "why": self.why })
    }
}

/// All names of one key.
pub fn show(cli: &Cli, words: &str) -> Result<Answer> {
    let ring = Ring::look(cli)?;
    let found = ring.find(cli, words)?;
    let key = &found.public;
    let name = found.name.clone().unwrap_or_default();
    let openssh = key.to_openssh(&name)?;
    let (vkeys, known) = (vkeys(&ring, &found)?, ring.known(key));
    let mut out = format!(
        "openssh      {}\nfingerprint  {}\ntuf-id       {}\n",
        text::line(&openssh),
        spell::fingerprint(key),
        key.keyid()
    );
    for vkey in &vkeys {
        out.push_str(&format!("vkey         {}\n", text::line(vkey)));
    }
    if let Some(path) = &found.path {
        out.push_str(&format!("file         {}\n", path.display()));
    }
    out.push_str(&format!(
        "private key  {}\n",
        match found.kind {
            Some(KeyKind::File) => "in a file, without a passphrase",
            Some(KeyKind::Encrypted) => "in a file, with a passphrase",
            _ if ring.is_held(key) => "in the ssh-agent",
            Some(KeyKind::Agent) => "in an ssh-agent that does not have it now",
            None => "not here",
        }
    ));
    for known in &known {
        let (state, why) = validity(known);
        out.push_str(&text::line(&format!(
            "{:<12} {}{}{}",
            known.purpose,
            known
                .person
                .as_deref()
                .map_or(String::new(), |person| format!("{person}, ")),
            state,
            match (&known.not_after, why.as_str()) {
                (Some(end), "") => format!(" until {end}"),
                (_, why) => format!(" {why}").trim_end().to_owned(),
            }
        )));
        out.push('\n');
    }
    if known.is_empty() {
        out.push_str(&match ring.all_known() {
            Ok(_) => "unknown: neither root nor policy names it\n".to_owned(),
            Err(e) => format!(
                "what it counts for is not known: {}\n",
                text::line(&e.to_string())
            ),
        });
    }
    let held = || ring.is_held(key).then_some(KeyKind::Agent);
    let kind = found.kind.or_else(held);
    let data = json!({ "name": found.name, "file": found.path, "kind": kind.map(KeyKind::name),
        "openssh": openssh, "fingerprint": spell::fingerprint(key), "keyid": key.keyid(),
        "vkeys": vkeys, "known": known });
    Ok(Answer::done(data, out))
}

/// The names of a key in notes, as far as it is one of a log or a witness and its name is known.
fn vkeys(ring: &Ring, found: &Found) -> Result<Vec<String>> {
    let purposes = found.purposes(ring);
    let mut out = Vec::new();
    for purpose in purposes
        .iter()
        .filter(|p| matches!(p.as_str(), "log" | "witness"))
    {
        if let Some(name) = note_name(ring, found, purpose) {
            out.push(vkey(purpose, &name, &found.public)?);
        }
    }
    Ok(out)
}

fn note_name(ring: &Ring, found: &Found, purpose: &str) -> Option<String> {
    let known = ring.known(&found.public).into_iter();
    let named = known.filter(|known| known.purpose == purpose);
    let project = ring.project.as_ref().filter(|_| purpose == "log");
    let origin = || project.map(|project| project.config.log_origin());
    named
        .filter_map(|known| known.note_name)
        .next()
        .or_else(origin)
}

/// A log's key signs checkpoints (type 0x01), a witness's cosigns them (type 0x04).
fn vkey(purpose: &str, name: &str, key: &PublicKey) -> Result<String> {
    Ok(match purpose {
        "witness" => CosignerKey::new(name, *key)?.to_string(),
        _ => VerifierKey::from_public(name, key)?.to_string(),
    })
}

/// A public key in another format.
pub fn export(cli: &Cli, args: &ExportArgs) -> Result<Answer> {
    let ring = Ring::look(cli)?;
    let found = ring.find(cli, &args.key)?;
    if args.name.is_some() && args.format != Format::Vkey {
        return Err(Error::usage(format!(
            "--name is for a vkey, and {} has none",
            args.format.name()
        )));
    }
    let key = &found.public;
    let written = match args.format {
        Format::Ssh => key.to_openssh(found.name.as_deref().unwrap_or_default())? + "\n",
        Format::Pem => spell::pem(key),
        Format::TufId => key.keyid() + "\n",
        Format::Minisign => spell::minisign(key),
        Format::Vkey => exported_vkey(&ring, &found, args)? + "\n",
    };
    let mut out = written.clone();
    let file = match &args.out {
        Some(file) => {
            let path = start_dir(cli)?.join(file);
            let saved = durable::write_once(&path, written.as_bytes(), MODE_FILE);
            saved.map_err(|e| e.hint("take another name: --out FILE"))?;
            out = format!("wrote {}\n", path.display());
            Some(path)
        }
        None => None,
    };
    let data = json!({ "keyid": key.keyid(), "format": args.format.name(), "text": written,
        "file": file });
    Ok(Answer::done(data, out))
}

fn exported_vkey(ring: &Ring, found: &Found, args: &ExportArgs) -> Result<String> {
    let purposes = found.purposes(ring);
    let purpose = purposes
        .iter()
        .find(|purpose| matches!(purpose.as_str(), "log" | "witness"));
    let purpose = purpose.ok_or_else(|| {
        Error::usage(format!(
            "only keys of logs and witnesses have a vkey, this one is for {}",
            match purposes.is_empty() {
                true => "nothing known".into(),
                false => purposes.join(", "),
            }
        ))
        .hint("other formats: --format ssh, pem, tuf-id or minisign")
    })?;
    let name = args
        .name
        .clone()
        .or_else(|| note_name(ring, found, purpose));
    let name = name.ok_or_else(|| {
        Error::usage(format!("a {purpose}'s vkey has a name, and none is known"))
            .hint("name it: --name NAME, such as witness.example.org/timed")
    })?;
    vkey(purpose, &name, &found.public)
}
