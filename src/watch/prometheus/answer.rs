//! An answer of Prometheus's HTTP API (`/api/v1/query`, result type `vector`), series by series: however many there are,
//! one is held at a time. Pure.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::limits::{MAX_PROMETHEUS_ANSWER_LEN, MAX_SERIES_LABELS, MAX_SHOWN_VALUE};
use crate::node::probe::metrics::float;
use crate::node::probe::{Reply, cut};

/// One series with its value.
pub(super) struct Series {
    pub labels: Vec<(String, String)>,
    /// Seconds since 1970.
    pub at: f64,
    /// NaN where it is none, as a histogram.
    pub value: f64,
}

/// Whoever takes series, until one is too many.
type Taker<'a> = dyn FnMut(Series) -> Result<(), String> + 'a;

/// What stands around the series.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow, default, rename = "errorType")]
    error_type: Cow<'a, str>,
    #[serde(borrow, default)]
    error: Cow<'a, str>,
    #[serde(borrow, default)]
    warnings: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, rename = "resultType")]
    result_type: Cow<'a, str>,
    #[serde(rename = "result")]
    _result: IgnoredAny,
}

/// Gives each series of an answer to `take`; the server's warnings.
///
/// # Errors
/// In words: no answer of Prometheus's, an error, another type of result, or what `take` says.
pub(super) fn read(reply: &Reply, take: &mut Taker<'_>) -> Result<Vec<String>, String> {
    if matches!(reply.status, 401 | 403) {
        return Err(format!(
            "status {}, the user, password or token is not accepted",
            reply.status
        ));
    }
    if reply.body.len() as u64 > MAX_PROMETHEUS_ANSWER_LEN {
        return Err(format!(
            "its answer is longer than {MAX_PROMETHEUS_ANSWER_LEN} bytes"
        ));
    }
    let odd = |e: serde_json::Error| {
        let why = cut(&e.to_string(), MAX_SHOWN_VALUE);
        match reply.status {
            200 => format!("its answer is none of Prometheus's: {why}"),
            status => format!("status {status}, and its answer is none of Prometheus's"),
        }
    };
    let envelope: Envelope = serde_json::from_slice(&reply.body).map_err(odd)?;
    let word = |text: &str| cut(text, MAX_SHOWN_VALUE);
    if envelope.status != "success" {
        return Err(format!(
            "it says {} {}: {}",
            word(&envelope.status),
            word(&envelope.error_type),
            word(&envelope.error)
        ));
    }
    let data = envelope.data.ok_or("its answer has no data")?;
    if data.result_type != "vector" {
        return Err(format!(
            "its answer is a {}, wanted a vector",
            word(&data.result_type)
        ));
    }
    let mut refused = None;
    let fold = Fold {
        take,
        refused: &mut refused,
        member: Some("data"),
    };
    let folded = fold.deserialize(&mut serde_json::Deserializer::from_slice(&reply.body));
    match (refused, folded) {
        (Some(why), _) => Err(why),
        (None, folded) => folded.map_err(odd),
    }?;
    Ok(envelope.warnings.iter().map(|w| word(w)).collect())
}

/// Goes down to `data.result` and through it.
struct Fold<'t, 's> {
    take: &'t mut Taker<'s>,
    /// Why `take` wanted no more.
    refused: &'t mut Option<String>,
    /// The member to go down into; none: here are the series.
    member: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Fold<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.member {
            Some(_) => from.deserialize_map(self),
            None => from.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Fold<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Fold {
            take,
            refused,
            member,
        } = self;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if Some(&*key) != member {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            map.next_value_seed(Fold {
                take: &mut *take,
                refused: &mut *refused,
                member: (member == Some("data")).then_some("result"),
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<RawSeries<'de>>()? {
            let (at, value) = match raw.value.or(raw.histogram) {
                Some(pair) => pair.of(),
                None => return Err(A::Error::custom("a series without a value")),
            };
            if !at.is_finite() {
                return Err(A::Error::custom("a time that is none"));
            }
            let series = Series {
                labels: raw.metric.0,
                at,
                value,
            };
            if let Err(why) = (self.take)(series) {
                let error = A::Error::custom("enough");
                *self.refused = Some(why);
                return Err(error);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct RawSeries<'a> {
    metric: Labels,
    #[serde(borrow)]
    value: Option<Pair<'a>>,
    #[serde(borrow)]
    histogram: Option<Pair<'a>>,
}

/// A time and a value: a number as text, or a histogram.
#[derive(Deserialize)]
struct Pair<'a>(f64, #[serde(borrow)] Value<'a>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

impl Pair<'_> {
    fn of(&self) -> (f64, f64) {
        let value = match &self.1 {
            Value::Text(text) => float(text),
            Value::Other(_) => None,
        };
        (self.0, value.unwrap_or(f64::NAN))
    }
}

/// Labels, not too many.
struct Labels(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Take;
        impl<'de> Visitor<'de> for Take {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::new();
                while let Some(label) = map.next_entry()? {
                    if labels.len() >= MAX_SERIES_LABELS {
                        return Err(A::Error::custom(format!(
                            "a series with more than {MAX_SERIES_LABELS} labels"
                        )));
                    }
                    labels.push(label);
                }
                Ok(Labels(labels))
            }
        }
        from.deserialize_map(Take)
    }
}
