//! A site on a web server, over plain HTTP.

use std::io::Read as _;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{StatusCode, header};

use super::{CHECKPOINT, Source, SourceError};
use crate::log::MAX_CHECKPOINT_BYTES;

/// To connect.
const CONNECT: Duration = Duration::from_secs(10);
/// For a whole answer: an entry bundle of 16 MiB at 300 KiB/s.
const ANSWER: Duration = Duration::from_secs(60);

/// A server's static log site.
#[derive(Clone, Debug)]
pub struct Url {
    agent: Agent,
    root: String,
}

impl Url {
    /// Finds the site of a server: under `/log/`, or at the URL itself.
    ///
    /// # Errors
    /// If the URL cannot be used, the server does not answer, or neither place has a checkpoint.
    pub fn discover(url: &str) -> Result<Self, SourceError> {
        if url.starts_with("https://") {
            let detail = "this build has no TLS, so that it needs no certificate store; fetch the site with another \
                          tool and verify the copy, or use `http://` on a network that you need not trust: every \
                          byte is checked against the log's key";
            return Err(SourceError::unreadable(url, detail));
        }
        let base = url.trim_end_matches('/');
        let agent = agent();
        for root in [format!("{base}/log/"), format!("{base}/")] {
            let site = Self { agent: agent.clone(), root };
            if site.read(CHECKPOINT, MAX_CHECKPOINT_BYTES)?.is_some() {
                return Ok(site);
            }
        }
        Err(SourceError::unreadable(url, "found no log: neither `/log/checkpoint` nor `/checkpoint` is there"))
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(ANSWER))
        .http_status_as_error(false)
        .max_redirects(3)
        // Whoever names a server means that server, not whatever stands in the environment.
        .proxy(None)
        .user_agent(concat!("countersign-verify/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

impl Source for Url {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let url = format!("{}{path}", self.root);
        let failed = |detail: &dyn std::fmt::Display| SourceError::unreadable(&url, detail);
        let mut answer = self.agent.get(&url).call().map_err(|error| failed(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status => return Err(failed(&format_args!("the server answered {status}"))),
        }
        if let Some(encoding) = answer.headers().get(header::CONTENT_ENCODING) {
            return Err(failed(&format_args!(
                "the answer has the content encoding {encoding:?}, which was not asked for"
            )));
        }
        let mut bytes = Vec::new();
        let body = answer.body_mut().as_reader();
        body.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_bytes) {
            Ok(Some(bytes))
        } else {
            Err(SourceError::TooLarge { path: url, max_bytes })
        }
    }
}
