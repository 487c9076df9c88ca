//! Every bound this crate enforces, and its reason.
//!
//! A parser of bytes from strangers needs a bound before it allocates or recurses; these are the
//! bounds. Limits on how many bytes are read from a socket belong to the crates that read them.

/// Containers that may be nested in one JSON document.
///
/// Bounds the recursion of the parser and of every fold over a parsed tree. Events nest fewer
/// than ten levels; 64 leaves room for tool inputs that agents invent.
pub const MAX_DEPTH: usize = 64;

/// The largest integer that every JSON implementation reads exactly (I-JSON, RFC 7493 2.2).
///
/// 2^53 - 1: beyond it, an IEEE double no longer tells neighbours apart, so two different
/// spellings would canonicalise to the same bytes.
pub const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// Bytes of one leaf: an entry bundle stores the length in 16 bits (C2SP tlog-tiles).
pub const MAX_LEAF_BYTES: usize = 65_535;

/// Signatures on one envelope or leaf. The ledger writes one; co-signed statements a few.
pub const MAX_ENVELOPE_SIGNATURES: usize = 16;

/// Bytes of one signed note, as in Go's `x/mod/sumdb/note`: 64 lines of the largest known
/// signature (ML-DSA-44, 3.2 KiB) fit several times.
pub const MAX_NOTE_BYTES: usize = 1_000_000;

/// Signature lines on one note. C2SP signed-note demands at least 16; a cap keeps a stranger
/// from making us check thousands.
pub const MAX_NOTE_SIGNATURES: usize = 64;

/// Bytes of a key name or origin: it stands in every note line, and in one byte of length in
/// C2SP `subtree/v1` cosignatures.
pub const MAX_KEY_NAME_BYTES: usize = 255;

/// Hashes on one inclusion path: a tree of at most 2^64 leaves is that deep.
pub const MAX_PATH_HASHES: usize = 64;

/// Hashes of one consistency proof in a request to a witness (C2SP tlog-witness): no proof between sizes that fit in 63 bits
/// has more.
pub const MAX_WITNESS_PROOF_HASHES: usize = 63;

/// Bytes of one request to a witness: a proof and a checkpoint with a few signatures, of which the largest known
/// (ML-DSA-44) takes 3.2 KiB.
pub const MAX_ADD_CHECKPOINT_BYTES: usize = 64 * 1024;

/// Bytes of a trust policy: thousands of lines.
pub const MAX_POLICY_BYTES: u64 = 1_000_000;

/// Entries of one receipt: a proposal's whole story is tens of events.
pub const MAX_RECEIPT_ENTRIES: usize = 1_024;

/// Hashes in one full tile, and entries in one full bundle (C2SP tlog-tiles).
pub const MAX_TILE_WIDTH: u16 = 256;
