//! Who this runner is, and what it has seen: its key and the last head, in its own folder.

use domain::authored::SeenHead;
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

fn invalid(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}

/// Reads the runner's key from its folder, or makes one there that only its owner can read.
///
/// # Errors
/// If the file cannot be read or made, or does not hold a key.
pub fn load_or_create(folder: &Path, runner_id: &str) -> io::Result<SignerKey> {
    let path = folder.join("runner.key");
    match fs::read_to_string(&path) {
        Ok(text) => SignerKey::parse(text.trim_end()).map_err(|_| invalid(&path, "not a signer-key line")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|e| io::Error::other(e.to_string()))?;
            let name = KeyName::new(&format!("runner/{runner_id}")).map_err(|e| invalid(&path, &e.to_string()))?;
            let key = SignerKey::new(name, SecretKey::from_seed(seed));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            writeln!(file, "{}", key.encode())?;
            file.sync_all()?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

/// The last head that this runner saw. A server that forks must fork before it, or be found out.
#[derive(Debug)]
pub struct HeadFile {
    path: PathBuf,
}

impl HeadFile {
    /// The file in the runner's folder.
    pub fn of(folder: &Path) -> Self {
        Self { path: folder.join("head.json") }
    }

    /// The head; that of the empty log when nothing has been seen.
    ///
    /// # Errors
    /// If the file is there and cannot be read: an unreadable state is no state to go on from.
    pub fn read(&self) -> io::Result<SeenHead> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| invalid(&self.path, &e.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(SeenHead::empty()),
            Err(error) => Err(error),
        }
    }

    /// Remembers a head, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be brought onto the disk.
    pub fn write(&self, head: SeenHead) -> io::Result<()> {
        let next = self.path.with_extension("next");
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec(&head)?)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}
