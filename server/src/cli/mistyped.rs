//! What was typed wrongly, in one line.

use clap::error::ErrorKind;

use super::error::USAGE;
use super::out;

/// Prints help where it was asked for, else one line on stderr; gives the exit code.
pub(super) fn report(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let told = out::line(error.to_string());
            told.map_or_else(|error| out::error(&error), |()| 0)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            out::note(error.to_string().trim_end());
            USAGE
        }
        _ => {
            out::note(one_line(&error.to_string()));
            USAGE
        }
    }
}

/// Of clap's paragraphs the fault and its tip; of its usage the command whose help tells more.
pub(super) fn one_line(text: &str) -> String {
    let (fault, usage) = text.split_once("\n\nUsage: ").unwrap_or((text, ""));
    let fault = fault
        .split("\n\nFor more information")
        .next()
        .unwrap_or(fault);
    let words: Vec<&str> = fault.split_whitespace().collect();
    let command: Vec<&str> = usage
        .split_whitespace()
        .take_while(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
        .collect();
    let command = if command.is_empty() {
        "troupe".to_owned()
    } else {
        command.join(" ")
    };
    format!("{}; see `{command} --help`", words.join(" "))
}
