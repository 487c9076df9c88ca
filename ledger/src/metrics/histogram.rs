//! A log-linear histogram: fixed buckets, no lock, no allocation after it was made.
//!
//! Each power of two is cut into 64 buckets of equal width, so a quantile is at most 1/64 too high, and what it holds
//! does not grow with what is recorded. A bucket's upper end belongs to it, and every power of two is such an end: the
//! cumulative counts of [`Reading::up_to`] are exact there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of a power of two, as a power of two itself.
const FINE_BITS: u32 = 6;
/// Beyond 2 to this power everything lands in the last bucket: 73 minutes, in nanoseconds.
const TOP_BITS: u32 = 42;

/// The histogram. Values are whole numbers; a duration is its nanoseconds.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

/// What a histogram held at some moment.
#[derive(Debug, Clone)]
pub struct Reading {
    buckets: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..=bucket(u64::MAX)).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, sum: AtomicU64::new(0), max: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Records a duration.
    pub fn record(&self, took: Duration) {
        self.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records a value.
    pub fn add(&self, value: u64) {
        self.add_times(value, 1);
    }

    /// Records a value so many times.
    pub fn add_times(&self, value: u64, times: u64) {
        if let Some(found) = self.buckets.get(bucket(value)) {
            found.fetch_add(times, Ordering::Relaxed);
        }
        self.sum.fetch_add(value.saturating_mul(times), Ordering::Relaxed);
        self.max.fetch_max(value, Ordering::Relaxed);
    }

    /// What it holds now. What is recorded meanwhile may be in it or not.
    pub fn read(&self) -> Reading {
        let buckets: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let count = buckets.iter().sum();
        Reading { buckets, count, sum: self.sum.load(Ordering::Relaxed), max: self.max.load(Ordering::Relaxed) }
    }
}

impl Reading {
    /// Values recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The greatest.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that so many of a thousand do not exceed, at most 1/64 too high; 0 when there is none.
    pub fn per_mille(&self, per_mille: u64) -> u64 {
        let rank = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0_u64;
        for (index, count) in self.buckets.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return upper_end(index).min(self.max);
            }
        }
        self.max
    }

    /// How many values are at most 2 to the power of `bits`: exact.
    pub fn up_to(&self, bits: u32) -> u64 {
        let last = bucket(1_u64.checked_shl(bits).unwrap_or(u64::MAX));
        self.buckets.iter().take(last.saturating_add(1)).sum()
    }
}

/// In which bucket a value lands.
fn bucket(value: u64) -> usize {
    // One less, so that an upper end is in the bucket that it ends.
    let below = value.saturating_sub(1).min((1 << TOP_BITS) - 1);
    let shift = (u64::BITS - below.leading_zeros()).saturating_sub(FINE_BITS + 1);
    let index = (u64::from(shift) << FINE_BITS) + (below >> shift);
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The greatest value of a bucket.
fn upper_end(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let shift = (index >> FINE_BITS).saturating_sub(1).min(u64::from(TOP_BITS));
    let place = index.saturating_sub(shift << FINE_BITS);
    place.saturating_add(1) << shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bucket_ends_where_the_next_begins() {
        for index in 0..bucket(u64::MAX) {
            let end = upper_end(index);
            assert_eq!(bucket(end), index, "the end {end} of bucket {index}");
            assert_eq!(bucket(end + 1), index + 1, "behind bucket {index}");
        }
        for bits in 0..TOP_BITS {
            assert_eq!(upper_end(bucket(1 << bits)), 1 << bits, "2^{bits} ends a bucket");
        }
    }

    #[test]
    fn nothing_recorded_reads_as_nothing() {
        let empty = Histogram::default().read();
        assert_eq!((empty.count(), empty.sum(), empty.max(), empty.per_mille(990)), (0, 0, 0, 0));
    }

    #[test]
    fn threads_lose_nothing() {
        let histogram = Histogram::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|value| histogram.add(value)));
            }
        });
        let read = histogram.read();
        assert_eq!((read.count(), read.sum(), read.max()), (40_000, 4 * 49_995_000, 9_999));
    }

    proptest! {
        /// Against the sorted values themselves: never below, at most 1/64 above.
        #[test]
        fn a_quantile_is_that_of_the_sorted_values(
            mut values in prop::collection::vec(0_u64..1 << 40, 1..300),
            per_mille in 0_u64..=1000,
        ) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.add(*value);
            }
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(per_mille).unwrap()).div_ceil(1000).max(1);
            let exact = values[rank - 1];
            let found = histogram.read().per_mille(per_mille);
            prop_assert!(exact <= found && found <= exact + exact / 64 + 1, "{found} for {exact}");
        }

        #[test]
        fn counts_up_to_a_power_of_two_are_exact(values in prop::collection::vec(0_u64..1 << 34, 0..100), bits in 0_u32..36) {
            let histogram = Histogram::default();
            for value in &values {
                histogram.add(*value);
            }
            let exact = values.iter().filter(|value| **value <= 1 << bits).count();
            prop_assert_eq!(histogram.read().up_to(bits), u64::try_from(exact).unwrap());
        }
    }
}
