//! Where sessions were served: remembered in memory for actors that come back, and in the store for processes that do.
//!
//! Invariant: bounded; rows reach the store in batches within [`BATCH_WITHIN`]; over the bound of the queue a row is
//! dropped and counted, since the worst that follows is a cold prompt cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use troupe_core::SessionKey;
use troupe_core::port::{SessionRow, SessionStore};
use troupe_core::session::{Session, SessionDone, SessionEffect};

use crate::shell::{Clock, Effects, Job};

const BATCH_WITHIN: Duration = Duration::from_millis(50);
const BATCH: usize = 512;
const QUEUE: usize = 8_192;
/// How often rows that have ended are dropped from the store.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

enum Post {
    Row(SessionRow),
    Flush(oneshot::Sender<()>),
}

/// What is known of sessions whose actors do not run, and the way to the store. Clones share it.
#[derive(Clone)]
pub struct Affinities {
    known: Cache<SessionKey, SessionRow>,
    queue: mpsc::Sender<Post>,
    /// Rows on their way to the store.
    unsaved: Arc<AtomicU64>,
    saved: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

impl std::fmt::Debug for Affinities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Affinities")
            .field("known", &self.known.entry_count())
            .finish_non_exhaustive()
    }
}

impl Affinities {
    /// Remembers at most `max` sessions for `ttl` after their last placement. The writer ends with the last clone.
    #[must_use]
    pub(crate) fn start(
        store: Arc<dyn SessionStore>,
        io: &tokio::runtime::Handle,
        max: u64,
        ttl: Duration,
        clock: Clock,
    ) -> Self {
        let (queue, posts) = mpsc::channel(QUEUE);
        let (unsaved, saved) = (Arc::default(), Arc::default());
        let counts = (Arc::clone(&unsaved), Arc::clone(&saved));
        io.spawn(write(store, posts, counts, clock));
        Self {
            known: Cache::builder().max_capacity(max).time_to_live(ttl).build(),
            queue,
            unsaved,
            saved,
            dropped: Arc::default(),
        }
    }

    /// How many sessions are remembered at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        let most = self.known.policy().max_capacity().unwrap_or(u64::MAX);
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    #[must_use]
    pub fn known(&self, session: &SessionKey) -> Option<SessionRow> {
        self.known.get(session)
    }

    /// What an earlier process had stored. Nothing is remembered for longer than it would be now.
    pub(crate) fn remember(&self, rows: Vec<SessionRow>, latest_ms: u64) {
        for mut row in rows {
            row.until_ms = row.until_ms.min(latest_ms);
            self.known.insert(row.session, row);
        }
    }

    /// Rows on their way to the store.
    #[must_use]
    pub fn unsaved(&self) -> u64 {
        self.unsaved.load(Ordering::SeqCst)
    }

    /// Rows that reached the store.
    #[must_use]
    pub fn saved(&self) -> u64 {
        self.saved.load(Ordering::SeqCst)
    }

    /// Rows that never reached the store, because it was too slow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Ends when everything put in before is in the store, or could not be written.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(Post::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }

