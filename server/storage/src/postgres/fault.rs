//! Errors of the driver in words of this house.
//!
//! Invariant: of what the server writes only its SQLSTATE is repeated; what is certainly not written is `Unavailable`,
//! what may be is `Unknown`.

use sqlx::error::DatabaseError;
use troupe_core::port::StoreError;

use crate::health::FaultKind;

/// Why a step of a transaction ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The step itself refuses: nothing is written, and the caller gets this.
    Refused(StoreError),
    Sql(sqlx::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

pub(crate) fn kind(error: &sqlx::Error) -> FaultKind {
    match error {
        sqlx::Error::Database(error) => match code(&**error).as_str() {
            "28000" | "28P01" => FaultKind::Login,
            "3D000" => FaultKind::NoDatabase,
            "57P01" | "57P02" | "57P03" | "53300" => FaultKind::Busy,
            "57014" | "55P03" | "25P03" => FaultKind::Contended,
            _ => FaultKind::Statement,
        },
        sqlx::Error::PoolTimedOut => FaultKind::Timeout,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => FaultKind::Unreachable,
        _ => FaultKind::Nonsense,
    }
}

/// Nothing was written.
pub(crate) fn unavailable(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolClosed => StoreError::Unavailable("the store is closed".into()),
        sqlx::Error::Database(error) if error.is_unique_violation() => {
            StoreError::Conflict("another write was first".into())
        }
        // Its data or its size: the same again would be refused again.
        sqlx::Error::Database(refusal)
            if ["22", "54"]
                .iter()
                .any(|class| code(&**refusal).starts_with(class)) =>
        {
            StoreError::Conflict(text(error))
        }
        sqlx::Error::ColumnDecode { index, .. } => {
            StoreError::Corrupt(format!("column {index} cannot be read"))
        }
        other => StoreError::Unavailable(text(other)),
    }
}

/// COMMIT was sent, and failed.
pub(crate) fn of_commit(error: &sqlx::Error) -> StoreError {
    if let sqlx::Error::Database(database) = error {
        let code = code(&**database);
        // Transaction rollback, and constraints that are checked at the end.
        if code.starts_with("40") || code.starts_with("23") {
            return unavailable(error);
        }
    }
    StoreError::Unknown(text(error))
}

pub(crate) fn late(committing: bool) -> StoreError {
    let text = "PostgreSQL: timeout".to_owned();
    if committing {
        StoreError::Unknown(text)
    } else {
        StoreError::Unavailable(text)
    }
}

fn text(error: &sqlx::Error) -> String {
    let kind = kind(error).as_str();
    match error {
        sqlx::Error::Database(error) => {
            format!("PostgreSQL: {kind} (SQLSTATE {})", code(&**error))
        }
        _ => format!("PostgreSQL: {kind}"),
    }
}

/// Five letters and digits, whatever was sent.
fn code(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(5)
        .collect()
}
