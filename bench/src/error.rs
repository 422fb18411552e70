//! The one error of this crate: what failed, in words a person can act upon.

use std::fmt::Display;

/// Why a run, an arm or a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, e.g. `connect to 127.0.0.1:5200`.
        doing: String,
        /// The refusal.
        source: std::io::Error,
    },
    /// A child process did not do what was asked of it.
    #[error("{0}")]
    Child(String),
    /// A peer answered, but not what was expected.
    #[error("{0}")]
    Answer(String),
    /// A file or argument could not be used.
    #[error("{0}")]
    Input(String),
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what was being done when the operating system refused.
pub trait Doing<T> {
    /// Turns the refusal into [`Error::Io`].
    ///
    /// # Errors
    /// The given one, with `what` in front.
    fn doing(self, what: impl Display) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing: what.to_string(),
            source: source.into(),
        })
    }
}
