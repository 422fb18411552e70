//! Columns and facts, aligned for people.

/// A heading and rows, each column as wide as its widest cell.
pub(super) fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let columns = Columns::of(heading, rows);
    let heading: Vec<String> = heading.iter().map(|&title| title.to_owned()).collect();
    let lines = std::iter::once(&heading)
        .chain(rows)
        .map(|row| columns.line(row));
    lines.collect::<Vec<_>>().join("\n")
}

/// How wide columns are; for rows that come one after another.
#[derive(Debug)]
pub(super) struct Columns(Vec<usize>);

impl Columns {
    pub fn of(heading: &[&str], rows: &[Vec<String>]) -> Self {
        let widest = |(column, title): (usize, &&str)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|cell| length(cell));
            cells.max().unwrap_or(0).max(length(title))
        };
        Self(heading.iter().enumerate().map(widest).collect())
    }

    /// One row; a wider cell pushes the rest of its line.
    pub fn line(&self, row: &[String]) -> String {
        let cells = row
            .iter()
            .zip(&self.0)
            .map(|(cell, width)| padded(&printable(cell), *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// `name  value`, one a line; those without a value are left out.
pub(super) fn facts(facts: &[(&str, Option<String>)]) -> String {
    let told = facts
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    let width = told
        .clone()
        .map(|(name, _)| length(name))
        .max()
        .unwrap_or(0);
    let lines = told.map(|(name, value)| format!("{}  {}", padded(name, width), printable(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A time to the second, in UTC.
pub(super) fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a terminal would act on is left out.
fn printable(cell: &str) -> String {
    cell.chars().filter(|letter| !letter.is_control()).collect()
}

fn length(text: &str) -> usize {
    printable(text).chars().count()
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(length(text));
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["ä".into(), "x".into()],
            vec!["long\x1b[1m".into(), String::new()],
        ];
        assert_eq!(
            columns(&["NAME", "STATE"], &rows),
            "NAME     STATE\nä        x\nlong[1m"
        );
    }

    #[test]
    fn facts_without_value_are_left_out() {
        let told = [
            ("name", Some("ci".into())),
            ("owner", None),
            ("endpoints", Some("all".into())),
        ];
        assert_eq!(facts(&told), "name       ci\nendpoints  all");
    }
}
