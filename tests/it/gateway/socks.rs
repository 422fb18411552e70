//! A SOCKS5 proxy with a user and a password (RFC 1928, 1929), which remembers where it was sent.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// Its threads end with their connections, or with the test's process.
#[derive(Debug)]
pub struct Socks {
    address: SocketAddr,
    sent_to: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Socks {
    pub fn start(user: &str, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let sent_to: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let (log, wanted) = (Arc::clone(&sent_to), login(user, password));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (log, wanted) = (Arc::clone(&log), wanted.clone());
                std::thread::spawn(move || serve(client, &wanted, &log));
            }
        });
        Self { address, sent_to }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The destinations of its connections, in order.
    pub fn sent_to(&self) -> Vec<SocketAddr> {
        self.sent_to.lock().expect("the log").clone()
    }
}

fn login(user: &str, password: &str) -> Vec<u8> {
    let mut login = vec![1];
    for part in [user, password] {
        login.push(u8::try_from(part.len()).expect("a short text"));
        login.extend_from_slice(part.as_bytes());
    }
    login
}

fn serve(mut client: TcpStream, wanted: &[u8], log: &Mutex<Vec<SocketAddr>>) -> io::Result<()> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting)?;
    client.read_exact(&mut vec![0; usize::from(greeting[1])])?;
    client.write_all(&[5, 2])?;
    let mut login = vec![0; wanted.len()];
    client.read_exact(&mut login)?;
    let refused = u8::from(login != wanted);
    client.write_all(&[1, refused])?;
    if refused > 0 {
        return Ok(());
    }
    let mut head = [0; 4];
    client.read_exact(&mut head)?;
    let host = match head[3] {
        1 => {
            let mut host = [0; 4];
            client.read_exact(&mut host)?;
            Ipv4Addr::from(host)
        }
        // A name; all names here are this machine's.
        _ => {
            let mut length = [0];
            client.read_exact(&mut length)?;
            client.read_exact(&mut vec![0; usize::from(length[0])])?;
            Ipv4Addr::LOCALHOST
        }
    };
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let to = SocketAddr::from((host, u16::from_be_bytes(port)));
    log.lock().expect("the log").push(to);
    let upstream = TcpStream::connect(to)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let back = (upstream.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || pass(back.0, back.1));
    pass(client, upstream);
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
