//! What a report says, and which advice goes with what.

use super::*;

fn report(findings: &[Cause], tools: &[&'static str]) -> Report {
    let archive = |text: &str| Archive {
        sha256: Sha256::of(text.as_bytes()),
        length: text.len() as u64,
    };
    let mut difference = Difference::closed("timed", None, None);
    difference.findings = findings
        .iter()
        .map(|cause| Finding::new(*cause, ".rodata", ""))
        .collect();
    let tool = |name: &&'static str| OtherTool {
        name,
        published: "1".into(),
        rebuilt: "2".into(),
    };
    let mut report = Report {
        tag: "phase1-a-1.0.0".into(),
        commit: "1".repeat(40),
        same: false,
        published: archive("one"),
        rebuilt: archive("two"),
        built_by: "ann".into(),
        tools: tools.iter().map(tool).collect(),
        notes: Vec::new(),
        members: 3,
        differences: vec![difference],
        packing: None,
        advice: Vec::new(),
    };
    report.advise();
    report
}

fn causes(report: &Report) -> Vec<Cause> {
    report.advice.iter().map(|advice| advice.cause).collect()
}

#[test]
fn what_follows_from_something_else_has_no_advice_of_its_own() {
    let clock = report(
        &[Cause::Code, Cause::Clock, Cause::Symbols, Cause::Clock],
        &[],
    );
    assert_eq!(causes(&clock), [Cause::Clock]);
    let code = report(&[Cause::Code, Cause::Symbols], &[]);
    assert_eq!(causes(&code), [Cause::Symbols, Cause::Code]);
}

#[test]
fn other_tools_come_first() {
    let found = report(&[Cause::Clock], &["relman", "host"]);
    assert_eq!(
        causes(&found),
        [Cause::Toolchain, Cause::Relman, Cause::Clock]
    );
    assert!(
        found
            .lines()
            .iter()
            .any(|line| line.contains("relman     1 published, 2 here"))
    );
}

#[test]
fn archives_of_the_same_files_were_packed_otherwise() {
    let pack = |level: u64| BTreeMap::from([("level".to_owned(), Value::from(level))]);
    let with = |packing: Packing| {
        let mut report = report(&[], &[]);
        report.differences.clear();
        report.packing = Some(packing);
        report.advise();
        report
    };
    let other = with(Packing {
        published: pack(7),
        rebuilt: pack(9),
    });
    assert_eq!(causes(&other), [Cause::Relman]);
    let text = other.lines().join("\n");
    assert!(
        text.contains("the files are the same, the archive is not") && text.contains("level 9"),
        "{text}"
    );
    assert_eq!(
        causes(&with(Packing {
            published: pack(7),
            rebuilt: pack(7)
        })),
        [Cause::Other]
    );
}

#[test]
fn advice_is_wrapped_and_foreign_text_is_quoted() {
    let mut found = report(&[Cause::Clock], &[]);
    found.differences[0].findings[0].published = Some("a\u{1b}[2J".into());
    let lines = found.lines();
    assert!(
        lines.contains(&"    published  \"a\\u{1b}[2J\"".to_owned()),
        "{lines:?}"
    );
    let advice = lines
        .iter()
        .skip_while(|line| *line != "what to do")
        .skip(1);
    assert!(
        advice.clone().count() > 3 && advice.clone().all(|line| line.len() <= WIDTH),
        "{lines:?}"
    );
}
