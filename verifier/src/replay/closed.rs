//! What is over, in 32 bytes each: the state's names of it, sorted, in memory.
//!
//! An auditor starts from nothing and keeps no files, so this is the one thing in a replay that grows with history. A
//! verifier that forgot it could not tell a repeated name from a new one.

use std::sync::Arc;

use domain::state::State;
use domain::state::closed::{Archive, Closed, ClosedKey, End, Generation, KEY_BYTES, Unreadable};
use proof::LeafIndex;

/// How many closed subjects the state may hold before they come here; in the state they take twice the room.
const BATCH: usize = 16_384;
/// The same where somebody copies the state again and again.
const SMALL_BATCH: usize = 256;

/// 24 bytes of name, 7 of the index where it began, 1 of how it ended.
type Record = [u8; 32];

/// Sorted runs, each more than twice as long as the one behind it.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs(Vec<Arc<[Record]>>);

impl Runs {
    /// Takes what is over out of the state, if it is much.
    pub(super) fn relieve(&mut self, state: &mut State, is_copied: bool) {
        if state.recently_closed() >= if is_copied { SMALL_BATCH } else { BATCH } {
            let leaving = state.retire();
            self.add(&leaving);
            drop(leaving);
            state.archived(Arc::new(self.clone()));
        }
    }

    fn add(&mut self, generation: &Generation) {
        let mut newest: Vec<Record> = generation.iter().map(|(key, closed)| record(key, closed)).collect();
        while let Some(older) = self.0.pop_if(|older| older.len() <= newest.len().saturating_mul(2)) {
            newest = merged(&older, &newest);
        }
        self.0.push(newest.into());
    }
}

impl Archive for Runs {
    fn find(&self, key: &ClosedKey) -> Result<Option<Closed>, Unreadable> {
        let found = self.0.iter().find_map(|run| {
            let place = run.binary_search_by(|record| name(record).cmp(key.as_bytes())).ok()?;
            run.get(place)
        });
        found
            .map(|record| closed(record).ok_or_else(|| Unreadable("a record of what is over is damaged".into())))
            .transpose()
    }
}

fn merged(a: &[Record], b: &[Record]) -> Vec<Record> {
    let mut out = Vec::with_capacity(a.len().saturating_add(b.len()));
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let next = if one <= other { left.next() } else { right.next() };
        out.extend(next);
    }
    out.extend(left.chain(right));
    out
}

fn name(record: &Record) -> &[u8; KEY_BYTES] {
    record.first_chunk().unwrap_or(&[0; KEY_BYTES])
}

fn record(key: &ClosedKey, closed: &Closed) -> Record {
    let mut record = [0; 32];
    let begun = closed.begun.get().to_be_bytes();
    let end = [closed.end.code()];
    // The index's first byte is left out: no log has 2^56 events.
    let parts = key.as_bytes().iter().chain(begun.iter().skip(1)).chain(&end);
    record.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    record
}

fn closed(record: &Record) -> Option<Closed> {
    let (rest, code) = record.split_last_chunk::<1>()?;
    let begun = rest.iter().skip(KEY_BYTES).fold(0_u64, |begun, byte| (begun << 8) | u64::from(*byte));
    let [code] = *code;
    Some(Closed { begun: LeafIndex::new(begun), end: End::from_code(code)? })
}

#[cfg(test)]
mod tests {
    use domain::event::Subject;

    use super::*;

    fn key(n: u64) -> ClosedKey {
        ClosedKey::of(&Subject::of("intent", n))
    }

    fn of(n: u64) -> Closed {
        Closed { begun: LeafIndex::new(n << 20), end: End::from_code(u8::try_from(n % 9).unwrap()).unwrap() }
    }

    #[test]
    fn whatever_was_added_is_found_as_it_was_and_nothing_else() {
        let (mut runs, mut next) = (Runs::default(), 0);
        for length in [5, 1, 1, 40, 3, 3, 3, 100, 7] {
            let generation: Generation = (next..next + length).map(|n| (key(n), of(n))).collect();
            next += length;
            runs.add(&generation);
            for n in 0..next {
                assert_eq!(runs.find(&key(n)), Ok(Some(of(n))), "{n}");
            }
            assert_eq!(runs.find(&key(next)), Ok(None));
            assert!(runs.0.windows(2).all(|pair| pair[0].len() > 2 * pair[1].len()), "few runs");
            assert!(runs.0.iter().all(|run| run.is_sorted()));
            assert_eq!(runs.0.iter().map(|run| run.len()).sum::<usize>(), usize::try_from(next).unwrap());
        }
    }
}
