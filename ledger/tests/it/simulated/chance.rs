//! Seeds, and what follows from them.

/// Numbers that follow from a seed (`xorshift64*`; another kind than the disk's, so that the two do not
/// run in step).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number from `low` up to and without `end`.
    pub(crate) fn within(&mut self, low: u64, end: u64) -> u64 {
        low + self.next() % (end - low)
    }

    /// Whether something happens that does once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.within(0, times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.within(0, from.len() as u64) as usize]
    }
}

/// Says which seed it was, if the test ends here.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0} failed; COUNTERSIGN_SEED={0} runs it again", self.0);
        }
    }
}

/// Runs `check` for as many seeds as the environment says, or `default`.
pub(crate) fn for_each_seed(default: u64, check: impl FnMut(u64)) {
    for_each_of(number("COUNTERSIGN_SEEDS").unwrap_or(default), check);
}

/// Runs `check` for each number below `end`, or for the one that the environment names.
pub(crate) fn for_each_of(end: u64, mut check: impl FnMut(u64)) {
    let numbers = match number("COUNTERSIGN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..end,
    };
    for seed in numbers {
        let announce = Announce(seed);
        check(seed);
        drop(announce);
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
