//! Key files: one signer-key line each, as Go's `x/mod` `note` package reads it; mode 0600, outside anything served.

use crate::durable::{IoError, Mode, Staging, ensure_dir_on};
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use std::fmt;
use std::path::{Path, PathBuf};

/// Which of a ledger's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// Founds the ledger and enrols people and runners. Need not live on the server.
    Root,
    /// Signs events.
    Event,
    /// Signs checkpoints.
    Checkpoint,
}

impl KeyRole {
    /// The key's name in notes and vkey lines: the origin itself for checkpoints, as C2SP asks.
    pub fn key_name(self, origin: &str) -> String {
        match self {
            Self::Root => format!("{origin}/root"),
            Self::Event => format!("{origin}/event"),
            Self::Checkpoint => origin.to_owned(),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Root => "root.key",
            Self::Event => "event.key",
            Self::Checkpoint => "checkpoint.key",
        }
    }
}

/// Why a key file cannot be used.
#[derive(Debug)]
pub enum KeyFileError {
    /// The operating system failed.
    Io(IoError),
    /// The system gave no entropy.
    Entropy,
    /// The file does not hold one signer-key line.
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// The name cannot be a key name.
    Name(String),
    /// There is a file already; a key is never overwritten.
    Exists(PathBuf),
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Entropy => f.write_str("the system gave no entropy"),
            Self::Malformed { path } => {
                write!(f, "{} does not hold one signer-key line", path.display())
            }
            Self::Name(name) => write!(f, "`{name}` cannot be a key name: no white space, no `+`"),
            Self::Exists(path) => write!(f, "{} exists already", path.display()),
        }
    }
}

impl std::error::Error for KeyFileError {}

impl From<IoError> for KeyFileError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

/// The folder of key files in a data folder.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    data_dir: PathBuf,
}

/// 32 bytes of the system's entropy.
pub fn entropy() -> Result<[u8; 32], KeyFileError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| KeyFileError::Entropy)?;
    Ok(bytes)
}

/// Makes a key.
pub fn generate(name: &str) -> Result<SignerKey, KeyFileError> {
    let name = KeyName::new(name).map_err(|_| KeyFileError::Name(name.to_owned()))?;
    Ok(SignerKey::new(name, SecretKey::from_seed(entropy()?)))
}

/// Reads one signer-key line.
pub fn read(path: &Path) -> Result<SignerKey, KeyFileError> {
    let text = std::fs::read_to_string(path).map_err(IoError::at("read the key file", path))?;
    SignerKey::parse(text.trim_end_matches('\n')).map_err(|_| KeyFileError::Malformed { path: path.to_owned() })
}

/// Writes one signer-key line to a new file that only its owner can read.
pub fn write(staging: &Staging, path: &Path, key: &SignerKey) -> Result<(), KeyFileError> {
    if path.exists() {
        return Err(KeyFileError::Exists(path.to_owned()));
    }
    let line = format!("{}\n", key.encode());
    Ok(staging.write(path, line.as_bytes(), Mode::Private)?)
}

impl KeyFolder {
    /// The folder of `data_dir`.
    pub fn of(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned() }
    }

    /// Where a key lies, if it lies here.
    pub fn path(&self, role: KeyRole) -> PathBuf {
        self.data_dir.join("keys").join(role.file())
    }

    /// Reads a key.
    pub fn read(&self, role: KeyRole) -> Result<SignerKey, KeyFileError> {
        read(&self.path(role))
    }

    /// Makes a key and writes it.
    pub fn create(&self, staging: &Staging, role: KeyRole, origin: &str) -> Result<SignerKey, KeyFileError> {
        ensure_dir_on(&**staging.disk(), &self.data_dir.join("keys"), Mode::Private)?;
        let key = generate(&role.key_name(origin))?;
        write(staging, &self.path(role), &key)?;
        Ok(key)
    }

    /// Makes the secret salt under which API keys are hashed: an owner-chosen key cannot be guessed from the log.
    pub fn create_api_key_salt(&self, staging: &Staging) -> Result<[u8; 32], KeyFileError> {
        let path = self.data_dir.join("keys").join("api-salt");
        if path.exists() {
            return Err(KeyFileError::Exists(path));
        }
        ensure_dir_on(&**staging.disk(), &self.data_dir.join("keys"), Mode::Private)?;
        staging.write(&path, hex::encode(entropy()?).as_bytes(), Mode::Private)?;
        self.api_key_salt()
    }

    /// The secret salt. Without it no API key of the ledger works, so a missing one is an error, never replaced.
    pub fn api_key_salt(&self) -> Result<[u8; 32], KeyFileError> {
        let path = self.data_dir.join("keys").join("api-salt");
        let malformed = || KeyFileError::Malformed { path: path.clone() };
        let text = std::fs::read_to_string(&path).map_err(IoError::at("read the salt", &path))?;
        let bytes = hex::decode(text.trim()).map_err(|_| malformed())?;
        bytes.try_into().map_err(|_| malformed())
    }
}
