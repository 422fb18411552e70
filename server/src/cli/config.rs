//! `troupe config check|show|schema`.

use std::path::PathBuf;

use super::args::{ConfigCommand, ConfigFile};
use super::error::CliError;
use super::out;
use crate::config::{self, Flags, Loaded, Redacted, Sources};

pub(super) fn run(config: Option<PathBuf>, command: ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::Check(file) => check(config, file),
        ConfigCommand::Show(file) => {
            let loaded = load(config, file)?;
            out::line(config::show(&loaded.config))
        }
        ConfigCommand::Schema => out::json(&config::schema()),
    }
}

fn check(config: Option<PathBuf>, file: ConfigFile) -> Result<(), CliError> {
    let loaded = load(config, file)?;
    let checked = match &loaded.file {
        Some(file) => file.display().to_string(),
        None => "no configuration file; defaults and environment".to_owned(),
    };
    for warning in config::warnings(&loaded.config) {
        out::note(format!("warning: {warning}"));
    }
    out::line(format!("{checked}: valid"))
}

fn load(config: Option<PathBuf>, file: ConfigFile) -> Result<Loaded, CliError> {
    let mut sources = Sources::of_process(file.file.or(config), Flags::default());
    // What `show` wrote can be checked, its secrets being hidden.
    sources.redacted = Redacted::Accept;
    let loaded = config::load(&sources)?;
    loaded
        .notes
        .iter()
        .for_each(|note| out::note(format!("note: {note}")));
    Ok(loaded)
}
