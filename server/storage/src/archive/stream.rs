//! Rows on their way from a backend, in batches.
//!
//! Invariant: at most [`AHEAD`] batches wait, each of [`BATCH_BYTES`] and one row more, so that a stream of any length
//! takes the same memory; a batch has rows of one kind. A stream that was not ended is an error and never a short one.
//! Who drops the receiver ends the sender.

use tokio::sync::mpsc;
use troupe_core::port::StoreError;

use super::row::{Packed, Row};

const AHEAD: usize = 4;
const BATCH_BYTES: usize = 512 * 1024;
const BATCH_ROWS: usize = 1_000;

#[derive(Debug)]
enum Told {
    Batch(Vec<Packed>),
    Failed(StoreError),
    End,
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Rows {
    from: mpsc::Receiver<Told>,
    over: bool,
}

/// The sending end, for the thread or the task that reads.
#[derive(Debug)]
pub(crate) struct Sender {
    to: mpsc::Sender<Told>,
    batch: Vec<Packed>,
    bytes: usize,
}

/// Why a sender ends early.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Nobody listens any more.
    Left,
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

pub(crate) fn channel() -> (Sender, Rows) {
    let (to, from) = mpsc::channel(AHEAD);
    let sender = Sender {
        to,
        batch: Vec::new(),
        bytes: 0,
    };
    (sender, Rows { from, over: false })
}

impl Rows {
    /// The next batch; nothing at the end, and after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<Vec<Packed>, StoreError>> {
        if self.over {
            return None;
        }
        let told = self.from.recv().await;
        self.heard(told)
    }

    /// The same on a blocking thread.
    pub(crate) fn blocking_next(&mut self) -> Option<Result<Vec<Packed>, StoreError>> {
        if self.over {
            return None;
        }
        let told = self.from.blocking_recv();
        self.heard(told)
    }

    fn heard(&mut self, told: Option<Told>) -> Option<Result<Vec<Packed>, StoreError>> {
        match told {
            Some(Told::Batch(rows)) => Some(Ok(rows)),
            Some(Told::End) => {
                self.over = true;
                None
            }
            Some(Told::Failed(error)) => {
                self.over = true;
                Some(Err(error))
            }
            None => {
                self.over = true;
                let why = "the reader of the store broke off".into();
                Some(Err(StoreError::Unavailable(why)))
            }
        }
    }
}

impl Sender {
    /// The batches that have to go before this row waits with the next ones.
    fn take(&mut self, row: &Row) -> Result<Option<Vec<Packed>>, StoreError> {
        let row = row.pack()?;
        let is_other = self
            .batch
            .first()
            .is_some_and(|first| first.kind != row.kind);
        let is_full = self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH_ROWS;
        let out = (is_other || is_full).then(|| self.rest());
        self.bytes += row.bytes.len();
        self.batch.push(row);
        Ok(out)
    }

    fn rest(&mut self) -> Vec<Packed> {
        self.bytes = 0;
        std::mem::take(&mut self.batch)
    }

    pub(crate) async fn push(&mut self, row: impl Into<Row>) -> Result<(), Ended> {
        match self.take(&row.into())? {
            Some(batch) => self
                .to
                .send(Told::Batch(batch))
                .await
                .map_err(|_| Ended::Left),
            None => Ok(()),
        }
    }

    /// The same on a blocking thread.
    pub(crate) fn blocking_push(&mut self, row: impl Into<Row>) -> Result<(), Ended> {
        match self.take(&row.into())? {
            Some(batch) => {
                let sent = self.to.blocking_send(Told::Batch(batch));
                sent.map_err(|_| Ended::Left)
            }
            None => Ok(()),
        }
    }

    fn last(&mut self, how: Result<(), Ended>) -> Vec<Told> {
        match how {
            Err(Ended::Left) => Vec::new(),
            Err(Ended::Failed(error)) => vec![Told::Failed(error)],
            Ok(()) if self.batch.is_empty() => vec![Told::End],
            Ok(()) => vec![Told::Batch(self.rest()), Told::End],
        }
    }

    /// Sends what is left, or why the stream broke off.
    pub(crate) async fn end(mut self, how: Result<(), Ended>) {
        for told in self.last(how) {
            let _ = self.to.send(told).await;
        }
    }

    /// The same on a blocking thread.
    pub(crate) fn blocking_end(mut self, how: Result<(), Ended>) {
        for told in self.last(how) {
            let _ = self.to.blocking_send(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::row::{Counter, Fact};

    fn fact(bytes: usize) -> Fact {
        Fact {
            name: "f".into(),
            value: vec![0; bytes],
        }
    }

    #[tokio::test]
    async fn batches_are_bounded_and_of_one_kind() {
        let (mut to, mut rows) = channel();
        let told = tokio::spawn(async move {
            for _ in 0..3 {
                to.push(fact(BATCH_BYTES)).await.unwrap();
            }
            for value in 0..2_500 {
                let name = "c".into();
                to.push(Counter { name, value }).await.unwrap();
            }
            to.end(Ok(())).await;
        });
        let mut sizes = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = batch.unwrap();
            assert!(batch.iter().all(|row| row.kind == batch[0].kind));
            sizes.push(batch.len());
        }
        assert_eq!(sizes, [1, 1, 1, 1_000, 1_000, 500]);
        told.await.unwrap();
    }

    #[tokio::test]
    async fn a_stream_that_was_not_ended_is_an_error() {
        let (mut to, mut rows) = channel();
        to.push(fact(1)).await.unwrap();
        drop(to);
        assert!(matches!(rows.next().await, Some(Err(_))));
        assert!(rows.next().await.is_none());
        let (to, mut rows) = channel();
        to.end(Err(Ended::Failed(StoreError::Corrupt("x".into()))))
            .await;
        assert!(matches!(
            rows.next().await,
            Some(Err(StoreError::Corrupt(_)))
        ));
        assert!(rows.next().await.is_none());
    }
}
