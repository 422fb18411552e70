//! `troupe version`.

use serde_json::json;

use super::args::VersionArgs;
use super::error::CliError;
use super::out;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(args: VersionArgs) -> Result<(), CliError> {
    if args.json {
        return out::json(&json!({ "name": "troupe", "version": VERSION }));
    }
    out::line(format!("troupe {VERSION}"))
}
