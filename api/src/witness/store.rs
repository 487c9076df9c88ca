//! What a witness remembers, and that it never forgets it.
//!
//! `DIR/logs/<hex SHA-256 of the origin>/checkpoint` is the last checkpoint that was cosigned for a log, with the log's
//! signature and the cosignature. It is on stable storage before anybody is given the cosignature.

use ledger::durable::{IoError, Mode, Staging};
use proof::checkpoint::{Checkpoint, CheckpointError};
use proof::hash::Hash;
use proof::note::{Note, NoteError, SignerKey, VerifierKey};
use proof::witness::{AddCheckpoint, KnownLog, LastCosigned, Refusal, judge, log_address};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A witness of some logs.
#[derive(Debug)]
pub struct Witness {
    signer: SignerKey,
    staging: Staging,
    /// By the address under which it serves what it cosigned last.
    logs: BTreeMap<Hash, Log>,
}

#[derive(Debug)]
struct Log {
    keys: Vec<VerifierKey>,
    file: PathBuf,
    /// Locked from the comparison of the old size until the new head is on stable storage.
    last: Mutex<Option<Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    last: LastCosigned,
    note: Arc<str>,
}

/// Why a witness does not start.
#[derive(Debug)]
pub enum WitnessError {
    /// The operating system failed.
    Io(IoError),
    /// What it remembers of a log is not what it wrote.
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A key that is not a log's.
    NotALogKey(VerifierKey),
}

/// Why nothing was cosigned.
#[derive(Debug)]
pub enum CosignError {
    /// The request was refused.
    Refused(Refusal),
    /// The witness failed; nothing was cosigned.
    Failed(String),
}

impl Witness {
    /// Opens a witness. Whoever calls it holds the lock of `dir`, whose staging folder this is.
    ///
    /// # Errors
    /// If what it remembers of one of the logs cannot be read, or was not cosigned by this key. It cannot begin again from
    /// nothing: that would be to cosign a fork.
    pub fn open(
        dir: &Path,
        staging: Staging,
        signer: SignerKey,
        logs: impl IntoIterator<Item = VerifierKey>,
    ) -> Result<Self, WitnessError> {
        let mut known: BTreeMap<Hash, Log> = BTreeMap::new();
        for key in logs {
            if key.kind() != proof::note::KeyKind::Ed25519 {
                return Err(WitnessError::NotALogKey(key));
            }
            let address = log_address(key.name().as_str());
            let file = dir.join("logs").join(address.to_string()).join("checkpoint");
            let log = known.entry(address).or_insert_with(|| Log { keys: Vec::new(), file, last: Mutex::new(None) });
            log.keys.push(key);
        }
        for log in known.values_mut() {
            let kept = log.read(&signer)?;
            log.last = Mutex::new(kept);
        }
        Ok(Self { signer, staging, logs: known })
    }

    /// The witness's key.
    pub fn vkey(&self) -> VerifierKey {
        self.signer.cosigner()
    }

    /// The last checkpoint that was cosigned for the log at an address, as a signed note.
    pub fn checkpoint(&self, address: &Hash) -> Option<Arc<str>> {
        let log = self.logs.get(address)?;
        let kept = log.last.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().map(|kept| kept.note.clone())
    }

