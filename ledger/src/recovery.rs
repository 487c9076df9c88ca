//! Opening a ledger: locks the folder, brings the state to the end of the journal, and puts the parts together.

mod replay;

use crate::clock::{Clock, Judge, SystemClock};
use crate::content::{BlobStore, ContentError, ContentStore};
use crate::disk::{Disk, RealDisk};
use crate::durable::{IoError, Staging};
use crate::handle::{Head, Ledger, Shared};
use crate::journal::segment::{self, Opened, SegmentJournal, Torn};
use crate::journal::{Journal, OpenError as JournalError, VisitError};
use crate::keeper::Keeper;
use crate::lock::DirLock;
use crate::publisher::{Publish, Publisher, witnessed_path};
use crate::sequencer::Sequencer;
use crate::site::{Check, SiteReport, SiteSource, TileTree, TreeError, published_note};
use crate::snapshot::Snapshots;
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use domain::state::State;
use proof::checkpoint::Checkpoint;
use proof::hash::Hash;
use proof::index::{LeafIndex, TreeSize};
use proof::note::SignerKey;
use replay::Replay;
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// Commands that may wait; one more is refused.
const QUEUE: usize = 4096;

/// Events from one snapshot to the next: what a start replays at most, about half a second's work.
const SNAPSHOT_EVERY: u64 = 65_536;

/// How a ledger is opened.
pub struct Options {
    event_key: SignerKey,
    checkpoint_key: SignerKey,
    clock: Box<dyn Clock>,
    snapshot_every: u64,
    segment_bytes: Option<u64>,
    disk: Arc<dyn Disk>,
    publish: Publish,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({})", self.checkpoint_key.name())
    }
}

