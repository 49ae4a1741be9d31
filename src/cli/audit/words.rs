//! What an audit found, for people.

use crate::release::audit::Audit;
use crate::ui::{report, text};

/// The history as a table.
pub fn history(audit: &Audit) -> String {
    let mut table = vec![
        ["ENTRY", "SIGNED", "BY", "KIND", "WHAT"]
            .map(str::to_owned)
            .to_vec(),
    ];
    table.extend(audit.history.iter().map(|event| {
        vec![
            event.index.to_string(),
            text::time(event.time),
            text::line(&event.who),
            text::line(&event.kind),
            match event.counts {
                true => text::line(&event.what),
                false => format!("{} (counts no more)", text::line(&event.what)),
            },
        ]
    }));
    let left_out = audit.entries - audit.history.len() as u64;
    let mut out = match left_out {
        0 => String::new(),
        n => format!("{n} earlier entries are not shown: --history all\n"),
    };
    if !audit.history.is_empty() {
        out.push_str(&text::table(&table));
        out.push('\n');
    }
    out
}

/// The report, notes, and the store as it was.
pub fn findings(audit: &Audit, said: &[String]) -> String {
    let mut out = report::lines(&audit.report);
    for line in said {
        out.push_str(&format!("warning: {}\n", text::line(line)));
    }
    for note in &audit.notes {
        out.push_str(&format!("note: {}\n", text::line(note)));
    }
    for compared in &audit.compared {
        let (place, detail) = (text::line(&compared.place), text::line(&compared.detail));
        out.push_str(&format!("{:7}  {place}: {detail}\n", compared.verdict));
    }
    let Some(as_of) = &audit.as_of else {
        return out;
    };
    let by = match &as_of.witnessed {
        Some(at) => format!("witnesses had seen them at {at}"),
        None => "by the word of those who signed them".into(),
    };
    out.push_str(&format!(
        "\nas of {}: {} log entries, {by}\n",
        text::time(as_of.time),
        as_of.entries
    ));
    out.push_str(&format!(
        "root {}, policy {}, targets {}\n",
        as_of.root,
        as_of.policy.as_deref().unwrap_or("not in this store"),
        as_of.targets
    ));
    for release in &as_of.releases {
        let yank = release.yanked.as_ref();
        let yank = yank.map_or(String::new(), |yank| format!(", {yank}"));
        let line = format!("release {} sha256 {}{yank}", release.tag, release.sha256);
        out.push_str(&format!("{}\n", text::line(&line)));
    }
    for ran in &as_of.environments {
        let line = format!("{} ran {} since version {}", ran.name, ran.tag, ran.version);
        out.push_str(&format!("{}\n", text::line(&line)));
    }
    for late in &as_of.expired {
        out.push_str(&format!("warning: {}\n", text::line(late)));
    }
    out.push('\n');
    out
}
