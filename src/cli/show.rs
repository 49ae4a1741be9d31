//! `relman list` and `relman show`: what is in the store, from verified metadata alone.

use serde_json::{Value, json};

use super::args::{Cli, ShowArgs, StoreArgs};
use super::matrix::{Lack, Matrix};
use super::project::{Project, store_and_root};
use super::repo::environment_line;
use crate::attest::Envelope;
use crate::io::clock;
use crate::io::drafts::LocalDrafts;
use crate::io::drawer::LocalDrawer;
use crate::limits::{MAX_ATTESTATION_LEN, MAX_TLOG_PROOF_LEN};
use crate::log::TlogProof;
use crate::release::assemble::{PROOF, PROVENANCE};
use crate::release::attestations::{Wanted, of_release};
use crate::release::ceremony::Base;
use crate::release::draft::Drafts;
use crate::release::leaf::Leaf;
use crate::release::publish::attested;
use crate::release::standing::{EnvironmentStanding, environments};
use crate::release::state::{self, Released};
use crate::release::verify::{Checked, best, signed_leaf};
use crate::release::view::View;
use crate::release::yank;
use crate::store::Reader;
use crate::trust::memory::Memory;
use crate::trust::policy::Purpose;
use crate::trust::refresh::StoreMetadata;
use crate::ui::{Answer, text};
use crate::{Error, Result};

/// What a table has for what is not there.
const NONE: &str = "-";
/// Characters of a commit id in tables.
const SHORT_ID: usize = 12;

/// A release with what its log leaf adds.
struct Row {
    released: Released,
    /// When it was cut and its place in the log; none where the proof does not verify.
    logged: Option<(jiff::Timestamp, u64)>,
}

