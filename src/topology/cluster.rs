//! `[cluster]`: name, seed, timing.

use toml::de::DeValue;

use super::{section::Section, suggest::did_you_mean, units};
use crate::store::{Config, Preset, Timing};

/// The shortest period that a constant can be set to: a shorter one would keep the core busy with nothing else.
const SHORTEST_MS: u64 = 10;
/// The longest.
const LONGEST_MS: u64 = 7 * 24 * 3_600_000;

/// Reads the section into a configuration; answers the timing constants that it sets.
pub(super) fn read(mut section: Section<'_>, config: &mut Config) -> Vec<(&'static str, u64)> {
    if let Some(name) = section.text("name") {
        config.name = name.value.into();
    }
    if let Some(seed) = section.integer("seed", 0..=i64::MAX) {
        config.seed = seed.value.unsigned_abs();
    }
    if let Some(timing) = section.word("timing", &["fast", "kubernetes"]) {
        config.preset = match timing.value {
            "kubernetes" => Preset::Kubernetes,
            _ => Preset::Fast,
        };
        config.timing = Timing::preset(config.preset);
    }
    let overrides = overrides(&mut section);
    for (key, value) in &overrides {
        config.timing.set(key, *value);
    }
    section.finish();
    overrides
}

/// `timing_overrides = { node_monitor_grace_ms = "6s", eviction_per_1000s = 500 }`
fn overrides(section: &mut Section<'_>) -> Vec<(&'static str, u64)> {
    let Some(found) = section.raw("timing_overrides") else {
        return Vec::new();
    };
    let DeValue::Table(table) = found.get_ref() else {
        section
            .doc
            .problem(found.span(), "`timing_overrides` must be a table");
        return Vec::new();
    };
    let mut overrides = Vec::new();
    for (name, value) in table {
        let name_text = name.get_ref();
        let known = Timing::TABLE.iter().find(|(key, ..)| key == name_text);
        let Some((key, ..)) = known else {
            let meant = did_you_mean(name_text, Timing::TABLE.iter().map(|(key, ..)| *key));
            section.doc.problem(
                name.span(),
                format!("there is no timing constant `{name_text}`{meant}"),
            );
            continue;
        };
        match constant(key, value.get_ref()) {
            Ok(value) => overrides.push((*key, value)),
            Err(error) => section
                .doc
                .problem(value.span(), format!("`{key}` {error}")),
        }
    }
    overrides
}

fn constant(key: &str, value: &DeValue<'_>) -> Result<u64, String> {
    if !key.ends_with("_ms") {
        let DeValue::Integer(number) = value else {
            return Err("must be a whole number".to_owned());
        };
        let number: u64 = number.as_str().parse().unwrap_or(u64::MAX);
        return if number <= 1_000_000 {
            Ok(number)
        } else {
            Err("must be between 0 and 1000000".to_owned())
        };
    }
    let DeValue::String(text) = value else {
        return Err("must be a duration like \"5s\"".to_owned());
    };
    let duration = units::duration(text).map_err(|error| format!("= {error}"))?;
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // Zero is the one length that makes sense for what pods tolerate, and for nothing else.
    let shortest = if key == "default_toleration_ms" {
        0
    } else {
        SHORTEST_MS
    };
    if (shortest..=LONGEST_MS).contains(&millis) {
        Ok(millis)
    } else {
        Err(format!("must be between {shortest}ms and 168h"))
    }
}
