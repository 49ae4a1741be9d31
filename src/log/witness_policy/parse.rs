//! The text form of a witness policy (C2SP tlog-policy, "Policy file syntax and structure"). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, Member, WitnessEntry, WitnessPolicy};
use crate::limits::{
    MAX_WITNESS_LINE_LEN, MAX_WITNESS_NAME_LEN, MAX_WITNESS_POLICY_ITEMS, MAX_WITNESS_POLICY_LEN,
};
use crate::log::cosignature::CosignerKey;
use crate::log::text;
use crate::log::vkey::VerifierKey;
use crate::{Error, Kind, Result};

/// The predefined name of no quorum at all.
const NONE: &str = "none";

impl WitnessPolicy {
    /// Reads `none` or the text form (tlog-policy, "Policy file syntax and structure"), whose last
    /// newline may be missing. Lines of a kind that is not known are refused: a rule that is not
    /// understood must not be left out.
    ///
    /// # Errors
    /// Refused: any other form; anything above the limits; a name defined twice, used before it is
    /// defined, or a member of two groups; a key that is there twice; no quorum line, or two.
    pub fn parse(policy: &str) -> Result<Self> {
        if policy == NONE {
            return Ok(Self::none());
        }
        if policy.len() > MAX_WITNESS_POLICY_LEN {
            return Err(Error::refused(format!(
                "witness policy has {} bytes, want at most {MAX_WITNESS_POLICY_LEN}",
                policy.len()
            )));
        }
        let mut parser = Parser::default();
        for (number, line) in (1..).zip(policy.split('\n')) {
            parser
                .line(line)
                .map_err(|e| e.under(format!("witness policy line {number} is malformed")))?;
        }
        let quorum = parser
            .quorum
            .ok_or_else(|| Error::refused("witness policy has no quorum line, want one"))?;
        Ok(WitnessPolicy {
            quorum,
            ..parser.policy
        })
    }
}

#[derive(Default)]
struct Parser {
    policy: WitnessPolicy,
    names: BTreeMap<String, Member>,
    keys: BTreeMap<[u8; 32], String>,
    ids: BTreeSet<(String, u32)>,
    taken: BTreeSet<String>,
    quorum: Option<Option<Member>>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<()> {
        if line.len() > MAX_WITNESS_LINE_LEN {
            return Err(Error::refused(format!(
                "it has {} bytes, want at most {MAX_WITNESS_LINE_LEN}",
                line.len()
            )));
        }
        if let Some(at) = line
            .bytes()
            .position(|b| b < 0x20 && b != b'\t' || b == 0x7f)
        {
            return Err(Error::refused(format!(
                "it has a control character at byte {at}, want none but tab"
            )));
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", vkey] | ["log", vkey, _] => self.log(vkey),
            ["witness", name, vkey] => self.witness(name, vkey, None),
            ["witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            ["group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            ["quorum", name] => self.set_quorum(name),
            _ => Err(Error::refused(format!(
                "it is {}, want log VKEY [URL], witness NAME VKEY [URL], group NAME k|all|any NAME…, \
                 or quorum NAME",
                text::quote(line)
            ))),
        }
    }

    fn log(&mut self, vkey: &str) -> Result<()> {
        let key = VerifierKey::parse(vkey).map_err(|e| e.with_kind(Kind::Refused))?;
        self.new_key(*key.public_key().as_bytes(), "log", key.name())?;
        self.policy.logs.push(key);
        check_count("logs", self.policy.logs.len())
    }

    fn witness(&mut self, name: &str, vkey: &str, url: Option<&str>) -> Result<()> {
        let key = CosignerKey::parse(vkey).map_err(|e| e.with_kind(Kind::Refused))?;
        self.new_key(*key.public().bytes(), "witness", name)?;
        if !self.ids.insert((key.name().to_owned(), key.id())) {
            return Err(Error::refused(format!(
                "key {key} has the name and key ID of another witness's"
            )));
        }
        self.define(name, Member::Witness(self.policy.witnesses.len()))?;
        self.policy.witnesses.push(WitnessEntry {
            name: name.to_owned(),
            key,
            url: url.map(str::to_owned),
        });
        check_count("witnesses", self.policy.witnesses.len())
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<()> {
        let mut members = Vec::new();
        for name in names {
            members.push(self.named(name)?);
            // Otherwise one witness could count in two ways.
            if !self.taken.insert((*name).to_owned()) {
                return Err(Error::refused(format!(
                    "{} is a member of a group already, want each once",
                    text::quote(name)
                )));
            }
        }
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            decimal => text::decimal(decimal, "group's threshold")?
                .try_into()
                .unwrap_or(usize::MAX),
        };
        if threshold == 0 || threshold > members.len() {
            return Err(Error::refused(format!(
                "group {} wants {threshold} of {} members, want 1 to all of them",
                text::quote(name),
                members.len()
            )));
        }
        self.define(name, Member::Group(self.policy.groups.len()))?;
        self.policy.groups.push(Group {
            name: name.to_owned(),
            threshold,
            members,
        });
        check_count("groups", self.policy.groups.len())
    }

    fn set_quorum(&mut self, name: &str) -> Result<()> {
        let quorum = match name {
            NONE => None,
            name => Some(self.named(name)?),
        };
        match self.quorum.replace(quorum) {
            None => Ok(()),
            Some(_) => Err(Error::refused("it is the second quorum line, want one")),
        }
    }

    fn define(&mut self, name: &str, member: Member) -> Result<()> {
        if name == NONE || name.len() > MAX_WITNESS_NAME_LEN {
            return Err(Error::refused(format!(
                "the name is {}, want at most {MAX_WITNESS_NAME_LEN} bytes and not {NONE:?}",
                text::quote(name)
            )));
        }
        match self.names.insert(name.to_owned(), member) {
            None => Ok(()),
            Some(_) => Err(Error::refused(format!(
                "{} is defined already",
                text::quote(name)
            ))),
        }
    }

    fn named(&self, name: &str) -> Result<Member> {
        self.names.get(name).copied().ok_or_else(|| {
            Error::refused(format!(
                "{} is no witness or group of a line before",
                text::quote(name)
            ))
        })
    }

    fn new_key(&mut self, key: [u8; 32], what: &str, name: &str) -> Result<()> {
        let owner = format!("{what} {}", text::quote(name));
        match self.keys.insert(key, owner.clone()) {
            None => Ok(()),
            Some(other) => Err(Error::refused(format!(
                "{owner} has the same public key as {other}, want one key for each"
            ))),
        }
    }
}

fn check_count(what: &str, found: usize) -> Result<()> {
    if found > MAX_WITNESS_POLICY_ITEMS {
        return Err(Error::refused(format!(
            "it makes {found} {what}, want at most {MAX_WITNESS_POLICY_ITEMS}"
        )));
    }
    Ok(())
}
