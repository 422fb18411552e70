//! Secrets from stdin and from files: never from the arguments, where every process of the machine can read them.
//!
//! Invariant: what was read is bounded, and never repeated in an error. On a terminal it is not echoed.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use super::error::CliError;
use super::out;

const MAX_BYTES: u64 = 64 << 10;

/// From stdin up to its end; from a terminal one line.
pub(super) fn from_stdin(what: &str) -> Result<SecretString, CliError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        out::note(format!(
            "Type or paste the {what}, then Enter (it is not shown):"
        ));
        let _quiet = NoEcho::new(&stdin);
        let mut line = String::new();
        let read = stdin.lock().take(MAX_BYTES + 1).read_line(&mut line);
        return taken(what, "stdin", read.map(|_| line));
    }
    let mut text = String::new();
    let read = stdin.lock().take(MAX_BYTES + 1).read_to_string(&mut text);
    taken(what, "stdin", read.map(|_| text))
}

pub(super) fn from_file(what: &str, path: &Path) -> Result<SecretString, CliError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    taken(what, &path.display().to_string(), read.map(|_| text))
}

/// A line end at its end is not part of it.
fn taken(what: &str, from: &str, read: io::Result<String>) -> Result<SecretString, CliError> {
    let text = read
        .map_err(|error| CliError::usage(format!("cannot read the {what} from {from}: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(CliError::usage(format!(
            "the {what} from {from} is longer than {MAX_BYTES} bytes"
        )));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(CliError::usage(format!(
            "{from} is empty, where the {what} should be"
        )));
    }
    Ok(SecretString::from(secret))
}

/// A terminal that shows nothing that is typed, until this is dropped.
struct NoEcho<'a> {
    stdin: &'a io::Stdin,
    before: Option<Termios>,
}

impl<'a> NoEcho<'a> {
    fn new(stdin: &'a io::Stdin) -> Self {
        let before = tcgetattr(stdin).ok();
        if let Some(mut quiet) = before.clone() {
            quiet.local_flags.remove(LocalFlags::ECHO);
            let _ = tcsetattr(stdin, SetArg::TCSANOW, &quiet);
        }
        Self { stdin, before }
    }
}

impl Drop for NoEcho<'_> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(self.stdin, SetArg::TCSANOW, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_files_last_line_end_is_not_part_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (content, secret) in [("abc\n", "abc"), ("abc\r\n", "abc"), (" a b ", " a b ")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(from_file("API key", &path).unwrap().expose_secret(), secret);
        }
        std::fs::write(&path, "a".repeat(MAX_BYTES as usize + 1)).unwrap();
        let cut = from_file("API key", &path).map(|_| ());
        assert_eq!(cut.unwrap_err().exit, 2, "never a part of the secret");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(from_file("API key", &path).unwrap_err().exit, 2);
        assert_eq!(
            from_file("API key", &folder.path().join("none"))
                .unwrap_err()
                .exit,
            2
        );
    }
}
