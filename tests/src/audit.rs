//! What the auditor's executable says.

use crate::binary;
use proof::{Receipt, VerifierKey};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;

/// The answer of `countersign-verify`.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The exit code: 0 valid, 1 could not run, 2 invalid, 3 not enough evidence.
    pub code: i32,
    /// The report.
    pub report: Value,
}

impl Verdict {
    /// The leaf index of the first breach, if it is pinned on one.
    pub fn first_bad(&self) -> Option<u64> {
        self.report.pointer("/first_bad/index").and_then(Value::as_u64)
    }

    /// The rule of the first breach.
    pub fn rule(&self) -> &str {
        self.report.pointer("/first_bad/rule").and_then(Value::as_str).unwrap_or_default()
    }

    /// A number of the report.
    ///
    /// # Panics
    /// If there is none.
    pub fn number(&self, pointer: &str) -> u64 {
        let number = self.report.pointer(pointer).and_then(Value::as_u64);
        number.unwrap_or_else(|| panic!("no number at {pointer}: {}", self.report))
    }

    /// That everything holds.
    ///
    /// # Panics
    /// If it does not, with the report.
    pub fn assert_valid(&self) -> &Self {
        assert_eq!(self.code, 0, "{}", self.report);
        assert_eq!(self.report.pointer("/verdict"), Some(&Value::from("valid")), "{}", self.report);
        self
    }

    /// That something is proven wrong, at this leaf.
    ///
    /// # Panics
    /// If not, with the report.
    pub fn assert_invalid_at(&self, index: u64) -> &Self {
        assert_eq!((self.code, self.first_bad()), (2, Some(index)), "{}", self.report);
        self
    }
}

/// Runs `countersign-verify` with these arguments.
///
/// # Panics
/// If what it prints is no report.
pub fn verify_with<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Verdict {
    let output = binary::run(binary::command("countersign-verify").args(arguments).args(["--format", "json"]));
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)));
    Verdict { code: output.status.code().unwrap(), report }
}

/// `countersign-verify log|replay DIR`, trusting what the log says of its own keys.
pub fn verify(dir: &Path, command: &str) -> Verdict {
    verify_with([command.as_ref(), dir.as_os_str()])
}

/// The same of a server.
pub fn verify_url(url: &str, command: &str) -> Verdict {
    verify_with([command, url])
}

/// `countersign-verify receipt`, under a pinned key.
///
/// # Panics
/// If the receipt cannot be written to a file first.
pub fn verify_receipt(receipt: &Receipt, key: &VerifierKey) -> Verdict {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), receipt.to_json()).unwrap();
    verify_with(["receipt".as_ref(), file.path().as_os_str(), "--key".as_ref(), key.to_string().as_ref()])
}