/// `relman list`.
pub fn list(cli: &Cli, args: &StoreArgs) -> Result<Answer> {
    let (store, root) = store_and_root(cli, args)?;
    let (fetch, cache, now) = (StoreMetadata(store.as_ref()), Memory::new(), clock::now());
    let mut view = View::open(store.as_ref(), &fetch, &cache, &root, now)?;
    let environments = environments(store.as_ref(), &Base::of(&mut view)?)?;
    let (rows, mut notes) = rows(store.as_ref(), &view)?;
    notes.extend(environments.iter().flat_map(EnvironmentStanding::warnings));
    let mut drafts = match (&args.store, Project::find(cli)) {
        (None, Ok(project)) => LocalDrafts::new(project.work_dir().join("drafts")).tags()?,
        _ => Vec::new(),
    };
    // Of a run that was killed after publishing; the next one removes it.
    drafts.retain(|tag| !rows.iter().any(|row| row.released.tag == *tag));
    let mut table = vec![
        ["RELEASE", "CUT", "COMMIT", "SIZE", "STATE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in &rows {
        let r = &row.released;
        let state = match (&r.yanked, &row.logged) {
            (Some(yank), _) => format!("yanked ({})", yank.level),
            (None, Some(_)) => "published".into(),
            (None, None) => "not proved by the log".into(),
        };
        table.push(vec![
            r.tag.clone(),
            row.logged.map_or(NONE.into(), |(time, _)| text::time(time)),
            r.commit.chars().take(SHORT_ID).collect(),
            text::size(r.length),
            state,
        ]);
    }
    for tag in &drafts {
        table.push(vec![
            tag.clone(),
            NONE.into(),
            NONE.into(),
            NONE.into(),
            "draft".into(),
        ]);
    }
    let mut out = match table.len() {
        1 => format!("no releases in {}\n", store.location()),
        _ => text::table(&table),
    };
    for environment in environments.iter().filter(|e| e.tag.is_some()) {
        out.push_str(&environment_line(environment));
    }
    for note in &notes {
        out.push_str(&format!("warning: {}\n", text::line(note)));
    }
    let releases: Vec<Value> = rows.iter().map(value).collect();
    let data = json!({ "store": store.location(), "releases": releases, "drafts": drafts,
        "environments": environments, "warnings": notes });
    Ok(Answer::done(data, out))
}

fn value(row: &Row) -> Value {
    let mut value = json!(row.released);
    value["cut_at"] = json!(row.logged.map(|(time, _)| time.to_string()));
    value["log_index"] = json!(row.logged.map(|(_, index)| index));
    value
}

fn rows(store: &dyn Reader, view: &View) -> Result<(Vec<Row>, Vec<String>)> {
    let (released, bad) = state::released(view.refreshed.targets());
    let mut notes = view.expiries(clock::now());
    notes.extend(bad.iter().map(Error::to_string));
    let mut rows = Vec::new();
    for released in released {
        let logged = match logged(store, view, &released) {
            Ok(logged) => Some(logged),
            Err(e) => {
                notes.push(format!("{}: {e}", released.tag));
                None
            }
        };
        rows.push(Row { released, logged });
    }
    // In the order of history; what the log does not prove comes last.
    rows.sort_by_key(|row| {
        (
            row.logged.map_or(u64::MAX, |(_, index)| index),
            row.released.tag.clone(),
        )
    });
    Ok((rows, notes))
}

fn logged(store: &dyn Reader, view: &View, released: &Released) -> Result<(jiff::Timestamp, u64)> {
    let path = format!("{}/{PROOF}", released.tag);
    let check = |proof: &TlogProof| {
        let entry = proof.unverified_extra().to_vec();
        let included = proof.verify(&entry, view.policy.log_keys(), view.policy.log_origin())?;
        Ok(Checked {
            value: (entry, included.index()),
            whole: true,
            since: None,
        })
    };
    let mut read = |path: &str| store.read(path, MAX_TLOG_PROOF_LEN);
    let proved = best(&path, &mut read, &check)?;
    let ((entry, index), _) = proved.ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    match signed_leaf(&entry, &view.policy)?.0 {
        Leaf::Release(leaf) => match released.differences(&leaf).into_iter().next() {
            None => Ok((leaf.time, index)),
            Some(difference) => Err(Error::refused(difference)),
        },
        _ => Err(Error::refused(format!("{path} is not about a release"))),
    }
}

/// `relman show`.
pub fn show(cli: &Cli, args: &ShowArgs) -> Result<Answer> {
    let (store, root) = store_and_root(cli, &args.store)?;
    let fetch = StoreMetadata(store.as_ref());
    let cache = Memory::new();
    let mut view = View::open(store.as_ref(), &fetch, &cache, &root, clock::now())?;
    let mut environments = environments(store.as_ref(), &Base::of(&mut view)?)?;
    environments.retain(|e| e.tag.as_deref() == Some(args.tag.as_str()));
    let released = match state::find(view.refreshed.targets(), &args.tag) {
        Ok(released) => released,
        Err(e) => return draft(cli, &view, &args.tag, e),
    };
    let (time, index) = logged(store.as_ref(), &view, &released)?;
    let path = format!("{}/{PROVENANCE}", released.tag);
    let bytes = store
        .read(&path, MAX_ATTESTATION_LEN)?
        .ok_or_else(|| Error::refused(format!("{path} is missing")))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let provenance = Envelope::parse(line)
        .and_then(|envelope| envelope.verify(&view.policy.accepted(&Purpose::Builder, time)))
        .map_err(|e| e.under(path))?;
    let statement = provenance.statement();
    let people = view.policy.people(provenance.signers());
    let external = &["buildDefinition", "externalParameters"];
    let parameter = |name: &str| {
        external
            .iter()
            .chain([&name])
            .try_fold(&statement.predicate, |value, part| value.get(part))
            .cloned()
            .unwrap_or(Value::Null)
    };
    let mut rows: Vec<(&str, String)> = vec![
        ("release", released.tag.clone()),
        ("commit", released.commit.clone()),
        (
            "tag object",
            released.tag_object.clone().unwrap_or(NONE.into()),
        ),
        ("repository", released.repository.clone()),
        ("cut", format!("{} by {people}", text::time(time))),
        (
            "log",
            format!("entry {index} of {}", view.policy.log_origin()),
        ),
        ("command", words(&parameter("command"))),
        (
            "archive",
            format!(
                "{} ({})",
                released.archive_name(),
                text::size(released.length)
            ),
        ),
        ("sha256", released.sha256.hex()),
    ];
    let yanks = yank::recorded(store.as_ref(), &view.policy, &released)?;
    if let (Some(yank), Some(last)) = (&released.yanked, yanks.last()) {
        let (when, who) = (text::time(last.time), &last.who);
        rows.push((
            "yanked",
            format!("{}: {}, {when} by {who}", yank.level, yank.reason),
        ));
    }
    for environment in &environments {
        let words = format!("{} {}", environment.name, environment.words());
        rows.push(("network", words));
    }
    let mut out: String = rows
        .iter()
        .map(|(name, value)| format!("{name:10}  {}\n", text::line(value)))
        .collect();
    out.push_str("files\n");
    let mut files = vec![];
    for subject in &statement.subject {
        if let Some(digest) = subject.sha256()
            && subject.name != released.archive_name()
        {
            files.push(vec![
                format!("  {}", text::line(&subject.name)),
                digest.hex(),
            ]);
        }
    }
    out.push_str(&text::table(&files));
    let matrix = matrix(store.as_ref(), &view, &released)?;
    out.push_str(&matrix.text());
    let mut data = value(&Row {
        released,
        logged: Some((time, index)),
    });
    data["built_by"] = people.into();
    data["provenance"] = json!(statement);
    data["yanks"] = json!(yanks);
    data["environments"] = json!(environments);
    data["policy"] = matrix.data();
    Ok(Answer::done(data, out))
}

/// What is said of a published release, and what policy wants still: before a cut, and in each network.
fn matrix(store: &dyn Reader, view: &View, released: &Released) -> Result<Matrix> {
    let judged = of_release(store, view, released, clock::now())?;
    let before_cut = judged.unmet(&view.policy.wanted_for_cut(), view);
    let mut lacks: Vec<Lack> = before_cut
        .into_iter()
        .map(|unmet| Lack {
            environment: None,
            unmet,
        })
        .collect();
    for environment in &view.policy.policy().document().environments {
        let unmet = judged.unmet(&Wanted::of_environment(environment), view);
        lacks.extend(unmet.into_iter().map(|unmet| Lack {
            environment: Some(environment.name.clone()),
            unmet,
        }));
    }
    Ok(Matrix {
        author: judged.about.author.to_string(),
        rows: judged.rows,
        problems: judged.problems,
        lacks,
    })
}

/// A draft of this project: what it is, and what it waits for.
fn draft(cli: &Cli, view: &View, tag: &str, missing: Error) -> Result<Answer> {
    let Ok(project) = Project::find(cli) else {
        return Err(missing);
    };
    let drafts = LocalDrafts::new(project.work_dir().join("drafts"));
    let drawer = LocalDrawer::new(project.work_dir().join("attestations"));
    let Some(record) = drafts.load(tag)? else {
        return Err(missing);
    };
    let released = record.released();
    let attested = attested(
        &view.policy,
        &record,
        &released,
        &drafts,
        &drawer,
        clock::now(),
    )?;
    let matrix = Matrix {
        author: attested.author.to_string(),
        rows: attested.rows,
        problems: attested.problems,
        lacks: attested
            .unmet
            .into_iter()
            .map(|unmet| Lack {
                environment: None,
                unmet,
            })
            .collect(),
    };
    let rows = [
        ("release", format!("{tag} (a draft, not published)")),
        ("commit", released.commit.clone()),
        ("sha256", released.sha256.hex()),
    ];
    let mut out: String = rows
        .iter()
        .map(|(name, value)| format!("{name:10}  {}\n", text::line(value)))
        .collect();
    out.push_str(&matrix.text());
    let data = json!({ "tag": released.tag, "commit": released.commit, "sha256": released.sha256,
        "length": released.length, "draft": true, "policy": matrix.data() });
    Ok(Answer::done(data, out))
}

fn words(value: &Value) -> String {
    let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    words.join(" ")
}
