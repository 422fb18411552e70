//! The idle connections of one worker, by scheme and host.
//!
//! Invariant: none is handed out that has ended, has something to read, or is past its time. Those past their time are
//! closed while others come and go, without a timer.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::connection::Connection;

/// Not more often are all idle connections looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Pool {
    idle: Duration,
    lifetime: Duration,
    plain: Hosts,
    secure: Hosts,
    swept: Instant,
}

/// By the `host` header; the last that came is the first that goes, so each stack is in order of `since`.
type Hosts = HashMap<Box<[u8]>, Vec<Idle>>;

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(idle: Duration, lifetime: Duration) -> Self {
        Self {
            idle,
            lifetime,
            plain: Hosts::new(),
            secure: Hosts::new(),
            swept: Instant::now(),
        }
    }

    pub(crate) fn take(&mut self, secure: bool, host: &[u8]) -> Option<Connection> {
        let now = Instant::now();
        self.sweep(now);
        let (idle, lifetime) = (self.idle, self.lifetime);
        let stack = self.hosts(secure).get_mut(host)?;
        while let Some(mut top) = stack.pop() {
            if now.duration_since(top.since) >= idle {
                // All below are older.
                stack.clear();
                return None;
            }
            let age = now.duration_since(top.connection.born);
            if age < lifetime && top.connection.is_quiet() {
                return Some(top.connection);
            }
        }
        None
    }

    pub(crate) fn put(&mut self, secure: bool, host: &[u8], connection: Connection) {
        let now = Instant::now();
        self.sweep(now);
        let entry = Idle {
            connection,
            since: now,
        };
        let hosts = self.hosts(secure);
        match hosts.get_mut(host) {
            Some(stack) => stack.push(entry),
            None => {
                hosts.insert(host.into(), vec![entry]);
            }
        }
    }

    fn hosts(&mut self, secure: bool) -> &mut Hosts {
        if secure {
            &mut self.secure
        } else {
            &mut self.plain
        }
    }

    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) < SWEEP_EVERY.min(self.idle) {
            return;
        }
        self.swept = now;
        let idle = self.idle;
        for hosts in [&mut self.plain, &mut self.secure] {
            hosts.retain(|_, stack| {
                let old = stack.partition_point(|entry| now.duration_since(entry.since) >= idle);
                stack.drain(..old);
                !stack.is_empty()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::connection::Io;

    const LONG: Duration = Duration::from_secs(60);

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialling = TcpStream::connect(listener.local_addr().unwrap());
        let (ours, theirs) = tokio::join!(dialling, listener.accept());
        (Connection::new(Io::Plain(ours.unwrap())), theirs.unwrap().0)
    }

    fn count(pool: &Pool) -> usize {
        pool.plain
            .values()
            .chain(pool.secure.values())
            .map(Vec::len)
            .sum()
    }

    #[actix_rt::test]
    async fn the_last_that_came_goes_first() {
        let mut pool = Pool::new(LONG, LONG);
        let ((first, _a), (second, _b)) = (pair().await, pair().await);
        let wanted = second.tcp().local_addr().unwrap();
        pool.put(false, b"h", first);
        pool.put(false, b"h", second);
        assert!(pool.take(false, b"other").is_none());
        assert!(pool.take(true, b"h").is_none());
        let taken = pool.take(false, b"h").unwrap();
        assert_eq!(taken.tcp().local_addr().unwrap(), wanted);
        assert!(pool.take(false, b"h").is_some());
        assert!(pool.take(false, b"h").is_none());
    }

    #[actix_rt::test]
    async fn one_that_ended_or_speaks_unasked_is_dropped() {
        for speaks in [false, true] {
            let mut pool = Pool::new(LONG, LONG);
            let ((quiet, _open), (other, mut theirs)) = (pair().await, pair().await);
            let wanted = quiet.tcp().local_addr().unwrap();
            pool.put(true, b"h", quiet);
            pool.put(true, b"h", other);
            if speaks {
                theirs.write_all(b"HTTP/1.1 408 Bye\r\n\r\n").await.unwrap();
            } else {
                theirs.shutdown().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            let taken = pool.take(true, b"h").unwrap();
            assert_eq!(taken.tcp().local_addr().unwrap(), wanted);
            assert_eq!(count(&pool), 0);
        }
    }

    #[actix_rt::test]
    async fn the_old_are_swept_by_the_use_of_others() {
        let idle = Duration::from_millis(20);
        let mut pool = Pool::new(idle, LONG);
        let mut ends = Vec::new();
        for host in [&b"a"[..], b"b", b"c"] {
            let (ours, theirs) = pair().await;
            pool.put(false, host, ours);
            ends.push(theirs);
        }
        assert_eq!(count(&pool), 3);
        tokio::time::sleep(idle * 2).await;
        let (ours, _theirs) = pair().await;
        pool.put(false, b"d", ours);
        assert_eq!((count(&pool), pool.plain.len()), (1, 1));
    }

    #[actix_rt::test]
    async fn a_lifetime_ends_between_requests() {
        let mut pool = Pool::new(LONG, Duration::from_millis(5));
        let (ours, _theirs) = pair().await;
        pool.put(false, b"h", ours);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(pool.take(false, b"h").is_none());
    }
}
