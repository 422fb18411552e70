//! A gateway key: what it may do, and what it has used.

mod priority;
mod record;
mod secret;

pub use priority::Priority;
pub use record::{AccountBinding, Endpoints, KeyRecord, KeyTotals, ResourceScope};
pub use secret::{HashScheme, PreviousSecret, StoredSecret};
