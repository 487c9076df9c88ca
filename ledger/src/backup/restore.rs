//! A new data folder from a backup.
//!
//! Everything is made in `NEW/restoring` and moved up when it is whole, the journal after all the rest, the keys after
//! that. A folder without journal does not open while it has a checkpoint, and one without keys not at all: so nothing
//! is appended to a ledger that is not whole, nor before a decision to go on without known events is in it. Killed at any
//! moment, a restore can be run again.

use std::path::{Path, PathBuf};

use domain::authored::{self, SeenHead, StatementKind};
use domain::command::Command;
use domain::event::ledger::Restoration;
use proof::merkle::root_at;
use proof::{Checkpoint, Hash, LeafIndex, SignerKey, TreeSize, VerifierKey};

use super::copy::Copying;
use super::place::{check_apart, check_target};
use super::tree::{FULL, StoredTree};
use super::{BackupError, Copied, Progress, SETTINGS, copy_keys, copy_settings};
use crate::disk::{Disk, RealDisk};
use crate::durable::{self, IoError, Mode, Staging, ensure_dir, sync_dir};
use crate::journal::Frame;
use crate::journal::segment;
use crate::keys;
use crate::publisher::Publish;
use crate::recovery::{Options, open};
use crate::width::on_disk;

/// Where a folder is made before it is whole.
const RESTORING: &str = "restoring";
/// What a folder may hold that nobody has put to use.
const UNUSED: [&str; 3] = ["lock", "lost+found", "tmp"];
/// What a restore that was interrupted may have put beside it.
const OURS: [&str; 4] = ["closed", "content", "public", "snapshots"];

/// A signed checkpoint of the log that somebody has kept.
#[derive(Clone, Debug)]
pub struct Known {
    /// Where it is from.
    pub file: PathBuf,
    /// The signed note.
    pub note: String,
}

/// Root goes on without events that the world may have seen.
#[derive(Debug)]
pub struct Acceptance {
    /// Why, in a few words; it is logged.
    pub why: String,
    /// The root key.
    pub root: SignerKey,
}

/// How a folder is restored.
#[derive(Debug, Default)]
pub struct RestoreOptions {
    /// Heads that the backup must not contradict, and must reach.
    pub known: Vec<Known>,
    /// The folder of the ledger's key files. Without it the new folder has none.
    pub keys: Option<PathBuf>,
    /// Which heads the log publishes; those of a decision are published by the restore itself.
    pub publish: Publish,
    /// What is lost is lost. Needs [`keys`](Self::keys): the decision is an event.
    pub accept_loss: Option<Acceptance>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What was copied.
    pub copied: Copied,
    /// The newest head that is known, if it reaches further: how many events are lost.
    pub lost: u64,
    /// Where the decision to go on without them stands.
    pub logged: Option<LeafIndex>,
    /// Whether the folder was whole already, made by a run that was interrupted at its end.
    pub was_done: bool,
}

