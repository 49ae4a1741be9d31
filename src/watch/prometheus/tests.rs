//! Answers of a Prometheus server, honest and hostile.

use serde_json::{Value, json};

use super::*;
use crate::limits::MAX_PROMETHEUS_ANSWER_LEN;
use crate::watch::policy::{Policy, template};

/// The watcher's clock, in seconds.
const NOW: f64 = 1_768_000_000.0;

fn question() -> Question {
    Question::of(&Policy::parse(template()).unwrap())
}

fn instances() -> BTreeMap<String, String> {
    [("a:1", "n1"), ("b:1", "n2")]
        .map(|(instance, node)| (instance.to_owned(), node.to_owned()))
        .into()
}

fn series(name: &str, instance: &str, at: f64, value: &str) -> Value {
    json!({"metric": {"__name__": name, "instance": instance, "job": "timed"}, "value": [at, value]})
}

fn vector(series: &[Value]) -> Reply {
    body(
        json!({"status": "success", "data": {"resultType": "vector", "result": series}})
            .to_string(),
    )
}

fn body(text: String) -> Reply {
    Reply {
        status: 200,
        body: text.into_bytes(),
    }
}

fn told(replies: &[Reply]) -> Result<Told, String> {
    let (question, instances) = (question(), instances());
    let mut reader = Reader::new(&question, &instances, (NOW * 1_000.0) as i64);
    for reply in replies {
        reader.take(reply)?;
    }
    reader.end()
}

/// Why nothing of an answer counts.
fn refused(reply: Reply) -> String {
    told(&[reply]).unwrap_err()
}

#[test]
fn many_metrics_are_asked_for_at_once_and_by_the_policys_labels() {
    let queries = question().queries();
    assert_eq!(queries.len(), 1);
    assert_eq!(
        queries[0],
        "last_over_time({__name__=~\"up|consensus_timeouts|cpu_usage|errors_total|finality_latency|memory_usage|network_latency|panics|warnings_total\",job=\"timed\"}[60s])"
    );
    assert_eq!(
        address("http://p:9090", "a{b=\"ä\"}[1s]"),
        "http://p:9090/api/v1/query?query=a%7Bb%3D%22%C3%A4%22%7D%5B1s%5D"
    );
}

#[test]
fn a_policy_with_many_long_names_asks_in_several_queries_and_one_without_metrics_not_at_all() {
    let signals: String = (0..100)
        .map(|i| {
            format!(
                "[[signal]]\nname = \"s{i}\"\nsource = \"metrics\"\nmetric = \"{}_{i}\"\n",
                "m".repeat(200)
            )
        })
        .collect();
    let row = "[[row]]\nname = \"r\"\nsymptom = \"s\"\nseverity = \"low\"\nsignal = \"SIGNAL\"\ntest = \"> 1\"\nstep = [{ after_seconds = 0, action = \"observe\" }]\n";
    let text = format!(
        "format = 1\nprometheus_selector = \"\"\n{signals}{}",
        row.replace("SIGNAL", "s0")
    );
    let queries = Question::of(&Policy::parse(&text).unwrap()).queries();
    assert!((4..10).contains(&queries.len()), "{}", queries.len());
    let most = MAX_PROMETHEUS_QUERY_LEN + 50;
    assert!(
        queries
            .iter()
            .all(|q| q.len() <= most && q.ends_with("\"}[60s])"))
    );
    let person = "[[signal]]\nname = \"v\"\nsource = \"person\"\nnetwork = true\n";
    let text = format!("format = 1\n{person}{}", row.replace("SIGNAL", "v"));
    assert_eq!(
        Question::of(&Policy::parse(&text).unwrap()).queries(),
        [""; 0]
    );
}

