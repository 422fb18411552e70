//! Files of other programs, read whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::CliError;
use crate::import::MAX_BYTES;

/// The whole file; one that is larger than any list of accounts is refused.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let shown = path.display();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| CliError::usage(format!("cannot read {shown}: {error}")))?;
    if bytes.len() > MAX_BYTES {
        return Err(CliError::usage(format!(
            "{shown} is larger than {MAX_BYTES} bytes"
        )));
    }
    Ok(bytes)
}

/// The same as text.
pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read(path)?)
        .map_err(|_| CliError::usage(format!("{} is no text in UTF-8", path.display())))
}