/// Makes the data folder `new` from a backup.
///
/// The backup is verified whole on the way, and nothing is there before it is: every bundle leads to its tile, every
/// tile to the checkpoint's root, and the checkpoint is signed by the key that the genesis names.
///
/// # Errors
/// If `new` is in use; if the backup is damaged, of another history than a known head, or older than one and that was not
/// accepted; and if the operating system fails.
pub fn restore(
    backup: &Path,
    new: &Path,
    options: &RestoreOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored, BackupError> {
    check_apart(backup, new)?;
    let tree = StoredTree::open(backup)?;
    let keys = options.keys.as_deref().map(|folder| read_keys(folder, &tree)).transpose()?;
    let newest = check_known(&tree, &options.known)?;
    let lost = newest.as_ref().map_or(0, |(_, head)| head.size.get().saturating_sub(tree.size().get()));
    check_loss(&tree, options, newest.as_ref())?;
    check_unused(new)?;
    let _lock = RealDisk.lock(new)?;
    let unfinished = check_unused(new)?;
    if unfinished && RealDisk.is_dir(&new.join("journal")) {
        return finish(new, options.keys.as_deref(), None);
    }
    let at = new.join(RESTORING);
    sweep(new, &at)?;
    ensure_dir(&at, Mode::Private)?;
    let staging = Staging::open(&at)?;
    let copied = Copying::new(&tree, &at, &staging, false)?.run(progress)?;
    if !copied.complete {
        remove_dir(&at)?;
        return Err(BackupError::Incomplete { damaged: copied.damaged.into_iter().collect() });
    }
    copy_settings(backup, &at, &staging)?;
    write_journal(&tree, &at, &staging)?;
    drop(staging);
    let mut logged = None;
    if let Some(keys) = keys {
        logged = try_open(&at, keys, &tree, options, newest.map(|(note, _)| note))?;
    }
    move_up(&at, new)?;
    finish(new, options.keys.as_deref(), Some(Restored { copied, lost, logged, was_done: false }))
}

/// The event key and the checkpoint key, which must be those of the genesis.
fn read_keys(folder: &Path, tree: &StoredTree) -> Result<(SignerKey, SignerKey), BackupError> {
    let event = keys::read(&folder.join("event.key"))?;
    let checkpoint = keys::read(&folder.join("checkpoint.key"))?;
    check_key("event", &tree.genesis.event, &event.verifier())?;
    check_key("checkpoint", &tree.genesis.checkpoint, &checkpoint.verifier())?;
    Ok((event, checkpoint))
}

fn check_key(role: &'static str, named: &str, found: &VerifierKey) -> Result<(), BackupError> {
    let found = found.to_string();
    if named == found { Ok(()) } else { Err(BackupError::OtherKey { role, named: named.to_owned(), found }) }
}

/// Checks every known head against the backup; gives the newest that reaches further, with its note.
fn check_known(tree: &StoredTree, known: &[Known]) -> Result<Option<(Known, Checkpoint)>, BackupError> {
    let mut newest: Option<(Known, Checkpoint)> = None;
    for one in known {
        let head = Checkpoint::open(&one.note, &tree.key)
            .map_err(|e| BackupError::NotAHead { head: one.file.clone(), problem: e.to_string() })?;
        if head.size > tree.size() {
            if newest.as_ref().is_none_or(|(_, newest)| newest.size < head.size) {
                newest = Some((one.clone(), head));
            }
            continue;
        }
        let got = root_at(tree, head.size).map_err(crate::site::TreeError::from)?;
        if got != head.root {
            let (size, expected) = (head.size, head.root);
            return Err(BackupError::Forked { head: one.file.clone(), size, expected, got });
        }
    }
    Ok(newest)
}

/// Going on without events that the world has seen is root's to decide, and needs a ledger that can log it.
fn check_loss(
    tree: &StoredTree,
    options: &RestoreOptions,
    newest: Option<&(Known, Checkpoint)>,
) -> Result<(), BackupError> {
    match (&options.accept_loss, newest) {
        (Some(acceptance), _) => {
            if options.keys.is_none() {
                return Err(BackupError::Ledger(
                    "a loss can only be accepted with the ledger's keys: the decision is an event".into(),
                ));
            }
            // The name in a root key's file is its holder's choice; the key is what counts.
            let named = VerifierKey::parse(&tree.genesis.root).map_err(|e| BackupError::Ledger(e.to_string()))?;
            let found = acceptance.root.verifier();
            if named.key() == found.key() { Ok(()) } else { check_key("root", &tree.genesis.root, &found) }
        }
        (None, Some((known, head))) => {
            Err(BackupError::Older { size: tree.size(), known: head.size, head: known.file.clone() })
        }
        (None, None) => Ok(()),
    }
}

/// Refuses a folder that is in use; says whether it is one that a restore was making.
fn check_unused(new: &Path) -> Result<bool, BackupError> {
    if !RealDisk.is_dir(&new.join(RESTORING)) {
        check_target(new, &UNUSED)?;
        return Ok(false);
    }
    let ours: Vec<&str> = [RESTORING, "journal", "keys", SETTINGS].into_iter().chain(UNUSED).chain(OURS).collect();
    check_target(new, &ours)?;
    Ok(true)
}

/// Removes what an interrupted run has left.
fn sweep(new: &Path, at: &Path) -> Result<(), BackupError> {
    for name in OURS {
        remove_dir(&new.join(name))?;
    }
    durable::remove_on(&RealDisk, &new.join(SETTINGS))?;
    remove_dir(at)
}

/// Writes a journal that begins with the last leaves of the log: what is before is in full bundles.
fn write_journal(tree: &StoredTree, at: &Path, staging: &Staging) -> Result<(), BackupError> {
    let leaves = if tree.tail().is_empty() {
        let last = tree.full_tiles(0).saturating_sub(1);
        tree.bundle(last)?.leaves
    } else {
        tree.tail().to_vec()
    };
    let start = TreeSize::new(tree.size().get().saturating_sub(on_disk(leaves.len())));
    debug_assert_eq!(start.get() % FULL, 0, "bundles end where the journal begins");
    let frame = Frame { start, leaves: &leaves, root: tree.checkpoint.root };
    frame.check().map_err(|e| BackupError::Ledger(format!("the last bundle does not fit into a journal: {e}")))?;
    let root_before: Hash = root_at(tree, start).map_err(crate::site::TreeError::from)?;
    Ok(segment::begin_at(at, staging, &tree.checkpoint.origin, root_before, &frame)?)
}

/// Opens the new ledger once, so that it is known to open, and logs root's decision, if there is one.
fn try_open(
    at: &Path,
    (event, checkpoint): (SignerKey, SignerKey),
    tree: &StoredTree,
    options: &RestoreOptions,
    newest: Option<Known>,
) -> Result<Option<LeafIndex>, BackupError> {
    let failed = |e: &dyn std::fmt::Display| BackupError::Ledger(format!("the restored ledger: {e}"));
    let (ledger, mut sequencer, _) =
        open(at, Options::new(event, checkpoint).with_publish(options.publish), None).map_err(|e| failed(&e))?;
    let mut logged = Ok(None);
    if let Some(Acceptance { why, root }) = &options.accept_loss {
        let (size, top) = (tree.size(), tree.checkpoint.root);
        let restoration = Restoration { size, root: top, known: newest.map(|known| known.note), why: why.clone() };
        let seen = SeenHead { size, root: top };
        let origin = &tree.checkpoint.origin;
        let authored = authored::sign(StatementKind::Restoration, origin, seen, &restoration, root.secret())
            .map_err(|e| failed(&e))?;
        let (asking, command) = (ledger.clone(), Command::RestoreLedger { restoration, authored });
        let waiting = std::thread::spawn(move || asking.submit_blocking(command));
        // The command may be refused before it is queued; so never wait for one that does not come.
        while !waiting.is_finished() {
            sequencer.step(false);
            std::thread::yield_now();
        }
        logged = match waiting.join() {
            Ok(Ok(committed)) => Ok(committed.events.first().map(|event| event.header.seq)),
            Ok(Err(refused)) => Err(failed(&refused)),
            Err(_) => Err(failed(&"the commit failed")),
        };
    }
    ledger.stop();
    // Publishes the head, and lets go of the folder.
    sequencer.run();
    logged
}

/// Moves everything up but what belongs to the making, and the journal last.
fn move_up(at: &Path, new: &Path) -> Result<(), BackupError> {
    let mut names = durable::list(&RealDisk, at)?;
    names.retain(|name| !UNUSED.contains(&name.as_str()));
    names.sort_by_key(|name| name == "journal");
    for name in names {
        if name == "journal" {
            // What it needs must not be moved later than it is itself.
            sync_dir(new)?;
        }
        let (from, to) = (at.join(&name), new.join(&name));
        RealDisk.rename(&from, &to).map_err(IoError::at("rename into place", &to))?;
    }
    Ok(sync_dir(new)?)
}

/// The folder has everything but its keys.
fn finish(new: &Path, keys: Option<&Path>, restored: Option<Restored>) -> Result<Restored, BackupError> {
    let restored = match restored {
        Some(restored) => restored,
        None => {
            let tree = StoredTree::open(new)?;
            let (origin, size, root) = (tree.checkpoint.origin.clone(), tree.size(), tree.checkpoint.root);
            let copied = Copied { origin, from: size, size, root, complete: true, ..Copied::default() };
            if let Some(folder) = keys {
                read_keys(folder, &tree)?;
            }
            Restored { copied, lost: 0, logged: None, was_done: true }
        }
    };
    if let Some(folder) = keys {
        copy_keys(folder, new, &Staging::open(new)?)?;
    }
    remove_dir(&new.join(RESTORING))?;
    Ok(restored)
}

fn remove_dir(dir: &Path) -> Result<(), BackupError> {
    match RealDisk.remove_dir_all(dir) {
        Ok(()) => Ok(dir.parent().map_or(Ok(()), sync_dir)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(IoError::at("remove", dir)(error).into()),
    }
}
