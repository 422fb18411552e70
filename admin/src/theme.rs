//! The choice between light and dark.
//!
//! Invariant: the stored words are those that `web/theme.js` reads before the first paint, and
//! the theme names are those of `web/style.css`.

/// Where the choice is kept in the browser.
pub(crate) const STORAGE_KEY: &str = "troupe.theme";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the operating system says.
    #[default]
    System,
    Light,
    Dark,
}

// === impl Theme ===

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::System => "System theme",
            Self::Light => "Light theme",
            Self::Dark => "Dark theme",
        }
    }

    /// Anything unknown is the default: the storage is the browser's, not ours.
    pub(crate) fn from_word(word: Option<&str>) -> Self {
        Self::ALL
            .into_iter()
            .find(|theme| Some(theme.word()) == word)
            .unwrap_or_default()
    }

    /// The value of the root element's `data-theme`; none leaves it to the style sheet.
    pub(crate) const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("troupe-light"),
            Self::Dark => Some("troupe-dark"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_come_back() {
        for theme in Theme::ALL {
            assert_eq!(Theme::from_word(Some(theme.word())), theme);
        }
    }

    #[test]
    fn nothing_and_nonsense_mean_the_system() {
        for word in [None, Some(""), Some("Dark"), Some("sepia")] {
            assert_eq!(Theme::from_word(word), Theme::System);
        }
    }

    #[test]
    fn the_files_beside_the_page_know_the_same_words() {
        let script = include_str!("../web/theme.js");
        let style = include_str!("../web/style.css");
        assert!(script.contains(STORAGE_KEY));
        for theme in [Theme::Light, Theme::Dark] {
            assert!(script.contains(&format!("\"{}\"", theme.word())));
            let name = theme.attribute().unwrap();
            assert!(style.contains(&format!("name: \"{name}\"")));
        }
    }
}
