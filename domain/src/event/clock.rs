//! `clock.confirmed`: the clock leapt ahead, and an admin says that it is right.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `clock.confirmed`. The event's own time is what the clock said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockConfirmed {
    /// The time that the admin read elsewhere.
    pub time: Timestamp,
}
