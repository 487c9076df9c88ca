//! `POST /api/v1/keys`, `POST /api/v1/runners`.

use domain::event::key::{Principal, Scope};
use domain::id::AnyKeyId;
use domain::time::Timestamp;
use proof::receipt::Receipt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An API key to be made. A public key is enrolled by root, with a [`Signed`](crate::Signed) statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// Whose it is.
    pub principal: Principal,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Effects it may be used for; absent: those of its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_scopes: Option<domain::effect::Effects>,
    /// Most risk it may be used for.
    #[serde(default = "one")]
    pub max_risk: f64,
    /// When it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn one() -> f64 {
    1.0
}

/// The key may be used from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyCreated {
    /// Its name.
    pub key_id: AnyKeyId,
    /// The API key itself, shown this once; absent for a public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Proof that it is in the log.
    pub receipt: Receipt,
}

/// A runner is registered, a body erased, a key changed: it stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Leaf index of the event.
    pub seq: proof::index::LeafIndex,
    /// Proof that it is in the log.
    pub receipt: Receipt,
}
