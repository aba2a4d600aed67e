//! How many colours a terminal knows, and what becomes of those that it does not.

use ratatui::style::Color;

/// How many colours a terminal knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Any colour.
    #[default]
    Full,
    /// 256: sixteen of the terminal's own, a cube of 216, and 24 greys.
    Indexed,
    /// The terminal's own sixteen.
    Basic,
}

/// The sixteen, as most terminals show them. What is nearest is looked for among these values.
const BASIC: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 49, 49]),
    (Color::Green, [13, 188, 121]),
    (Color::Yellow, [229, 200, 16]),
    (Color::Blue, [36, 114, 200]),
    (Color::Magenta, [188, 63, 188]),
    (Color::Cyan, [17, 168, 205]),
    (Color::Gray, [204, 204, 204]),
    (Color::DarkGray, [118, 118, 118]),
    (Color::LightRed, [241, 76, 76]),
    (Color::LightGreen, [35, 209, 139]),
    (Color::LightYellow, [245, 235, 67]),
    (Color::LightBlue, [59, 142, 234]),
    (Color::LightMagenta, [214, 112, 214]),
    (Color::LightCyan, [41, 184, 219]),
    (Color::White, [255, 255, 255]),
];

/// The steps of the cube of 216 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

impl Depth {
    /// What the environment says of the terminal.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let says = |name: &str| variable(name).unwrap_or_default().to_lowercase();
        let (color, term) = (says("COLORTERM"), says("TERM"));
        let full = ["truecolor", "24bit"].contains(&&*color) || term.ends_with("-direct");
        // Windows Terminal does not say so in either of them.
        if full || variable("WT_SESSION").is_some() {
            Self::Full
        } else if term.contains("256color") {
            Self::Indexed
        } else {
            Self::Basic
        }
    }

    /// The nearest colour that the terminal knows.
    #[must_use]
    pub fn nearest(self, color: Color) -> Color {
        match (self, color) {
            (Self::Indexed, Color::Rgb(r, g, b)) => Color::Indexed(indexed([r, g, b])),
            (Self::Basic, Color::Rgb(..) | Color::Indexed(_)) => {
                rgb(color).map_or(Color::Reset, basic)
            }
            _ => color,
        }
    }
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let parts = a.into_iter().zip(b);
    // Eyes see differences of green most and of blue least.
    let weights = [3, 4, 2];
    parts
        .zip(weights)
        .map(|((a, b), weight)| weight * u32::from(a.abs_diff(b)).pow(2))
        .sum()
}

/// The nearest of the cube and the greys; not of the first sixteen, which look different everywhere.
fn indexed(wanted: [u8; 3]) -> u8 {
    let all = 16..=255u8;
    all.min_by_key(|index| distance(wanted, cube(*index)))
        .unwrap_or(16)
}

/// A colour of the 240 after the first sixteen.
fn cube(index: u8) -> [u8; 3] {
    match index.saturating_sub(16) {
        grey @ 216.. => [(grey - 216) * 10 + 8; 3],
        place => {
            let step = |by: u8| STEPS.get(usize::from(place / by % 6)).copied().unwrap_or(0);
            [step(36), step(6), step(1)]
        }
    }
}

fn basic(wanted: [u8; 3]) -> Color {
    let nearest = BASIC.iter().min_by_key(|(_, rgb)| distance(wanted, *rgb));
    nearest.map_or(Color::Reset, |(color, _)| *color)
}

/// A colour's parts; none for the terminal's own foreground and background.
#[must_use]
pub fn rgb(color: Color) -> Option<[u8; 3]> {
    match color {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(index @ 16..) => Some(cube(index)),
        Color::Indexed(index) => BASIC.get(usize::from(index)).map(|(_, rgb)| *rgb),
        named => BASIC
            .iter()
            .find(|(known, _)| *known == named)
            .map(|(_, rgb)| *rgb),
    }
}

