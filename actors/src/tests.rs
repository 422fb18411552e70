//! The shell, over real arbiters and over paused time.

mod directory;
mod machine;
mod shell;
