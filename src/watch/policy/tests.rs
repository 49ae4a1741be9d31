//! The default policy, and what is wrong with others.

//! The default policy, and policies that are none.

use super::*;

#[test]
fn the_default_policy_is_the_guides_matrix() {
    let policy = Policy::parse(template()).unwrap();
    // Row, severity, and what it leads to in the end.
    let matrix = [
        ("no-blocks", Severity::Critical, Action::RollBack),
        ("consensus-timeouts", Severity::Critical, Action::RollBack),
        ("data-corruption", Severity::Critical, Action::RollBack),
        ("partition", Severity::High, Action::RollBack),
        ("signature-failures", Severity::High, Action::RollBack),
        ("memory-leak", Severity::Medium, Action::Patch),
        ("single-node-crash", Severity::Low, Action::Restart),
        ("crashed-nodes", Severity::Critical, Action::RollBack),
        ("vulnerability", Severity::Critical, Action::RollBack),
        ("finality", Severity::Critical, Action::RollBack),
        ("critical-errors", Severity::Critical, Action::Prepare),
    ];
    for (name, severity, action) in matrix {
        let row = policy.row(name).unwrap_or_else(|| panic!("no row {name}"));
        assert_eq!(row.severity, severity, "{name}");
        assert_eq!(row.steps.last().unwrap().action, action, "{name}");
    }
    assert_eq!(policy.exceptions.len(), 3);
}

/// The problems of the default policy with one thing changed.
fn problems(from: &str, to: &str) -> String {
    assert!(template().contains(from), "{from}");
    let error = Policy::parse(&template().replacen(from, to, 1)).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Usage);
    let mut text = error.message().to_owned();
    for cause in error.causes() {
        text.push_str(&format!("\n{cause}"));
    }
    text
}

#[test]
fn mistakes_are_named_and_all_of_them_at_once() {
    for (from, to, wanted) in [
        ("format = 1", "format = 2", "format is 2, wanted 1"),
        (
            "interval_seconds = 15",
            "interval_seconds = 0",
            "interval_seconds is 0",
        ),
        (
            "stale_seconds = 60",
            "stale_seconds = 20",
            "at least two intervals",
        ),
        ("samples = 2", "samples = 0", "samples is 0"),
        (
            "name = \"restarts\"",
            "name = \"rebirths\"",
            "systemd tells no such thing, it tells up, restarts",
        ),
        (
            "name = \"cpu\"",
            "name = \"memory\"",
            "two signals of the name memory",
        ),
        ("metric = \"cpu_usage\"\n", "", "no metric is named"),
        (
            "metric = \"cpu_usage\"",
            "metric = \"cpu usage\"",
            "is no metric",
        ),
        ("test = \"> 600\"", "test = \"> inf\"", "wanted one such as"),
        ("test = \"> 600\"", "test = \"600\"", "wanted one such as"),
        ("take = \"increase\"", "take = \"sum\"", "take is \"sum\""),
        (
            "window_seconds = 600",
            "window_seconds = 0",
            "window_seconds is 0",
        ),
        ("take = \"mean\"", "take = \"increase\"", "is no counter"),
        (
            "signal = \"cpu\"",
            "signal = \"heat\"",
            "there is no signal \"heat\"",
        ),
        (
            "nodes = \"more than 20 %\"",
            "nodes = \"most\"",
            "nodes is \"most\"",
        ),
        (
            "{ after_seconds = 300, action = \"roll-back\" }",
            "{ after_seconds = 300, action = \"page\" }",
            "steps ascend in both",
        ),
        (
            "rows = [\"crashed-nodes\"]",
            "rows = [\"dead-nodes\"]",
            "there is no row \"dead-nodes\"",
        ),
        (
            "when = \"single-node\"",
            "when = \"often\"",
            "wanted when =",
        ),
        (
            "action = \"restart\"\n\n[[exception]]",
            "action = \"roll-back\"\n\n[[exception]]",
            "cannot lead to roll-back",
        ),
        (
            "symptom = \"No blocks 10+ min\"",
            "symptom = \"\\u001b[2J\"",
            "letters that show what they are",
        ),
        (
            "name = \"no-blocks\"",
            "name = \"No blocks\"",
            "lower-case letters",
        ),
    ] {
        let found = problems(from, to);
        assert!(found.contains(wanted), "{from} -> {to}: {found}");
    }
    let two = template()
        .replace("samples = 2", "samples = 0")
        .replace("\"> 600\"", "\"?\"");
    assert_eq!(Policy::parse(&two).unwrap_err().causes().len(), 2);
    assert!(Policy::parse("format = 1\ncolour = 3\n").is_err());
    assert!(Policy::parse("format = 1\n").is_err());
    assert!(Policy::parse(&"#".repeat(70_000)).is_err());
}

#[test]
fn tests_and_shares_are_read_as_they_are_written() {
    for text in ["> 3", ">= 0.5", "< -1", "<= 2", "== 0", "!= 7"] {
        assert_eq!(Test::parse(text).unwrap().to_string(), text);
    }
    for text in ["", ">", "> nan", "> 1e400", "3 >", "> 1 2", "=> 1"] {
        assert_eq!(Test::parse(text), None, "{text}");
    }
    for text in ["any", "all", "more than 20 %"] {
        assert_eq!(Nodes::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "more than 100 %", "more than -1 %", "20 %"] {
        assert_eq!(Nodes::parse(text), None, "{text}");
    }
    let share = Nodes::MoreThanPercent(20);
    assert!(!share.enough(2, 10) && share.enough(3, 10) && !share.enough(0, 0));
    assert!(Nodes::All.enough(3, 3) && !Nodes::All.enough(0, 0));
}
