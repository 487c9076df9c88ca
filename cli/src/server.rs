//! A server put together: sequencer thread, follower, HTTP, and the task that asks witnesses. Shut down in the order
//! witnesses, requests, follower, sequencer.

use crate::cosigning::Witnesses;
use crate::data_folder::{self, OpenFolder, Problem};
use api::{App, Options};
use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command};
use domain::event::ledger::Profile;
use domain::event::runner::NewRunner;
use ledger::Ledger;
use ledger::content::Sweeper;
use projections::{Follower, Store};
use proof::note::SignerKey;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How to serve.
#[derive(Debug, Clone)]
pub(crate) struct ServerOptions {
    pub(crate) listen: String,
    /// Reads without a key; absent: as the ledger's profile has it.
    pub(crate) open_reads: Option<bool>,
    /// Events after which read models are attested.
    pub(crate) attest_every: u64,
    /// Bytes that the store of bodies may hold.
    pub(crate) content_quota: Option<u64>,
    /// Who is asked to cosign heads.
    pub(crate) witnesses: Option<Witnesses>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            open_reads: None,
            attest_every: 1000,
            content_quota: None,
            witnesses: None,
        }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Ledger,
    store: Store,
    follower: Follower,
    sequencer: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    http: tokio::task::JoinHandle<std::io::Result<()>>,
    cosigner: Option<tokio::task::JoinHandle<()>>,
    /// Ends when it is dropped, which is after the writer has ended.
    _sweeper: Sweeper,
}

impl Server {
    /// Binds, and starts every part.
    pub(crate) async fn start(dir: &Path, folder: OpenFolder, options: &ServerOptions) -> Result<Self, Problem> {
        let OpenFolder { ledger, sequencer, salt, .. } = folder;
        if let Some(quota) = options.content_quota {
            ledger.content().set_quota(quota).map_err(|e| e.to_string())?;
        }
        // The port is taken before anything is started: a second server on it must not begin to work.
        let listener = TcpListener::bind(&options.listen)
            .await
            .map_err(|e| format!("cannot listen on {}: {e}", options.listen))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let witnesses = options.witnesses.clone().map(|witnesses| witnesses.cosigner(dir, &ledger)).transpose()?;
        let (cosigner, witnessing) = witnesses.unzip();
        let profile = ledger.with_state(|state| state.ledger().map(|info| info.genesis.profile));
        let sequencer = std::thread::Builder::new()
            .name("sequencer".into())
            .spawn(move || sequencer.run())
            .map_err(|e| e.to_string())?;
        let follow = projections::Options {
            attest_every: std::num::NonZeroU64::new(options.attest_every),
            ..projections::Options::default()
        };
        let (store, follower, _) =
            Follower::start(&dir.join("projections"), ledger.clone(), follow).map_err(|e| e.to_string())?;
        let open_reads = options.open_reads.unwrap_or(profile == Some(Profile::Dev));
        let api_options = Options { open_reads, witnessing, ..Options::default() };
        let app = App::new(ledger.clone(), store.clone(), salt, dir.join("public"), api_options);
        let (stop, stopped) = oneshot::channel::<()>();
        let http = tokio::spawn(api::serve(listener, app, async {
            // Whether told or dropped: stop.
            let _ = stopped.await;
        }));
        let cosigner = cosigner.map(|cosigner| tokio::spawn(cosigner.run()));
        let sweeper = Sweeper::start(ledger.clone()).map_err(|e| e.to_string())?;
        Ok(Self { address, ledger, store, follower, sequencer, stop: Some(stop), http, cosigner, _sweeper: sweeper })
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Events that the read models have folded.
    pub(crate) fn position(&self) -> u64 {
        self.store.position().get()
    }

    /// Stops every part. Streams have no end of their own, so open requests get a bounded time.
    pub(crate) async fn stop(mut self) -> Result<(), Problem> {
        // A request to a witness that is cut off may have been answered; the next start asks where the witness is.
        if let Some(cosigner) = &self.cosigner {
            cosigner.abort();
        }
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let abort = self.http.abort_handle();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(2), self.http).await;
        if ended.is_err() {
            abort.abort();
        }
        let (follower, ledger, sequencer) = (self.follower, self.ledger, self.sequencer);
        let stopped = ledger.stopped();
        let joined = tokio::task::spawn_blocking(move || {
            follower.stop();
            ledger.stop();
            sequencer.join()
        });
        match joined.await {
            Ok(Ok(())) => stopped.map_or(Ok(()), |why| Err(format!("the writer had stopped: {why}"))),
            Ok(Err(_)) | Err(_) => Err("the sequencer failed while stopping".into()),
        }
    }
}

/// Makes sure that the environment's admin key is one of the ledger's: with root's statement, if it is new.
pub(crate) fn ensure_admin_key(dir: &Path, folder: &mut OpenFolder, key: &str) -> Result<(), Problem> {
    let record = data_folder::admin_record(&folder.salt, key)?;
    let domain::event::key::Credential::Api(hash) = record.credential else {
        return Ok(());
    };
    if folder.ledger.with_state(|state| state.api_key(&hash).is_some()) {
        return Ok(());
    }
    let root = data_folder::read_root(dir, None).map_err(|e| {
        format!(
            "the admin key of the environment is not one of this ledger's, and to add it the root key is needed: {e}"
        )
    })?;
    let origin = folder.ledger.origin().to_owned();
    let authored = authored::sign(StatementKind::Key, &origin, seen(&folder.ledger), &record, root.secret())
        .map_err(|e| e.to_string())?;
    let by = Caller::key(root.verifier().key().key_id().to_string().parse().map_err(|_| "root key id".to_owned())?);
    submit(folder, Command::CreateKey { by, key: record, authored: Some(authored) })
}

/// Registers a runner with root's statement, unless it is registered already. The root key is asked for only if it is
/// needed: in a `prod` ledger it is not on this machine.
pub(crate) fn ensure_runner(
    folder: &mut OpenFolder,
    root: impl FnOnce() -> Result<SignerKey, Problem>,
    runner: &NewRunner,
) -> Result<(), Problem> {
    let known = folder.ledger.with_state(|state| state.runner(&runner.runner_id).map(|r| r.runner.public_key));
    match known {
        Some(key) if key == runner.public_key => return Ok(()),
        Some(_) => {
            return Err(format!("runner `{}` is registered with another key", runner.runner_id));
        }
        None => {}
    }
    let (origin, root) = (folder.ledger.origin().to_owned(), root()?);
    let authored = authored::sign(StatementKind::Runner, &origin, seen(&folder.ledger), runner, root.secret())
        .map_err(|e| e.to_string())?;
    submit(folder, Command::RegisterRunner { runner: runner.clone(), authored })
}

/// The committed head, as a statement names it.
pub(crate) fn seen(ledger: &Ledger) -> SeenHead {
    let head = ledger.head();
    SeenHead { size: head.size, root: head.root }
}

/// Carries out a command before the sequencer has a thread of its own.
pub(crate) fn submit(folder: &mut OpenFolder, command: Command) -> Result<(), Problem> {
    let ledger = folder.ledger.clone();
    let waiting = std::thread::spawn(move || ledger.submit_blocking(command));
    // The command may be refused before it is queued; so never wait for one that does not come.
    while !waiting.is_finished() {
        folder.sequencer.step(false);
        std::thread::yield_now();
    }
    waiting.join().map_err(|_| "the commit failed".to_owned())?.map(|_| ()).map_err(|e| e.to_string())
}
