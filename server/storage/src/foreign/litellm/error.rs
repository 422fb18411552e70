//! Why the database could not be read.
//!
//! Invariant: holds nothing of the URL and nothing that the server wrote but its SQLSTATE.

/// Why LiteLLM's database could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the database URL is not usable: {0}")]
    Url(&'static str),
    #[error("cannot reach the database server ({0}); check host, port and TLS settings of the URL")]
    Unreachable(String),
    #[error("the database refuses the user or the password of the URL")]
    Refused,
    #[error("the database of the URL does not exist there")]
    NoDatabase,
    #[error("the user of the URL may not read LiteLLM's tables; grant SELECT on them")]
    Forbidden,
    #[error(
        "there is no table {table} in the schema {schema}; give LiteLLM's own database, and `?schema=…` if it is not there"
    )]
    NotLitellm { table: &'static str, schema: String },
    #[error("{table} holds {rows} rows, more than the {most} that are read at once")]
    TooMany {
        table: &'static str,
        rows: u64,
        most: u64,
    },
    #[error("the rows are larger than {most_mib} MiB together")]
    TooLarge { most_mib: usize },
    #[error(
        "the database did not answer within {seconds} s while {doing}; try again when it is less busy"
    )]
    Timeout { doing: &'static str, seconds: u64 },
    #[error("the database failed while {doing} (SQLSTATE {code}); see its log")]
    Failed { doing: &'static str, code: String },
    #[error("the database answered something else than PostgreSQL does while {0}")]
    Nonsense(&'static str),
    #[error("this build reads no PostgreSQL; use one with the feature `postgres`")]
    NotBuilt,
}
