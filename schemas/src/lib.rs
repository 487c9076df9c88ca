//! What travels over HTTP, as serde types. The JSON Schemas of events and receipts lie in `json/`, vectors that other
//! implementations can use in `vectors/`.
//!
//! In scope: requests and answers of the native routes, shared by `api`, `client`, `runner` and `cli`, so that they
//! cannot drift apart. Out of scope: events (`domain`), the predecessor's shapes (`api::compat`).
//!
//! **Invariant:** a type here is a promise to strangers; fields are only added.

pub mod approval;
pub mod body;
pub mod commit;
pub mod event;
pub mod intent;
pub mod job;
pub mod key;
pub mod log;
pub mod problem;
pub mod proposal;

use body::Body;
use proof::dsse::Envelope;
use serde::{Deserialize, Serialize};

/// Media type of a signed command with its bodies.
pub const SIGNED_MEDIA_TYPE: &str = "application/vnd.countersign.signed+json";
/// Media type of a problem document (RFC 9457).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";
/// Header that carries an API key.
pub const KEY_HEADER: &str = "X-Countersign-Key";
/// The predecessor's name for it.
pub const M87_KEY_HEADER: &str = "X-M87-Key";

/// A signed command, and the bodies that its commitments open to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The author's statement.
    pub envelope: Envelope,
    /// Salts and bodies, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<Body>,
}
