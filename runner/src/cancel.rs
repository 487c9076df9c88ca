//! The handle that stops a running action.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stops one action. Clones are handles to the same action; once cancelled, it stays so.
///
/// A running program is killed, with all its descendants; work inside the runner stops at its next step, and always
/// before the project is touched or after it is done.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    /// The control connection to the warden of the program that runs now. Its end is the order to kill.
    control: Option<UnixStream>,
}

impl Cancel {
    /// A handle for an action that has not been cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the action.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        if let Some(control) = state.control.take() {
            hang_up(&control);
        }
    }

    /// Whether it was stopped.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// From now on, cancelling hangs up this connection too. It is hung up at once if that has happened already.
    pub(crate) fn attach(&self, control: UnixStream) {
        let mut state = self.lock();
        if state.cancelled {
            hang_up(&control);
        } else {
            state.control = Some(control);
        }
    }

    /// The program is gone.
    pub(crate) fn detach(&self) {
        self.lock().control = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The peer may be gone already, and then there is nobody left to tell.
fn hang_up(control: &UnixStream) {
    let _gone = control.shutdown(Shutdown::Write);
}
