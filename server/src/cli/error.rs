//! Errors of commands and their exit codes.

use crate::config::ConfigErrors;
use crate::control::ControlError;
use crate::control::client::CallError;
use crate::ops::OpError;

pub(super) const FAILED: u8 = 1;
pub(super) const USAGE: u8 = 2;
pub(super) const CONFIGURATION: u8 = 64;

/// What is said on stderr, and the exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CliError {
    pub exit: u8,
    /// One line each; only a configuration has more than one.
    pub lines: Vec<String>,
}

impl CliError {
    fn new(exit: u8, message: impl std::fmt::Display) -> Self {
        Self {
            exit,
            lines: vec![message.to_string().replace('\n', " ")],
        }
    }

    pub fn failed(message: impl std::fmt::Display) -> Self {
        Self::new(FAILED, message)
    }

    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(USAGE, message)
    }

    pub fn configuration(message: impl std::fmt::Display) -> Self {
        Self::new(CONFIGURATION, message)
    }
}

impl From<ConfigErrors> for CliError {
    fn from(errors: ConfigErrors) -> Self {
        Self {
            exit: CONFIGURATION,
            lines: errors.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<OpError> for CliError {
    fn from(error: OpError) -> Self {
        Self::new(error.exit(), error)
    }
}

impl From<ControlError> for CliError {
    fn from(error: ControlError) -> Self {
        Self::failed(error)
    }
}

impl From<CallError> for CliError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Control(error) => error.into(),
            CallError::Refused(error) => error.into(),
        }
    }
}
