//! The idle connections of one worker, by network, scheme and host.
//!
//! Invariant: none is handed out for another network than it was opened by, none that has ended, has something to read, or is past its time. Those past their time are
//! closed while others come and go, without a timer.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{connection::Connection, network::NetworkKey};

/// Not more often are all idle connections looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Pool {
    idle: Duration,
    lifetime: Duration,
    direct: Schemes,
    /// Without those that have none.
    others: HashMap<NetworkKey, Schemes>,
    swept: Instant,
}

/// Where a connection goes, borrowed: to look one up makes no key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) network: NetworkKey,
    pub(crate) secure: bool,
    pub(crate) host: &'a [u8],
}

#[derive(Debug, Default)]
struct Schemes {
    plain: Hosts,
    secure: Hosts,
}

/// By the `host` header; the last that came is the first that goes, so each stack is in order of `since`.
type Hosts = HashMap<Box<[u8]>, Vec<Idle>>;

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

// === impl Schemes ===

impl Schemes {
    fn hosts(&mut self, secure: bool) -> &mut Hosts {
        if secure {
            &mut self.secure
        } else {
            &mut self.plain
        }
    }

    fn sweep(&mut self, now: Instant, idle: Duration) {
        for hosts in [&mut self.plain, &mut self.secure] {
            hosts.retain(|_, stack| {
                let old = stack.partition_point(|entry| now.duration_since(entry.since) >= idle);
                stack.drain(..old);
                !stack.is_empty()
            });
        }
    }
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(idle: Duration, lifetime: Duration) -> Self {
        Self {
            idle,
            lifetime,
            direct: Schemes::default(),
            others: HashMap::new(),
            swept: Instant::now(),
        }
    }

    pub(crate) fn take(&mut self, place: Place<'_>, now: Instant) -> Option<Connection> {
        self.sweep(now);
        let (idle, lifetime) = (self.idle, self.lifetime);
        let schemes = match place.network {
            NetworkKey::DIRECT => &mut self.direct,
            other => self.others.get_mut(&other)?,
        };
        let stack = schemes.hosts(place.secure).get_mut(place.host)?;
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

    /// Closes what is idle there: one of them was found dead, and all others have been idle for longer.
    pub(crate) fn forget(&mut self, place: Place<'_>) {
        let schemes = match place.network {
            NetworkKey::DIRECT => Some(&mut self.direct),
            other => self.others.get_mut(&other),
        };
        if let Some(schemes) = schemes {
            schemes.hosts(place.secure).remove(place.host);
        }
    }

    pub(crate) fn put(&mut self, place: Place<'_>, connection: Connection, now: Instant) {
        self.sweep(now);
        let entry = Idle {
            connection,
            since: now,
        };
        let schemes = match place.network {
            NetworkKey::DIRECT => &mut self.direct,
            other => self.others.entry(other).or_default(),
        };
        let hosts = schemes.hosts(place.secure);
        match hosts.get_mut(place.host) {
            Some(stack) => stack.push(entry),
            None => {
                hosts.insert(place.host.into(), vec![entry]);
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) < SWEEP_EVERY.min(self.idle) {
            return;
        }
        self.swept = now;
        let idle = self.idle;
        self.direct.sweep(now, idle);
        self.others.retain(|_, schemes| {
            schemes.sweep(now, idle);
            !schemes.plain.is_empty() || !schemes.secure.is_empty()
        });
    }
}

#[cfg(test)]
impl Pool {
    fn all(&mut self) -> impl Iterator<Item = &mut Idle> {
        std::iter::once(&mut self.direct)
            .chain(self.others.values_mut())
            .flat_map(|schemes| {
                schemes
                    .plain
                    .values_mut()
                    .chain(schemes.secure.values_mut())
            })
            .flatten()
    }

    /// How many there are, and how many of them could be handed out.
    pub(crate) fn counts(&mut self) -> (usize, usize) {
        self.all().fold((0, 0), |(all, quiet), idle| {
            (all + 1, quiet + usize::from(idle.connection.is_quiet()))
        })
    }
}

#[cfg(test)]
mod tests;
