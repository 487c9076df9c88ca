//! `GET /api/v1/events`, `GET /api/v1/stream`.

use proof::index::LeafIndex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event as the stream carries it: its leaf index and its leaf, payload and signatures, as they stand in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamedEvent {
    /// Leaf index; also the `id` of the SSE message.
    pub seq: LeafIndex,
    /// The event's payload.
    pub payload: Value,
    /// Its signatures.
    pub signatures: Value,
}
