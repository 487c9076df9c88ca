//! Public blobs: policy bundles and tool manifests, content-addressed and never erased.
//!
//! `DIR/public/blob/<sha256>` is part of the static site, so a blob has no salt: everybody may
//! read it, and check it against its name.

use std::path::{Path, PathBuf};

use proof::{Hash, sha256};

use super::{ContentError, check_length, check_room};
use crate::durable::{self, Mode, Staging};
use crate::width::on_disk;

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct BlobStore {
    root: PathBuf,
    staging: Staging,
}

impl BlobStore {
    /// Opens the store under `data_dir`.
    pub fn open(data_dir: &Path, staging: Staging) -> Result<Self, ContentError> {
        let root = data_dir.join("public").join("blob");
        staging.ensure_dir(&root, Mode::Public)?;
        Ok(Self { root, staging })
    }

    /// Stores a blob durably, and returns its name. Storing it again changes nothing.
    pub fn put(&self, bytes: &[u8]) -> Result<Hash, ContentError> {
        check_length(bytes)?;
        check_room(&**self.staging.disk(), &self.root, on_disk(bytes.len()))?;
        let name = sha256(bytes);
        let (mut batch, path) = (self.staging.batch(Mode::Public), self.path(&name));
        if matches!(self.get(&name), Ok(Some(_))) {
            batch.keep(&path);
        } else {
            batch.add(&path, &[bytes])?;
        }
        batch.commit()?;
        Ok(name)
    }

    /// A blob, if there is one of that name. What is returned has that digest.
    pub fn get(&self, name: &Hash) -> Result<Option<Vec<u8>>, ContentError> {
        let file = self.path(name);
        match durable::read(&**self.staging.disk(), &file)? {
            Some(bytes) if sha256(&bytes) != *name => Err(ContentError::Damaged { file }),
            found => Ok(found),
        }
    }

    /// The names of all blobs.
    pub fn names(&self) -> Result<Vec<Hash>, ContentError> {
        let names = durable::list(&**self.staging.disk(), &self.root)?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn path(&self, name: &Hash) -> PathBuf {
        self.root.join(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(dir: &Path) -> BlobStore {
        BlobStore::open(dir, Staging::open(dir).unwrap()).unwrap()
    }

    #[test]
    fn a_blob_reads_back_under_its_digest_where_the_site_serves_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let name = store.put(b"policy").unwrap();
        assert_eq!(name, sha256(b"policy"));
        assert_eq!(store.put(b"policy").unwrap(), name);
        assert_eq!(open(dir.path()).get(&name).unwrap().unwrap(), b"policy");
        assert_eq!(fs::read(dir.path().join(format!("public/blob/{name}"))).unwrap(), b"policy");
        assert_eq!(store.names().unwrap(), [name]);
        assert_eq!(store.get(&sha256(b"absent")).unwrap(), None);
    }

    #[test]
    fn a_flipped_bit_is_found_and_storing_the_blob_again_repairs_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let name = store.put(b"manifest").unwrap();
        let file = dir.path().join(format!("public/blob/{name}"));
        fs::write(&file, b"manifesu").unwrap();
        assert!(matches!(store.get(&name), Err(ContentError::Damaged { file: at }) if at == file));
        store.put(b"manifest").unwrap();
        assert!(store.get(&name).unwrap().is_some());
    }
}
