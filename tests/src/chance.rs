//! Chance that can be had again: a seed that is printed, and a small generator.

/// A generator (splitmix64), for choosing when and what; never for keys.
#[derive(Debug, Clone)]
pub struct Chance(u64);

/// Names a seed to start from again.
const SEED: &str = "COUNTERSIGN_SEED";

impl Chance {
    /// From the seed in `COUNTERSIGN_SEED`, else from a new one; either is printed.
    ///
    /// # Panics
    /// If the variable holds no number.
    pub fn with_printed_seed(what: &str) -> Self {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        let seed = std::env::var(SEED).map_or_else(|_| u64::from_le_bytes(bytes), |text| text.parse().unwrap());
        eprintln!("{what}: the same again with {SEED}={seed}");
        Self(seed)
    }

    /// From this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Another generator, so that each of several tasks has its own.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }
}
