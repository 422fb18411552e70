//! The URL of the store.
//!
//! Invariant: a parameter that the driver does not know never reaches it, for it would log name and value; errors name
//! neither user nor password.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::OpenError;

const PARAMETERS: [&str; 10] = [
    "application_name",
    "host",
    "hostaddr",
    "options",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Where to connect.
#[derive(Clone)]
pub(crate) struct Address {
    pub options: PgConnectOptions,
    /// Host, port and database: what may be told.
    pub place: String,
}

/// Never derived: the options have the password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({})", self.place)
    }
}

/// # Errors
/// [`OpenError::Url`].
pub(crate) fn parse(url: &str) -> Result<Address, OpenError> {
    let refuse = |reason| OpenError::Url { reason };
    let url = Url::parse(url.trim()).map_err(|_| {
        refuse("expected postgres://user:password@host:5432/database; write special characters of the password as %XX")
    })?;
    if url.path().trim_matches('/').is_empty() {
        return Err(refuse(
            "the database is missing; expected postgres://user:password@host:5432/database",
        ));
    }
    if url
        .query_pairs()
        .any(|(name, _)| !PARAMETERS.contains(&name.as_ref()))
    {
        return Err(refuse(
            "it has a parameter that is not known; known are sslmode, sslrootcert, sslcert, sslkey, host, hostaddr, port, user, options and application_name",
        ));
    }
    let named = url
        .query_pairs()
        .any(|(name, _)| name == "application_name");
    let mut options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| refuse("one of its parameters has no such value"))?
        .disable_statement_logging();
    if !named {
        options = options.application_name("troupe");
    }
    let place = format!(
        "{}:{}/{}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or_default()
    );
    Ok(Address { options, place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_its_place_and_hides_the_rest() {
        let address = parse("postgres://me:hunter2@db.example:5433/house?sslmode=disable").unwrap();
        assert_eq!(format!("{address:?}"), "Address(db.example:5433/house)");
    }

    #[test]
    fn what_is_wrong_is_told_without_the_url() {
        for (url, part) in [
            ("postgres://me:hunter2@db", "database is missing"),
            ("postgres://me:hunter2@db/", "database is missing"),
            ("postgres://me:hunter2@db/x?pgbouncer=hunter2", "parameter"),
            (
                "postgres://me:hunter2@db/x?sslmode=hunter2",
                "no such value",
            ),
            ("postgres://me:hunter2@:x/y", "expected postgres://"),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
