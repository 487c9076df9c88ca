//! A server that lies: it passes on what the real one says, except where it chooses to say something else.

use crate::raw::Answer;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes of one request.
const REQUEST_MAX: usize = 16 * 1024 * 1024;

type Lie = dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync;

/// A liar at work; it ends when dropped.
#[derive(Debug)]
pub struct Liar {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Liar {
    /// Stands before the server at `real`. `lie` is given the request's path and the body of each good answer, and gives
    /// the body that is passed on.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn before(real: SocketAddr, lie: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lie: Arc<Lie> = Arc::new(lie);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let lie = lie.clone();
                tokio::spawn(async move {
                    // Whoever goes away in the middle hears no more lies.
                    let _ = pass_on(stream, real, &*lie).await;
                });
            }
        });
        Self { address, task }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One exchange on one connection.
async fn pass_on(mut client: TcpStream, real: SocketAddr, lie: &Lie) -> std::io::Result<()> {
    let (head, body) = read_request(&mut client).await?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut server = TcpStream::connect(real).await?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(head.as_bytes()).await?;
    server.write_all(&body).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let answer = Answer::parse(&answer);
    let said = if answer.status == 200 { lie(&path, answer.body) } else { answer.body };
    let kind = answer.headers.iter().find(|(name, _)| name == "content-type").map_or("text/plain", |(_, v)| v);
    let length = if answer.status == 204 { String::new() } else { format!("content-length: {}\r\n", said.len()) };
    let head = format!("HTTP/1.1 {} Said\r\ncontent-type: {kind}\r\nconnection: close\r\n{length}\r\n", answer.status);
    client.write_all(head.as_bytes()).await?;
    client.write_all(&said).await?;
    client.shutdown().await
}

async fn read_request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = vec![0; 64 * 1024];
        let read = client.read(&mut chunk).await?;
        bytes.extend_from_slice(&chunk[..read]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
            });
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Ok((head, bytes.split_off(end + 4)));
            }
        }
        if read == 0 || bytes.len() > REQUEST_MAX {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
