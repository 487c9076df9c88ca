//! Puts heads on the static site, on a thread of its own: writing tiles never delays a commit.
//!
//! Which heads, is [`Publish`]: each newest one, at most once a second, whatever witnesses do; or only those that enough
//! witnesses cosigned. A cosigned head also lies beside, at `public/witnessed/checkpoint`, and never before its tiles do.

use crate::durable::{IoError, Mode, Staging};
use crate::handle::{Head, Ledger};
use crate::site::{SiteWriter, TreeError};
use proof::checkpoint::{Checkpoint, CheckpointError};
use proof::index::TreeSize;
use proof::note::{Note, VerifierKey};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// The site is at most this much behind, and a little for the writing.
const INTERVAL: Duration = Duration::from_millis(900);

/// Which heads become `public/checkpoint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// Every newest one, about once a second.
    #[default]
    Heads,
    /// None but those that are handed to [`Ledger::publish_witnessed`].
    Witnessed,
}

/// A checkpoint that lies on the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The signed note.
    pub note: Arc<str>,
    /// Its size.
    pub size: TreeSize,
    /// When it was put there.
    pub at: SystemTime,
}

/// Why a cosigned checkpoint is not published.
#[derive(Debug)]
pub enum WitnessedError {
    /// It is not a checkpoint that this log signed.
    Checkpoint(CheckpointError),
    /// The log does not have this root at this size.
    Forked {
        /// The size.
        size: TreeSize,
    },
    /// The tree could not be read.
    Tree(TreeError),
    /// The publisher has ended.
    Stopped,
}

impl fmt::Display for WitnessedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(error) => error.fmt(f),
            Self::Forked { size } => write!(f, "the log has another root at size {size}"),
            Self::Tree(error) => error.fmt(f),
            Self::Stopped => f.write_str("the publisher has ended"),
        }
    }
}

impl std::error::Error for WitnessedError {}

enum Message {
    /// There is a newer head in the slot.
    Head,
    Witnessed(Arc<str>),
    Finish(Arc<str>),
}

type Slot = Arc<Mutex<Option<Arc<str>>>>;

/// The sequencer's side.
pub(crate) struct Publisher {
    desk: Desk,
    thread: Option<JoinHandle<()>>,
}

/// Everybody else's side.
#[derive(Clone)]
pub(crate) struct Desk {
    messages: Sender<Message>,
    /// The newest head, until the publisher takes it: between two publications one message is enough.
    slot: Slot,
    published: watch::Receiver<Option<Published>>,
    witnessed: watch::Receiver<Option<Published>>,
}

impl Publisher {
    pub(crate) fn start(
        writer: SiteWriter,
        publish: Publish,
        dir: &Path,
        staging: Staging,
    ) -> Result<Self, std::io::Error> {
        let (messages, queue) = channel();
        let published = watch::Sender::new(found(&dir.join("public").join("checkpoint")));
        let witnessed = watch::Sender::new(found(&witnessed_path(dir)));
        let slot = Slot::default();
        let desk =
            Desk { messages, slot: slot.clone(), published: published.subscribe(), witnessed: witnessed.subscribe() };
        let site = Site { writer, slot, publish, beside: witnessed_path(dir), staging, published, witnessed };
        let thread = std::thread::Builder::new().name("publisher".into()).spawn(move || site.run(&queue))?;
        Ok(Self { desk, thread: Some(thread) })
    }

    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// There is a newer head. Never waits.
    pub(crate) fn offer(&self, head: &Head) {
        let untaken = self.desk.slot.lock().unwrap_or_else(PoisonError::into_inner).replace(head.checkpoint.clone());
        if untaken.is_none() {
            // A publisher that has stopped has said why; the log goes on without its site.
            let _ = self.desk.messages.send(Message::Head);
        }
    }

    /// Publishes the last head, if heads are published, and ends.
    pub(crate) fn finish(&mut self, head: &Head) {
        let _ = self.desk.messages.send(Message::Finish(head.checkpoint.clone()));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the publisher failed");
        }
    }
}

impl Ledger {
    /// The checkpoint that is on the site, and when it came there.
    pub fn published(&self) -> watch::Receiver<Option<Published>> {
        self.0.publishing.published.clone()
    }

    /// The last cosigned checkpoint, which lies beside.
    pub fn witnessed(&self) -> watch::Receiver<Option<Published>> {
        self.0.publishing.witnessed.clone()
    }

