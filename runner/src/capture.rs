//! Keeping a program's output: its beginning, its end, and the number of bytes between that were dropped.
//!
//! Secrets are replaced before anything is cut. So that a secret at a cut is still recognised, more is kept in memory
//! than is recorded: as much as the longest secret, on each side of a cut.

use inspect::{Context, Finding, SECRET_BYTES_MAX, redact, redact_window};
use std::collections::VecDeque;
use std::io::Read;

/// A stream while it is read.
#[derive(Debug)]
pub(crate) struct Capture {
    /// What is recorded of each end.
    end_bytes: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

/// A stream as it is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) text: String,
    pub(crate) dropped: u64,
    pub(crate) findings: Vec<Finding>,
}

impl Capture {
    /// Keeps `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { end_bytes: most / 2, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    /// Reads a stream to its end, never slower than it comes. A stream that breaks off ends there.
    pub(crate) fn drain(mut self, mut from: impl Read) -> Self {
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return self,
                Ok(count) => self.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return self,
            }
        }
    }

    fn kept_bytes(&self) -> usize {
        self.end_bytes.saturating_add(SECRET_BYTES_MAX)
    }

    fn push(&mut self, piece: &[u8]) {
        self.total = self.total.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let room = self.kept_bytes().saturating_sub(self.head.len());
        let (head, rest) = piece.split_at_checked(room).unwrap_or((piece, &[]));
        self.head.extend_from_slice(head);
        let rest = rest.get(rest.len().saturating_sub(self.kept_bytes())..).unwrap_or_default();
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.kept_bytes());
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend(rest);
    }

    /// The record.
    pub(crate) fn finish(mut self) -> Captured {
        let tail = self.tail.make_contiguous();
        let kept = u64::try_from(self.head.len() + tail.len()).unwrap_or(u64::MAX);
        if self.total <= kept {
            self.head.extend_from_slice(tail);
            return self.whole();
        }
        let head = redact_window(&self.head, 0, self.end_bytes);
        let end = redact_window(tail, tail.len().saturating_sub(self.end_bytes), tail.len());
        let recorded = u64::try_from(self.end_bytes.saturating_mul(2)).unwrap_or(u64::MAX);
        let dropped = self.total.saturating_sub(recorded);
        let findings = [head.findings, end.findings].concat();
        Captured { text: join(&head.text, dropped, &end.text), dropped, findings }
    }

    /// Everything is there: redact it, and then cut if it is still too long.
    fn whole(self) -> Captured {
        let redacted = redact(&self.head, Context::Text);
        let text = redacted.text;
        if text.len() <= self.end_bytes.saturating_mul(2) {
            return Captured { text, dropped: 0, findings: redacted.findings };
        }
        let head = text.get(..text.floor_char_boundary(self.end_bytes)).unwrap_or_default();
        let tail_start = text.ceil_char_boundary(text.len().saturating_sub(self.end_bytes));
        let tail = text.get(tail_start..).unwrap_or_default();
        let dropped = u64::try_from(tail_start.saturating_sub(head.len())).unwrap_or(u64::MAX);
        Captured { text: join(head, dropped, tail), dropped, findings: redacted.findings }
    }
}

fn join(head: &str, dropped: u64, tail: &str) -> String {
    format!("{head}\n[... {dropped} bytes dropped ...]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(most: usize, text: &[u8], chunk: usize) -> Captured {
        let mut capture = Capture::new(most);
        text.chunks(chunk).for_each(|piece| capture.push(piece));
        capture.finish()
    }

    fn secret() -> String {
        format!("cs_{}", "0123456789abcdef".repeat(4))
    }

    #[test]
    fn short_output_is_kept_as_it_is() {
        assert_eq!(captured(64, b"hello\nworld\n", 5).text, "hello\nworld\n");
        assert_eq!(captured(64, b"", 1), Captured::default());
    }

    #[test]
    fn of_long_output_both_ends_are_kept_and_the_rest_is_counted() {
        let text = b"0123456789\n".repeat(20_000);
        let record = captured(100, &text, 700);
        assert_eq!(record.dropped, 220_000 - 100);
        assert!(record.text.starts_with("0123456789\n01234"));
        assert!(record.text.ends_with("456789\n0123456789\n"));
        assert!(record.text.contains("[... 219900 bytes dropped ...]"));
        let medium = captured(100, &text[..1100], 10);
        assert_eq!(medium.dropped, 1000);
    }

    #[test]
    fn a_secret_at_a_cut_is_replaced_before_the_cut() {
        let secret = secret();
        for shift in 0..90 {
            for total in [1_000, 200_000] {
                let mut text = vec![b'\n'; total];
                text.splice(20 + shift..20 + shift, secret.bytes());
                let from_end = text.len() - 20 - shift;
                text.splice(from_end..from_end, secret.bytes());
                let record = captured(128, &text, 333);
                for length in [8, 20, 40] {
                    let start = secret.get(..length).unwrap();
                    let end = secret.get(secret.len() - length..).unwrap();
                    let kept = record.text.contains(start) || record.text.contains(end);
                    assert!(!kept, "{shift} {total}: {}", record.text);
                }
            }
        }
    }

    #[test]
    fn an_endless_word_at_a_cut_is_not_shown() {
        let record = captured(128, &vec![b'x'; 500_000], 4096);
        assert!(!record.text.contains('x'), "{}", record.text);
        assert_eq!(record.dropped, 500_000 - 128);
    }
}
