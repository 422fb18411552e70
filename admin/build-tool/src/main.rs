//! Writes the JavaScript that loads the admin page's wasm.
//!
//! The `wasm-bindgen` program as a library of this workspace: the lock file then holds it at the
//! very version the page was compiled with, and nothing has to be installed.
//!
//! Invariant: reads one wasm file, writes `<name>.js` and `<name>_bg.wasm` into one folder, and
//! touches nothing else.

use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

const USAGE: &str = "usage: troupe-admin-build INPUT.wasm OUTPUT_FOLDER NAME";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [input, folder, name] => bind(Path::new(input), Path::new(folder), name),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            report(&message);
            ExitCode::FAILURE
        }
    }
}

/// An ES module for browsers; names and producers go, the debugger has no use for them here.
fn bind(input: &Path, folder: &Path, name: &str) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .out_name(name)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        // The bootstrap names the hashed wasm file itself.
        .omit_default_module_path(true);
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(folder))
        .map_err(|error| format!("{}: {error:#}", input.display()))
}

#[expect(
    clippy::print_stderr,
    reason = "a command line tool reports to its caller on stderr"
)]
fn report(message: &str) {
    eprintln!("{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_wasm_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("no.wasm");
        std::fs::write(&input, "text").unwrap();
        let message = bind(&input, folder.path(), "page").unwrap_err();
        assert!(message.contains("no.wasm"), "{message}");
    }
}