    /// Cosigns the head of a request, at a time in seconds since 1970, and gives the signature line. Blocks until the head
    /// is on stable storage.
    ///
    /// # Errors
    /// If the request is refused, or the head cannot be kept.
    pub fn cosign(&self, request: &AddCheckpoint, now: u64) -> Result<String, CosignError> {
        let refused = CosignError::Refused;
        let claimed = request.claimed().map_err(|error| refused(Refusal::Malformed(error)))?;
        let Some(log) = self.logs.get(&log_address(&claimed.origin)) else {
            return Err(refused(Refusal::UnknownLog { origin: claimed.origin }));
        };
        let mut kept = log.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = KnownLog { keys: &log.keys, last: kept.as_ref().map(|kept| kept.last) };
        let checkpoint = judge(request, Some(known)).map_err(refused)?;
        let failed = |error: &dyn fmt::Display| CosignError::Failed(error.to_string());
        let cosignature = self.signer.cosign(&request.note.text, now).map_err(|error| failed(&error))?;
        let line = format!("{cosignature}\n");
        let mut note = request.note.clone();
        // Lines that nobody has checked are not kept and not served.
        note.signatures.retain(|signature| log.keys.iter().any(|key| signature.claims(key)));
        note.signatures.push(cosignature);
        let note = note.to_string();
        self.staging.write(&log.file, note.as_bytes(), Mode::Private).map_err(|error| failed(&error))?;
        *kept = Some(Kept { last: LastCosigned { size: checkpoint.size, root: checkpoint.root }, note: note.into() });
        Ok(line)
    }
}

impl Log {
    fn read(&self, signer: &SignerKey) -> Result<Option<Kept>, WitnessError> {
        let note = match std::fs::read(&self.file) {
            Ok(note) => note,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(WitnessError::Io(IoError::at("read", &self.file)(error))),
        };
        let damaged = |problem: &dyn fmt::Display| WitnessError::Damaged {
            file: self.file.clone(),
            problem: problem.to_string(),
        };
        let note = String::from_utf8(note).map_err(|error| damaged(&error))?;
        let checkpoint = own_checkpoint(&note, signer).map_err(|error| damaged(&error))?;
        if self.keys.iter().all(|key| key.name().as_str() != checkpoint.origin) {
            return Err(damaged(&format_args!("it is of another log, `{}`", checkpoint.origin)));
        }
        let last = LastCosigned { size: checkpoint.size, root: checkpoint.root };
        Ok(Some(Kept { last, note: note.into() }))
    }
}

/// The checkpoint in a note that this witness cosigned. Whether the log's key is still trusted does not matter here.
fn own_checkpoint(note: &str, signer: &SignerKey) -> Result<Checkpoint, CheckpointError> {
    let note = Note::parse(note).map_err(CheckpointError::Note)?;
    note.verify(&[signer.cosigner()]).map_err(|error| match error {
        NoteError::NoKnownKey => CheckpointError::Note(NoteError::BadSignature { name: signer.name().clone() }),
        error => CheckpointError::Note(error),
    })?;
    Checkpoint::parse_body(&note.text)
}

impl fmt::Display for WitnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damaged { file, problem } => write!(
                f,
                "{} is not what this witness wrote: {problem}; refusing to start, for a witness that has forgotten what \
                 it cosigned would cosign a fork",
                file.display()
            ),
            Self::NotALogKey(key) => write!(f, "`{}` is a witness's key, expected a log's", key.name()),
        }
    }
}

