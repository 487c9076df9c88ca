//! Entry bundles over HTTP, as a client reads them that can unpack and one that cannot.

use countersign_tests::proposals;
use countersign_tests::server::Server;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// What the program `gzip` makes of these bytes.
fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut gzip =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`gzip` is there");
    let mut to = gzip.stdin.take().unwrap();
    let packed = packed.to_vec();
    let writer = std::thread::spawn(move || to.write_all(&packed));
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "gzip takes what the server packed for whole");
    output.stdout
}

#[tokio::test]
async fn a_packed_bundle_is_byte_for_byte_the_published_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::serve(&data).await;
    for n in 0..20 {
        server.admin().submit_intent(&proposals::intent(&format!("intent-{n}"), "fill a bundle")).await.unwrap();
    }
    // A server that ends well has published its last head.
    server.stop().await;
    let partial = fs::read_dir(data.join("public/tile/entries/000.p")).unwrap();
    let widths = partial.map(|entry| entry.unwrap().file_name().into_string().unwrap().parse::<u64>().unwrap());
    let path = format!("tile/entries/000.p/{}", widths.max().unwrap());
    let file = fs::read(data.join("public").join(&path)).unwrap();

    let server = Server::serve(&data).await;
    let get = |accept: &str| {
        let request = server.raw().request("GET", &format!("/log/{path}"));
        request.header("accept-encoding", accept).send()
    };
    let packed = get("gzip").await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(packed.header("vary"), Some("accept-encoding"));
    assert!(packed.body.len() < file.len() / 2, "{} of {} bytes", packed.body.len(), file.len());
    assert!(gunzip(&packed.body) == file);
    let plain = get("identity").await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
    assert!(plain.body == file);
    server.stop().await;
}
