//! An upstream that answers with bytes that are no text.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// Answers every connection's one request with the same bytes, then closes it. Its thread ends with
/// the test's process.
#[derive(Debug)]
pub struct Canned {
    address: SocketAddr,
}

impl Canned {
    pub fn start(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &answer);
            }
        });
        Self { address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Reads a small request until its body has ended, then answers; a client that leaves is served
/// enough.
fn serve(mut stream: TcpStream, answer: &[u8]) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let _ = stream.write_all(answer);
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length
        .and_then(|text| text.parse().ok())
        .is_none_or(|length: usize| body.len() >= length)
}
