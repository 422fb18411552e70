use secrecy::SecretString;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{connection::Io, network::Network};

const LONG: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(5);

fn plain(host: &[u8]) -> Place<'_> {
    Place {
        network: NetworkKey::DIRECT,
        secure: false,
        host,
    }
}

fn secure(host: &[u8]) -> Place<'_> {
    Place {
        secure: true,
        ..plain(host)
    }
}

async fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialling = TcpStream::connect(listener.local_addr().unwrap());
    let (ours, theirs) = tokio::join!(dialling, listener.accept());
    (Connection::new(Io::Plain(ours.unwrap())), theirs.unwrap().0)
}

#[actix_rt::test]
async fn the_last_that_came_goes_first() {
    let (mut pool, now) = (Pool::new(LONG, LONG), Instant::now());
    let ((first, _a), (second, _b)) = (pair().await, pair().await);
    let wanted = second.tcp().local_addr().unwrap();
    pool.put(plain(b"h"), first, now);
    pool.put(plain(b"h"), second, now);
    assert!(pool.take(plain(b"other"), now).is_none());
    assert!(pool.take(secure(b"h"), now).is_none());
    let taken = pool.take(plain(b"h"), now).unwrap();
    assert_eq!(taken.tcp().local_addr().unwrap(), wanted);
    assert!(pool.take(plain(b"h"), now).is_some());
    assert!(pool.take(plain(b"h"), now).is_none());
}

#[actix_rt::test]
async fn what_is_forgotten_is_closed_and_nothing_else() {
    let (mut pool, now) = (Pool::new(LONG, LONG), Instant::now());
    let ((first, _a), (second, _b), (other, _c)) = (pair().await, pair().await, pair().await);
    pool.put(plain(b"h"), first, now);
    pool.put(plain(b"h"), second, now);
    pool.put(plain(b"other"), other, now);
    pool.forget(plain(b"h"));
    pool.forget(secure(b"h"));
    assert!(pool.take(plain(b"h"), now).is_none());
    assert!(pool.take(plain(b"other"), now).is_some());
}

#[actix_rt::test]
async fn networks_are_apart() {
    let proxy = SecretString::from("http://127.0.0.1:1");
    let own = || Network::new(Some(&proxy), None).unwrap();
    let networks = [Network::direct(), own(), own()];
    let places = networks.each_ref().map(|network| Place {
        network: network.key(),
        ..plain(b"h")
    });
    assert_eq!(networks[1].key(), networks[1].clone().key());
    let (mut pool, now) = (Pool::new(LONG, LONG), Instant::now());
    for at in 0..places.len() {
        let (ours, _theirs) = pair().await;
        pool.put(places[at], ours, now);
        for (other, place) in places.iter().enumerate() {
            assert_eq!(pool.take(*place, now).is_some(), other == at);
        }
    }
    // What is empty is not kept.
    let (ours, _theirs) = pair().await;
    pool.put(plain(b"h"), ours, now + STEP);
    assert!(pool.others.is_empty());
}

#[actix_rt::test]
async fn one_that_ended_or_speaks_unasked_is_dropped() {
    for speaks in [false, true] {
        let (mut pool, now) = (Pool::new(LONG, LONG), Instant::now());
        let ((quiet, _open), (other, mut theirs)) = (pair().await, pair().await);
        let wanted = quiet.tcp().local_addr().unwrap();
        pool.put(secure(b"h"), quiet, now);
        pool.put(secure(b"h"), other, now);
        if speaks {
            theirs.write_all(b"HTTP/1.1 408 Bye\r\n\r\n").await.unwrap();
        } else {
            theirs.shutdown().await.unwrap();
        }
        while pool.counts() != (2, 1) {
            tokio::task::yield_now().await;
        }
        let taken = pool.take(secure(b"h"), now).unwrap();
        assert_eq!(taken.tcp().local_addr().unwrap(), wanted);
        assert_eq!(pool.counts().0, 0);
    }
}

#[actix_rt::test]
async fn the_old_are_swept_by_the_use_of_others() {
    let (mut pool, now) = (Pool::new(STEP, LONG), Instant::now());
    let mut ends = Vec::new();
    for host in [&b"a"[..], b"b", b"c"] {
        let (ours, theirs) = pair().await;
        pool.put(plain(host), ours, now);
        ends.push(theirs);
    }
    assert_eq!(pool.counts().0, 3);
    let (ours, _theirs) = pair().await;
    pool.put(plain(b"d"), ours, now + STEP);
    assert_eq!((pool.counts().0, pool.direct.plain.len()), (1, 1));
}

#[actix_rt::test]
async fn a_lifetime_ends_between_requests() {
    let (mut pool, now) = (Pool::new(LONG, STEP), Instant::now());
    let (ours, _theirs) = pair().await;
    pool.put(plain(b"h"), ours, now);
    assert!(pool.take(plain(b"h"), now + 2 * STEP).is_none());
    assert_eq!(pool.counts().0, 0);
}