impl Options {
    /// With the ledger's two keys. The checkpoint key's name is the origin.
    pub fn new(event_key: SignerKey, checkpoint_key: SignerKey) -> Self {
        let clock = Box::new(SystemClock::new());
        Self {
            event_key,
            checkpoint_key,
            clock,
            snapshot_every: SNAPSHOT_EVERY,
            segment_bytes: None,
            disk: Arc::new(RealDisk),
            publish: Publish::Heads,
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(self, clock: Box<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// On another disk.
    #[must_use]
    pub fn with_disk(self, disk: Arc<dyn Disk>) -> Self {
        Self { disk, ..self }
    }

    /// With segments of so many bytes, the first as the last.
    #[must_use]
    pub fn with_segment_bytes(self, bytes: u64) -> Self {
        Self { segment_bytes: Some(bytes), ..self }
    }

    /// With a snapshot after so many events.
    #[must_use]
    pub fn with_snapshot_every(self, events: u64) -> Self {
        Self { snapshot_every: events.max(1), ..self }
    }

    /// With another choice of the heads that are published.
    #[must_use]
    pub fn with_publish(self, publish: Publish) -> Self {
        Self { publish, ..self }
    }
}

/// What opening found.
#[derive(Debug)]
pub struct Recovered {
    torn: Option<Torn>,
    discarded: Vec<String>,
    replayed: u64,
    site: SiteReport,
}

impl Recovered {
    /// The frame that was dropped, in words.
    pub fn dropped(&self) -> Option<String> {
        self.torn.as_ref().map(|torn| {
            format!(
                "a frame cut short was dropped; it was never acknowledged ({} at byte {}, from event {} on, {} bytes)",
                torn.file.display(),
                torn.offset,
                torn.index,
                torn.bytes
            )
        })
    }

    /// Snapshots that could not be used, and why: the state was made from the log instead.
    pub fn discarded_snapshots(&self) -> &[String] {
        &self.discarded
    }

    /// How many events were replayed.
    pub fn replayed(&self) -> u64 {
        self.replayed
    }

    /// What was wrong with the static site, and has been put right.
    pub fn site(&self) -> &SiteReport {
        &self.site
    }
}

/// Why a ledger does not open.
#[derive(Debug)]
pub enum OpenError {
    /// The journal: in use, damaged, or unreadable.
    Journal(JournalError),
    /// The operating system failed.
    Io(IoError),
    /// The content store or the public blobs.
    Content(ContentError),
    /// The static site.
    Site(TreeError),
    /// The published checkpoint is not one that this ledger's key signed.
    Checkpoint {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A public blob that the log names is missing or not what it should be.
    Blob {
        /// Which.
        digest: Hash,
        /// What is wrong.
        problem: String,
    },
    /// A key file is not the one that genesis names.
    Key {
        /// The public key in the genesis.
        named: String,
        /// The public key of the file.
        found: String,
    },
    /// An entry bundle of the site, which is all that is left of old events, leads nowhere.
    Bundle {
        /// The event that does not follow.
        index: LeafIndex,
        /// Why.
        error: VisitError,
    },
    /// The folder holds no events, and no policy was given to begin with.
    Empty,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Content(error) => error.fmt(f),
            Self::Site(error) => error.fmt(f),
            Self::Checkpoint { file, problem } => write!(f, "{}: {problem}; refusing to start", file.display()),
            Self::Blob { digest, problem } => write!(f, "public blob {digest}: {problem}"),
            Self::Key { named, found } => {
                write!(f, "a key file holds `{found}`, the genesis names `{named}`; refusing to start")
            }
            Self::Bundle { index, error } => {
                write!(f, "event {index}, from the site's bundles: {error}; refusing to start")
            }
            Self::Empty => f.write_str(
                "the folder holds keys but no genesis: making the ledger was interrupted; remove the folder",
            ),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<IoError> for OpenError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl From<ContentError> for OpenError {
    fn from(error: ContentError) -> Self {
        Self::Content(error)
    }
}

/// Opens the ledger in `dir`. `begin_with` is the policy of one that has no genesis yet.
///
/// # Errors
/// When anything is not as it was written: damage is never repaired silently.
pub fn open(
    dir: &Path,
    options: Options,
    begin_with: Option<Policy>,
) -> Result<(Ledger, Sequencer, Recovered), OpenError> {
    let origin = options.checkpoint_key.name().as_str().to_owned();
    let published = published(&*options.disk, dir, &options.checkpoint_key)?;
    let lock = options.disk.lock(dir).map_err(|error| OpenError::Journal(error.into()))?;
    let staging = Staging::open_on(options.disk.clone(), dir)?;
    let snapshots = Snapshots::of(dir, &staging, &origin, &options.event_key);
    let replay = Replay::start(dir, &staging, &snapshots)?;
    let began_at = replay.began_at();
    let (opened, replay) = read_journal(dir, lock, &options, published.as_ref(), replay)?;
    let Replay { state, index, discarded, .. } = replay;
    let (content, blobs) = (ContentStore::open(dir, staging.clone())?, BlobStore::open(dir, staging.clone())?);
    let policy = match begin_with {
        Some(policy) if state.ledger().is_none() => founded_with(policy, &blobs)?,
        _ => policy_in_force(&state, &blobs)?,
    };
    check_keys(&state, &options)?;
    // An erasure is an event first; a crash in between must not leave the body.
    for sha256 in state.erased() {
        content.erase(&sha256)?;
    }
    let source = SiteSource {
        journal: opened.journal.reader(),
        frontier: &opened.frontier,
        published: published.as_ref(),
        check: Check::Edge,
    };
    let site = TileTree::open(dir, &staging, &source).map_err(OpenError::Site)?;
    let head = head(&origin, &opened.frontier, &options.checkpoint_key);
    let publisher = Publisher::start(site.writer, options.publish, dir, staging.clone());
    let publisher = publisher.map_err(IoError::at("start the publisher of", dir))?;
    let (queue, requests) = sync_channel(QUEUE);
    let shared = Arc::new(Shared {
        origin,
        queue,
        committed: RwLock::new(state.clone()),
        size: watch::Sender::new(head.size),
        head: RwLock::new(head.clone()),
        tree: site.tree,
        content,
        blobs,
        staging: staging.clone(),
        publishing: publisher.desk(),
        policy: Arc::new(policy),
        stopped: RwLock::new(None),
        damaged: RwLock::new(None),
        metrics: Arc::default(),
    });
    if head.size.get() > 0 {
        publisher.offer(&head);
    }
    let metrics = shared.metrics.clone();
    let keeper = Keeper::start(dir.to_owned(), staging, snapshots, index, began_at, options.snapshot_every, metrics)
        .map_err(IoError::at("start the keeper of", dir))?;
    let replayed = head.size.get() - began_at.get();
    let sequencer = Sequencer {
        shared: shared.clone(),
        queue: requests,
        journal: Box::new(opened.journal),
        judge: Judge::new(options.clock, state.time()),
        tip: state,
        frontier: opened.frontier,
        event_key: options.event_key,
        checkpoint_key: options.checkpoint_key,
        carried: VecDeque::new(),
        stalled: false,
        publisher,
        keeper,
        linger: Duration::ZERO,
    };
    Ok((Ledger(shared), sequencer, Recovered { torn: opened.torn, discarded, replayed, site: site.report }))
}

/// Opens the journal and folds what it has beyond the snapshot.
fn read_journal(
    dir: &Path,
    lock: DirLock,
    options: &Options,
    published: Option<&Checkpoint>,
    mut replay: Replay,
) -> Result<(Opened, Replay), OpenError> {
    let signed_for = published.map_or(TreeSize::ZERO, |checkpoint| checkpoint.size);
    let mut journal_options = segment::Options::new(options.checkpoint_key.name().as_str());
    journal_options.disk = options.disk.clone();
    journal_options.must_reach = signed_for;
    if let Some(bytes) = options.segment_bytes {
        (journal_options.segment_bytes, journal_options.first_segment_bytes) = (bytes, bytes);
    }
    journal_options.resume = replay.frontier.clone();
    let event_key = options.event_key.verifier();
    let mut visit = |index, leaf: &[u8]| {
        // Up to the published size a signed root vouches for every leaf. Behind it only the event's own signature does:
        // whoever can write to the disk, but holds no key, must not be able to add to the log.
        let unvouched = (!signed_for.contains(index)).then_some(event_key.key());
        replay.event(leaf, unvouched)
    };
    let opened = SegmentJournal::open_locked(lock, dir, &journal_options, &mut visit).map_err(OpenError::Journal)?;
    Ok((opened, replay))
}

/// The newest checkpoint that was released: the published one, or the cosigned one beside it. One that does not verify is
/// no ground to start on: it may be all that shows a journal to be too short.
fn published(disk: &dyn Disk, dir: &Path, key: &SignerKey) -> Result<Option<Checkpoint>, OpenError> {
    let head = released(dir.join("public").join("checkpoint"), published_note(disk, dir)?, key)?;
    let file = witnessed_path(dir);
    let note = crate::durable::read(disk, &file)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match (head, released(file.clone(), note, key)?) {
        (Some(head), Some(beside)) if head.size == beside.size && head.root != beside.root => {
            let problem = format!("the published checkpoint has another root at its size, {}", head.size);
            Err(OpenError::Checkpoint { file, problem })
        }
        (Some(head), Some(beside)) if head.size >= beside.size => Ok(Some(head)),
        (head, beside) => Ok(beside.or(head)),
    }
}

fn released(file: PathBuf, note: Option<String>, key: &SignerKey) -> Result<Option<Checkpoint>, OpenError> {
    let Some(note) = note else { return Ok(None) };
    Checkpoint::open(&note, &key.verifier()).map(Some).map_err(|error| OpenError::Checkpoint {
        file,
        problem: format!("the published checkpoint does not hold: {error}"),
    })
}

fn founded_with(policy: Policy, blobs: &BlobStore) -> Result<Policy, OpenError> {
    blobs.put(&policy.bundle().to_bytes())?;
    blobs.put(&policy.manifest().to_bytes())?;
    Ok(policy)
}

fn policy_in_force(state: &State, blobs: &BlobStore) -> Result<Policy, OpenError> {
    let genesis = &state.ledger().ok_or(OpenError::Empty)?.genesis;
    let blob = |digest: Hash| {
        let problem = |problem: String| OpenError::Blob { digest, problem };
        blobs.get(&digest).map_err(|e| problem(e.to_string()))?.ok_or_else(|| problem("missing".into()))
    };
    let unfit = |digest| move |e: &dyn fmt::Display| OpenError::Blob { digest, problem: e.to_string() };
    let bundle = Bundle::parse(&blob(genesis.policy)?).map_err(|e| unfit(genesis.policy)(&e))?;
    let manifest = Manifest::parse(&blob(genesis.manifest)?).map_err(|e| unfit(genesis.manifest)(&e))?;
    Ok(Policy::new(bundle, manifest))
}

/// The key files must be those of the genesis: what another key signs, every verifier refuses.
fn check_keys(state: &State, options: &Options) -> Result<(), OpenError> {
    let Some(info) = state.ledger() else { return Ok(()) };
    let files = [(&info.genesis.event, &options.event_key), (&info.genesis.checkpoint, &options.checkpoint_key)];
    match files.into_iter().find(|(named, file)| **named != file.verifier().to_string()) {
        None => Ok(()),
        Some((named, file)) => Err(OpenError::Key { named: named.clone(), found: file.verifier().to_string() }),
    }
}

/// The head of what is committed. Signing it again gives the same note: Ed25519 is deterministic.
fn head(origin: &str, frontier: &proof::merkle::Frontier, key: &SignerKey) -> Head {
    let (size, root) = (frontier.size(), frontier.root());
    let checkpoint =
        if size.get() == 0 { String::new() } else { Checkpoint { origin: origin.to_owned(), size, root }.sign(key) };
    Head { size, root, checkpoint: checkpoint.into() }
}
