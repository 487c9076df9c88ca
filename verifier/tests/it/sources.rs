//! A log is read from a folder or a server, and a server may do as it likes.

use crate::ledger::Ledger;
use crate::site::{site, write_site};
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Rule, Verdict, verify_log, verify_replay};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use tempfile::tempdir;

/// Serves a site below a prefix for the rest of the test run; returns its URL.
pub(crate) fn serve(site: Memory, prefix: &'static str) -> String {
    serve_with(move |path, stream| {
        let file = path.strip_prefix(prefix).and_then(|path| site.files.get(path));
        match file {
            Some(bytes) => {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len())?;
                stream.write_all(bytes)
            }
            None => write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        }
    })
}

fn serve_with(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || converse(stream.unwrap(), answer.as_ref()));
        }
    });
    url
}

/// Answers requests on one connection until it ends.
fn converse(mut stream: TcpStream, answer: &dyn Fn(&str, &mut TcpStream) -> std::io::Result<()>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut path = None;
    while let Some(Ok(line)) = lines.next() {
        if let Some(request) = line.strip_prefix("GET ") {
            path = Some(request.split(' ').next().unwrap().to_owned());
        }
        if line.is_empty() && answer(&path.take().unwrap(), &mut stream).is_err() {
            return;
        }
    }
}

#[test]
fn a_server_is_verified_like_a_folder() {
    let (ledger, _) = Ledger::story();
    for (prefix, suffix) in [("/log/", ""), ("/log/", "/"), ("/", ""), ("/log/", "/log"), ("/mirror/log/", "/mirror")] {
        let url = format!("{}{suffix}", serve(site(&ledger), prefix));
        let report = verify_replay(&Location::open(&url).unwrap(), &Options::default());
        assert_eq!(report.verdict, Verdict::Valid, "{prefix} {suffix} {report:?}");
        assert_eq!(report.checked.events, 24);
    }
}

#[test]
fn a_bad_server_is_found_out_like_a_bad_folder() {
    let (ledger, _) = Ledger::story();
    let mut bad = site(&ledger);
    bad.files.get_mut("tile/0/000.p/24").unwrap()[32 * 5] ^= 1;
    let report = verify_log(&Location::open(&serve(bad, "/log/")).unwrap(), &Options::default());
    assert_eq!(report.first_bad.map(|first| (first.index.unwrap().get(), first.rule)), Some((5, Rule::TileHash)));
}

#[test]
fn a_url_without_a_log_says_so() {
    let error = |url: &str| Location::open(url).unwrap_err().to_string();
    assert!(error(&serve(Memory::default(), "/")).contains("found no log"));
    assert!(error("https://ledger.example").contains("no TLS"));
    // Nobody listens on the port of a listener that is gone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(error(&format!("http://{address}")).contains("cannot read"));
    let failing = serve_with(|_, stream| write!(stream, "HTTP/1.1 500 Oh No\r\ncontent-length: 0\r\n\r\n"));
    assert!(error(&failing).contains("500"));
    let nonsense = serve_with(|_, stream| write!(stream, "good day to you\r\n\r\n"));
    assert!(error(&nonsense).contains("cannot read"));
}

#[test]
fn an_endless_answer_ends() {
    let (ledger, _) = Ledger::story();
    let site = site(&ledger);
    let url = serve_with(move |path, stream| {
        let endless = path.contains("/tile/0/");
        let bytes = path.strip_prefix("/log/").and_then(|path| site.files.get(path)).cloned().unwrap_or_default();
        let length = if endless { u64::MAX } else { bytes.len().try_into().unwrap() };
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")?;
        stream.write_all(&bytes)?;
        if !endless {
            return Ok(());
        }
        loop {
            stream.write_all(&[7; 4096])?;
        }
    });
    let report = verify_log(&Location::open(&url).unwrap(), &Options::default());
    assert_eq!(report.first_bad.unwrap().rule, Rule::Tile);
}

#[test]
fn a_connection_that_breaks_is_no_verdict_on_the_log() {
    let (ledger, _) = Ledger::story();
    let site = site(&ledger);
    let url = serve_with(move |path, stream| {
        let bytes = path.strip_prefix("/log/").and_then(|path| site.files.get(path)).cloned().unwrap_or_default();
        let told = bytes.len() + if path.contains("entries") { 10 } else { 0 };
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {told}\r\nconnection: close\r\n\r\n")?;
        stream.write_all(&bytes)?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    let report = verify_log(&Location::open(&url).unwrap(), &Options::default());
    assert_eq!(report.verdict, Verdict::Error, "{report:?}");
}

#[test]
fn a_folder_without_a_log_says_so() {
    let folder = tempdir().unwrap();
    let error = |path: &std::path::Path| Location::open(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(error(folder.path()).contains("found no log"));
    assert!(error(&folder.path().join("absent")).contains("found no log"));
    write_site(&site(&Ledger::story().0), folder.path());
    let location = Location::open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(verify_replay(&location, &Options::default()).verdict, Verdict::Valid);
}
