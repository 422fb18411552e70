//! A real PostgreSQL with LiteLLM's tables, of a new version and of an old one, and servers that fail.

mod failing;
mod reading;

use std::sync::Mutex;

use secrecy::SecretString;

use crate::postgres::testing as postgres;

use super::{LitellmRows, Progress, ReadError, read};

/// What was read, and what was told meanwhile.
async fn read_telling(url: &str) -> (Result<LitellmRows, ReadError>, Vec<Progress>) {
    let told = Mutex::new(Vec::new());
    let result = read(&SecretString::from(url), &|progress| {
        told.lock().unwrap().push(progress);
    })
    .await;
    (result, told.into_inner().unwrap())
}

async fn refusal(url: &str) -> ReadError {
    let error = read_telling(url).await.0.map(|_| ()).unwrap_err();
    assert!(!error.to_string().contains(postgres::PASSWORD), "{error}");
    error
}
