//! What can be typed of `troupe audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use troupe_core::audit::{AuditFilter, AuditStatus};

use super::error::CliError;
use crate::config::HumanDuration;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Judge the whole trail: exit 0 when it is whole, 1 at the first line that is not
    #[command(
        after_help = "Examples:\n  troupe audit verify\n  troupe audit verify --dir /backup/audit"
    )]
    Verify(VerifyArgs),
    /// Write lines out, oldest first: as JSON lines, or as CSV for a spreadsheet
    #[command(
        after_help = "Examples:\n  troupe audit export --since 30d > audit.jsonl\n  troupe audit export --csv --action key --status denied --out denied.csv\n  troupe audit export --resource key:ci --until 2026-03-01"
    )]
    Export(ExportArgs),
    /// Show the last lines
    #[command(after_help = "Example:\n  troupe audit list --action account --limit 50")]
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(super) struct Place {
    /// Folder of the trail [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub place: Place,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub filter: Filter,
    /// As comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// As JSON lines, as they stand in the trail [default]
    #[arg(long)]
    pub json: bool,
    /// Into this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub filter: Filter,
    /// Lines at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u16,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// From then on: a date, a time, or how long ago (UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// By whom: cli, config, system, client, user:NAME
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// What: `key.created`, or `key` for all of its kind
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// To what: `key:ci`, or `key` for all of its kind
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// How it ended: ok, failed, denied
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<AuditStatus>,
}

impl Filter {
    pub fn read(&self, now_ms: u64) -> Result<AuditFilter, CliError> {
        let text = |text: &Option<String>| text.as_deref().map(Into::into);
        let time = |name: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| {
                time_ms(text, now_ms).ok_or_else(|| {
                    CliError::usage(format!(
                        "--{name}: write it as 2026-02-24, 2026-02-24T10:00:00Z or 30d"
                    ))
                })
            });
            read.transpose()
        };
        Ok(AuditFilter {
            actor: text(&self.actor),
            action: text(&self.action),
            resource: text(&self.resource),
            status: self.status,
            from_ms: time("since", &self.since)?,
            to_ms: time("until", &self.until)?,
        })
    }
}

fn status(text: &str) -> Result<AuditStatus, String> {
    let known = [AuditStatus::Ok, AuditStatus::Failed, AuditStatus::Denied];
    let found = known.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| "known are ok, failed and denied".to_owned())
}

fn time_ms(text: &str, now_ms: u64) -> Option<u64> {
    let at: Option<jiff::Timestamp> = text.parse().ok();
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    if let Some(at) = at.or_else(day) {
        return u64::try_from(at.as_millisecond()).ok();
    }
    let ago: HumanDuration = text.parse().ok()?;
    let ago_ms = u64::try_from(ago.get().as_millis()).ok()?;
    Some(now_ms.saturating_sub(ago_ms))
}

#[cfg(test)]
mod tests {
    use super::time_ms;

    #[test]
    fn times_of_every_form() {
        const NOW_MS: u64 = 1_771_927_200_000;
        for (text, wanted) in [
            ("2026-02-24", Some(1_771_891_200_000)),
            ("2026-02-24T10:00:00Z", Some(NOW_MS)),
            ("2026-02-24T11:00:00+01:00", Some(NOW_MS)),
            ("1h", Some(NOW_MS - 3_600_000)),
            ("30d", Some(NOW_MS - 30 * 86_400_000)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(time_ms(text, NOW_MS), wanted, "{text}");
        }
    }
}
