//! The command's side of the control socket.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::ControlError;
use super::place::{candidates, own_uid};
use super::wire::{Line, RESPONSE_MAX_BYTES, Request, Response, VERSION, read_line, to_line};
use crate::ops::{OpError, Operation};

const CONNECT: Duration = Duration::from_secs(5);
/// Longer than the gateway takes at most.
const ANSWER: Duration = Duration::from_secs(75);

/// A connection to a running gateway; good for one operation.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
}

/// Why an operation was not done: no answer, or a refusal.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Refused(#[from] OpError),
}

/// `None` when no gateway runs on `data_dir`.
///
/// # Errors
/// One runs, but cannot be asked by this user.
pub async fn connect(data_dir: &Path) -> Result<Option<Client>, ControlError> {
    let owner = std::fs::metadata(data_dir).ok().map(|meta| meta.uid());
    for path in candidates(data_dir) {
        match connect_at(path, owner).await {
            Ok(None) => {}
            other => return other,
        }
    }
    Ok(None)
}

pub(super) async fn connect_at(
    path: PathBuf,
    owner: Option<u32>,
) -> Result<Option<Client>, ControlError> {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    let stream = match timeout(CONNECT, UnixStream::connect(&path)).await {
        Err(_) => return Err(ControlError::Timeout(path)),
        Ok(Err(error)) if matches!(error.kind(), NotFound | NotADirectory | ConnectionRefused) => {
            return Ok(None);
        }
        Ok(Err(error)) => return Err(ControlError::io(&path)(error)),
        Ok(Ok(stream)) => stream,
    };
    // Secrets go over this: not to somebody who was quicker to take the path.
    let uid = stream.peer_cred().map_err(ControlError::io(&path))?.uid();
    let owners = own_uid() == 0 && owner == Some(uid);
    let trusted = uid == own_uid() || uid == 0 || owners;
    if !trusted {
        return Err(ControlError::Stranger { path, uid });
    }
    Ok(Some(Client { stream, path }))
}

impl Client {
    /// # Errors
    /// `Refused` with what the gateway says; `Control` when it says nothing that can be understood.
    pub async fn call<O: Operation>(self, operation: &O) -> Result<O::Outcome, CallError> {
        let path = self.path.clone();
        let odd = |_| ControlError::Answer(path.clone());
        let input = serde_json::to_value(operation).map_err(odd)?;
        let request = Request {
            v: VERSION,
            op: O::NAME.to_owned(),
            input,
        };
        let line = self
            .exchange(&to_line(&request).map_err(|_| ControlError::Answer(path.clone()))?)
            .await?;
        match serde_json::from_slice(&line).map_err(odd)? {
            Response::Ok(outcome) => serde_json::from_value::<O::Outcome>(outcome)
                .map_err(odd)
                .map_err(Into::into),
            Response::Error(refusal) => Err(refusal.error.into()),
        }
    }

    pub(super) async fn exchange(mut self, request: &[u8]) -> Result<Vec<u8>, ControlError> {
        let path = self.path;
        let exchange = async {
            let (from, mut to) = self.stream.split();
            // A gateway that refuses early closes early; its answer is worth more than this error.
            let _ = to.write_all(request).await;
            read_line(&mut BufReader::new(from), RESPONSE_MAX_BYTES).await
        };
        match timeout(ANSWER, exchange).await {
            Err(_) => Err(ControlError::Timeout(path)),
            Ok(Ok(Line::Whole(line))) => Ok(line),
            Ok(Ok(Line::TooLong)) => Err(ControlError::Answer(path)),
            Ok(Ok(Line::End) | Err(_)) => Err(ControlError::BrokenOff(path)),
        }
    }
}

/// For tests of the protocol: any JSON or text.
#[cfg(test)]
pub(super) async fn raw(path: &Path, request: &[u8]) -> serde_json::Value {
    let client = connect_at(path.to_owned(), None).await.unwrap().unwrap();
    serde_json::from_slice(&client.exchange(request).await.unwrap()).unwrap()
}
