//! The clock, read once a batch, and when not to believe it.

use domain::time::Timestamp;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A wall clock may be this far behind the log: small steps back are clamped to the log's last time.
const BEHIND_MS_MAX: u64 = 5_000;
/// A wall clock that is this far ahead of the monotonic one is not believed.
const AHEAD_MS_MAX: u64 = 3_600_000;

/// Where the time comes from.
pub trait Clock: Send {
    /// The wall clock.
    fn wall(&self) -> Timestamp;
    /// A clock that only goes forward.
    fn monotonic(&self) -> Duration;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {}

impl SystemClock {
    /// Starts the monotonic one.
    pub fn new() -> Self {
        Self {}
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        Timestamp::from_ms(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        // Unlike the one that `Instant` reads, it goes on while the machine sleeps.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

/// Why the clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockError {
    /// It is behind the log.
    Backward {
        /// What it says.
        wall: Timestamp,
        /// The log's last time.
        log: Timestamp,
    },
    /// It leapt ahead of the monotonic clock.
    Forward {
        /// What it says.
        wall: Timestamp,
        /// What it should say.
        expected: Timestamp,
    },
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backward { wall, log } => write!(f, "the clock says {wall}, the log's last event is from {log}"),
            Self::Forward { wall, expected } => {
                write!(
                    f,
                    "the clock leapt to {wall}, expected about {expected}; set it right, or let an admin confirm it"
                )
            }
        }
    }
}

impl std::error::Error for ClockError {}

/// A clock with its first reading.
pub(crate) struct Judge {
    clock: Box<dyn Clock>,
    wall: Timestamp,
    monotonic: Duration,
}

impl Judge {
    /// Of a log whose last time is this: that was believed already, whatever the clock says at its first reading.
    pub(crate) fn new(clock: Box<dyn Clock>, log: Timestamp) -> Self {
        let (wall, monotonic) = (clock.wall().max(log), clock.monotonic());
        Self { clock, wall, monotonic }
    }

    /// Believes the clock as it is now: somebody who may has said that it is right.
    pub(crate) fn believe(&mut self) {
        (self.wall, self.monotonic) = (self.clock.wall(), self.clock.monotonic());
    }

    /// The time for the next batch: never before the log's last.
    pub(crate) fn now(&self, log: Timestamp) -> Result<Timestamp, ClockError> {
        let wall = self.clock.wall();
        let elapsed = self.clock.monotonic().saturating_sub(self.monotonic).as_millis();
        let expected = self.wall.plus_ms(u64::try_from(elapsed).unwrap_or(u64::MAX));
        if wall.plus_ms(BEHIND_MS_MAX) < log {
            return Err(ClockError::Backward { wall, log });
        }
        if wall > expected.plus_ms(AHEAD_MS_MAX) {
            return Err(ClockError::Forward { wall, expected });
        }
        Ok(wall.max(log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Fake(Arc<AtomicU64>, Arc<AtomicU64>);

    impl Clock for Fake {
        fn wall(&self) -> Timestamp {
            Timestamp::from_ms(self.0.load(Ordering::SeqCst))
        }
        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.1.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn a_clock_far_behind_or_leaping_ahead_is_not_believed() {
        let (wall, mono) = (Arc::new(AtomicU64::new(1_000_000)), Arc::new(AtomicU64::new(0)));
        let judge = Judge::new(Box::new(Fake(wall.clone(), mono.clone())), Timestamp::default());
        let log = Timestamp::from_ms(1_004_000);
        assert_eq!(judge.now(log), Ok(log), "a small step back is clamped");
        assert!(matches!(judge.now(Timestamp::from_ms(1_006_000)), Err(ClockError::Backward { .. })));
        wall.store(1_000_000 + AHEAD_MS_MAX + 1, Ordering::SeqCst);
        assert!(matches!(judge.now(log), Err(ClockError::Forward { .. })));
        mono.store(10, Ordering::SeqCst);
        assert!(judge.now(log).is_ok(), "an hour and little more is believed once time has passed");
        mono.store(0, Ordering::SeqCst);
        let mut judge = judge;
        judge.believe();
        assert!(judge.now(log).is_ok(), "what was confirmed is believed");
    }

    #[test]
    fn a_clock_that_was_wrong_at_the_start_is_believed_once_it_is_right() {
        let (wall, mono) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
        let log = Timestamp::from_ms(9 * AHEAD_MS_MAX);
        let judge = Judge::new(Box::new(Fake(wall.clone(), mono)), log);
        assert!(matches!(judge.now(log), Err(ClockError::Backward { .. })));
        wall.store(log.as_ms() + 1_000, Ordering::SeqCst);
        assert!(judge.now(log).is_ok(), "the log's last time was believed before");
    }
}