#[test]
fn numbers_are_found_by_instance_and_labels_and_summed() {
    let errors = |severity: &str, value: &str| {
        let mut one = series("errors_total", "a:1", NOW, value);
        one["metric"]["severity"] = severity.into();
        one
    };
    let told = told(&[vector(&[
        series("up", "a:1", NOW, "1"),
        series("memory_usage", "a:1", NOW, "1.5e6"),
        errors("critical", "2"),
        errors("error", "5"),
        errors("error", "1"),
        series("memory_usage", "elsewhere:1", NOW, "9"),
    ])])
    .unwrap();
    let n1 = &told.nodes["n1"];
    assert_eq!(n1.values["memory"], 1.5e6);
    assert_eq!(
        (n1.values["critical-errors"], n1.values["errors"]),
        (2.0, 6.0)
    );
    assert_eq!(n1.unknown["cpu"], "there is no metric cpu_usage");
    assert!(
        !n1.values.contains_key("up"),
        "what Prometheus reaches is not what runs"
    );
    let n2 = &told.nodes["n2"];
    assert!(n2.values.is_empty());
    assert!(n2.unknown["memory"].contains("nothing new of instance b:1"));
    assert!(
        told.remarks[0].contains("elsewhere:1"),
        "{:?}",
        told.remarks
    );
}

#[test]
fn a_node_that_prometheus_does_not_reach_is_unknown_and_not_down() {
    let told = told(&[vector(&[
        series("up", "a:1", NOW, "0"),
        series("memory_usage", "a:1", NOW, "1"),
    ])])
    .unwrap();
    assert!(told.nodes["n1"].values.is_empty());
    assert_eq!(
        told.nodes["n1"].unknown["memory"],
        "Prometheus does not reach it"
    );
}

#[test]
fn a_node_that_is_read_twice_would_count_twice_and_is_unknown() {
    let mut other = series("up", "a:1", NOW, "1");
    other["metric"]["replica"] = "b".into();
    let told = told(&[vector(&[
        series("up", "a:1", NOW, "1"),
        other,
        series("panics", "a:1", NOW, "1"),
    ])]);
    assert!(told.unwrap().nodes["n1"].unknown["panics"].contains("2 targets"));
}

#[test]
fn attack_numbers_that_are_none_are_unknown() {
    for value in ["NaN", "+Inf", "-Inf", "infinity", "", "1,5", "0x1"] {
        let told = told(&[vector(&[series("memory_usage", "a:1", NOW, value)])]).unwrap();
        assert!(
            told.nodes["n1"].unknown["memory"].contains("finite"),
            "{value:?}"
        );
    }
    // Values are texts: another type is no number.
    for value in [json!(1.5), json!(null), json!([1]), json!({"count": "1"})] {
        let mut one = series("memory_usage", "a:1", NOW, "1");
        one["value"][1] = value.clone();
        let told = told(&[vector(&[one])]).unwrap();
        assert!(
            told.nodes["n1"].unknown["memory"].contains("finite"),
            "{value}"
        );
    }
}

#[test]
fn attack_samples_of_another_time_are_unknown() {
    let samples = [
        series("memory_usage", "a:1", NOW - 61.0, "1"),
        series("cpu_usage", "a:1", NOW - 60.0, "2"),
        series("panics", "a:1", NOW, "3"),
    ];
    let told = told(&[vector(&samples)]).unwrap();
    assert_eq!(
        told.nodes["n1"].unknown["memory"],
        "it is 61 s old, at most 60 s are believed"
    );
    assert_eq!(told.nodes["n1"].values["cpu"], 2.0);
    for at in [NOW - 121.0, NOW + 121.0] {
        let why = refused(vector(&[series("memory_usage", "a:1", at, "1")]));
        assert!(
            why.contains("121 s") && why.contains("nothing in it counts"),
            "{why}"
        );
    }
    assert!(told_at(NOW - 120.0) && told_at(NOW + 120.0));
}

fn told_at(at: f64) -> bool {
    let told = told(&[vector(&[series("memory_usage", "a:1", at, "1")])]);
    told.unwrap().nodes["n1"].values.contains_key("memory")
}

