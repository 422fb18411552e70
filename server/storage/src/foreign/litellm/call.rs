//! One call of the database: its end in time, and its errors in words of this house.
//!
//! Invariant: of what the server writes only its SQLSTATE is repeated.

use std::time::Duration;

use super::error::ReadError;

/// # Errors
/// `Timeout` after `deadline`; else what the call's failure means.
pub(super) async fn within<T>(
    doing: &'static str,
    deadline: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ReadError> {
    let seconds = deadline.as_secs();
    match tokio::time::timeout(deadline, work).await {
        Ok(result) => result.map_err(|error| failure(doing, seconds, &error)),
        Err(_) => Err(ReadError::Timeout { doing, seconds }),
    }
}

fn failure(doing: &'static str, seconds: u64, error: &sqlx::Error) -> ReadError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            match code.as_ref() {
                "28000" | "28P01" => ReadError::Refused,
                "3D000" => ReadError::NoDatabase,
                "42501" => ReadError::Forbidden,
                "57014" | "55P03" | "25P03" => ReadError::Timeout { doing, seconds },
                _ => {
                    let code = code
                        .chars()
                        .filter(char::is_ascii_alphanumeric)
                        .take(5)
                        .collect();
                    ReadError::Failed { doing, code }
                }
            }
        }
        sqlx::Error::Io(error) => ReadError::Unreachable(error.kind().to_string()),
        sqlx::Error::Tls(_) => ReadError::Unreachable("TLS was not agreed on".to_owned()),
        _ => ReadError::Nonsense(doing),
    }
}