    /// Publishes a checkpoint of this log with the cosignatures on it: beside the head, and where only witnessed heads are
    /// published, as the head. Whether they are enough, is the caller's business. Done soon, by the publisher.
    ///
    /// # Errors
    /// If this log never signed it or has another tree.
    pub fn publish_witnessed(&self, note: &str) -> Result<(), WitnessedError> {
        let key = self.with_state(|state| state.ledger().map(|info| VerifierKey::parse(&info.genesis.checkpoint)));
        let Some(Ok(key)) = key else { return Err(WitnessedError::Stopped) };
        let checkpoint = Checkpoint::open(note, &key).map_err(WitnessedError::Checkpoint)?;
        let size = checkpoint.size;
        if size > self.head().size || self.root_at(size).map_err(WitnessedError::Tree)? != checkpoint.root {
            return Err(WitnessedError::Forked { size });
        }
        self.0.publishing.messages.send(Message::Witnessed(note.into())).map_err(|_| WitnessedError::Stopped)
    }
}

/// Where the last cosigned checkpoint lies.
pub(crate) fn witnessed_path(dir: &Path) -> PathBuf {
    dir.join("public").join("witnessed").join("checkpoint")
}

/// A checkpoint that lies on the site already; who signed it, recovery has looked at.
fn found(path: &Path) -> Option<Published> {
    let note = std::fs::read_to_string(path).ok()?;
    let at = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    Published::new(&note, at)
}

impl Published {
    fn new(note: &str, at: SystemTime) -> Option<Self> {
        let size = Checkpoint::parse_body(&Note::parse(note).ok()?.text).ok()?.size;
        Some(Self { note: note.into(), size, at })
    }
}

/// The publisher's thread.
struct Site {
    writer: SiteWriter,
    slot: Slot,
    publish: Publish,
    beside: PathBuf,
    staging: Staging,
    published: watch::Sender<Option<Published>>,
    witnessed: watch::Sender<Option<Published>>,
}

impl Site {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut is_due = false;
        let mut last = None::<Instant>;
        loop {
            let wait = match (is_due, last) {
                (false, _) => None,
                (true, None) => Some(Duration::ZERO),
                (true, Some(last)) => Some(INTERVAL.saturating_sub(last.elapsed())),
            };
            let message = match wait {
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => queue.recv_timeout(wait),
            };
            match message {
                Ok(Message::Head) => is_due = true,
                Ok(Message::Witnessed(note)) => self.put_witnessed(&note),
                Ok(Message::Finish(head)) => {
                    if self.publish == Publish::Heads {
                        self.put(&head);
                    }
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    is_due = self.take().is_some_and(|head| !self.put_or_prepare(head));
                    last = Some(Instant::now());
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&self) -> Option<Arc<str>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Publishes a head; or, where only witnessed ones are published, writes the full tiles that it will need, which must
    /// not pile up in memory meanwhile. After a failure the head is kept for another try.
    fn put_or_prepare(&mut self, head: Arc<str>) -> bool {
        let done = match self.publish {
            Publish::Heads => self.put(&head),
            Publish::Witnessed => match self.writer.write_ahead() {
                Ok(()) => true,
                Err(error) => {
                    tracing::error!(%error, "full tiles could not be written");
                    false
                }
            },
        };
        if !done {
            self.slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(head);
        }
        done
    }

    fn put(&mut self, checkpoint: &str) -> bool {
        // Of a genesis that was never committed there is nothing to publish.
        if checkpoint.is_empty() {
            return false;
        }
        // What could not be written is still in memory or in the journal, so a failure is loud but stops nothing.
        if let Err(error) = self.writer.publish(checkpoint) {
            tracing::error!(%error, "the static site could not be written");
            return false;
        }
        self.published.send_replace(Published::new(checkpoint, SystemTime::now()));
        true
    }

    fn put_witnessed(&mut self, note: &str) {
        let Some(witnessed) = Published::new(note, SystemTime::now()) else { return };
        let tiles_are_there = match self.publish {
            Publish::Witnessed => self.put(note),
            Publish::Heads => {
                if self.writer.tree().published() < witnessed.size
                    && let Some(head) = self.take()
                {
                    self.put(&head);
                }
                self.writer.tree().published() >= witnessed.size
            }
        };
        if !tiles_are_there {
            tracing::error!(size = %witnessed.size, "a cosigned checkpoint is not published: its tiles are not there");
            return;
        }
        match self.write_beside(note) {
            Ok(()) => drop(self.witnessed.send_replace(Some(witnessed))),
            Err(error) => tracing::error!(%error, "the cosigned checkpoint could not be written"),
        }
    }

    fn write_beside(&self, note: &str) -> Result<(), IoError> {
        self.staging.write(&self.beside, note.as_bytes(), Mode::Public)
    }
}
