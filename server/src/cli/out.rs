//! The only writer to stdout and stderr.
//!
//! Invariant: a reader that goes away (`troupe key list | head -1`) ends the command quietly and never in a panic; only
//! a secret that could not be delivered is an error.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::error::CliError;

/// Writes `text` and a line end to stdout.
pub(super) fn line(text: impl AsRef<str>) -> Result<(), CliError> {
    match write(text.as_ref()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => {
            result.map_err(|error| CliError::failed(format!("cannot write to stdout: {error}")))
        }
    }
}

/// As [`line`]; false when the reader has gone away.
pub(super) fn still_read(text: &str) -> Result<bool, CliError> {
    match write(text) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::failed(format!("cannot write to stdout: {error}"))),
    }
}

/// As [`line`], but not delivering it is an error: `lost` says what to do then.
pub(super) fn must_arrive(text: &str, lost: &str) -> Result<(), CliError> {
    write(text)
        .map_err(|error| CliError::failed(format!("cannot write to stdout ({error}); {lost}")))
}

/// Pretty JSON on stdout.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    line(to_json(value)?)
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(value).map_err(CliError::failed)
}

/// A remark on stderr, apart from what programs read.
pub(super) fn note(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// Tells the error on stderr and gives its exit code.
pub(super) fn error(error: &CliError) -> u8 {
    for line in &error.lines {
        note(format!("error: {line}"));
    }
    error.exit
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}
