//! Colours: what a thing on the screen means, and how a theme shows that meaning. Nothing else in the crate names one.
//!
//! A theme is a TOML file: a palette, and a style per meaning. A meaning that a theme leaves out falls back by dropping
//! its last part (`pod.ready`, `pod`, `text`), after the theme that it inherits.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use toml::Spanned;

macro_rules! meanings {
    ($($meaning:ident $name:literal,)*) => {
        /// What a thing on the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Meaning { $($meaning,)* }

        impl Meaning {
            /// Every meaning.
            pub const ALL: &'static [Self] = &[$(Self::$meaning,)*];

            /// The meaning's name in theme files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$meaning => $name,)* }
            }
        }
    };
}

meanings! {
    Text "text",
    Dim "text.dim",
    Strong "text.strong",
    Brand "brand",
    Title "title",
    Key "key",
    Border "border",
    Focus "border.focus",
    Selection "selection",
    Tab "tab",
    TabActive "tab.active",
    PodReady "pod.ready",
    PodStarting "pod.starting",
    PodPending "pod.pending",
    PodTerminating "pod.terminating",
    PodFailed "pod.failed",
    PodCompleted "pod.completed",
    NodeReady "node.ready",
    NodeJoining "node.joining",
    NodeCordoned "node.cordoned",
    NodeNotReady "node.notready",
    NodeDead "node.dead",
    Truth "truth",
    Gauge "gauge",
    GaugeHigh "gauge.high",
    GaugeEmpty "gauge.empty",
    EventNormal "event.normal",
    EventWarning "event.warning",
    EventFault "event.fault",
    Incident "incident",
    Recovered "incident.recovered",
    Toast "toast",
    ToastError "toast.error",
    Paused "paused",
    Progress "progress",
    ScoreWin "score.win",
    Reject "filter.reject",
    Chart1 "chart.1",
    Chart2 "chart.2",
    Chart3 "chart.3",
    Chart4 "chart.4",
    Chart5 "chart.5",
    Chart6 "chart.6",
}

macro_rules! built_in {
    ($($name:literal)*) => {
        /// The themes that come with kubeplay: name and text.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../themes/", $name, ".toml")))),*];
    };
}

built_in! {
    "terminal" "kubeplay-dark" "kubeplay-light" "high-contrast" "cvd" "nord" "gruvbox" "mono"
}

/// A style for every meaning.
#[derive(Clone, Debug)]
pub struct Theme {
    name: String,
    appearance: Appearance,
    styles: Vec<Style>,
}

/// A theme that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    #[error("no theme {name:?}; there are {known}")]
    Unknown { name: String, known: String },
    #[error("{file}: {message}")]
    Syntax { file: String, message: String },
    #[error("{file}:{line}:{column}: {message}")]
    Value {
        file: String,
        line: usize,
        column: usize,
        message: String,
    },
    #[error("{file}: inherits themes without end")]
    Circle { file: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    appearance: Appearance,
    inherits: Option<String>,
    #[serde(default)]
    palette: BTreeMap<String, Spanned<ColorText>>,
    #[serde(default)]
    style: BTreeMap<Spanned<String>, Spanned<StyleText>>,
}

