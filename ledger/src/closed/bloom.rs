//! A Bloom filter in blocks of one cache line: most names that a run does not hold cost one look into memory.
//!
//! The keys are pieces of SHA-256 already, so the filter takes its bits from them and hashes nothing.

use domain::state::closed::{ClosedKey, KEY_BYTES};

/// Words of 64 bits in a block: one cache line.
const BLOCK_WORDS: usize = 8;
/// Keys in one block at most; 512 bits for 48 of them give about one false answer in a hundred.
const BLOCK_KEYS: u64 = 48;
/// Bits that a key sets, of nine bits' worth of position each.
const PROBES: u32 = 7;

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    /// An empty one for so many keys.
    pub(super) fn for_keys(count: u64) -> Self {
        let blocks = crate::width::in_memory(count.div_ceil(BLOCK_KEYS).max(1));
        Self { words: vec![0; blocks.saturating_mul(BLOCK_WORDS)] }
    }

    pub(super) fn insert(&mut self, key: &ClosedKey) {
        let (block, bits) = place(key, self.blocks());
        for (word, bit) in probes(bits) {
            if let Some(word) = self.words.get_mut(block + word) {
                *word |= 1 << bit;
            }
        }
    }

    /// Whether the key may be there; `false` is certain.
    pub(super) fn may_have(&self, key: &ClosedKey) -> bool {
        let (block, bits) = place(key, self.blocks());
        probes(bits).all(|(word, bit)| self.words.get(block + word).is_some_and(|word| word & (1 << bit) != 0))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let whole = rest.is_empty() && !words.is_empty() && words.len().is_multiple_of(BLOCK_WORDS);
        whole.then(|| Self { words: words.iter().map(|word| u64::from_le_bytes(*word)).collect() })
    }

    fn blocks(&self) -> u64 {
        crate::width::on_disk(self.words.len() / BLOCK_WORDS)
    }
}

/// The first word of a key's block, and the bits that choose within it. The page table of a run sorts by the first eight
/// bytes, so these are the others.
fn place(key: &ClosedKey, blocks: u64) -> (usize, u64) {
    let bytes: &[u8; KEY_BYTES] = key.as_bytes();
    let (_, rest) = bytes.split_at(8);
    let (block, bits) = rest.split_at(8);
    let word = |half: &[u8]| half.first_chunk().copied().map_or(0, u64::from_le_bytes);
    (crate::width::in_memory(word(block) % blocks.max(1)) * BLOCK_WORDS, word(bits))
}

fn probes(bits: u64) -> impl Iterator<Item = (usize, u32)> {
    (0..PROBES).map(move |probe| {
        let nine = (bits >> (probe * 9)) & 511;
        (crate::width::in_memory(nine / 64), u32::try_from(nine % 64).unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::event::Subject;

    fn key(n: u64) -> ClosedKey {
        ClosedKey::of(&Subject::of("intent", n))
    }

    #[test]
    fn what_was_put_in_is_never_denied_and_little_else_is_believed() {
        let mut bloom = Bloom::for_keys(10_000);
        (0..10_000).for_each(|n| bloom.insert(&key(n)));
        assert!((0..10_000).all(|n| bloom.may_have(&key(n))));
        let false_answers = (10_000..20_000).filter(|n| bloom.may_have(&key(*n))).count();
        assert!(false_answers < 300, "{false_answers} of 10000");
        assert_eq!(Bloom::from_bytes(&bloom.to_bytes()), Some(bloom));
        assert_eq!(Bloom::from_bytes(&[0; 63]), None);
        assert_eq!(Bloom::from_bytes(&[]), None);
    }

    #[test]
    fn an_empty_filter_has_nothing() {
        assert!(!Bloom::for_keys(0).may_have(&key(1)));
    }
}
