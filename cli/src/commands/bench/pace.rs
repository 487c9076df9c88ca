//! Who may send when: turns are handed out as fast as they are taken, or at a fixed rate.
//!
//! At a fixed rate one OS thread lets turns go, each when it is due: the async timer has a resolution of a millisecond,
//! which is more than what is measured. A turn's latency counts from when it was due, not from when it was sent, so
//! neither a stalled server nor a late pacer can hide; how late the pacer was is measured too.

use ledger::metrics::{Histogram, Reading};
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How much, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many events in all, if that is what ends the run.
    pub(crate) events: Option<u64>,
    /// When the run ends, if that is what ends it.
    pub(crate) until: Option<Instant>,
    /// When the first turn is due.
    pub(crate) start: Instant,
    /// Events a second.
    pub(crate) rate: Option<NonZeroU64>,
    /// Events of one turn.
    pub(crate) batch: NonZeroU64,
    /// Who takes turns.
    pub(crate) clients: usize,
}

/// Hands out turns: which events are next, and when they were due.
#[derive(Debug)]
pub(crate) struct Turns {
    plan: Plan,
    next: AtomicU64,
    /// Turns that are due and not taken yet.
    due: Semaphore,
    late: Histogram,
}

impl Turns {
    /// Begins. With a rate, a thread lets turns go until the plan is over.
    pub(crate) fn start(plan: Plan) -> Result<Arc<Self>, String> {
        let turns =
            Arc::new(Self { plan, next: AtomicU64::new(0), due: Semaphore::new(0), late: Histogram::default() });
        if let Some(rate) = plan.rate {
            let pacer = turns.clone();
            let pace = move || pacer.pace(rate);
            std::thread::Builder::new().name("pacer".into()).spawn(pace).map_err(|e| e.to_string())?;
        }
        Ok(turns)
    }

    /// The next turn: its events, and when it was due.
    pub(crate) async fn take(&self) -> Option<(Range<u64>, Instant)> {
        if self.plan.rate.is_some() {
            // Nobody closes it; should anybody, the run is over.
            self.due.acquire().await.ok()?.forget();
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let first = turn.saturating_mul(self.plan.batch.get());
        let due = self.plan.rate.map_or_else(Instant::now, |rate| self.due_at(turn, rate));
        let last = first.saturating_add(self.plan.batch.get()).min(self.plan.events.unwrap_or(u64::MAX));
        (first < last && !self.is_over(due)).then_some((first..last, due))
    }

    /// How late turns were let go, in nanoseconds.
    pub(crate) fn late(&self) -> Reading {
        self.late.read()
    }

    fn due_at(&self, turn: u64, rate: NonZeroU64) -> Instant {
        let events = turn.saturating_mul(self.plan.batch.get());
        self.plan.start + Duration::from_nanos(events.saturating_mul(1_000_000_000) / rate)
    }

    fn is_over(&self, due: Instant) -> bool {
        self.plan.until.is_some_and(|until| due >= until)
    }

    fn pace(&self, rate: NonZeroU64) {
        // Without it the kernel may wake this thread 50 µs late, to save energy. Where it is refused, turns are that late.
        let _ = rustix::thread::set_current_timer_slack(Some(NonZeroU64::MIN));
        let turns = self.plan.events.map_or(u64::MAX, |events| events.div_ceil(self.plan.batch.get()));
        let mut turn = 0;
        while turn < turns {
            let due = self.due_at(turn, rate);
            if self.is_over(due) {
                break;
            }
            wait_until(due);
            self.late.record(due.elapsed());
            self.due.add_permits(1);
            turn += 1;
        }
        // Whoever waits for a turn finds that there is none.
        self.due.add_permits(self.plan.clients);
    }
}

#[expect(clippy::disallowed_methods, reason = "a pacer waits for time to pass, and for nothing else")]
fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(events: u64, rate: Option<u64>, batch: u64) -> Plan {
        Plan {
            events: Some(events),
            until: None,
            start: Instant::now(),
            rate: rate.and_then(NonZeroU64::new),
            batch: NonZeroU64::new(batch).unwrap(),
            clients: 3,
        }
    }

    async fn taken(turns: Arc<Turns>) -> Vec<(Range<u64>, Instant, Instant)> {
        let mut all = Vec::new();
        while let Some((events, due)) = turns.take().await {
            all.push((events, due, Instant::now()));
        }
        all
    }

    #[tokio::test]
    async fn three_clients_take_every_event_once_and_then_all_end() {
        for rate in [None, Some(1_000_000)] {
            let turns = Turns::start(plan(1000, rate, 7)).unwrap();
            let clients = [(); 3].map(|()| tokio::spawn(taken(turns.clone())));
            let mut events = Vec::new();
            for client in clients {
                events.extend(client.await.unwrap().into_iter().flat_map(|(events, ..)| events));
            }
            events.sort_unstable();
            assert_eq!(events, (0..1000).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn no_turn_is_taken_before_it_is_due_and_the_last_is_due_where_the_rate_says() {
        let plan = plan(300, Some(3000), 1);
        let turns = Turns::start(plan).unwrap();
        let all = taken(turns.clone()).await;
        assert_eq!(all.len(), 300);
        assert!(all.iter().all(|(_, due, now)| now >= due));
        assert_eq!(all.last().unwrap().1 - plan.start, Duration::from_nanos(299_000_000_000 / 3000));
        assert_eq!(turns.late().count(), 300);
    }

    #[tokio::test]
    async fn nothing_is_due_after_the_end() {
        let mut plan = plan(u64::MAX, Some(10_000), 1);
        plan.until = Some(plan.start + Duration::from_millis(20));
        let all = taken(Turns::start(plan).unwrap()).await;
        assert_eq!(all.len(), 200);
    }
}
