//! Rows as every backend tells them: one canonical form, so that the same content has the same bytes and the same hash
//! wherever it is kept.
//!
//! Invariant: kinds and their names never change their meaning, for files have them; the order of [`Kind::ALL`] is the
//! order of every stream.

use serde::{Deserialize, Serialize};
use troupe_core::KeyId;
use troupe_core::account::{AccountRecord, AccountState, TokenRow};
use troupe_core::audit::{AuditAnchor, AuditRow};
use troupe_core::bodies::StoredBodies;
use troupe_core::event::DomainEvent;
use troupe_core::key::{KeyRecord, KeyTotals};
use troupe_core::port::{QuotaRow, ResourceOwner, SessionRow, StoreError};
use troupe_core::record::RequestRecord;
use troupe_core::usage::{SeriesRow, UsageRow};

use crate::codec::{decode, encode};

/// A small fact about the store: the sealed pepper, the master key's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fact {
    pub name: String,
    pub value: Vec<u8>,
}

/// How far the store has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counter {
    pub name: String,
    pub value: u64,
}

/// The number that the next event follows.
pub(crate) const LAST_EVENT: &str = "outbox_last";
/// The number of the last batch of usage, so that it is not counted twice.
pub(crate) const LAST_BATCH: &str = "usage_batch";

/// What a key has used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TotalsRow {
    pub key: KeyId,
    pub totals: KeyTotals,
}

/// An event of the outbox under its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub seq: u64,
    pub event: DomainEvent,
}

macro_rules! kinds {
    ($($kind:ident $code:literal $name:literal $row:ty;)+) => {
        /// A kind of row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $kind = $code,)+
        }

        impl Kind {
            /// Every kind, in the order of streams.
            pub const ALL: [Self; [$($code),+].len()] = [$(Self::$kind),+];

            /// As files and reports name it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }

        /// One row of any kind.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Row {
            $($kind($row),)+
        }

        impl Row {
            pub(crate) fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// # Errors
            /// `Unavailable`, for a row that has no form.
            pub(crate) fn pack(&self) -> Result<Packed, StoreError> {
                let bytes = match self { $(Self::$kind(row) => encode(row),)+ }?;
                Ok(Packed { kind: self.kind(), bytes })
            }
        }

        impl Packed {
            /// # Errors
            /// `Corrupt`.
            pub(crate) fn unpack(&self) -> Result<Row, StoreError> {
                Ok(match self.kind {
                    $(Kind::$kind => Row::$kind(decode($name, &self.bytes)?),)+
                })
            }
        }

        $(impl From<$row> for Row {
            fn from(row: $row) -> Self {
                Self::$kind(row)
            }
        })+
    };
}

kinds! {
    Fact 1 "facts" Fact;
    Counter 2 "counters" Counter;
    Account 3 "accounts" AccountRecord;
    State 4 "account states" AccountState;
    Token 5 "tokens" TokenRow;
    Key 6 "keys" KeyRecord;
    Totals 7 "key totals" TotalsRow;
    Session 8 "sessions" SessionRow;
    Quota 9 "quotas" QuotaRow;
    Resource 10 "resources" ResourceOwner;
    Event 11 "events" EventRow;
    Usage 12 "usage" UsageRow;
    Series 13 "series" SeriesRow;
    Audit 14 "audit lines" AuditRow;
    Anchor 15 "audit anchors" AuditAnchor;
    Request 16 "requests" RequestRecord;
    Bodies 17 "bodies" StoredBodies;
}

impl Kind {
    /// By the byte that stands for it in files.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Kept in append-only segments by the embedded backend.
    pub(crate) fn is_log(self) -> bool {
        matches!(self, Self::Request | Self::Bodies)
    }
}

/// A row in its canonical form: as [`crate::codec`] writes what this program knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

/// Which rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The request log; without it there are no bodies either.
    pub requests: bool,
    pub bodies: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self {
        requests: true,
        bodies: true,
    };

    pub(crate) fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Request => self.requests,
            Kind::Bodies => self.requests && self.bodies,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_one_code_and_one_name_each() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_code(kind as u8), Some(kind));
            assert_eq!(Kind::of_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::of_code(0), None);
        assert!(Kind::ALL.is_sorted());
    }

    #[test]
    fn bodies_go_with_their_requests() {
        let wanted = Wanted {
            requests: false,
            bodies: true,
        };
        assert!(!wanted.has(Kind::Bodies) && wanted.has(Kind::Key));
    }
}
