//! Databases of other gateways, read for an import. Index: [`litellm`].
//!
//! Invariant: nothing is ever written there.

pub mod litellm;
