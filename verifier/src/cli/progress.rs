//! How far a long verification is, on one line of the terminal.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::report::text::grouped;

/// Nothing is shown before this: most logs are done by then.
const PATIENCE: Duration = Duration::from_millis(700);
const EVERY: Duration = Duration::from_millis(200);

/// A progress line.
#[derive(Debug)]
pub(super) struct Progress {
    start: Instant,
    shown: Mutex<Option<Instant>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), shown: Mutex::new(None) }
    }

    /// Redraws the line, now and then.
    pub(super) fn show(&self, done: u64, total: u64) {
        let now = Instant::now();
        let elapsed = now.duration_since(self.start);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if elapsed < PATIENCE || shown.is_some_and(|last| now.duration_since(last) < EVERY) {
            return;
        }
        *shown = Some(now);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = done.saturating_mul(1000) / millis;
        let left = total.saturating_sub(done) / rate.max(1);
        let percent = done.saturating_mul(100) / total.max(1);
        let (done, total, rate) = (grouped(done), grouped(total), grouped(rate));
        // Nothing depends on whether anybody can see it.
        let _ = write!(std::io::stderr(), "\r\x1b[K{percent:3} %  {done} of {total} events, {rate}/s, {left} s left");
    }

    /// Removes the line.
    pub(super) fn clear(&self) {
        if self.shown.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
