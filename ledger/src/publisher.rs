//! Puts the newest head on the static site, at most once a second, on a thread of its own: writing tiles never delays a
//! commit.

use crate::handle::Head;
use crate::site::SiteWriter;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The site is at most this much behind, and a little for the writing.
const INTERVAL: Duration = Duration::from_millis(900);

enum Message {
    Head(Arc<str>),
    Finish(Arc<str>),
}

/// The sequencer's side.
pub(crate) struct Publisher {
    messages: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    pub(crate) fn start(writer: SiteWriter) -> std::io::Result<Self> {
        let (messages, queue) = channel();
        let thread = std::thread::Builder::new().name("publisher".into()).spawn(move || publish(writer, &queue))?;
        Ok(Self { messages, thread: Some(thread) })
    }

    /// There is a newer head. Never waits.
    pub(crate) fn offer(&self, head: &Head) {
        // A publisher that has stopped has said why; the log goes on without its site.
        let _ = self.messages.send(Message::Head(head.checkpoint.clone()));
    }

    /// Publishes the last head and ends.
    pub(crate) fn finish(&mut self, head: &Head) {
        let _ = self.messages.send(Message::Finish(head.checkpoint.clone()));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the publisher failed");
        }
    }
}

fn publish(mut writer: SiteWriter, queue: &Receiver<Message>) {
    let mut newest: Option<Arc<str>> = None;
    let mut last = None::<Instant>;
    loop {
        let wait = match (&newest, last) {
            (None, _) => None,
            (Some(_), None) => Some(Duration::ZERO),
            (Some(_), Some(last)) => Some(INTERVAL.saturating_sub(last.elapsed())),
        };
        let message = match wait {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => queue.recv_timeout(wait),
        };
        match message {
            Ok(Message::Head(head)) => newest = Some(head),
            Ok(Message::Finish(head)) => {
                put(&mut writer, &head);
                return;
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(head) = newest.take() {
                    put(&mut writer, &head);
                    last = Some(Instant::now());
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn put(writer: &mut SiteWriter, checkpoint: &str) {
    // Of a genesis that was never committed there is nothing to publish.
    if checkpoint.is_empty() {
        return;
    }
    // Everything here can be made again from the journal, so a failure is loud but stops nothing.
    if let Err(error) = writer.publish(checkpoint) {
        tracing::error!(%error, "the static site could not be written");
    }
}