/// What background a theme is made for.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Appearance {
    Dark,
    Light,
    #[default]
    Any,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum ColorText {
    Name(String),
    Index(u8),
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum StyleText {
    Color(ColorText),
    Full {
        fg: Option<ColorText>,
        bg: Option<ColorText>,
        #[serde(default)]
        mods: Vec<Mod>,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mod {
    Bold,
    Dim,
    Italic,
    Underline,
    Reversed,
}

impl Theme {
    /// A theme that comes with kubeplay.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(name: &str) -> Result<Self, ThemeError> {
        let text = built_in(name).ok_or_else(|| no_such(name, BUILT_IN.iter().map(|(n, _)| *n)))?;
        Self::parse(name, text)
    }

    /// The themes that come with kubeplay, and those in a folder; of the latter also those that cannot be read.
    #[must_use]
    pub fn all(folder: Option<&Path>) -> (Vec<Self>, Vec<ThemeError>) {
        let mut themes = Vec::new();
        let mut errors = Vec::new();
        let mut add = |read: Result<Self, ThemeError>| match read {
            Ok(theme) => {
                // One of the same name takes the place of ours.
                themes.retain(|known: &Self| known.name != theme.name);
                themes.push(theme);
            }
            Err(error) => errors.push(error),
        };
        for (name, text) in BUILT_IN {
            add(Self::parse(name, text));
        }
        for path in files(folder) {
            let file = path.display().to_string();
            add(match std::fs::read_to_string(&path) {
                Ok(text) => Self::parse(&file, &text),
                Err(error) => Err(ThemeError::Syntax {
                    file,
                    message: error.to_string(),
                }),
            });
        }
        (themes, errors)
    }

    /// The colours of text and of what it is written on, as CSS writes them; white on black where the terminal's own are
    /// used.
    #[must_use]
    pub fn paper(&self) -> (String, String) {
        let text = self.over(Meaning::Text);
        let front = css(text.fg).unwrap_or_else(|| "#e5e5e5".to_owned());
        (front, css(text.bg).unwrap_or_else(|| "#101010".to_owned()))
    }

    /// Replaces colours that the terminal does not know by the nearest that it does.
    pub fn reduce(&mut self, depth: Depth) {
        for style in &mut self.styles {
            style.fg = style.fg.map(|color| depth.nearest(color));
            style.bg = style.bg.map(|color| depth.nearest(color));
        }
    }

    /// Reads a theme; `file` is its name in messages.
    ///
    /// # Errors
    /// Not TOML, an unknown meaning, a colour that is none, an unknown or circular `inherits`.
    pub fn parse(file: &str, text: &str) -> Result<Self, ThemeError> {
        let mut styles = BTreeMap::new();
        let (name, appearance) = collect(file, text, &mut styles, 0)?;
        let styles = Meaning::ALL
            .iter()
            .map(|meaning| resolve(&styles, meaning.name()));
        Ok(Self {
            name,
            appearance,
            styles: styles.collect(),
        })
    }

    /// The theme's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The background that it is made for: `dark`, `light` or `any`.
    #[must_use]
    pub const fn appearance(&self) -> &'static str {
        match self.appearance {
            Appearance::Dark => "dark",
            Appearance::Light => "light",
            Appearance::Any => "any",
        }
    }

    /// How something of a meaning is drawn, whatever was there before.
    #[must_use]
    pub fn get(&self, meaning: Meaning) -> Style {
        let style = self.over(meaning);
        let text = self.over(Meaning::Text);
        Style {
            fg: style.fg.or(text.fg).or(Some(Color::Reset)),
            bg: style.bg.or(text.bg).or(Some(Color::Reset)),
            sub_modifier: Modifier::all().difference(style.add_modifier),
            ..style
        }
    }

    /// What a meaning adds to something that is drawn already.
    #[must_use]
    pub fn over(&self, meaning: Meaning) -> Style {
        self.styles
            .get(meaning as usize)
            .copied()
            .unwrap_or_default()
    }
}

/// The theme files of a folder, by name; none if it is not there.
fn files(folder: Option<&Path>) -> Vec<PathBuf> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

fn no_such<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> ThemeError {
    ThemeError::Unknown {
        name: name.to_owned(),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

impl ThemeError {
    /// There is no theme of that name among these.
    #[must_use]
    pub fn unknown(name: &str, themes: &[Theme]) -> Self {
        no_such(name, themes.iter().map(Theme::name))
    }
}

fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// Puts a theme's styles over those that it inherits; returns its name and what background it is for.
fn collect(
    file: &str,
    text: &str,
    styles: &mut BTreeMap<String, Style>,
    depth: usize,
) -> Result<(String, Appearance), ThemeError> {
    let parsed: File = toml::from_str(text).map_err(|error| ThemeError::Syntax {
        file: file.to_owned(),
        message: error.to_string(),
    })?;
    if let Some(base) = &parsed.inherits {
        if depth > 8 {
            return Err(ThemeError::Circle {
                file: file.to_owned(),
            });
        }
        let base_text =
            built_in(base).ok_or_else(|| no_such(base, BUILT_IN.iter().map(|(n, _)| *n)))?;
        collect(base, base_text, styles, depth + 1)?;
    }
    for (name, style) in &parsed.style {
        let known = Meaning::ALL.iter().any(|meaning| {
            let rest = meaning.name().strip_prefix(name.get_ref().as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if !known {
            let message = format!("unknown meaning {:?}", name.get_ref());
            return Err(place(file, text, name.span().start, message));
        }
        let read = read_style(style.get_ref(), &parsed.palette)
            .map_err(|message| place(file, text, style.span().start, message))?;
        styles.insert(name.get_ref().clone(), read);
    }
    Ok((parsed.name, parsed.appearance))
}

fn resolve(styles: &BTreeMap<String, Style>, name: &str) -> Style {
    let mut name = name;
    loop {
        if let Some(style) = styles.get(name) {
            return *style;
        }
        match name.rsplit_once('.') {
            Some((shorter, _)) => name = shorter,
            None => return styles.get("text").copied().unwrap_or_default(),
        }
    }
}

fn place(file: &str, text: &str, offset: usize, message: String) -> ThemeError {
    let before = text.get(..offset).unwrap_or(text);
    ThemeError::Value {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before
            .rsplit('\n')
            .next()
            .map_or(0, |line| line.chars().count())
            + 1,
        message,
    }
}

fn read_style(
    style: &StyleText,
    palette: &BTreeMap<String, Spanned<ColorText>>,
) -> Result<Style, String> {
    let (fg, bg, mods) = match style {
        StyleText::Color(color) => (Some(color), None, &[][..]),
        StyleText::Full { fg, bg, mods } => (fg.as_ref(), bg.as_ref(), mods.as_slice()),
    };
    let mut read = Style::default();
    if let Some(fg) = fg {
        read = read.fg(read_color(fg, palette)?);
    }
    if let Some(bg) = bg {
        read = read.bg(read_color(bg, palette)?);
    }
    Ok(mods.iter().fold(read, |style, modifier| {
        style.add_modifier(match modifier {
            Mod::Bold => Modifier::BOLD,
            Mod::Dim => Modifier::DIM,
            Mod::Italic => Modifier::ITALIC,
            Mod::Underline => Modifier::UNDERLINED,
            Mod::Reversed => Modifier::REVERSED,
        })
    }))
}

fn read_color(
    color: &ColorText,
    palette: &BTreeMap<String, Spanned<ColorText>>,
) -> Result<Color, String> {
    let name = match color {
        ColorText::Index(index) => return Ok(Color::Indexed(*index)),
        ColorText::Name(name) => name,
    };
    match palette.get(name).map(Spanned::get_ref) {
        Some(ColorText::Index(index)) => Ok(Color::Indexed(*index)),
        Some(ColorText::Name(value)) => parse_color(value),
        None => parse_color(name),
    }
}

fn parse_color(text: &str) -> Result<Color, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no colour: a name, #rrggbb, 0 to 255 or one of the palette")
    })
}

mod depth;

pub use depth::{Depth, css};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_resolves_in_every_theme_that_comes_with_kubeplay() {
        for (name, text) in BUILT_IN {
            let theme = Theme::parse(name, text).unwrap();
            assert_eq!(theme.name(), *name);
            assert_eq!(theme.styles.len(), Meaning::ALL.len());
            let looks = |meaning| format!("{:?}", theme.get(meaning));
            assert_ne!(
                looks(Meaning::PodReady),
                looks(Meaning::PodFailed),
                "{name}"
            );
        }
    }

    #[test]
    fn the_mono_theme_has_no_colour() {
        let theme = Theme::named("mono").unwrap();
        for meaning in Meaning::ALL {
            let style = theme.get(*meaning);
            assert!(matches!(style.fg, None | Some(Color::Reset)), "{meaning:?}");
            assert!(matches!(style.bg, None | Some(Color::Reset)), "{meaning:?}");
        }
    }

    #[test]
    fn a_meaning_falls_back_by_dropping_its_last_part() {
        let theme = Theme::parse(
            "t",
            "name = 't'\n[style]\n\"pod\" = \"blue\"\n\"text\" = \"red\"",
        )
        .unwrap();
        assert_eq!(theme.get(Meaning::PodReady).fg, Some(Color::Blue));
        assert_eq!(theme.get(Meaning::NodeDead).fg, Some(Color::Red));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let check = |text: &str, message: &str| {
            assert_eq!(
                Theme::parse("t.toml", text).unwrap_err().to_string(),
                message
            );
        };
        check(
            "name = 't'\n[style]\n\"pod\" = \"blu\"",
            "t.toml:3:9: \"blu\" is no colour: a name, #rrggbb, 0 to 255 or one of the palette",
        );
        check(
            "name = 't'\n[style]\n\"pot\" = \"blue\"",
            "t.toml:3:1: unknown meaning \"pot\"",
        );
        check(
            "name = 't'\ninherits = 'nobody'",
            "no theme \"nobody\"; there are terminal, kubeplay-dark, kubeplay-light, high-contrast, cvd, nord, gruvbox, mono",
        );
    }
}
