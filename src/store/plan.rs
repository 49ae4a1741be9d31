//! The plan of one publication in a store without locks: what the next state is, byte for byte. It is
//! one object that can be created once, so whoever creates it has won its number. Pure.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use super::cosign::Submission;
use super::is_object_name;
use crate::error::Context;
use crate::hash::Sha256;
use crate::{Error, Result};

/// The directory of plans and of what is staged for them.
pub const STAGE: &str = ".relman-stage";
/// What starts the names of relman's own objects, which no plan may write.
const OWN: &str = ".relman-";
const FORMAT: u32 = 1;

/// Where the plan with this number is.
pub fn plan_path(sequence: u64) -> String {
    format!("{STAGE}/plan-{sequence}.json")
}

/// Where the objects are that are too large for a plan: a directory a number.
pub const STAGED: &str = ".relman-stage/objects";

/// The directory of the objects that are staged for a number.
pub fn staged_dir(sequence: u64) -> String {
    format!("{STAGED}/{sequence}")
}

/// Where one of them is.
pub fn staged_path(sequence: u64, sha256: &Sha256) -> String {
    format!("{}/{sha256}", staged_dir(sequence))
}

/// Where the cosignatures for a plan are written down, once.
pub fn cosignatures_path(sequence: u64) -> String {
    format!("{}/cosignatures", staged_dir(sequence))
}

/// What a head held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// It did not exist.
    Nothing,
    /// Bytes of this digest.
    Object(Sha256),
}

/// One object to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Path in the store.
    pub path: String,
    /// Digest of the bytes.
    pub sha256: Sha256,
    /// Their number.
    pub length: u64,
    /// For a head: what it replaces. An object without it is written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Before>,
    /// The bytes in base64; absent where they are staged at [`staged_path`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl Step {
    /// A step whose bytes are in the plan.
    pub fn inline(path: &str, bytes: &[u8], replaces: Option<Before>) -> Self {
        Step {
            path: path.to_owned(),
            sha256: Sha256::of(bytes),
            length: bytes.len() as u64,
            replaces,
            bytes: Some(Base64::encode_string(bytes)),
        }
    }

    /// A step whose bytes are staged beside the plan.
    pub fn staged(path: &str, sha256: Sha256, length: u64) -> Self {
        Step {
            path: path.to_owned(),
            sha256,
            length,
            replaces: None,
            bytes: None,
        }
    }

    /// The bytes, where they are in the plan.
    ///
    /// # Errors
    /// Refused: bytes that are not those of the digest.
    pub fn inline_bytes(&self) -> Result<Option<Vec<u8>>> {
        let Some(text) = &self.bytes else {
            return Ok(None);
        };
        let bytes =
            Base64::decode_vec(text).or_refused(|| format!("{} is not in base64", self.path))?;
        if Sha256::of(&bytes) != self.sha256 || bytes.len() as u64 != self.length {
            return Err(Error::refused(format!(
                "{} is planned as {} bytes of {}, the plan holds {} bytes of {}",
                self.path,
                self.length,
                self.sha256,
                bytes.len(),
                Sha256::of(&bytes)
            )));
        }
        Ok(Some(bytes))
    }
}

/// A publication, to be carried out in the order of its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    format: u32,
    /// The version of the `timestamp.json` that it publishes.
    pub sequence: u64,
    /// Whose plan it is, for people.
    pub by: String,
    /// Makes two attempts different, also if they publish the same bytes.
    pub attempt: String,
    /// In order.
    pub steps: Vec<Step>,
    /// Cosignatures that are asked for before the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<Submission>,
}

/// What stays of a plan that was carried out, so that its number is never free again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    format: u32,
    /// As in [`Plan`].
    pub sequence: u64,
    /// As in [`Plan`].
    pub by: String,
    /// The digest of the plan.
    pub finished: Sha256,
}

/// What is found under the name of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A publication that was begun.
    Begun(Plan),
    /// One that is over.
    Finished(Finished),
}

impl Found {
    /// Whose it is.
    pub fn by(&self) -> &str {
        match self {
            Found::Begun(plan) => &plan.by,
            Found::Finished(finished) => &finished.by,
        }
    }
}

