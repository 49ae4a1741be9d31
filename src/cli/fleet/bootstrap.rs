//! `relman fleet bootstrap`: relman itself, the trust root and `node.toml` for new nodes. The one step in which nodes take
//! bytes from the operator's machine without a check of their own.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::read;
use crate::cli::args::{Cli, FleetBootstrapArgs};
use crate::cli::project::{Project, open_store, read_root, start_dir};
use crate::cli::verify;
use crate::fleet::bootstrap::{Files, Step, node_toml, steps};
use crate::fleet::config::NodeEntry;
use crate::fleet::host::{Document, Hosts, Request};
use crate::fleet::pick::pick;
use crate::hash::Sha256;
use crate::io::durable;
use crate::io::fleet_ssh::{Placing, SshHosts};
use crate::limits::{MAX_CONFIG_LEN, MAX_RELMAN_LEN};
use crate::node::config::Control;
use crate::release::archive::{MemberPath, Sink};
use crate::release::cut::Events;
use crate::release::tag::Tag;
use crate::store::http::HttpOptions;
use crate::ui::{Answer, Progress, text};
use crate::{Error, Kind, Result};

/// How long a node may take to write its units.
const UNITS_PATIENCE: Duration = Duration::from_secs(60);

/// What all nodes are given.
struct Brought {
    relman: Arc<[u8]>,
    root: Arc<[u8]>,
}

/// One node and its `node.toml`.
struct New<'a> {
    node: &'a NodeEntry,
    config: Arc<[u8]>,
    root_path: String,
    has_unit: bool,
}

/// Why a node was left as it was, or half-way.
struct Trouble {
    kind: Kind,
    problems: Vec<String>,
}

/// Runs the command.
pub fn run(cli: &Cli, args: &FleetBootstrapArgs, progress: &mut Progress) -> Result<Answer> {
    let start = start_dir(cli)?;
    let (path, fleet) = read(cli, &args.fleet)?;
    let nodes = pick(&fleet, None, &args.nodes)?;
    let config = durable::read_required(&start.join(&args.config), MAX_CONFIG_LEN)?;
    let config = String::from_utf8(config)
        .map_err(|e| Error::usage("node.toml is not UTF-8").caused_by(e))?;
    let new: Vec<New> = nodes
        .into_iter()
        .map(|node| {
            let (text, config) = node_toml(&config, node)?;
            Ok(New {
                node,
                config: text.into_bytes().into(),
                root_path: config.root.to_string_lossy().into_owned(),
                has_unit: config
                    .service
                    .is_some_and(|s| matches!(s.control, Control::Systemd { .. })),
            })
        })
        .collect::<Result<_>>()?;
    let relman = match (&args.binary, &args.release) {
        (Some(file), _) => durable::read_required(&start.join(file), MAX_RELMAN_LEN)?,
        (None, Some(tag)) => released(cli, tag, progress)?,
        (None, None) => return Err(Error::bug("neither a file nor a release")),
    };
    let brought = Brought {
        relman: relman.into(),
        root: read_root(&start.join(&args.root))?.into(),
    };
    let hosts = SshHosts::new(&fleet, None)?;
    let mut listed = Vec::new();
    let mut out = String::new();
    let (mut failed, mut kind) = (0, Kind::Failed);
    for one in &new {
        progress.stage(&format!("bootstrap {}", one.node.name));
        let name = &one.node.name;
        match bring(&hosts, one, &brought, args) {
            Ok(done) => {
                out.push_str(&lines(name, &done, args.dry_run));
                failed += usize::from(done["findings"].as_array().is_some_and(|f| !f.is_empty()));
                listed.push(done);
            }
            Err(trouble) => {
                failed += 1;
                kind = trouble.kind;
                for problem in &trouble.problems {
                    out.push_str(&format!("{name}: {}\n", text::whole_line(problem)));
                }
                listed.push(json!({ "node": name, "problems": trouble.problems }));
            }
        }
    }
    progress.end();
    let data = json!({ "fleet": path, "relman": Sha256::of(&brought.relman), "nodes": listed });
    Ok(match (failed, args.dry_run) {
        (0, true) => Answer::named("planned", data, out),
        (0, false) => Answer::done(data, out),
        (some, _) if some < new.len() => Answer::findings(Kind::Partial, data, out),
        _ => Answer::findings(kind, data, out),
    })
}

