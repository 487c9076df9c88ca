//! HTTP byte by byte: what no well-behaved client would send, and what others' clients send exactly.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Longest exchange.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server's address.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    address: SocketAddr,
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Raw {
    /// The server at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// A request without headers of its own and without a body.
    pub fn request(self, method: &str, path: &str) -> Request {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        Request { address: self.address, head, body: Vec::new() }
    }

    /// `GET` without a key.
    pub async fn get(self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    /// `POST` of JSON with a key.
    pub async fn post(self, path: &str, key: &str, body: &Value) -> Answer {
        self.request("POST", path).key(key).json(body).send().await
    }

    /// Follows a stream that does not end. HTTP/1.0, so that its bytes come without chunk marks.
    ///
    /// # Panics
    /// If the answer is not 200.
    pub async fn follow(self, path: &str, headers: &str) -> Lines {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n{headers}\r\n", self.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut lines = Lines(BufReader::new(stream));
        let status = lines.next().await.unwrap();
        assert!(status.contains(" 200"), "{status}");
        while lines.next().await.is_some_and(|header| !header.is_empty()) {}
        lines
    }
}

/// The lines of a stream, as they come.
#[derive(Debug)]
pub struct Lines(BufReader<TcpStream>);

impl Lines {
    /// The next line; nothing at the end.
    ///
    /// # Panics
    /// If none comes in time.
    pub async fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("no line came");
        (read.unwrap() > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl Request {
    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// With an API key, under the predecessor's header as under ours.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("X-M87-Key", key)
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends it, and reads the answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn send(self) -> Answer {
        let length = match self.body.len() {
            // As `curl -X POST` does it.
            0 => String::new(),
            length => format!("content-length: {length}\r\n"),
        };
        let bytes = [format!("{}{length}\r\n", self.head).into_bytes(), self.body].concat();
        exchange(self.address, bytes).await
    }
}

async fn exchange(address: SocketAddr, request: Vec<u8>) -> Answer {
    let talk = async {
        let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
        let writer = tokio::spawn(async move {
            // A server may have heard enough before the end.
            let _ = to.write_all(&request).await;
            to
        });
        let mut bytes = Vec::new();
        let read = from.read_to_end(&mut bytes).await;
        drop(writer.await);
        assert!(!bytes.is_empty(), "no answer: {read:?}");
        Answer::parse(&bytes)
    };
    tokio::time::timeout(PATIENCE, talk).await.expect("no answer in time")
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("the answer's head does not end");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
        let headers: Vec<_> = lines.filter_map(header).collect();
        let mut answer = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunk(&answer.body);
        }
        answer
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text()))
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        out.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
    out
}
