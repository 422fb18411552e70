//! Asks the server whether it is there, so that health is true also while nobody writes.
//!
//! Invariant: one connection of the pool for a moment, seldom while all is well; it ends with the store.

use std::time::Duration;

use sqlx::Executor;
use tokio::task::JoinHandle;

use super::pool::Pg;

const WELL: Duration = Duration::from_secs(5);
const AWAY: Duration = Duration::from_secs(1);

/// Ends when it goes.
#[derive(Debug)]
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    /// Must be called in a tokio runtime.
    pub(super) fn start(pg: Pg) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let pause = if pg.health().is_up() { WELL } else { AWAY };
                tokio::time::sleep(pause).await;
                let asked = pg.read(|connection| {
                    Box::pin(async move {
                        connection.execute(sqlx::raw_sql("select 1")).await?;
                        Ok(())
                    })
                });
                // What it found is in the health.
                let _ = asked.await;
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