/// A colour as CSS writes it; none for the terminal's own.
#[must_use]
pub fn css(color: Option<Color>) -> Option<String> {
    let [r, g, b] = rgb(color?)?;
    Some(format!("#{r:02x}{g:02x}{b:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{BUILT_IN, Meaning, Theme};

    #[test]
    fn the_environment_tells_how_many_colours_there_are() {
        let check = |variables: &[(&str, &str)], expected| {
            let found = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Depth::read(found), expected, "{variables:?}");
        };
        check(
            &[("COLORTERM", "truecolor"), ("TERM", "xterm")],
            Depth::Full,
        );
        check(&[("TERM", "xterm-256color")], Depth::Indexed);
        check(
            &[("TERM", "tmux-256color"), ("COLORTERM", "24bit")],
            Depth::Full,
        );
        check(&[("TERM", "linux")], Depth::Basic);
        check(&[], Depth::Basic);
        check(&[("WT_SESSION", "1")], Depth::Full);
    }

    #[test]
    fn the_nearest_colour_is_found() {
        assert_eq!(
            Depth::Full.nearest(Color::Rgb(1, 2, 3)),
            Color::Rgb(1, 2, 3)
        );
        assert_eq!(
            Depth::Indexed.nearest(Color::Rgb(255, 0, 0)),
            Color::Indexed(196)
        );
        assert_eq!(
            Depth::Indexed.nearest(Color::Rgb(8, 8, 8)),
            Color::Indexed(232)
        );
        assert_eq!(
            Depth::Basic.nearest(Color::Rgb(250, 80, 80)),
            Color::LightRed
        );
        assert_eq!(Depth::Basic.nearest(Color::Indexed(16)), Color::Black);
        assert_eq!(Depth::Basic.nearest(Color::Reset), Color::Reset);
    }

    /// Red, green and blue as light.
    fn linear(color: [u8; 3]) -> [f64; 3] {
        color.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    /// WCAG's contrast of two colours.
    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let light = |color| {
            let [r, g, b] = linear(color);
            0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
        };
        let (a, b) = (light(a), light(b));
        a.max(b) / a.min(b)
    }

    fn times(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(m, v)| m * v).sum())
    }

    /// A colour as an eye without green cones sees it (Machado and others, 2009), in CIE L*a*b*.
    fn deuteranopia(color: [u8; 3]) -> [f64; 3] {
        let seen = times(
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
            linear(color),
        )
        .map(|part| part.clamp(0.0, 1.0));
        let xyz = times(
            [
                [0.4124, 0.3576, 0.1805],
                [0.2126, 0.7152, 0.0722],
                [0.0193, 0.1192, 0.9505],
            ],
            seen,
        );
        let [x, y, z] = [xyz[0] / 0.9505, xyz[1], xyz[2] / 1.089].map(|part| {
            if part > 0.008_856 {
                part.cbrt()
            } else {
                7.787 * part + 16.0 / 116.0
            }
        });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn text_and_lines_stand_out_from_what_they_are_drawn_on() {
        let mut measured = 0;
        for (name, _) in BUILT_IN {
            let theme = Theme::named(name).unwrap();
            let Some(paper) = theme.over(Meaning::Text).bg.and_then(rgb) else {
                // The terminal's own colours on its own background.
                continue;
            };
            for meaning in Meaning::ALL {
                let style = theme.get(*meaning);
                let front = rgb(style.fg.unwrap()).unwrap();
                let back = style.bg.and_then(rgb).unwrap_or(paper);
                let least = match meaning {
                    // The empty part of a bar is meant to recede.
                    Meaning::GaugeEmpty => 1.2,
                    Meaning::Border => 3.0,
                    _ => 4.5,
                };
                let contrast = contrast(front, back);
                assert!(contrast >= least, "{name} {meaning:?} {contrast:.2}");
                measured += 1;
            }
        }
        assert_eq!(measured, 6 * Meaning::ALL.len());
    }

    #[test]
    fn states_are_told_apart_without_seeing_green() {
        let theme = Theme::named("cvd").unwrap();
        let states = [
            Meaning::PodReady,
            Meaning::PodStarting,
            Meaning::PodFailed,
            Meaning::Truth,
        ];
        let seen = states.map(|state| deuteranopia(rgb(theme.get(state).fg.unwrap()).unwrap()));
        for (index, a) in seen.iter().enumerate() {
            for (other, b) in seen.iter().enumerate().skip(index + 1) {
                let apart: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                let (a, b) = (states[index], states[other]);
                assert!(apart.sqrt() >= 20.0, "{a:?} {b:?} {}", apart.sqrt());
            }
        }
    }

    #[test]
    fn with_sixteen_colours_ready_still_differs_from_failed() {
        for (name, _) in BUILT_IN {
            for depth in [Depth::Full, Depth::Indexed, Depth::Basic] {
                let mut theme = Theme::named(name).unwrap();
                theme.reduce(depth);
                let looks = |meaning| {
                    let style = theme.get(meaning);
                    (style.fg, style.add_modifier)
                };
                assert_ne!(
                    looks(Meaning::PodReady),
                    looks(Meaning::PodFailed),
                    "{name}"
                );
                // And nothing is drawn in the colour of what it is drawn on.
                for meaning in Meaning::ALL {
                    let style = theme.get(*meaning);
                    let same = style.fg == style.bg && style.fg != Some(Color::Reset);
                    assert!(
                        !same || *meaning == Meaning::GaugeEmpty,
                        "{name} {depth:?} {meaning:?}"
                    );
                }
            }
        }
    }
}
