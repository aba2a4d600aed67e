//! Words and numbers as the screen writes them.

use std::{borrow::Cow, time::Duration};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text without anything that a terminal could take for an instruction: control characters and those that change the
/// direction of writing are left out.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if text.contains(harmful) {
        // A line break separates words.
        let spaced = text
            .chars()
            .map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c });
        Cow::Owned(spaced.filter(|c| !harmful(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Columns that a text takes.
#[must_use]
pub fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// A text in at most so many columns; what is cut off is replaced by an ellipsis.
#[must_use]
pub fn fit<'a>(text: &'a str, columns: u16, ellipsis: &str) -> Cow<'a, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let room = usize::from(columns).saturating_sub(ellipsis.width());
    let mut used = 0;
    let mut cut = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        cut.push(c);
    }
    if columns > 0 {
        cut.push_str(ellipsis);
    }
    Cow::Owned(cut)
}

/// The first of some wordings that fits; the last if none does.
#[must_use]
pub fn choose(columns: u16, wordings: &[String]) -> &str {
    let fitting = wordings.iter().find(|wording| width(wording) <= columns);
    fitting.or(wordings.last()).map_or("", String::as_str)
}

/// A text in lines of at most so many columns, broken between words where that can be done.
#[must_use]
pub fn wrap(text: &str, columns: u16) -> Vec<String> {
    let columns = usize::from(columns.max(1));
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest = word;
        let wide = rest.width();
        if used > 0 && used + 1 + wide <= columns {
            if let Some(line) = lines.last_mut() {
                line.push(' ');
            }
            used += 1;
        } else if used > 0 {
            lines.push(String::new());
            used = 0;
        }
        while !rest.is_empty() {
            let mut taken = 0;
            let mut end = 0;
            for (index, c) in rest.char_indices() {
                let next = taken + c.width().unwrap_or(0);
                if used + next > columns && (index > 0 || used > 0) {
                    break;
                }
                taken = next;
                end = index + c.len_utf8();
            }
            let (part, after) = rest.split_at(end);
            if let Some(line) = lines.last_mut() {
                line.push_str(part);
            }
            used += taken;
            rest = after;
            if !rest.is_empty() {
                lines.push(String::new());
                used = 0;
            }
        }
    }
    lines
}

/// A time that has passed, in whole units as `kubectl` writes ages: `43s`, `5m12s`, `2h5m`, `3d4h`.
#[must_use]
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0..2) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, ..) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// A time that is still to come: rounded up, so that it is never too early.
#[must_use]
pub fn count_down(span: Duration) -> String {
    age(Duration::from_secs(
        span.as_secs() + u64::from(span.subsec_nanos() > 0),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_could_obey_is_left_out() {
        assert_eq!(clean("plain"), "plain");
        assert_eq!(clean("a\u{1b}[31mred\u{7}"), "a[31mred");
        assert_eq!(clean("\u{9b}2Jx\u{202e}evil"), "2Jxevil");
        assert_eq!(clean("two\nlines\tand\ta tab"), "two lines and a tab");
    }

    #[test]
    fn a_text_is_cut_with_an_ellipsis() {
        assert_eq!(fit("abcdef", 6, "…"), "abcdef");
        assert_eq!(fit("abcdef", 4, "…"), "abc…");
        assert_eq!(fit("abcdef", 0, "…"), "");
        assert_eq!(fit("日本語", 4, "…"), "日…");
    }

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        let check = |seconds, text| assert_eq!(age(Duration::from_secs(seconds)), text);
        check(0, "0s");
        check(119, "119s");
        check(120, "2m00s");
        check(3599, "59m59s");
        check(7500, "2h05m");
        check(90_000, "1d01h");
        assert_eq!(count_down(Duration::from_millis(2001)), "3s");
        assert_eq!(count_down(Duration::ZERO), "0s");
    }

    #[test]
    fn a_long_text_is_broken_between_words() {
        assert_eq!(
            wrap("0/6 nodes are available", 10),
            ["0/6 nodes", "are", "available"]
        );
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("", 4), [""]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_nothing_is_lost(text in "[a-z日 ]{0,40}", columns in 2u16..20) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            let squash = |text: &str| text.replace(' ', "");
            prop_assert_eq!(squash(&lines.concat()), squash(&text));
        }

        #[test]
        fn what_fits_is_never_wider_than_asked(text in "\\PC{0,30}", columns in 0u16..40) {
            prop_assert!(width(&fit(&text, columns, "…")) <= columns);
        }
    }
}