    fn put(&self, row: SessionRow) {
        self.known.insert(row.session, row);
        self.unsaved.fetch_add(1, Ordering::SeqCst);
        if self.queue.try_send(Post::Row(row)).is_err() {
            self.unsaved.fetch_sub(1, Ordering::SeqCst);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(
    store: Arc<dyn SessionStore>,
    mut posts: mpsc::Receiver<Post>,
    (unsaved, saved): (Arc<AtomicU64>, Arc<AtomicU64>),
    clock: Clock,
) {
    let mut posted = Vec::with_capacity(BATCH);
    let mut prune_at = Instant::now() + PRUNE_EVERY;
    loop {
        if Instant::now() >= prune_at {
            prune_at = Instant::now() + PRUNE_EVERY;
            if let Err(error) = store.prune(clock.now().unix_ms).await {
                tracing::warn!(%error, "sessions that have ended could not be dropped from the store");
            }
        }
        match timeout_at(prune_at, posts.recv_many(&mut posted, BATCH)).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(_) => continue,
        }
        if !posted.iter().any(|post| matches!(post, Post::Flush(_))) {
            // Sessions begin in crowds: one flush of the store serves them all.
            tokio::time::sleep(BATCH_WITHIN).await;
            while posted.len() < BATCH
                && let Ok(post) = posts.try_recv()
            {
                posted.push(post);
            }
        }
        let (mut rows, mut flushes) = (Vec::with_capacity(posted.len()), Vec::new());
        for post in posted.drain(..) {
            match post {
                Post::Row(row) => rows.push(row),
                Post::Flush(done) => flushes.push(done),
            }
        }
        let count = rows.len() as u64;
        if count > 0 {
            match store.save(rows).await {
                Ok(()) => drop(saved.fetch_add(count, Ordering::SeqCst)),
                Err(error) => {
                    tracing::warn!(%error, "where sessions were served could not be saved");
                }
            }
        }
        unsaved.fetch_sub(count, Ordering::SeqCst);
        for done in flushes {
            let _ = done.send(());
        }
    }
}

pub(crate) struct SessionEffects(pub Affinities);

impl Effects<Session> for SessionEffects {
    fn job(&self, effect: SessionEffect) -> Job<SessionDone> {
        let SessionEffect::Save(row) = effect;
        self.0.put(row);
        Job::new(SessionDone::Saved, std::future::ready(SessionDone::Saved))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use troupe_core::port::PortFuture;
    use troupe_core::{AccountId, KeyId};
    use uuid::Uuid;

    use super::*;

    #[derive(Default)]
    struct Store {
        batches: Mutex<Vec<usize>>,
        prunes: AtomicU64,
        is_stuck: bool,
    }

    impl SessionStore for Store {
        fn save(&self, rows: Vec<SessionRow>) -> PortFuture<'_, ()> {
            self.batches.lock().unwrap().push(rows.len());
            match self.is_stuck {
                true => Box::pin(std::future::pending()),
                false => Box::pin(std::future::ready(Ok(()))),
            }
        }
        fn load(&self, _: u64, _: usize) -> PortFuture<'_, Vec<SessionRow>> {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }
        fn prune(&self, _: u64) -> PortFuture<'_, usize> {
            self.prunes.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(Ok(0)))
        }
    }

    fn row(session: u64) -> SessionRow {
        SessionRow {
            session: SessionKey {
                key: KeyId(Uuid::nil()),
                session,
            },
            account: AccountId(Uuid::nil()),
            cached_tokens: 0,
            until_ms: 1_000_000,
        }
    }

    fn start(store: &Arc<Store>, max: u64) -> Affinities {
        let io = tokio::runtime::Handle::current();
        let ttl = Duration::from_secs(3_600);
        Affinities::start(store.clone(), &io, max, ttl, Clock::virtual_time())
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_sessions_is_saved_in_few_batches() {
        let store = Arc::new(Store::default());
        let affinities = start(&store, 1_000);
        (0..700).for_each(|n| affinities.put(row(n)));
        assert_eq!((affinities.unsaved(), affinities.saved()), (700, 0));
        affinities.flush().await;
        assert_eq!((affinities.unsaved(), affinities.saved()), (0, 700));
        assert!(store.batches.lock().unwrap().len() <= 3);
        assert_eq!(affinities.dropped(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_stuck_costs_rows_not_memory() {
        let store = Arc::new(Store {
            is_stuck: true,
            ..Store::default()
        });
        let affinities = start(&store, 100_000);
        for n in 0..30_000 {
            affinities.put(row(n));
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(affinities.unsaved() <= (QUEUE + BATCH) as u64);
        assert_eq!(affinities.unsaved() + affinities.dropped(), 30_000);
    }

    #[tokio::test(start_paused = true)]
    async fn ended_rows_leave_the_store_by_and_by() {
        let store = Arc::new(Store::default());
        let affinities = start(&store, 1_000);
        tokio::time::sleep(PRUNE_EVERY * 3 + BATCH_WITHIN).await;
        assert_eq!(store.prunes.load(Ordering::SeqCst), 3);
        // Also while rows come without a break.
        for n in 0..2_000 {
            affinities.put(row(n));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(store.prunes.load(Ordering::SeqCst) >= 6);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_restored_lasts_no_longer_than_what_is_new() {
        let affinities = start(&Arc::default(), 1_000);
        let far = SessionRow {
            until_ms: u64::MAX,
            ..row(1)
        };
        affinities.remember(vec![far, row(2)], 5_000_000);
        let until_ms = |n| affinities.known(&row(n).session).map(|row| row.until_ms);
        assert_eq!(until_ms(1), Some(5_000_000));
        assert_eq!(until_ms(2), Some(1_000_000));
    }
}
