//! An Alertmanager's messages, and those of whoever says that he is one.

use serde_json::{Value, json};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn board() -> Board {
    let instances = [("10.0.0.1:9100".to_owned(), "m1".to_owned())].into();
    Board::new("mainnet", instances, 15 * MINUTE)
}

fn alert(status: &str, fingerprint: &str, more: &[(&str, &str)]) -> Value {
    let mut labels = json!({
        "alertname": "RelmanNoBlocks", "relman_row": "no-blocks", "relman_action": "roll-back", "environment": "mainnet",
    });
    for (label, value) in more {
        labels[*label] = (*value).into();
    }
    json!({
        "status": status, "labels": labels, "annotations": {}, "startsAt": "2026-01-05T09:00:00.123456789+01:00",
        "endsAt": if status == "resolved" { "2026-01-05T09:30:00Z" } else { "0001-01-01T00:00:00Z" },
        "generatorURL": "http://prometheus/graph", "fingerprint": fingerprint,
    })
}

fn message(alerts: &[Value]) -> Vec<u8> {
    json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "relman",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am", "alerts": alerts,
    })
    .to_string()
    .into_bytes()
}

#[test]
fn an_alert_of_ours_fires_until_it_is_resolved() {
    let mut board = board();
    let fires = [
        alert("firing", "a1", &[("instance", "10.0.0.1:9100")]),
        alert(
            "firing",
            "a2",
            &[("relman_node", "m2"), ("relman_action", "page")],
        ),
        alert("firing", "a3", &[]),
    ];
    board.take(&message(&fires), MINUTE).unwrap();
    let nodes: Vec<Option<String>> = board.firing(MINUTE).into_iter().map(|a| a.node).collect();
    assert_eq!(nodes, [Some("m1".into()), Some("m2".into()), None]);
    assert_eq!(board.firing(MINUTE)[1].action, Action::Page);
    board
        .take(&message(&[alert("resolved", "a1", &[])]), 2 * MINUTE)
        .unwrap();
    assert_eq!(board.firing(2 * MINUTE).len(), 2);
}

#[test]
fn a_message_that_was_late_does_not_revive_what_has_ended_and_a_new_start_does() {
    let mut board = board();
    let fires = alert("firing", "a1", &[]);
    board
        .take(&message(std::slice::from_ref(&fires)), MINUTE)
        .unwrap();
    board
        .take(&message(&[alert("resolved", "a1", &[])]), MINUTE)
        .unwrap();
    board
        .take(&message(std::slice::from_ref(&fires)), MINUTE)
        .unwrap();
    assert_eq!(board.firing(MINUTE), []);
    let mut anew = fires;
    anew["startsAt"] = "2026-01-05T10:00:00Z".into();
    board.take(&message(&[anew]), MINUTE).unwrap();
    assert_eq!(board.firing(MINUTE).len(), 1);
}

#[test]
fn an_alert_that_nobody_repeats_has_ended() {
    let mut board = board();
    board
        .take(&message(&[alert("firing", "a1", &[])]), MINUTE)
        .unwrap();
    assert_eq!(board.firing(16 * MINUTE).len(), 1);
    board
        .take(&message(&[alert("firing", "a1", &[])]), 16 * MINUTE)
        .unwrap();
    assert_eq!(board.firing(31 * MINUTE).len(), 1);
    assert_eq!(board.firing(31 * MINUTE + Duration::from_secs(1)), []);
}

#[test]
fn attack_alerts_of_others_do_nothing_and_are_counted() {
    let mut board = board();
    let mut bare = alert("firing", "a1", &[]);
    bare["labels"] = json!({"alertname": "DiskFull", "severity": "critical"});
    let mut homeless = alert("firing", "a2", &[]);
    homeless["labels"]
        .as_object_mut()
        .unwrap()
        .remove("environment");
    let alerts = [
        bare,
        homeless,
        alert("firing", "a3", &[("environment", "testnet")]),
        alert("firing", "a4", &[("relman_action", "format-disk")]),
        alert("firing", "a5", &[("relman_row", "../../etc/passwd")]),
        alert("maybe", "a6", &[]),
        alert("firing", "", &[]),
        alert("firing", &"f".repeat(1_000), &[]),
    ];
    board.take(&message(&alerts), MINUTE).unwrap();
    assert_eq!(board.firing(MINUTE), []);
    let passed = board.passed();
    assert_eq!((passed.foreign, passed.elsewhere), (6, 2));
    assert_eq!(passed.lines().len(), 2);
}

#[test]
fn attack_more_alerts_than_can_be_kept_cost_no_more_memory() {
    let mut board = board();
    for round in 0..3 {
        let alerts: Vec<Value> = (0..MAX_WEBHOOK_ALERTS)
            .map(|i| {
                let fingerprint = format!("{round}-{i}");
                let labels = json!({"relman_row": "r", "relman_action": "page", "environment": "mainnet"});
                json!({"status": "firing", "labels": labels, "startsAt": "2026-01-05T09:00:00Z", "fingerprint": fingerprint})
            })
            .collect();
        board.take(&message(&alerts), MINUTE).unwrap();
    }
    assert_eq!(board.firing(MINUTE).len(), MAX_WEBHOOK_ALERTS);
    assert_eq!(board.passed().too_many, 2 * MAX_WEBHOOK_ALERTS as u64);
}

#[test]
fn attack_what_is_no_message_changes_nothing() {
    let mut board = board();
    board
        .take(&message(&[alert("firing", "a1", &[])]), MINUTE)
        .unwrap();
    let many: Vec<Value> = (0..=MAX_WEBHOOK_ALERTS)
        .map(|_| alert("resolved", "a1", &[]))
        .collect();
    let mut other = alert("resolved", "a1", &[]);
    other["startsAt"] = "yesterday".into();
    let version = br#"{"version":"3","alerts":[]}"#.to_vec();
    let deep = "[".repeat(100_000).into_bytes();
    for body in [
        b"".to_vec(),
        b"{}".to_vec(),
        version,
        deep,
        message(&many),
        message(&[other]),
        vec![b' '; MAX_WEBHOOK_LEN as usize + 1],
    ] {
        assert!(board.take(&body, MINUTE).is_err());
        assert_eq!(board.firing(MINUTE).len(), 1);
    }
}
