//! The gateway's side of the control socket.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::ControlError;
use super::place::{candidates, is_outside, own_uid, prepare_folder};
use super::wire::{
    Line, REQUEST_MAX_BYTES, Request, Response, VERSION, invalid, read_line, to_line,
};
use crate::ops::dispatch::dispatch;
use crate::ops::{ErrorCode, OpError, Operations};

/// Connections at once; the next ones wait in the kernel's backlog, unaccepted.
const CONNECTIONS: usize = 16;
/// A client says what it wants, or leaves, within this time.
const READ: Duration = Duration::from_secs(5);
const WRITE: Duration = Duration::from_secs(5);
/// After this an answer is no longer awaited; the operation itself goes on.
const ANSWER: Duration = Duration::from_secs(60);
/// Operations that run when the gateway stops may finish within this time.
const FINISH: Duration = Duration::from_secs(10);

/// A bound control socket; dropping it removes the socket's file.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Server {
    /// Binds the socket of `data_dir`, which must exist. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// `InUse` when a gateway answers there; a socket that nobody answers is replaced. `Folder` when the folder is not
    /// this user's own.
    pub async fn bind(data_dir: &Path) -> Result<Self, ControlError> {
        let path = candidates(data_dir)
            .into_iter()
            .next()
            .ok_or(ControlError::NoPlace)?;
        Self::bind_at(path).await
    }

    pub(super) async fn bind_at(path: PathBuf) -> Result<Self, ControlError> {
        prepare_folder(&path)?;
        remove_stale(&path).await?;
        let at = ControlError::io;
        let listener = UnixListener::bind(&path).map_err(at(&path))?;
        let inode = fs::symlink_metadata(&path).map_err(at(&path))?.ino();
        let server = Self {
            listener,
            path,
            inode,
        };
        fs::set_permissions(&server.path, Permissions::from_mode(0o600))
            .map_err(at(&server.path))?;
        Ok(server)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers until `shutdown`. When it returns, `ops` is not held any more.
    pub async fn run(self, ops: Arc<Operations>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut connections = JoinSet::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            while connections.try_join_next().is_some() {}
            let accept = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let ops = Arc::clone(&ops);
                    connections.spawn(async move {
                        answer(stream, ops).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket: accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(ops);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(FINISH, finish).await.is_err() {
            tracing::warn!("control socket: operations were still running at the end");
        }
        connections.shutdown().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "control socket: cannot remove its file");
        }
        if let Some(folder) = self.path.parent().filter(|folder| is_outside(folder)) {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Removes a socket file that a gateway left behind when it was killed.
async fn remove_stale(path: &Path) -> Result<(), ControlError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ControlError::io(path)(error)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(ControlError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match timeout(WRITE, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(ControlError::io(path))
        }
        Ok(Err(error)) => Err(ControlError::io(path)(error)),
        Ok(Ok(_)) | Err(_) => Err(ControlError::InUse(path.to_owned())),
    }
}

async fn answer(mut stream: UnixStream, ops: Arc<Operations>) {
    let known = match stream.peer_cred() {
        Ok(peer) => peer.uid() == own_uid() || peer.uid() == 0,
        Err(_) => false,
    };
    let (from, mut to) = stream.split();
    let mut from = BufReader::new(from);
    let mut late = None;
    let result = if known {
        match timeout(READ, read_line(&mut from, REQUEST_MAX_BYTES)).await {
            Ok(Ok(Line::Whole(line))) => carry_out(&line, ops, &mut late).await,
            Ok(Ok(Line::TooLong)) => Err(invalid(format!(
                "a request has at most {REQUEST_MAX_BYTES} bytes"
            ))),
            Ok(Ok(Line::End) | Err(_)) => return,
            Err(_) => Err(invalid("no request came in time")),
        }
    } else {
        let message = "the gateway runs as another user; run the command as that user";
        Err(OpError::new(ErrorCode::Forbidden, message))
    };
    let Ok(line) = to_line(&Response::from(result)) else {
        return;
    };
    let sent = async {
        to.write_all(&line).await?;
        to.shutdown().await?;
        // What was sent and not read would reset the connection under the answer.
        let mut rest = from.take(REQUEST_MAX_BYTES as u64 * 4);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    if !matches!(timeout(WRITE, sent).await, Ok(Ok(_))) {
        tracing::debug!("control socket: the client did not take its answer");
    }
    if let Some(running) = late {
        let _ = running.await;
    }
}

type Running = JoinHandle<Result<serde_json::Value, OpError>>;

/// An operation that takes too long for its client is left in `late`: cut short, it might be stored and not published.
async fn carry_out(
    line: &[u8],
    ops: Arc<Operations>,
    late: &mut Option<Running>,
) -> Result<serde_json::Value, OpError> {
    // The parser's own message may quote a secret.
    let request: Request = serde_json::from_slice(line)
        .map_err(|_| invalid("a request is one line of JSON: {\"op\":NAME, …}"))?;
    if request.v > VERSION {
        let message =
            "the running gateway is older than this command; restart it with this version";
        return Err(OpError::new(ErrorCode::NotAvailable, message));
    }
    let Request { op, input, .. } = request;
    let internal = |message: String| OpError::new(ErrorCode::Internal, message);
    let named = op.clone();
    let mut running = tokio::spawn(async move { dispatch(&ops, &op, input).await });
    match timeout(ANSWER, &mut running).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(internal(format!("{named} failed; see the gateway's log"))),
        Err(_) => {
            tracing::warn!(op = named, "control socket: an operation takes long");
            *late = Some(running);
            Err(internal(format!(
                "{named} takes long; look later whether it was done"
            )))
        }
    }
}