impl std::error::Error for WitnessError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proof::key::{KeyName, SecretKey};
    use proof::merkle::{MemoryTree, consistency_proof, leaf_hash};
    use proof::{LeafIndex, TreeSize};

    fn key(name: &str, seed: u8) -> SignerKey {
        SignerKey::new(KeyName::new(name).unwrap(), SecretKey::from_seed([seed; 32]))
    }

    fn open(dir: &Path, signer: SignerKey) -> Result<Witness, WitnessError> {
        Witness::open(dir, Staging::open(dir).unwrap(), signer, [key("log.example", 1).verifier()])
    }

    fn request(old: u64, size: u64) -> AddCheckpoint {
        let mut tree = MemoryTree::new();
        (0..size).for_each(|index| tree.push(leaf_hash(LeafIndex::new(index).to_string().as_bytes())));
        let checkpoint = Checkpoint { origin: "log.example".into(), size: tree.size(), root: tree.root() };
        let (old, size) = (TreeSize::new(old), TreeSize::new(size));
        let proof = if old.get() == 0 { Vec::new() } else { consistency_proof(&tree, old, size).unwrap() };
        AddCheckpoint { old, proof, note: Note::parse(&checkpoint.sign(&key("log.example", 1))).unwrap() }
    }

    #[test]
    fn what_was_cosigned_is_remembered_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let signer = key("witness.example", 2);
        let witness = open(dir.path(), signer.clone()).unwrap();
        let address = log_address("log.example");
        assert_eq!(witness.checkpoint(&address), None);
        let line = witness.cosign(&request(0, 3), 7).unwrap();
        let served = witness.checkpoint(&address).unwrap();
        assert!(served.ends_with(&line) && Checkpoint::open(&served, &key("log.example", 1).verifier()).is_ok());
        drop(witness);
        let witness = open(dir.path(), signer).unwrap();
        assert_eq!(witness.checkpoint(&address), Some(served));
        let Err(CosignError::Refused(refusal)) = witness.cosign(&request(0, 4), 8) else { panic!("cosigned") };
        assert_eq!(refusal, Refusal::OtherSize { last: TreeSize::new(3) });
        witness.cosign(&request(3, 4), 8).unwrap();
    }

    #[test]
    fn lines_that_nobody_checked_are_not_served() {
        let dir = tempfile::tempdir().unwrap();
        let witness = open(dir.path(), key("witness.example", 2)).unwrap();
        let mut with_strangers = request(0, 3);
        let stranger = key("stranger.example", 9).cosign("other\n", 1).unwrap();
        with_strangers.note.signatures.push(stranger);
        witness.cosign(&with_strangers, 7).unwrap();
        assert!(!witness.checkpoint(&log_address("log.example")).unwrap().contains("stranger"));
    }

    #[test]
    fn a_witness_that_cannot_read_what_it_cosigned_does_not_start() {
        let dir = tempfile::tempdir().unwrap();
        let signer = key("witness.example", 2);
        open(dir.path(), signer.clone()).unwrap().cosign(&request(0, 3), 7).unwrap();
        let file = dir.path().join("logs").join(log_address("log.example").to_string()).join("checkpoint");
        let good = std::fs::read_to_string(&file).unwrap();
        let refused =
            |signer: &SignerKey| matches!(open(dir.path(), signer.clone()), Err(WitnessError::Damaged { .. }));
        assert!(refused(&key("witness.example", 3)), "another key");
        let unsigned = request(0, 3).note.to_string();
        for bad in ["", "junk", &good.replacen("\n3\n", "\n2\n", 1), &unsigned] {
            std::fs::write(&file, bad).unwrap();
            assert!(refused(&signer), "{bad}");
        }
        std::fs::write(&file, good).unwrap();
        assert!(open(dir.path(), signer).is_ok());
    }

    #[test]
    fn nothing_is_cosigned_that_cannot_be_kept() {
        let dir = tempfile::tempdir().unwrap();
        let witness = open(dir.path(), key("witness.example", 2)).unwrap();
        // The folder of the log cannot be made where a file lies.
        std::fs::write(dir.path().join("logs"), "").unwrap();
        assert!(matches!(witness.cosign(&request(0, 3), 7), Err(CosignError::Failed(_))));
        assert_eq!(witness.checkpoint(&log_address("log.example")), None);
        assert!(matches!(witness.cosign(&request(0, 3), 0), Err(CosignError::Failed(_))), "a clock before 1970");
    }

    #[test]
    fn of_two_requests_from_the_same_size_one_is_cosigned() {
        let dir = tempfile::tempdir().unwrap();
        let witness = open(dir.path(), key("witness.example", 2)).unwrap();
        witness.cosign(&request(0, 2), 7).unwrap();
        let cosigned = std::thread::scope(|scope| {
            let ask = |size| {
                scope.spawn({
                    let witness = &witness;
                    move || witness.cosign(&request(2, size), 8).is_ok()
                })
            };
            let asked: Vec<_> = (3..11).map(ask).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).filter(|cosigned| *cosigned).count()
        });
        assert_eq!(cosigned, 1);
    }
}
