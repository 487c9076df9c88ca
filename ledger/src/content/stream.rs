//! Bodies piece by piece: neither reading nor storing one needs memory for all of it.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use proof::{Commitment, Hash, Salt, Sha256};

use super::{ContentError, ContentStore, MAX_BODY_BYTES, SALT_BYTES, check_room};
use crate::disk::{Access, DiskFile};
use crate::durable::{IoError, Mode};
use crate::width::{in_memory, on_disk};

/// Bytes of one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A stored body, from its beginning to its end.
///
/// What it gives is hashed on the way, with the salt, and the last piece is given only if the whole is what its name
/// says: a damaged body never ends well.
#[derive(Debug)]
pub struct BodyReader {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    name: Hash,
    hasher: Sha256,
    at: u64,
    end: u64,
}

impl BodyReader {
    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        self.end.saturating_sub(on_disk(SALT_BYTES))
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = in_memory(self.end.saturating_sub(self.at));
        let wanted = buffer.len().min(left).min(PIECE_BYTES);
        let Some(piece) = buffer.get_mut(..wanted).filter(|piece| !piece.is_empty()) else { return Ok(0) };
        self.file.read_exact_at(piece, self.at)?;
        self.hasher.update(piece);
        self.at = self.at.saturating_add(on_disk(wanted));
        if self.at == self.end && self.hasher.clone().finish() != self.name {
            return Err(damaged(&self.path));
        }
        Ok(wanted)
    }
}

fn damaged(path: &std::path::Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, ContentError::Damaged { file: path.to_path_buf() }.to_string())
}

impl ContentStore {
    /// A body under this name, to be read piece by piece; nothing if there is none.
    pub fn open_body(&self, name: &Hash) -> Result<Option<BodyReader>, ContentError> {
        let path = self.path(name);
        let file = match self.staging.disk().open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IoError::at("open", &path)(error).into()),
        };
        let end = file.length().map_err(IoError::at("look at", &path))?;
        let salt_end = on_disk(SALT_BYTES);
        if end < salt_end || end > salt_end.saturating_add(MAX_BODY_BYTES) {
            return Err(ContentError::Damaged { file: path });
        }
        let mut salt = [0; SALT_BYTES];
        file.read_exact_at(&mut salt, 0).map_err(IoError::at("read", &path))?;
        let mut hasher = Sha256::new();
        hasher.update(&salt);
        // An empty body has no last piece, so it is judged here.
        if end == salt_end && hasher.clone().finish() != *name {
            return Err(ContentError::Damaged { file: path });
        }
        Ok(Some(BodyReader { file, path, name: *name, hasher, at: salt_end, end }))
    }

    /// Stores a body durably as it comes. What does not open the commitment is not stored.
    pub fn put_from(&self, commitment: &Commitment, salt: &Salt, from: &mut dyn Read) -> Result<(), ContentError> {
        if commitment.length > MAX_BODY_BYTES {
            return Err(ContentError::TooLarge { got: commitment.length });
        }
        let path = self.path(&commitment.sha256);
        let length = commitment.length.saturating_add(on_disk(SALT_BYTES));
        let reserved = self.reserve(std::iter::once((commitment.sha256, length)))?;
        let disk = &**self.staging.disk();
        check_room(disk, &self.root, length)?;
        let mut batch = self.staging.batch(Mode::Private);
        let mut digest = None;
        batch.add_with(&path, &mut |out| {
            digest = copied(salt, commitment.length, from, out)?;
            Ok(())
        })?;
        if digest != Some(commitment.sha256) {
            return Err(ContentError::DoesNotOpen { sha256: commitment.sha256 });
        }
        batch.commit()?;
        drop(reserved);
        Ok(())
    }
}

/// Writes salt and body, and gives the digest of both; nothing if the body has another length.
fn copied(salt: &Salt, length: u64, from: &mut dyn Read, out: &mut dyn Write) -> io::Result<Option<Hash>> {
    let mut hasher = Sha256::new();
    hasher.update(salt.as_bytes());
    out.write_all(salt.as_bytes())?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = length;
    loop {
        let got = match from.read(&mut piece) {
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if got == 0 {
            return Ok((left == 0).then(|| hasher.finish()));
        }
        let Some(rest) = left.checked_sub(on_disk(got)) else { return Ok(None) };
        left = rest;
        let bytes = piece.get(..got).unwrap_or_default();
        hasher.update(bytes);
        out.write_all(bytes)?;
    }
}
