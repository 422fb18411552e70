//! `troupe usage`: who spent what, for people and for spreadsheets.

use std::path::PathBuf;

use super::error::CliError;
use super::table::columns;
use super::usage_args::UsageArgs;
use super::{csv, out, target};
use crate::ops::usage::{ReportBy, UsageFigures, UsageLine, UsageReport};

pub(super) async fn run(config: Option<PathBuf>, args: UsageArgs) -> Result<(), CliError> {
    let report = target::run(config, args.question()).await?;
    if report.left_out > 0 && args.top.is_none() {
        out::note(format!(
            "note: {} more rows are left out; ask for fewer days, or for one key, owner or model",
            report.left_out
        ));
    }
    if args.json {
        return out::json(&report);
    }
    if args.csv {
        return out::line(comma_separated(&report));
    }
    if report.rows.is_empty() {
        out::note(format!(
            "nothing was used from {} to {} (UTC)",
            report.since, report.until
        ));
        return Ok(());
    }
    out::line(table(&report))
}

const FIGURES: [&str; 8] = [
    "REQUESTS",
    "ERRORS",
    "REFUSED",
    "INPUT",
    "OUTPUT",
    "CACHE READ",
    "CACHE WRITE",
    "USD",
];

fn table(report: &UsageReport) -> String {
    let title = report.by.as_str().to_uppercase();
    let shows_charged = report.total.charged_micro_usd != report.total.cost_micro_usd
        || report
            .rows
            .iter()
            .any(|line| line.figures.charged_micro_usd != line.figures.cost_micro_usd);
    let charged = shows_charged.then_some("CHARGED");
    let heading: Vec<&str> = std::iter::once(title.as_str())
        .chain(FIGURES)
        .chain(charged)
        .chain(["P50 MS", "P95 MS", "FIRST P50", "FIRST P95"])
        .collect();
    let row = |name: String, figures: &UsageFigures| {
        let tokens = &figures.tokens;
        let written = tokens.cache_write_5m.saturating_add(tokens.cache_write_1h);
        let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        let mut cells = vec![
            name,
            figures.requests.to_string(),
            figures.errors.to_string(),
            figures.refused.to_string(),
            tokens.input.to_string(),
            tokens.output.to_string(),
            tokens.cache_read.to_string(),
            written.to_string(),
            dollars(figures.cost_micro_usd),
        ];
        if shows_charged {
            cells.push(dollars(figures.charged_micro_usd));
        }
        let first = [figures.first_event_p50_ms, figures.first_event_p95_ms];
        cells.extend([figures.p50_ms, figures.p95_ms].map(ms));
        cells.extend(first.map(ms));
        cells
    };
    let rows = report.rows.iter();
    let mut rows: Vec<_> = rows
        .map(|line| row(name(report.by, line), &line.figures))
        .collect();
    rows.push(row("total".to_owned(), &report.total));
    columns(&heading, &rows)
}

/// One that is gone with the end of its id: another may have its name now.
fn name(by: ReportBy, line: &UsageLine) -> String {
    let id = line.id.as_deref().unwrap_or_default();
    let short = id.get(id.len().saturating_sub(8)..).unwrap_or_default();
    match (&line.name, by) {
        (Some(name), _) if line.gone => format!("{name} ({short})"),
        (Some(name), _) => name.clone(),
        (None, _) if line.gone => format!("({short})"),
        (None, ReportBy::Key) => "other".to_owned(),
        (None, _) => "-".to_owned(),
    }
}

fn comma_separated(report: &UsageReport) -> String {
    let heading = [
        report.by.as_str(),
        "id",
        "requests",
        "errors",
        "refused",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "web_searches",
        "cost_usd",
        "charged_usd",
        "p50_ms",
        "p95_ms",
        "first_event_ms",
        "p99_ms",
        "first_event_p50_ms",
        "first_event_p95_ms",
        "first_event_p99_ms",
        "cache_read_per_mille",
    ];
    let rows = report.rows.iter().map(|line| {
        let (figures, tokens) = (&line.figures, &line.figures.tokens);
        let numbers = [
            figures.requests,
            figures.errors,
            figures.refused,
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write_5m,
            tokens.cache_write_1h,
            figures.web_searches,
        ];
        let times = [
            figures.p50_ms,
            figures.p95_ms,
            figures.first_event_ms,
            figures.p99_ms,
            figures.first_event_p50_ms,
            figures.first_event_p95_ms,
            figures.first_event_p99_ms,
            figures.cache_read_per_mille,
        ];
        let mut cells = vec![
            line.name.clone().unwrap_or_default(),
            line.id.clone().unwrap_or_default(),
        ];
        cells.extend(numbers.map(|number| number.to_string()));
        cells.push(exactly(figures.cost_micro_usd));
        cells.push(exactly(figures.charged_micro_usd));
        cells.extend(times.map(|ms| ms.map(|ms| ms.to_string()).unwrap_or_default()));
        csv::line(cells.iter().map(String::as_str))
    });
    let lines: Vec<_> = std::iter::once(csv::line(heading)).chain(rows).collect();
    lines.join("\n")
}

