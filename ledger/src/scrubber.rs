//! Re-reads what was written long ago, in the background and at a bounded rate: rot is found while another copy may still
//! exist, not when an auditor asks.
//!
//! What the journal or the files around can make again is made again. What they cannot comes from a spare copy, a backup or
//! a peer, and is believed by its hashes alone. While something is damaged that nobody can mend, the log takes no more
//! events: a log that cannot be read must not grow as if nothing was. It goes on by itself once the file is whole again.

use crate::handle::Ledger;
use crate::journal::ReadError;
use crate::site::{Spare, TreeError};
use std::io;
use std::num::NonZeroU32;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// From the end of one pass to the beginning of the next.
const BETWEEN_PASSES: Duration = Duration::from_secs(3600);
/// From one look at a damaged file to the next.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// The running scrubber.
#[derive(Debug)]
pub struct Scrubber {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

struct Work {
    ledger: Ledger,
    pause: Duration,
    spare: Box<dyn Spare + Send>,
    told: Receiver<()>,
}

impl Scrubber {
    /// Starts it: so many bundles of 256 events a second, with this spare copy.
    pub fn start(ledger: Ledger, per_second: NonZeroU32, spare: Box<dyn Spare + Send>) -> io::Result<Self> {
        let (stop, told) = channel();
        let work = Work { ledger, pause: Duration::from_secs(1) / per_second.get(), spare, told };
        let thread = std::thread::Builder::new().name("scrubber".into()).spawn(move || work.run())?;
        Ok(Self { stop, thread })
    }

    /// Stops it.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the scrubber failed");
        }
    }
}

impl Work {
    fn run(self) {
        let tree = self.ledger.0.tree.clone();
        let mut bundle = 0;
        loop {
            if bundle >= tree.scrub_bundles() {
                bundle = 0;
                if !self.rest(BETWEEN_PASSES) {
                    return;
                }
                continue;
            }
            let pause = match tree.scrub_with(bundle, &*self.spare) {
                Ok(flaws) => {
                    for flaw in flaws {
                        tracing::warn!(file = %flaw.file.display(), kind = ?flaw.kind, "a file of the site was wrong, and has been made again");
                        self.ledger.metrics().mended();
                    }
                    self.ledger.resume();
                    self.ledger.metrics().scrubbed();
                    bundle += 1;
                    self.pause
                }
                Err(error @ (TreeError::Damaged { .. } | TreeError::Journal(ReadError::Damage(_)))) => {
                    self.ledger.halt(&error.to_string());
                    BETWEEN_LOOKS
                }
                // Not damage: the disk did not let us look. It is looked at again, later.
                Err(error) => {
                    tracing::warn!(%error, bundle, "a bundle could not be scrubbed");
                    BETWEEN_LOOKS
                }
            };
            if !self.rest(pause) {
                return;
            }
        }
    }

    /// Waits; `false` when told to stop.
    fn rest(&self, time: Duration) -> bool {
        matches!(self.told.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}
