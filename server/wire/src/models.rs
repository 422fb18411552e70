//! Model objects that both the Messages and the OpenAI clients accept, and their listing.
//!
//! Invariant: the list is data with a date, never a gate: a model that is missing here still works.

use serde::{Deserialize, Serialize};

/// One model. Members of both APIs: `type`, `display_name`, `created_at` of the one, `object`,
/// `created`, `owned_by` of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    #[serde(rename = "type", default = "model")]
    pub kind: String,
    pub id: String,
    #[serde(default)]
    pub display_name: String,
    /// RFC 3339, UTC.
    #[serde(default)]
    pub created_at: String,
    #[serde(default = "model")]
    pub object: String,
    /// Unix seconds of `created_at`; 0 when that is not known.
    #[serde(default)]
    pub created: i64,
    #[serde(default)]
    pub owned_by: String,
}

fn model() -> String {
    "model".to_owned()
}

impl Model {
    /// `created_at` is RFC 3339 in UTC (`2025-09-29T00:00:00Z`); anything else gives `created` 0.
    pub fn new(id: &str, display_name: &str, created_at: &str) -> Self {
        Self {
            kind: model(),
            id: id.to_owned(),
            display_name: display_name.to_owned(),
            created_at: created_at.to_owned(),
            object: model(),
            created: unix_seconds(created_at).unwrap_or(0),
            owned_by: "anthropic".to_owned(),
        }
    }
}

/// Seconds since 1970 of `YYYY-MM-DDTHH:MM:SS…Z`; the civil-day arithmetic is Howard Hinnant's
/// `days_from_civil`.
fn unix_seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !text.ends_with('Z') || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// When [`built_in`] was last brought up to date.
pub const BUILT_IN_AS_OF: &str = "2026-11-01";

/// What `created_at` is where the release date is not known; the Messages API documents an epoch
/// value for that case.
const UNKNOWN: &str = "1970-01-01T00:00:00Z";

/// The models known on [`BUILT_IN_AS_OF`], newest first. An id without a date is the alias where
/// the dated name is not known; a dated id's `created_at` is the date in it.
pub fn built_in() -> Vec<Model> {
    [
        ("claude-fable-5", "Claude Fable 5", UNKNOWN),
        ("claude-opus-5", "Claude Opus 5", UNKNOWN),
        ("claude-sonnet-5", "Claude Sonnet 5", UNKNOWN),
        ("claude-opus-4-7", "Claude Opus 4.7", UNKNOWN),
        ("claude-sonnet-4-6", "Claude Sonnet 4.6", UNKNOWN),
        ("claude-opus-4-6", "Claude Opus 4.6", UNKNOWN),
        (
            "claude-opus-4-5-20251101",
            "Claude Opus 4.5",
            "2025-11-01T00:00:00Z",
        ),
        (
            "claude-haiku-4-5-20251001",
            "Claude Haiku 4.5",
            "2025-10-01T00:00:00Z",
        ),
        (
            "claude-sonnet-4-5-20250929",
            "Claude Sonnet 4.5",
            "2025-09-29T00:00:00Z",
        ),
    ]
    .map(|(id, name, created_at)| Model::new(id, name, created_at))
    .to_vec()
}

/// A page of the listing, in both shapes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPage {
    pub data: Vec<Model>,
    pub first_id: Option<String>,
    pub last_id: Option<String>,
    pub has_more: bool,
    #[serde(default)]
    pub object: String,
}

/// What a client asked of the listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PageQuery {
    /// 1 to 1000; 20 when absent.
    pub limit: Option<usize>,
    pub after_id: Option<String>,
    pub before_id: Option<String>,
}

/// A query that cannot be answered; the text is fit for a 400 `invalid_request_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageError {
    Limit,
    BothCursors,
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Limit => "limit: must be between 1 and 1000",
            Self::BothCursors => "after_id and before_id cannot be given together",
        })
    }
}

