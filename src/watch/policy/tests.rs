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
