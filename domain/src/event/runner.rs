//! `runner.registered`.

use crate::id::RunnerId;
use proof::dsse::Envelope;
use proof::key::PublicKey;
use serde::{Deserialize, Serialize};

/// A runner as root enrols it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRunner {
    /// Its name.
    pub runner_id: RunnerId,
    /// The key that signs its lease requests and results.
    pub public_key: PublicKey,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `runner.registered`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerRegistered {
    /// The runner.
    pub runner: NewRunner,
    /// Root's statement.
    pub authored: Envelope,
}