/// All six decimals.
fn exactly(micro_usd: u64) -> String {
    format!("{}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000)
}

/// As many decimals as there are.
fn dollars(micro_usd: u64) -> String {
    let exact = exactly(micro_usd);
    exact.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::usage::UsageTokens;

    fn line(name: Option<&str>, id: Option<&str>, gone: bool) -> UsageLine {
        UsageLine {
            name: name.map(str::to_owned),
            id: id.map(str::to_owned),
            gone,
            figures: UsageFigures {
                requests: 1,
                errors: 2,
                refused: 3,
                tokens: UsageTokens {
                    input: 4,
                    output: 5,
                    cache_read: 6,
                    cache_write_5m: 7,
                    cache_write_1h: 8,
                },
                web_searches: 11,
                cost_micro_usd: 1_500_000,
                charged_micro_usd: 1_500_000,
                p50_ms: Some(9),
                p95_ms: None,
                p99_ms: Some(12),
                first_event_ms: Some(10),
                first_event_p50_ms: Some(13),
                first_event_p95_ms: None,
                first_event_p99_ms: Some(15),
                cache_read_per_mille: Some(16),
            },
        }
    }

    fn report(rows: Vec<UsageLine>) -> UsageReport {
        UsageReport {
            by: ReportBy::Key,
            since: "2026-11-01".into(),
            until: "2026-11-24".into(),
            rows,
            left_out: 0,
            total: UsageFigures::default(),
        }
    }

    #[test]
    fn money_is_told_to_the_last_micro_dollar() {
        for (micro_usd, told) in [
            (0, "0"),
            (1, "0.000001"),
            (1_000_000, "1"),
            (10_000_000, "10"),
            (1_230_000, "1.23"),
        ] {
            assert_eq!(dollars(micro_usd), told);
        }
        assert_eq!(exactly(10), "0.000010");
    }

    #[test]
    fn a_table_has_names_and_a_total() {
        let id = "0193f0a0-1111-7222-8333-0000deadbeef";
        let told = table(&report(vec![
            line(Some("ci"), Some(id), false),
            line(Some("ci"), Some(id), true),
            line(None, Some(id), true),
            line(None, None, false),
        ]));
        let names: Vec<_> = told
            .lines()
            .map(|line| line.split("  ").next().unwrap())
            .collect();
        let expected = ["KEY", "ci", "ci (deadbeef)", "(deadbeef)", "other", "total"];
        assert_eq!(names, expected, "{told}");
        let cells: Vec<_> = told.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            cells[1..],
            [
                "1", "2", "3", "4", "5", "6", "15", "1.5", "9", "-", "13", "-"
            ]
        );
        assert_eq!(name(ReportBy::Owner, &line(None, None, false)), "-");
        assert!(!told.contains("CHARGED"), "{told}");
        let mut charged = line(Some("ci"), Some(id), false);
        charged.figures.charged_micro_usd = 1_875_000;
        let told = table(&report(vec![charged]));
        assert!(told.contains("USD  CHARGED  P50 MS"), "{told}");
        assert!(told.contains("1.5  1.875    9"), "{told}");
    }

    #[test]
    fn comma_separated_values_are_exact() {
        let told = comma_separated(&report(vec![line(Some("=x,"), Some("17"), false)]));
        let (heading, row) = told.split_once('\n').unwrap();
        assert_eq!(heading.split(',').count(), 21);
        assert!(heading.starts_with("key,id,requests,"), "{heading}");
        assert_eq!(
            row,
            "\"'=x,\",17,1,2,3,4,5,6,7,8,11,1.500000,1.500000,9,,10,12,13,,15,16"
        );
    }
}
