//! `key.*`: who may speak, for whom, and how far.

use crate::effect::Effects;
use crate::event::PrincipalKind;
use crate::id::{AnyKeyId, PrincipalId};
use crate::time::Timestamp;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::key::PublicKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Submit proposals and intents.
    #[serde(rename = "proposal:create")]
    ProposalCreate,
    /// Approve.
    #[serde(rename = "proposal:approve")]
    ProposalApprove,
    /// Deny.
    #[serde(rename = "proposal:deny")]
    ProposalDeny,
    /// Report results.
    #[serde(rename = "runner:result")]
    RunnerResult,
    /// Emit test events into the compatible view.
    #[serde(rename = "admin:emit")]
    AdminEmit,
    /// Manage API keys.
    #[serde(rename = "admin:keys")]
    AdminKeys,
    /// Erase bodies.
    #[serde(rename = "admin:erase")]
    AdminErase,
    /// Read the log, bodies included.
    #[serde(rename = "log:read")]
    LogRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [
        Self::ProposalCreate,
        Self::ProposalApprove,
        Self::ProposalDeny,
        Self::RunnerResult,
        Self::AdminEmit,
        Self::AdminKeys,
        Self::AdminErase,
        Self::LogRead,
    ];

    /// As it is spelt in events and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProposalCreate => "proposal:create",
            Self::ProposalApprove => "proposal:approve",
            Self::ProposalDeny => "proposal:deny",
            Self::RunnerResult => "runner:result",
            Self::AdminEmit => "admin:emit",
            Self::AdminKeys => "admin:keys",
            Self::AdminErase => "admin:erase",
            Self::LogRead => "log:read",
        }
    }
}

/// Who a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// What they are.
    pub kind: PrincipalKind,
    /// Who they are; for an agent, the agent's name.
    pub id: PrincipalId,
}

/// How a key proves itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// An API key, by the SHA-256 of (the server's secret salt ‖ key): an owner-chosen key cannot be guessed from the log.
    Api(Hash),
    /// An Ed25519 public key; only root can enrol one.
    Ed25519(PublicKey),
}

/// A key as it is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewKey {
    /// `key_…` or `ed25519:…`.
    pub key_id: AnyKeyId,
    /// How it proves itself.
    pub credential: Credential,
    /// Whose it is.
    pub principal: Principal,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Effects it may be used for; absent: those of its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_scopes: Option<Effects>,
    /// Most risk it may be used for.
    pub max_risk: f64,
    /// When it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `key.created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyCreated {
    /// The key.
    pub key: NewKey,
    /// Root's statement; always there for an Ed25519 key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authored: Option<Envelope>,
}

/// `key.disabled`, `key.enabled`, `key.deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChanged {
    /// Which key.
    pub key_id: AnyKeyId,
}
