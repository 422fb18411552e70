//! The assertion of a workload identity, read from the file in which its platform keeps it fresh (RFC 7523 §3).
//!
//! Invariant: what is returned fits into a request and is at most [`ASSERTION_MAX_BYTES`]; nothing of it is in an error.

use std::path::Path;

use secrecy::SecretString;
use tokio::{fs::File, io::AsyncReadExt as _};

use super::TokenFault;

/// No platform's signed token is longer.
const ASSERTION_MAX_BYTES: u64 = 32 * 1024;

/// Reads the file now; call it for every exchange, as the platform replaces the file. A file that is missing, empty or
/// unreadable may be there a moment later and is `NotSent`; one that is no assertion is `Misconfigured`.
pub async fn read_assertion(path: &Path) -> Result<SecretString, TokenFault> {
    let shown = path.display();
    let unread = |err: std::io::Error| {
        TokenFault::NotSent(format!(
            "assertion file {shown} cannot be read: {}",
            err.kind()
        ))
    };
    let kind = tokio::fs::metadata(path).await.map_err(unread)?;
    if !kind.is_file() {
        // A pipe would be waited for.
        return Err(TokenFault::Misconfigured(format!(
            "assertion file {shown} is not a regular file"
        )));
    }
    let file = File::open(path).await.map_err(unread)?;
    let mut text = Vec::new();
    let mut bounded = file.take(ASSERTION_MAX_BYTES + 1);
    bounded.read_to_end(&mut text).await.map_err(unread)?;
    if text.len() as u64 > ASSERTION_MAX_BYTES {
        return Err(TokenFault::Misconfigured(format!(
            "assertion file {shown} is longer than {ASSERTION_MAX_BYTES} bytes"
        )));
    }
    match std::str::from_utf8(text.trim_ascii()) {
        Ok("") => Err(TokenFault::NotSent(format!(
            "assertion file {shown} is empty"
        ))),
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.into()),
        _ => Err(TokenFault::Misconfigured(format!(
            "assertion file {shown} does not hold one signed token"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[tokio::test]
    async fn files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("assertion");
        let fault = read_assertion(&path).await.unwrap_err();
        assert!(matches!(&fault, TokenFault::NotSent(_)), "{fault}");
        let fault = read_assertion(folder.path()).await.unwrap_err();
        assert!(matches!(&fault, TokenFault::Misconfigured(_)), "{fault}");
        for (content, read) in [
            ("a.b.c", Ok("a.b.c")),
            (" \n a.b.c\r\n", Ok("a.b.c")),
            ("", Err("is empty")),
            ("\n \n", Err("is empty")),
            ("a.b.c d.e.f", Err("does not hold one signed token")),
            ("é", Err("does not hold one signed token")),
            (&"x".repeat(ASSERTION_MAX_BYTES as usize), Ok("x")),
            (
                &"x".repeat(ASSERTION_MAX_BYTES as usize + 1),
                Err("is longer than"),
            ),
        ] {
            std::fs::write(&path, content).unwrap();
            match (read_assertion(&path).await, read) {
                (Ok(found), Ok(wanted)) => assert!(found.expose_secret().starts_with(wanted)),
                (Err(found), Err(wanted)) => assert!(found.to_string().contains(wanted), "{found}"),
                (found, wanted) => panic!("{found:?} instead of {wanted:?}"),
            }
        }
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(read_assertion(&path).await.is_err());
    }
}
