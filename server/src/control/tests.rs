use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::{CallError, connect, raw};
use super::place::of;
use super::wire::REQUEST_MAX_BYTES;
use super::{ControlError, Server};
use crate::ops::keys::{ListKeys, RevokeKey};
use crate::ops::tests::{new_key, operations};

struct Running {
    path: PathBuf,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(data_dir: &Path) -> Running {
    let server = Server::bind(data_dir).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let ops = Arc::new(operations().await);
    Running {
        path: server.path().to_owned(),
        stop,
        task: tokio::spawn(server.run(ops, async { _ = stopped.await })),
    }
}

impl Running {
    async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap();
        assert!(!self.path.exists(), "the socket leaves with its server");
    }
}

#[tokio::test]
async fn commands_are_carried_out_by_the_running_gateway() {
    let folder = tempfile::tempdir().unwrap();
    assert!(connect(folder.path()).await.unwrap().is_none());
    let running = start(folder.path()).await;
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&running.path), 0o600);
    assert_eq!(mode(running.path.parent().unwrap()), 0o700);

    let client = connect(folder.path()).await.unwrap().unwrap();
    let made = client.call(&new_key("ci")).await.unwrap();
    assert!(made.secret.expose_secret().starts_with("troupe-"));
    let client = connect(folder.path()).await.unwrap().unwrap();
    let keys = client.call(&ListKeys::default()).await.unwrap().keys;
    assert_eq!(keys[0], made.key);
    let client = connect(folder.path()).await.unwrap().unwrap();
    let refusal = client
        .call(&RevokeKey {
            name: "filed".into(),
        })
        .await
        .unwrap_err();
    assert!(matches!(refusal, CallError::Refused(error) if error.exit() == 1));
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_a_request_is_answered_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    for request in [
        &b"garbage\n"[..],
        b"\n",
        b"{}\n",
        b"[]\n",
        b"{\"op\":7}\n",
        b"\xff\xfe\n",
    ] {
        let answer = raw(&running.path, request).await;
        assert_eq!(answer["error"]["code"], "invalid", "{answer}");
        assert_eq!(answer["error"]["exit"], 2);
    }
    let too_long = vec![b'x'; REQUEST_MAX_BYTES * 3];
    let answer = raw(&running.path, &too_long).await;
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("at most"),
        "{answer}"
    );
    let answer = raw(&running.path, b"{\"op\":\"key.fly\"}\n").await;
    assert_eq!(answer["error"]["code"], "not_available");
    let answer = raw(&running.path, b"{\"v\":2,\"op\":\"key.list\"}\n").await;
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("older"),
        "{answer}"
    );
    let secret = b"{\"op\":\"key.create\",\"name\":\"a\",\"secret\":[\"hunter2-hunter2\"]}\n";
    let answer = raw(&running.path, secret).await;
    assert!(!answer.to_string().contains("hunter2"), "{answer}");
    let answer = raw(&running.path, b"{\"op\":\"key.list\",\"unknown\":1}\n").await;
    assert_eq!(answer["ok"]["keys"][0]["name"], "filed");
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_stays_silent_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let silent = connect(folder.path()).await.unwrap().unwrap();
    let answer = raw(&running.path, b"{\"op\":\"key.list\"}\n").await;
    assert!(answer["ok"].is_object());
    drop(silent);
    running.stop().await;
}

#[tokio::test]
async fn a_second_server_is_refused_and_a_stale_socket_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let refusal = Server::bind(folder.path()).await.unwrap_err();
    assert!(matches!(refusal, ControlError::InUse(_)), "{refusal}");
    let path = running.path.clone();
    running.stop().await;
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a killed server leaves its socket");
    assert!(connect(folder.path()).await.unwrap().is_none());
    start(folder.path()).await.stop().await;
    fs::write(&path, "precious").unwrap();
    let refusal = Server::bind(folder.path()).await.unwrap_err();
    assert!(matches!(refusal, ControlError::NotASocket(_)), "{refusal}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn a_folder_that_is_a_link_is_refused_and_an_open_one_closed() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), folder.path().join("run")).unwrap();
    let refusal = Server::bind(folder.path()).await.unwrap_err();
    assert!(matches!(refusal, ControlError::Folder(_)), "{refusal}");
    fs::remove_file(folder.path().join("run")).unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    let running = start(folder.path()).await;
    assert_eq!(
        fs::metadata(running.path.parent().unwrap()).unwrap().mode() & 0o777,
        0o700
    );
    running.stop().await;
}

#[tokio::test]
async fn a_long_data_path_has_its_socket_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("d".repeat(120));
    fs::create_dir(&long).unwrap();
    let runtime = tempfile::tempdir().unwrap();
    let places = of(&long, Some(runtime.path().as_os_str()));
    assert_eq!(places.len(), 2);
    assert!(places[0].starts_with(runtime.path()));
    assert!(places[1].starts_with("/tmp"));
    assert_eq!(of(&long, None), places[1..]);
    assert_eq!(of(&long, Some("relative".as_ref())), places[1..]);
    assert_ne!(of(&long.join(".."), None)[0], places[1]);
    let running = start(&long).await;
    let client = connect(&long).await.unwrap().unwrap();
    client.call(&ListKeys::default()).await.unwrap();
    let parent = running.path.parent().unwrap().to_owned();
    running.stop().await;
    assert!(!parent.exists(), "nothing is left outside the data folder");
}