impl Plan {
    /// A plan with the number `sequence`.
    pub fn new(sequence: u64, by: &str, attempt: &str, steps: Vec<Step>) -> Self {
        Plan {
            format: FORMAT,
            sequence,
            by: by.to_owned(),
            attempt: attempt.to_owned(),
            steps,
            submission: None,
        }
    }

    /// The object's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_bytes(self)
    }

    /// What stays when it is carried out.
    pub fn finished(&self) -> Result<Finished> {
        Ok(Finished {
            format: FORMAT,
            sequence: self.sequence,
            by: self.by.clone(),
            finished: Sha256::of(&self.to_bytes()?),
        })
    }

    fn check(&self, sequence: u64) -> Result<()> {
        check_head(self.format, self.sequence, sequence)?;
        for step in &self.steps {
            if !is_object_name(&step.path) || step.path.starts_with(OWN) {
                return Err(Error::refused(format!(
                    "it writes {:?}, which is no object of a release",
                    step.path
                )));
            }
            if step.replaces.is_some() && step.bytes.is_none() {
                return Err(Error::refused(format!(
                    "it lacks the bytes of {}",
                    step.path
                )));
            }
            step.inline_bytes()?;
        }
        Ok(())
    }
}

impl Finished {
    /// The object's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_bytes(self)
    }
}

/// Reads what is under the name of plan `sequence`.
///
/// # Errors
/// Refused: anything but a plan with that number, whole, and with names that can be published.
pub fn parse(bytes: &[u8], sequence: u64) -> Result<Found> {
    let damaged = |e: Error| e.under(format!("{} is no plan of relman's", plan_path(sequence)));
    if let Ok(finished) = serde_json::from_slice::<Finished>(bytes) {
        check_head(finished.format, finished.sequence, sequence).map_err(damaged)?;
        return Ok(Found::Finished(finished));
    }
    let plan: Plan = serde_json::from_slice(bytes)
        .or_refused(|| format!("{} is no plan of relman's", plan_path(sequence)))?;
    plan.check(sequence).map_err(damaged)?;
    Ok(Found::Begun(plan))
}

fn check_head(format: u32, found: u64, wanted: u64) -> Result<()> {
    if format != FORMAT || found != wanted {
        return Err(Error::refused(format!(
            "it is format {format}, number {found}; wanted format {FORMAT}, number {wanted}"
        )));
    }
    Ok(())
}

fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).or_failed(|| "cannot write a plan".into())?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let steps = vec![
            Step::staged("targets/a.tar.gz", Sha256::of(b"a"), 1),
            Step::inline(
                "log/checkpoint",
                b"new",
                Some(Before::Object(Sha256::of(b"old"))),
            ),
            Step::inline("metadata/timestamp.json", b"1", Some(Before::Nothing)),
        ];
        Plan::new(7, "ann", "x", steps)
    }

    #[test]
    fn a_plan_reads_as_it_was_written_under_its_own_number_alone() {
        let bytes = plan().to_bytes().unwrap();
        assert_eq!(parse(&bytes, 7).unwrap(), Found::Begun(plan()));
        let e = parse(&bytes, 8).unwrap_err();
        assert!(e.to_string().contains("number 7; wanted"), "{e}");
        let finished = plan().finished().unwrap();
        assert_eq!(finished.finished, Sha256::of(&bytes));
        let found = parse(&finished.to_bytes().unwrap(), 7).unwrap();
        assert_eq!(found, Found::Finished(finished));
    }

    #[test]
    fn a_plan_that_was_changed_or_leads_out_of_the_store_is_refused() {
        let text = String::from_utf8(plan().to_bytes().unwrap()).unwrap();
        for (from, to) in [
            ("log/checkpoint", "../checkpoint"),
            ("log/checkpoint", ".relman-lease"),
            ("log/checkpoint", "log//checkpoint"),
            ("bmV3", "bmVu"),
            ("bmV3", "?"),
            ("\"length\": 3", "\"length\": 4"),
            ("\"format\": 1", "\"format\": 2"),
            ("\"attempt\"", "\"more\": 1, \"attempt\""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(parse(changed.as_bytes(), 7).is_err(), "{from} → {to}");
        }
        assert!(parse(b"", 7).is_err() && parse(b"{}", 7).is_err());
    }
}
