//! The policy bundle: who may do what, as data. Canonical, content-addressed, named by digest in every decision.
//!
//! People edit the TOML files of `policy/`; [`Bundle::compile`] makes one canonical JSON object of them.

use crate::effect::Effect;
use crate::envelope::WriteScope;
use crate::id::AgentName;
use proof::hash::{Hash, sha256};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What the bundle says of one effect.
#[expect(clippy::struct_excessive_bools, reason = "each is a line of the policy file")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectRule {
    /// Changes nothing.
    #[serde(default)]
    pub read_only: bool,
    /// Never allowed.
    #[serde(default)]
    pub forbidden: bool,
    /// Always needs a human.
    #[serde(default)]
    pub human_only: bool,
    /// The least risk that an action with this effect counts for, 0 to 1.
    pub risk_floor: f64,
    /// Kinds of evidence that an observation must have.
    #[serde(default)]
    pub evidence: BTreeSet<String>,
    /// Approvals from distinct people, if more than the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u32>,
    /// An approval must be signed with the approver's own key.
    #[serde(default)]
    pub signed_approval: bool,
}

/// What one agent may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentProfile {
    /// Its name.
    pub name: AgentName,
    /// For people.
    pub description: String,
    /// Effects it may have.
    pub allowed_effects: BTreeSet<Effect>,
    /// Most risk it may take without a human, 0 to 1.
    pub max_risk: f64,
    /// Widest write scope.
    pub max_write_scope: WriteScope,
}

/// How approvals work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRules {
    /// Approvals from distinct people, unless an effect asks for more.
    pub required: u32,
    /// Minutes until an unanswered challenge expires.
    pub expire_minutes: u32,
}

/// A policy bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Format of the bundle; 1.
    pub v: u32,
    /// For people.
    pub name: String,
    /// The known effects.
    pub effects: BTreeMap<Effect, EffectRule>,
    /// Added to the risk floor by reversibility class.
    pub risk_irreversible: f64,
    /// Added to the risk floor by reversibility class.
    pub risk_partially_reversible: f64,
    /// The known agents, in the order in which they are shown.
    pub agents: Vec<AgentProfile>,
    /// Limits of an agent that is not listed. Its name is a label.
    pub restricted: AgentProfile,
    /// How approvals work.
    pub approvals: ApprovalRules,
}

/// Why a bundle cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleError(String);

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy bundle: {}", self.0)
    }
}

impl std::error::Error for BundleError {}

impl Bundle {
    /// Merges TOML files, each `(name, text)`, into one bundle. A top-level key may stand in one file only.
    pub fn compile(files: &[(&str, &str)]) -> Result<Self, BundleError> {
        let mut merged = toml::Table::new();
        for (name, text) in files {
            let table: toml::Table = text.parse().map_err(|e| BundleError(format!("{name}: {e}")))?;
            for (key, value) in table {
                if merged.insert(key.clone(), value).is_some() {
                    return Err(BundleError(format!("{name}: `{key}` stands in another file already")));
                }
            }
        }
        let bundle: Self = merged.try_into().map_err(|e| BundleError(e.to_string()))?;
        bundle.check()?;
        Ok(bundle)
    }

    /// Reads the canonical blob.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let value = proof::canonical::parse_canonical(bytes).map_err(|e| BundleError(e.to_string()))?;
        let bundle: Self = serde_json::from_value(value).map_err(|e| BundleError(e.to_string()))?;
        bundle.check()?;
        Ok(bundle)
    }

    fn check(&self) -> Result<(), BundleError> {
        let bad = |what: String| Err(BundleError(what));
        if self.v != 1 {
            return bad(format!("version {} is not known here, expected 1", self.v));
        }
        if self.effects.is_empty() {
            return bad("no effects: an empty policy allows nothing and is refused".into());
        }
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        for (effect, rule) in &self.effects {
            if !unit(rule.risk_floor) {
                return bad(format!("risk_floor of `{effect}` is not between 0 and 1"));
            }
            if rule.approvals.is_some_and(|n| n == 0 || n > crate::limits::APPROVALS_MAX) {
                return bad(format!("approvals of `{effect}` is not between 1 and 16"));
            }
        }
        if !unit(self.risk_irreversible) || !unit(self.risk_partially_reversible) {
            return bad("a risk addition is not between 0 and 1".into());
        }
        let mut names = BTreeSet::new();
        for profile in self.agents.iter().chain([&self.restricted]) {
            if !names.insert(&profile.name) {
                return bad(format!("agent `{}` stands twice", profile.name));
            }
            if !unit(profile.max_risk) {
                return bad(format!("max_risk of `{}` is not between 0 and 1", profile.name));
            }
            if let Some(effect) = profile.allowed_effects.iter().find(|e| !self.effects.contains_key(*e)) {
                return bad(format!("agent `{}` is allowed the unknown effect `{effect}`", profile.name));
            }
        }
        if self.approvals.required == 0 || self.approvals.required > crate::limits::APPROVALS_MAX {
            return bad("approvals.required is not between 1 and 16".into());
        }
        if self.approvals.expire_minutes == 0 {
            return bad("approvals.expire_minutes is 0".into());
        }
        Ok(())
    }

    /// The canonical bytes: the public blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        proof::canonical::to_vec(self).unwrap_or_default()
    }

    /// The blob's SHA-256.
    pub fn digest(&self) -> Hash {
        sha256(&self.to_bytes())
    }

    /// The profile of an agent; the restricted one when it is not listed.
    pub fn profile(&self, agent: &AgentName) -> &AgentProfile {
        self.agents.iter().find(|p| &p.name == agent).unwrap_or(&self.restricted)
    }

    /// Whether every effect is known and changes nothing.
    pub fn read_only<'a>(&self, effects: impl IntoIterator<Item = &'a Effect>) -> bool {
        effects.into_iter().all(|e| self.effects.get(e).is_some_and(|rule| rule.read_only))
    }
}

/// A bundle and a manifest in force, with their digests worked out once.
#[derive(Debug, Clone)]
pub struct Policy {
    bundle: Bundle,
    manifest: crate::manifest::Manifest,
    bundle_digest: Hash,
    manifest_digest: Hash,
}

impl Policy {
    /// Pairs them.
    pub fn new(bundle: Bundle, manifest: crate::manifest::Manifest) -> Self {
        let (bundle_digest, manifest_digest) = (bundle.digest(), manifest.digest());
        Self { bundle, manifest, bundle_digest, manifest_digest }
    }

    /// The bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The manifest.
    pub fn manifest(&self) -> &crate::manifest::Manifest {
        &self.manifest
    }

    /// The bundle's digest.
    pub fn bundle_digest(&self) -> Hash {
        self.bundle_digest
    }

    /// The manifest's digest.
    pub fn manifest_digest(&self) -> Hash {
        self.manifest_digest
    }
}
