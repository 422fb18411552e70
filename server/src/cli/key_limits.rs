//! `troupe key limits`.

use std::path::PathBuf;

use clap::Args;

use super::args::{Format, Named};
use super::error::CliError;
use super::out;
use super::table::{columns, facts, moment};
use super::target::run as carry_out;
use crate::ops::keys::{ExplainLimits, Forecast, LimitLine};

#[derive(Debug, Args)]
pub(super) struct LimitsArgs {
    #[command(flatten)]
    pub named: Named,
    /// Tell where each comes from, what is reserved, and what happens when it is reached
    #[arg(long)]
    pub explain: bool,
    /// Only what holds for this model, and what a request for it would meet
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// The most that its input can be [default: 1000]
    #[arg(long, value_name = "N", requires = "model")]
    pub input_tokens: Option<u64>,
    /// Its `max_tokens` [default: 1024]
    #[arg(long, value_name = "N", requires = "model")]
    pub max_tokens: Option<u64>,
    #[command(flatten)]
    pub format: Format,
}

pub(super) async fn run(config: Option<PathBuf>, args: LimitsArgs) -> Result<(), CliError> {
    let wanted = ExplainLimits {
        name: args.named.name,
        model: args.model,
        input_tokens: args.input_tokens,
        max_tokens: args.max_tokens,
    };
    let told = carry_out(config, wanted).await?;
    if args.format.json {
        return out::json(&told);
    }
    if !told.enabled {
        out::note("limits are switched off in the configuration (limits.enabled)");
    } else if !told.live {
        out::note("no gateway runs: what is stored is shown");
    }
    if told.limits.is_empty() {
        out::note(format!("nothing limits key {}", told.key));
    } else if args.explain {
        out::line(columns(&EXPLAINED, &rows(&told.limits, explained)))?;
    } else {
        out::line(columns(&SHORT, &rows(&told.limits, short)))?;
    }
    told.request.map_or(Ok(()), |request| meets(&request))
}

const SHORT: [&str; 5] = ["LIMIT", "OF", "USED", "REMAINING", "RESETS"];
const EXPLAINED: [&str; 12] = [
    "LIMIT",
    "MODELS",
    "SCOPE",
    "FROM",
    "OF",
    "USED",
    "RESERVED",
    "REMAINING",
    "OPEN",
    "WAITING",
    "WHEN REACHED",
    "RESETS",
];

fn rows(limits: &[LimitLine], row: fn(&LimitLine) -> Vec<String>) -> Vec<Vec<String>> {
    limits.iter().map(row).collect()
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn short(line: &LimitLine) -> Vec<String> {
    let models = line.models.as_ref();
    let models = models.map(|models| format!("{models}:"));
    vec![
        format!("{}{}", models.unwrap_or_default(), line.name),
        line.limit.to_string(),
        line.used.to_string(),
        line.remaining.to_string(),
        or_dash(line.resets_at.map(moment)),
    ]
}

fn explained(line: &LimitLine) -> Vec<String> {
    let granted = line.granted.as_ref().zip(line.granted_until);
    let granted = granted.map(|(extra, until)| format!(" ({extra} more until {})", moment(until)));
    let other = line.model.as_ref().map(|model| format!(" to {model}"));
    let soft = match line.cap.as_str() {
        "strict" => String::new(),
        cap => format!(", {cap}"),
    };
    vec![
        line.name.to_string(),
        or_dash(line.models.clone()),
        line.scope.clone(),
        line.source.as_str().to_owned(),
        format!("{}{}", line.limit, granted.unwrap_or_default()),
        line.used.to_string(),
        line.reserved.to_string(),
        line.remaining.to_string(),
        line.open.to_string(),
        line.waiting.to_string(),
        format!("{}{}{soft}", line.on_limit, other.unwrap_or_default()),
        or_dash(line.resets_at.map(moment)),
    ]
}

fn meets(request: &Forecast) -> Result<(), CliError> {
    let assumed = format!(
        "{} input tokens, max_tokens {}, at most ${}",
        request.input_tokens, request.max_tokens, request.most_usd
    );
    let limit = request.limit.zip(request.scope.as_ref());
    let lines = [
        ("a request of", Some(assumed)),
        ("would be", Some(request.result.clone())),
        (
            "by",
            limit.map(|(name, scope)| format!("{name} of {scope}")),
        ),
        ("because", Some(request.because.clone())),
        (
            "retry after",
            request.retry_after_s.map(|seconds| format!("{seconds} s")),
        ),
    ];
    out::line(format!("\n{}", facts(&lines)))
}
