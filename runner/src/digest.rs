//! SHA-256 of streams.

use sha2::{Digest, Sha256};
use std::io::{Read, Write};

/// The digest and length of some content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digested {
    pub(crate) sha256: String,
    pub(crate) length: u64,
}

/// Of bytes in memory.
pub(crate) fn of(bytes: &[u8]) -> Digested {
    Digested { sha256: hex::encode(Sha256::digest(bytes)), length: u64::try_from(bytes.len()).unwrap_or(u64::MAX) }
}

/// Of everything that a reader has; it is written on while it passes.
pub(crate) fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<Digested> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut length = 0_u64;
    loop {
        let count = from.read(&mut buffer)?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
            break;
        };
        hasher.update(piece);
        to.write_all(piece)?;
        length = length.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok(Digested { sha256: hex::encode(hasher.finalize()), length })
}

/// Of everything that a reader has.
pub(crate) fn read(from: &mut impl Read) -> std::io::Result<Digested> {
    copy(from, &mut std::io::sink())
}