#[test]
fn attack_another_type_of_result_and_errors_are_told() {
    for (data, wanted) in [
        (
            json!({"resultType": "matrix", "result": []}),
            "is a matrix, wanted a vector",
        ),
        (
            json!({"resultType": "scalar", "result": [NOW, "1"]}),
            "is a scalar",
        ),
        (
            json!({"resultType": "vector", "result": [NOW, "1"]}),
            "none of Prometheus's",
        ),
        (
            json!({"resultType": "vector", "result": {}}),
            "none of Prometheus's",
        ),
        (
            json!({"resultType": "vector", "result": [{"metric": {}}]}),
            "without a value",
        ),
        (
            json!({"resultType": "vector", "result": [{"metric": {}, "value": ["1", "1"]}]}),
            "none of Prometheus's",
        ),
        (
            json!({"resultType": "vector", "result": [{"metric": [], "value": [1, "1"]}]}),
            "none of Prometheus's",
        ),
        (
            json!({"resultType": "vector", "result": [{"value": [1, "1"]}]}),
            "missing field",
        ),
        (Value::Null, "no data"),
    ] {
        let why = refused(body(json!({"status": "success", "data": data}).to_string()));
        assert!(why.contains(wanted), "{data}: {why}");
    }
    let error = Reply {
        status: 400,
        ..body(
            json!({"status": "error", "errorType": "bad_data", "error": "parse \u{1b}[2J error"})
                .to_string(),
        )
    };
    assert!(refused(error).contains("error bad_data: parse"));
    let denied = Reply {
        status: 401,
        ..body("Unauthorized".into())
    };
    assert!(refused(denied).contains("not accepted"));
    for text in ["", "<html>", "{}", "[]", "{\"status\":\"success\"", "nul"] {
        assert!(told(&[body(text.into())]).is_err(), "{text}");
    }
    let gateway = Reply {
        status: 502,
        ..body("<html>".into())
    };
    assert!(refused(gateway).starts_with("status 502"));
    assert!(told(&[body("[".repeat(1_000_000))]).is_err());
}

#[test]
fn the_order_of_members_does_not_matter_and_warnings_are_told() {
    let text = format!(
        r#"{{"warnings":["partial answer"],"data":{{"result":[{{"value":[{NOW},"7"],"metric":{{"instance":"a:1","__name__":"panics"}}}}],"resultType":"vector"}},"status":"success"}}"#
    );
    let told = told(&[body(text)]).unwrap();
    assert_eq!(told.nodes["n1"].values["panics"], 7.0);
    assert_eq!(told.remarks, ["Prometheus warns: partial answer"]);
}

#[test]
fn attack_a_million_series_are_refused_before_they_are_counted() {
    let one = series("memory_usage", "a:1", NOW, "1").to_string();
    let many = vec![one; MAX_PROMETHEUS_SERIES + 1].join(",");
    let text =
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{many}]}}}}"#);
    assert!(refused(body(text)).contains("more than 100000 series"));
    let strangers: Vec<Value> = (0..1_000)
        .map(|i| series("up", &format!("{i}-{}", "x".repeat(1_000)), NOW, "1"))
        .collect();
    let told = told(&[vector(&strangers)]).unwrap();
    assert!(told.remarks[0].len() < 2_000, "{}", told.remarks[0].len());
    let labels: serde_json::Map<String, Value> =
        (0..100).map(|i| (format!("l{i}"), json!("v"))).collect();
    let one = json!({"metric": labels, "value": [NOW, "1"]});
    assert!(refused(vector(&[one])).contains("more than 64 labels"));
    let long = body(" ".repeat(MAX_PROMETHEUS_ANSWER_LEN as usize + 1));
    assert!(refused(long).contains("longer than"));
}

#[test]
fn a_metric_that_was_renamed_is_unknown_and_never_zero() {
    let told = told(&[vector(&[
        series("up", "a:1", NOW, "1"),
        series("consensus_timeouts_v2", "a:1", NOW, "9"),
    ])]);
    let n1 = told.unwrap().nodes.remove("n1").unwrap();
    assert!(n1.values.is_empty());
    assert_eq!(
        n1.unknown["consensus-timeouts"],
        "there is no metric consensus_timeouts"
    );
}
