//! A place in the order of pages, as a text.

use sqlx::types::Uuid;
use troupe_core::log::LogCursor;
use troupe_core::port::StoreError;

use super::lanes::Place;

/// `p1-<time in ms>-<id>`.
const VERSION: &str = "p1";

pub(super) fn of(place: Place) -> LogCursor {
    LogCursor(format!(
        "{VERSION}-{}-{}",
        place.at_ms,
        place.id.as_simple()
    ))
}

/// # Errors
/// `Conflict`: it is of another store, or of another version.
pub(super) fn read(cursor: &LogCursor) -> Result<Place, StoreError> {
    parse(&cursor.0).ok_or_else(|| {
        StoreError::Conflict("the cursor is not one of this store; search from the start".into())
    })
}

fn parse(text: &str) -> Option<Place> {
    let (at_ms, id) = text
        .strip_prefix(VERSION)?
        .strip_prefix('-')?
        .split_once('-')?;
    let at_ms = at_ms.parse().ok().filter(|ms| *ms >= 0)?;
    let id = Uuid::try_parse(id).ok()?;
    Some(Place { at_ms, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_the_round_and_nothing_else_is_one() {
        for at_ms in [0, 1_795_478_400_000, i64::MAX] {
            for id in [Uuid::nil(), Uuid::from_u128(7), Uuid::max()] {
                let place = Place { at_ms, id };
                assert_eq!(read(&of(place)), Ok(place));
            }
        }
        for text in [
            "",
            "p1",
            "p1-5",
            "p1--5-7",
            "p2-5-00000000000000000000000000000007",
        ] {
            let cursor = LogCursor(text.into());
            assert!(
                matches!(read(&cursor), Err(StoreError::Conflict(_))),
                "{text}"
            );
        }
    }
}
