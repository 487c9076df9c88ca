//! Trust policies (C2SP `tlog-policy`).
//!
//! ```text
//! # a comment
//! log <vkey> [url]
//! witness <name> <vkey> [url]
//! group <name> all|any|<k> <member>...
//! quorum <name>|none
//! ```
//!
//! The auditor's verifier and the log itself read the same file: the one to know what to demand, the other to know whom
//! to ask.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::key::PublicKey;
use crate::note::{KeyKind, KeyLineError, VerifierKey};

pub use crate::limits::MAX_POLICY_BYTES;

/// Whom to believe, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    groups: BTreeMap<String, Group>,
    quorum: Quorum,
}

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy calls it.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Where it is asked, as it was written.
    pub url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Quorum {
    None,
    Of(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: Vec<String>,
}

/// Why a text is no trust policy: the line (0 for the whole), and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicyError {
    line: usize,
    detail: String,
}

impl fmt::Display for TrustPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.detail)
    }
}

impl core::error::Error for TrustPolicyError {}

impl TrustPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// If a line makes no sense, a name or key stands twice, a member is not defined above, or there is not exactly
    /// one `quorum` line and at least one log.
    pub fn parse(text: &str) -> Result<Self, TrustPolicyError> {
        let mut reader = Reader::default();
        for (line, number) in text.lines().zip(1..) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            if words.first().is_some_and(|word| !word.starts_with('#')) {
                reader.line(&words).map_err(|detail| TrustPolicyError { line: number, detail })?;
            }
        }
        reader.finish().map_err(|detail| TrustPolicyError { line: 0, detail: detail.to_owned() })
    }

    /// The logs' keys.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses, in the order of the file.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// The name of what must have signed, unless that is nobody.
    pub fn quorum(&self) -> Option<&str> {
        match &self.quorum {
            Quorum::None => None,
            Quorum::Of(name) => Some(name),
        }
    }

    /// Whether these witnesses are enough.
    pub fn is_met(&self, signed: &BTreeSet<&str>) -> bool {
        self.quorum().is_none_or(|name| self.holds(name, signed))
    }

    /// Members are defined before the group they are in, so this ends.
    fn holds(&self, name: &str, signed: &BTreeSet<&str>) -> bool {
        match self.groups.get(name) {
            Some(group) => group.members.iter().filter(|member| self.holds(member, signed)).count() >= group.needed,
            None => signed.contains(name),
        }
    }
}

#[derive(Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    groups: BTreeMap<String, Group>,
    quorum: Option<Quorum>,
    names: BTreeSet<String>,
    keys: BTreeSet<PublicKey>,
    members: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["log", vkey] | ["log", vkey, _] => {
                let key = self.key(vkey, KeyKind::Ed25519)?;
                self.logs.push(key);
            }
            ["witness", name, vkey, url @ ..] if url.len() <= 1 => {
                let key = self.key(vkey, KeyKind::Cosignature)?;
                self.name(name)?;
                let url = url.first().map(|&url| url.to_owned());
                self.witnesses.push(PolicyWitness { name: (*name).to_owned(), key, url });
            }
            ["group", name, needed, members @ ..] if !members.is_empty() => {
                let group = self.group(needed, members)?;
                self.name(name)?;
                self.groups.insert((*name).to_owned(), group);
            }
            ["quorum", name] => {
                let quorum = match *name {
                    "none" => Quorum::None,
                    name if self.names.contains(name) => Quorum::Of(name.to_owned()),
                    name => return Err(format!("`{name}` is not defined above")),
                };
                if self.quorum.replace(quorum).is_some() {
                    return Err("a second `quorum` line".to_owned());
                }
            }
            _ => {
                return Err("expected `log`, `witness`, `group` or `quorum` with its arguments".to_owned());
            }
        }
        Ok(())
    }

    /// A key that nobody else in the policy has: a log cannot be its own witness.
    fn key(&mut self, vkey: &str, kind: KeyKind) -> Result<VerifierKey, String> {
        let key = VerifierKey::parse(vkey).map_err(|error| match error {
            KeyLineError::Kind { got } => {
                format!("`{vkey}` is a key of type {got}, which this build cannot check")
            }
            error => format!("`{vkey}` is no vkey: {error}"),
        })?;
        if key.kind() != kind {
            return Err(format!("`{vkey}` is a key of another kind"));
        }
        if self.keys.insert(*key.key()) {
            Ok(key)
        } else {
            Err(format!("the key of `{}` stands here twice", key.name()))
        }
    }

    fn name(&mut self, name: &str) -> Result<(), String> {
        if name == "none" {
            return Err("`none` cannot be a name".to_owned());
        }
        if self.names.insert(name.to_owned()) { Ok(()) } else { Err(format!("the name `{name}` stands here twice")) }
    }

    fn group(&mut self, needed: &str, members: &[&str]) -> Result<Group, String> {
        let needed = match needed {
            "all" => members.len(),
            "any" => 1,
            number => number.parse().map_err(|_| format!("expected `all`, `any` or a number, got `{number}`"))?,
        };
        if needed == 0 || needed > members.len() {
            return Err(format!("{needed} of {} members can never be a quorum", members.len()));
        }
        for member in members {
            if !self.names.contains(*member) {
                return Err(format!("`{member}` is not defined above"));
            }
            if !self.members.insert((*member).to_owned()) {
                return Err(format!("`{member}` is a member already"));
            }
        }
        Ok(Group { needed, members: members.iter().map(|&member| member.to_owned()).collect() })
    }

    fn finish(self) -> Result<TrustPolicy, &'static str> {
        let Self { logs, witnesses, groups, quorum, .. } = self;
        if logs.is_empty() {
            return Err("expected at least one `log` line");
        }
        let quorum = quorum.ok_or("expected a `quorum` line")?;
        Ok(TrustPolicy { logs, witnesses, groups, quorum })
    }
}

#[cfg(test)]
mod tests;
