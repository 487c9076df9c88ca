//! Bodies beside the log: those that committed events name, and that no event has erased.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use domain::event::EventData;
use proof::{Hash, sha256};

use super::copy::length;
use super::{BackupError, Copied};
use crate::content::MAX_BODY_BYTES;
use crate::disk::RealDisk;
use crate::durable::{self, Mode, Staging};
use crate::width::on_disk;

/// Bytes of the salt before a body.
const SALT_BYTES: u64 = 32;

/// What events say of bodies.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// How long the body of each commitment is.
    named: BTreeMap<Hash, u64>,
    erased: BTreeSet<Hash>,
}

impl Bodies {
    /// Notes what one event says.
    pub(super) fn note(&mut self, data: &EventData) {
        self.named.extend(data.commitments().into_iter().map(|commitment| (commitment.sha256, commitment.length)));
        if let EventData::BlobErased(erased) = data {
            self.erased.insert(erased.sha256);
        }
    }

    /// Copies what is named from one folder to another, and removes there what is erased.
    pub(super) fn copy(
        &self,
        from: &Path,
        to: &Path,
        staging: &Staging,
        all: bool,
        copied: &mut Copied,
    ) -> Result<(), BackupError> {
        let mut batch = staging.batch(Mode::Private);
        for (name, body_length) in self.named.iter().filter(|(name, _)| !self.erased.contains(name)) {
            let (source, target) = (path(from, name), path(to, name));
            let expected = body_length.saturating_add(SALT_BYTES);
            if !all && length(&target)? == Some(expected) {
                continue;
            }
            // Its length is looked at first: that of a damaged file may be anything.
            let found = match length(&source)? {
                None => {
                    copied.missing.insert(source);
                    continue;
                }
                Some(length) if length != expected || length > MAX_BODY_BYTES.saturating_add(SALT_BYTES) => None,
                Some(_) => durable::read(&RealDisk, &source)?.filter(|bytes| sha256(bytes) == *name),
            };
            let Some(bytes) = found else {
                copied.damaged.insert(source);
                continue;
            };
            if durable::read(&RealDisk, &target)?.as_ref() == Some(&bytes) {
                continue;
            }
            batch.add(&target, &[&bytes])?;
            copied.files += 1;
            copied.bodies += 1;
            copied.bytes = copied.bytes.saturating_add(on_disk(bytes.len()));
        }
        batch.commit()?;
        for name in &self.erased {
            copied.erased += u64::from(durable::remove_on(&RealDisk, &path(to, name))?);
        }
        Ok(())
    }
}

/// Where a body lies in a folder.
fn path(folder: &Path, name: &Hash) -> PathBuf {
    let name = name.to_string();
    let shard: String = name.chars().take(2).collect();
    folder.join("content").join(shard).join(name)
}
