//! Quantities: `250m`, `64Mi`, `1.5`, `2e3` (`apimachinery/pkg/api/resource`).

use std::{fmt, str::FromStr};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

/// An exact amount of something, in nanounits; saturates at the ends of `i128`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)]
pub struct BadQuantity;

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0 };

    /// So many whole units (bytes, cores, pods).
    #[must_use]
    pub const fn units(units: i64) -> Self {
        Self {
            nanos: units as i128 * NANO,
        }
    }

    /// So many thousandths (millicores).
    #[must_use]
    pub const fn milli(milli: i64) -> Self {
        Self {
            nanos: milli as i128 * 1_000_000,
        }
    }

    /// The amount in thousandths, rounded up as upstream's `MilliValue`.
    #[must_use]
    pub fn milli_value(self) -> i64 {
        clamp(div_up(self.nanos, 1_000_000))
    }

    /// The amount in whole units, rounded up as upstream's `Value`.
    #[must_use]
    pub fn value(self) -> i64 {
        clamp(div_up(self.nanos, NANO))
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether it is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
        }
    }

    /// The quantity of an object's field; a text that is none counts as zero (validation has refused it before).
    #[must_use]
    pub fn of(text: &Text) -> Self {
        text.0.parse().unwrap_or(Self::ZERO)
    }

    /// In CPU's usual form (`250m`, `2`).
    #[must_use]
    pub fn as_cpu(self) -> String {
        let milli = self.milli_value();
        if milli % 1000 == 0 {
            (milli / 1000).to_string()
        } else {
            format!("{milli}m")
        }
    }

    /// In memory's usual form (`64Mi`, `8Gi`).
    #[must_use]
    pub fn as_bytes(self) -> String {
        let bytes = self.value();
        for (suffix, size) in [("Gi", 1i64 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
            if bytes != 0 && bytes % size == 0 {
                return format!("{}{suffix}", bytes / size);
            }
        }
        bytes.to_string()
    }
}

/// A quantity's text in the form in which the API server stores it: without a fraction, with the largest suffix of its
/// family that leaves it whole (`Quantity.CanonicalizeBytes`). None if it is no quantity.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    let quantity: Quantity = text.parse().ok()?;
    let nanos = quantity.nanos;
    let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if nanos == 0 {
        return Some("0".to_owned());
    }
    let whole = nanos % NANO == 0;
    // Powers of 1024, unless it is a fraction or below 1Ki.
    if suffix.ends_with('i') && whole && nanos.abs() >= 1024 * NANO {
        let mut mantissa = nanos / NANO;
        let mut power = 0;
        while mantissa % 1024 == 0 && power < 6 {
            mantissa /= 1024;
            power += 1;
        }
        return Some(format!(
            "{mantissa}{}",
            ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]
        ));
    }
    let mut mantissa = nanos;
    let mut power = 0;
    while mantissa % 1000 == 0 && power < 9 {
        mantissa /= 1000;
        power += 1;
    }
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .is_some_and(|rest| !rest.is_empty());
    Some(if exponent && power != 3 {
        // Nine digits after the point are three groups of three.
        let tens = 3 * (i32::try_from(power).ok()? - 3);
        format!("{mantissa}e{tens}")
    } else {
        format!(
            "{mantissa}{}",
            ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][power]
        )
    })
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn div_up(value: i128, by: i128) -> i128 {
    let quotient = value.div_euclid(by);
    if value.rem_euclid(by) == 0 {
        quotient
    } else {
        quotient + 1
    }
}

/// The factor of a suffix, as (numerator, denominator).
fn factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10i128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

impl FromStr for Quantity {
    type Err = BadQuantity;

    fn from_str(text: &str) -> Result<Self, BadQuantity> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(BadQuantity);
        }
        let (up, down) = factor(suffix).ok_or(BadQuantity)?;
        // Digits beyond what matters to nanounits of exabytes are noise; keep 18 of the fraction.
        let kept: String = fraction.chars().take(18).collect();
        let digits: i128 = match format!("{whole}{kept}").as_str() {
            "" => 0,
            digits => digits.parse().map_err(|_| BadQuantity)?,
        };
        let scale = 10i128.pow(u32::try_from(kept.len()).map_err(|_| BadQuantity)?);
        let numerator = digits.checked_mul(up).and_then(|n| n.checked_mul(NANO));
        let nanos = match numerator {
            Some(numerator) => div_up(numerator, scale.checked_mul(down).ok_or(BadQuantity)?),
            None => i128::MAX,
        };
        Ok(Self {
            nanos: if negative { -nanos } else { nanos },
        })
    }
}

impl fmt::Display for Quantity {
    /// As a decimal number of units, with `m` if it is not whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos % NANO == 0 {
            write!(f, "{}", self.nanos / NANO)
        } else {
            write!(f, "{}m", self.milli_value())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, milli: i64, value: i64) {
        let quantity: Quantity = text.parse().unwrap();
        assert_eq!(
            (quantity.milli_value(), quantity.value()),
            (milli, value),
            "{text}"
        );
    }

    #[test]
    fn quantities_mean_what_kubernetes_means() {
        check("250m", 250, 1);
        check("2", 2000, 2);
        check("1.5", 1500, 2);
        check("64Mi", 67_108_864_000, 67_108_864);
        check("1e3", 1_000_000, 1000);
        check(
            "1E",
            1_000_000_000_000_000_000_000i128.min(i128::from(i64::MAX)) as i64,
            1_000_000_000_000_000_000,
        );
        check("100u", 1, 1);
        check("-5", -5000, -5);
        check(".5", 500, 1);
        check("5.", 5000, 5);
        check("12e-1", 1200, 2);
    }

    #[test]
    fn the_canonical_form_is_the_api_servers() {
        for (text, expected) in [
            ("0.1", "100m"),
            ("1000m", "1"),
            ("100M", "100M"),
            ("1000M", "1G"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("0.5Ki", "512"),
            ("128974848", "128974848"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("0", "0"),
            ("-1", "-1"),
            ("1E", "1E"),
            ("1500m", "1500m"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(canonical("x"), None);
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "", "m", "1x", "1.2.3", "--1", "1 Gi", "1gi", "0x10", "1e", "e3",
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(BadQuantity), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,24}") {
            let _ = text.parse::<Quantity>();
        }

        #[test]
        fn the_canonical_form_means_the_same(text in "[0-9]{1,6}(\\.[0-9]{1,3})?(m|k|M|Gi|Mi|Ki|)") {
            let once = canonical(&text).unwrap();
            prop_assert_eq!(canonical(&once), Some(once.clone()));
            prop_assert_eq!(once.parse::<Quantity>(), text.parse::<Quantity>());
        }

        #[test]
        fn printing_and_reading_give_the_same(milli in -1_000_000_000i64..1_000_000_000) {
            let quantity = Quantity::milli(milli);
            prop_assert_eq!(quantity.to_string().parse::<Quantity>().unwrap(), quantity);
        }
    }
}
