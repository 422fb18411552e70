//! The configuration's tests: files in, configurations or exact messages out.

mod account_table;
mod catalogue;
mod environment;
mod errors;
mod kinds;
mod limit_table;
mod limits;
mod reloading;
mod routing_table;
mod sample;
mod secrecy;
mod table;
mod watching;

use super::*;

/// A folder with a `troupe.yaml` in it, and what would be loaded there.
struct Bench {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cwd = folder.path().to_owned();
        let sources = Sources {
            cwd,
            ..Sources::default()
        };
        Self { folder, sources }
    }

    fn yaml(text: &str) -> Self {
        let bench = Self::new();
        bench.write("troupe.yaml", text);
        bench
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a written file");
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.push((name.to_owned(), value.to_owned()));
        self
    }

    #[track_caller]
    fn load(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|e| panic!("{e}"))
    }

    #[track_caller]
    fn errors(&self) -> String {
        load(&self.sources).expect_err("errors").to_string()
    }
}
