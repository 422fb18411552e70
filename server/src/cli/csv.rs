//! Comma-separated values, after RFC 4180, with line feeds.
//!
//! Invariant: no cell is taken for a formula by a spreadsheet: names come from people.

/// One line, without its end.
pub(super) fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<_> = cells.into_iter().map(cell).collect();
    cells.join(",")
}

fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        for (text, written) in [
            ("", ""),
            ("ci", "ci"),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(line([text]), written, "{text:?}");
        }
        assert_eq!(line(["a", "b,c", ""]), "a,\"b,c\",");
    }
}
