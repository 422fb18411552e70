//! The form of stored values: one byte of format version, then MessagePack with named fields.
//!
//! Invariant: a field may be added with a serde default and needs no new format; a value of a newer format is never
//! guessed at.

use rmp_serde::decode::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use troupe_core::port::StoreError;

const FORMAT: u8 = 1;

/// # Errors
/// `Unavailable`: nothing was written.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut out = vec![FORMAT];
    rmp_serde::encode::write_named(&mut out, value)
        .map_err(|error| StoreError::Unavailable(format!("value cannot be encoded: {error}")))?;
    Ok(out)
}

/// `what` names the kind of row for the error.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&FORMAT, body)) => rmp_serde::from_slice(body).map_err(|error| {
            // serde quotes the value that it did not expect, and a row has secrets.
            let why = match error {
                Error::Syntax(_) => "its fields are others".to_owned(),
                other => other.to_string(),
            };
            StoreError::Corrupt(format!("{what} cannot be read: {why}"))
        }),
        Some((format, _)) => Err(StoreError::Corrupt(format!(
            "{what} has format {format}, this program knows {FORMAT}"
        ))),
        None => Err(StoreError::Corrupt(format!("{what} is empty"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use troupe_core::account::Health;
    use troupe_core::event::EventKind;
    use troupe_core::{AccountId, KeyId};

    #[derive(Serialize)]
    struct Old {
        a: u8,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct New {
        a: u8,
        #[serde(default)]
        b: Option<String>,
    }

    #[test]
    fn a_field_may_be_added() {
        let bytes = encode(&Old { a: 7 }).unwrap();
        assert_eq!(decode::<New>("row", &bytes), Ok(New { a: 7, b: None }));
    }

    #[test]
    fn tagged_enums_with_ids_survive_the_round() {
        let events = [
            EventKind::KeyCreated {
                id: KeyId::declared("k"),
                name: "k".into(),
            },
            EventKind::AccountStateChanged {
                id: AccountId::declared("a"),
                from: "active".into(),
                to: "rejected".into(),
            },
        ];
        for event in events {
            assert_eq!(
                decode::<EventKind>("event", &encode(&event).unwrap()),
                Ok(event)
            );
        }
        for health in [
            Health::Active,
            Health::OutOfService {
                since_ms: u64::MAX,
                reason: "ü".into(),
            },
        ] {
            assert_eq!(
                decode::<Health>("state", &encode(&health).unwrap()),
                Ok(health)
            );
        }
    }

    #[test]
    fn damage_and_newer_formats_are_errors() {
        for bytes in [&[][..], &[2, 1], &[1], &[1, 0xc1]] {
            assert!(
                matches!(decode::<New>("row", bytes), Err(StoreError::Corrupt(_))),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn an_error_does_not_quote_the_row() {
        let bytes = encode(&Old { a: 7 }).unwrap();
        let error = decode::<String>("row", &bytes).unwrap_err();
        let other = decode::<u8>("row", &encode(&"sk-ant-1").unwrap()).unwrap_err();
        assert!(!format!("{error}{other}").contains("sk-ant-1"), "{other}");
    }
}
