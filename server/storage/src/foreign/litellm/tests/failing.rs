use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::postgres::Postgres;
use super::{ReadError, refusal};

#[tokio::test]
async fn a_server_that_refuses() {
    let postgres = Postgres::start();
    let wrong = format!(
        "postgres://postgres:wrong@127.0.0.1:{}/postgres",
        postgres.port()
    );
    assert_eq!(refusal(&wrong).await, ReadError::Refused);
    assert_eq!(
        refusal(&postgres.url("nothing")).await,
        ReadError::NoDatabase
    );
    let other = refusal(&postgres.url("postgres")).await;
    assert!(
        other
            .to_string()
            .contains("no table LiteLLM_VerificationToken in the schema public"),
        "{other}"
    );
    let schema = refusal(&postgres.url("postgres?schema=x")).await;
    assert!(schema.to_string().contains("in the schema x"), "{schema}");
    // TLS was asked for, and this server has none.
    assert!(matches!(
        refusal(&postgres.url("postgres?sslmode=require")).await,
        ReadError::Unreachable(_)
    ));

    postgres
        .run("CREATE TABLE \"LiteLLM_VerificationToken\" (token text primary key)")
        .await;
    let mut other = postgres.connect_to("postgres").await;
    sqlx::raw_sql("BEGIN; LOCK TABLE \"LiteLLM_VerificationToken\" IN ACCESS EXCLUSIVE MODE")
        .execute(&mut other)
        .await
        .unwrap();
    let locked = refusal(&postgres.url("postgres")).await;
    assert!(
        matches!(
            locked,
            ReadError::Timeout {
                doing: "counting rows",
                ..
            }
        ),
        "{locked}"
    );
}

#[tokio::test]
async fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = refusal(&format!(
        "postgres://u:hunter2-of-the-database@127.0.0.1:{port}/x"
    ))
    .await;
    assert!(matches!(error, ReadError::Unreachable(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = refusal(&format!(
        "postgres://u:hunter2-of-the-database@127.0.0.1:{port}/x"
    ))
    .await;
    assert_eq!(
        error,
        ReadError::Timeout {
            doing: "connecting",
            seconds: 10
        }
    );
}

#[tokio::test]
async fn a_server_that_speaks_another_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://u:hunter2-of-the-database@127.0.0.1:{port}/x");
    let answering = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await;
            let _ = stream
                .write_all(b"HTTP/1.1 400 hunter2-of-the-database\r\n\r\n")
                .await;
        }
    };
    tokio::select! {
        error = refusal(&url) => assert!(matches!(error, ReadError::Nonsense(_) | ReadError::Unreachable(_)), "{error}"),
        () = answering => {}
    }
}

#[tokio::test]
async fn urls_that_are_none() {
    for url in [
        "",
        "x",
        "mysql://u:hunter2-of-the-database@h/x",
        "postgres://u:hunter2-of-the-database@h/x?sslmode=maybe",
        "postgres://h/x?schema=",
    ] {
        assert!(matches!(refusal(url).await, ReadError::Url(_)), "{url}");
    }
}