/// All that happens to one node; what it came to.
fn bring(
    hosts: &SshHosts,
    new: &New,
    brought: &Brought,
    args: &FleetBootstrapArgs,
) -> Result<Value, Trouble> {
    let node = new.node;
    let failed = |why: String| Trouble {
        kind: Kind::Failed,
        problems: vec![why],
    };
    let paths = [&node.relman, &new.root_path, &node.config].map(String::as_str);
    let found = hosts.look(node, &paths).map_err(failed)?;
    let [relman, root, config] = found[..] else {
        return Err(failed("it did not say what is there".into()));
    };
    let there = Files {
        relman,
        root,
        config,
    };
    let digests = Files {
        relman: Sha256::of(&brought.relman),
        root: Sha256::of(&brought.root),
        config: Sha256::of(&new.config),
    };
    let steps =
        steps(node, &new.root_path, &there, &digests, args.replace).map_err(|problems| {
            Trouble {
                kind: Kind::Refused,
                problems,
            }
        })?;
    let mut done = json!({ "node": node.name, "relman": steps.relman, "root": steps.root,
        "config": steps.config, "version": null, "units": false, "findings": [] });
    if args.dry_run {
        return Ok(done);
    }
    for (step, path, bytes, program) in [
        (steps.root, &new.root_path, &brought.root, false),
        (steps.config, &node.config, &new.config, false),
        (steps.relman, &node.relman, &brought.relman, true),
    ] {
        if step != Step::Same {
            let file = Placing {
                path: path.clone(),
                bytes: Arc::clone(bytes),
                program,
                replace: step == Step::Replaced,
            };
            hosts
                .place(node, &file)
                .map_err(|why| failed(format!("{path} was not written: {why}")))?;
        }
    }
    let mut version = None;
    hosts.meet_all(&[node], &mut |_, contact| version = Some(contact));
    match version {
        Some(Ok(contact)) => done["version"] = contact.version.into(),
        Some(Err(reply)) => {
            let why = reply.good().err().unwrap_or_default();
            return Err(failed(format!("relman does not run there: {why}")));
        }
        None => return Err(failed("nobody asked whether relman runs there".into())),
    }
    if new.has_unit {
        let words = ["node", "units", "--write", "--config", &node.config];
        let said = hosts.tell(node, &words, UNITS_PATIENCE).good();
        said.map_err(|why| failed(format!("its units were not written: {why}")))?;
        done["units"] = true.into();
    }
    done["findings"] = match hosts.ask(node, &Request::Check) {
        crate::fleet::host::Reply::Answer(Document {
            data, error: None, ..
        }) => data["findings"].clone(),
        other => {
            let why = other.good().err().unwrap_or_default();
            return Err(failed(format!("it was not checked: {why}")));
        }
    };
    Ok(done)
}

fn lines(name: &str, done: &Value, dry_run: bool) -> String {
    let word = |key: &str| match done[key].as_str() {
        Some("new") if dry_run => "would be new",
        Some("new") => "new",
        Some("replaced") if dry_run => "would be replaced",
        Some("replaced") => "replaced",
        _ => "is there already",
    };
    let version = done["version"].as_str().unwrap_or_default();
    let mut out = format!(
        "{name}: relman {}{}, trust root {}, node.toml {}\n",
        match version {
            "" => String::new(),
            version => format!("{} ", text::line(version)),
        },
        word("relman"),
        word("root"),
        word("config")
    );
    for finding in done["findings"].as_array().into_iter().flatten() {
        let part = |key: &str| text::line(finding[key].as_str().unwrap_or_default());
        out.push_str(&format!(
            "{name}: {}: {}\n",
            part("subject"),
            part("problem")
        ));
        if finding["hint"].is_string() {
            out.push_str(&format!("  hint: on {name}: {}\n", part("hint")));
        }
    }
    out
}

/// The relman of a release that verifies.
fn released(cli: &Cli, tag: &str, progress: &mut Progress) -> Result<Vec<u8>> {
    let tag = Tag::parse_any(tag)?;
    let project = Project::find(cli)?;
    let store = match &project.config.store.url {
        Some(url) => open_store(url, &HttpOptions::default())?,
        None => open_store(
            &project.store().root().to_string_lossy(),
            &HttpOptions::default(),
        )?,
    };
    progress.stage(&format!("verify {tag}"));
    let mut member = TheMember::default();
    let verdict = verify::published(
        store.as_ref(),
        &project.root()?,
        tag.as_str(),
        Some(&mut member),
    );
    if verdict.release.is_none() {
        let error = Error::refused(format!("{tag} does not verify"))
            .hint(format!("see all that is wrong: relman verify {tag}"));
        let problems = verdict.report.problems();
        return Err(problems.fold(error, |error, (check, p)| {
            error.caused_by(format!("{check}: {}: {}", p.subject, p.message))
        }));
    }
    match member.bytes {
        Some(bytes) => Ok(bytes),
        None => Err(Error::failed(format!(
            "{tag} has no file {}, or one of more than {MAX_RELMAN_LEN} bytes",
            TheMember::NAME
        ))
        .hint("bring a file: --binary FILE")),
    }
}

/// Takes one file out of an archive.
#[derive(Default)]
struct TheMember {
    taking: Option<Vec<u8>>,
    bytes: Option<Vec<u8>>,
}

impl TheMember {
    const NAME: &str = "relman";
}

impl Sink for TheMember {
    fn begin(&mut self, path: &MemberPath, _: bool, len: u64) -> Result<()> {
        let wanted = path.as_str() == Self::NAME && len <= MAX_RELMAN_LEN;
        self.taking = wanted.then(Vec::new);
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(taken) = &mut self.taking {
            taken.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end(&mut self, _: Sha256) -> Result<()> {
        self.bytes = self.taking.take().or(self.bytes.take());
        Ok(())
    }
}