impl std::error::Error for PageError {}

impl ModelPage {
    /// Cuts the page that `query` asks for out of `models`. `has_more` speaks of the direction
    /// asked. A cursor that names no model gives an empty page.
    ///
    /// # Errors
    /// See [`PageError`].
    pub fn cut(models: &[Model], query: &PageQuery) -> Result<Self, PageError> {
        let limit = query.limit.unwrap_or(20);
        if !(1..=1000).contains(&limit) {
            return Err(PageError::Limit);
        }
        let index = |id: &str| models.iter().position(|model| model.id == id);
        let (range, has_more) = match (&query.after_id, &query.before_id) {
            (Some(_), Some(_)) => return Err(PageError::BothCursors),
            (None, Some(id)) => {
                let end = index(id).unwrap_or(0);
                let start = end.saturating_sub(limit);
                (start..end, start > 0)
            }
            (after, None) => {
                let start = match after {
                    Some(id) => index(id).map_or(models.len(), |at| at + 1),
                    None => 0,
                };
                let end = models.len().min(start + limit);
                (start..end, end < models.len())
            }
        };
        let data = models[range].to_vec();
        Ok(Self {
            first_id: data.first().map(|model| model.id.clone()),
            last_id: data.last().map(|model| model.id.clone()),
            has_more,
            object: "list".to_owned(),
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_the_members_of_both_apis() {
        let model = Model::new(
            "claude-sonnet-4-5-20250929",
            "Claude Sonnet 4.5",
            "2025-09-29T00:00:00Z",
        );
        let golden = include_str!("../golden/model.json");
        assert_eq!(serde_json::to_string(&model).unwrap(), golden.trim_end());
    }

    #[test]
    fn unix_seconds_of_known_dates() {
        assert_eq!(unix_seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_seconds("2000-02-29T12:34:56Z"), Some(951_827_696));
        assert_eq!(unix_seconds("2025-09-29T00:00:00Z"), Some(1_759_104_000));
        assert_eq!(unix_seconds("2025-09-29"), None);
        assert_eq!(unix_seconds("2025-13-29T00:00:00Z"), None);
    }

    #[test]
    fn pages_cover_the_list_in_both_directions() {
        let models = built_in();
        let ids = |page: &ModelPage| page.data.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
        let all: Vec<_> = models.iter().map(|m| m.id.clone()).collect();
        for limit in 1..=models.len() + 1 {
            let (mut forward, mut query) = (
                Vec::new(),
                PageQuery {
                    limit: Some(limit),
                    ..Default::default()
                },
            );
            loop {
                let page = ModelPage::cut(&models, &query).unwrap();
                forward.extend(ids(&page));
                if !page.has_more {
                    break;
                }
                query.after_id = page.last_id;
            }
            assert_eq!(forward, all);
        }
        let before = PageQuery {
            limit: Some(2),
            before_id: Some(all[3].clone()),
            ..Default::default()
        };
        let page = ModelPage::cut(&models, &before).unwrap();
        assert_eq!(ids(&page), all[1..3]);
        assert!(page.has_more);
    }

    #[test]
    fn bad_queries() {
        let cut = |query| ModelPage::cut(&built_in(), &query);
        assert_eq!(
            cut(PageQuery {
                limit: Some(0),
                ..Default::default()
            }),
            Err(PageError::Limit)
        );
        assert_eq!(
            cut(PageQuery {
                limit: Some(1001),
                ..Default::default()
            }),
            Err(PageError::Limit)
        );
        let both = PageQuery {
            limit: None,
            after_id: Some("a".into()),
            before_id: Some("b".into()),
        };
        assert_eq!(cut(both), Err(PageError::BothCursors));
        let unknown = PageQuery {
            after_id: Some("nope".into()),
            ..Default::default()
        };
        let page = cut(unknown).unwrap();
        assert!(page.data.is_empty() && !page.has_more && page.first_id.is_none());
    }
}
