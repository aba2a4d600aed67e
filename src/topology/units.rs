//! Durations and quantities as topologies write them.

use std::time::Duration;

use crate::api::Quantity;

/// The longest duration that a topology can give.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a duration as Kubernetes writes it: `5s`, `100ms`, `1m30s`, `1.5h`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            format!("\"{text}\" has no unit; did you mean \"{text}s\"?")
        } else {
            format!("\"{text}\" is no duration; write it like \"5s\", \"100ms\" or \"1m30s\"")
        }
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err(format!("\"{text}\" is negative"));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(bad)?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        let number: f64 = number.parse().map_err(|_| bad())?;
        let span = number * seconds;
        if span > LONGEST.as_secs_f64() {
            return Err(format!("\"{text}\" is longer than a year"));
        }
        // Rounded to microseconds, the unit of virtual time.
        total += Duration::from_micros((span * 1e6).round() as u64);
        rest = after;
    }
    Ok(total)
}

/// What was probably meant by a text that is no quantity: `8GB`, `64mb`, `1 Gi`.
pub(super) fn quantity_meant(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let letter = unit.chars().next()?.to_ascii_uppercase();
    if !"KMGTP".contains(letter) || !matches!(&unit[1..], "" | "i" | "b" | "ib") {
        return None;
    }
    let meant = format!("{number}{letter}i");
    meant.parse::<Quantity>().ok().map(|_| meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_mean_what_kubernetes_means() {
        for (text, millis) in [
            ("5s", 5000),
            ("100ms", 100),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "", "5", "s", "5x", "-5s", "5s5", "1e3s", "99999h", "..s", "5 s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_common_slip_in_a_quantity_is_understood() {
        for (text, meant) in [
            ("8GB", Some("8Gi")),
            ("64mb", Some("64Mi")),
            ("1 Gi", Some("1Gi")),
            ("1gib", Some("1Gi")),
            ("lots", None),
            ("5x", None),
        ] {
            assert_eq!(quantity_meant(text).as_deref(), meant, "{text}");
        }
    }
}
