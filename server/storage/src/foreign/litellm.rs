//! LiteLLM's PostgreSQL: the tables with keys, teams, users, budgets and models, row by row as JSON.
//!
//! Index: `tables` (what is asked for), `rows` (what comes back), `error`, `address` (the URL), `call` (deadlines),
//! `query`; [`read`] runs them. Facts: `schema.prisma` of `BerriAI/litellm`.
//!
//! Invariant: one read-only transaction, one snapshot; every wait has an end, every answer a bound; columns and tables
//! that a version lacks are absent, those that it has more are told.

#[cfg(feature = "postgres")]
mod address;
#[cfg(feature = "postgres")]
mod call;
mod error;
#[cfg(feature = "postgres")]
mod query;
mod rows;
#[cfg(feature = "postgres")]
mod tables;

use secrecy::SecretString;

pub use error::ReadError;
pub use rows::{Left, LitellmRows, Progress, Row};

/// Reads the tables behind `url` (`postgres://user:password@host/database`, with Prisma's parameters if any).
/// `on_progress` hears of every page.
///
/// # Errors
/// [`ReadError`], each with what to do about it; none repeats the URL.
pub async fn read(
    url: &SecretString,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<LitellmRows, ReadError> {
    #[cfg(feature = "postgres")]
    return query::read(url, on_progress).await;
    #[cfg(not(feature = "postgres"))]
    {
        let _ = (url, on_progress);
        Err(ReadError::NotBuilt)
    }
}

#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests;
