//! Taints and tolerations in one line: `dedicated=db:NoSchedule`.

use k8s_openapi::api::core::v1::{Taint, Toleration};
use toml::de::DeValue;

use super::{
    section::{Raw, Section},
    suggest::did_you_mean,
};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// The taints of a node group.
pub(super) fn taints(section: &mut Section<'_>) -> Vec<Taint> {
    let texts = section.texts("taints").map_or_else(Vec::new, |t| t.value);
    let mut taints = Vec::new();
    for text in texts {
        match split(text.value) {
            Ok((key, value, Some(effect))) => taints.push(Taint {
                key,
                value,
                effect,
                time_added: None,
            }),
            Ok((_, _, None)) => section.doc.problem(
                text.span,
                format!(
                    "the taint \"{0}\" has no effect; write \"{0}:NoSchedule\"",
                    text.value
                ),
            ),
            Err(error) => section.doc.problem(text.span, error),
        }
    }
    taints
}

/// The tolerations of a deployment: texts like taints (without an effect: of every effect; without a value: of every
/// value), or tables with the fields of Kubernetes.
pub(super) fn tolerations(section: &mut Section<'_>) -> Option<Vec<Toleration>> {
    let list = section.list("tolerations")?;
    let read = |found: Raw<'_>| toleration(section, found);
    Some(list.value.into_iter().filter_map(read).collect())
}

fn toleration(section: &Section<'_>, found: Raw<'_>) -> Option<Toleration> {
    let problem = |message: String| section.doc.problem(found.span(), message);
    match found.get_ref() {
        DeValue::String(text) => match split(text) {
            Ok((key, value, effect)) => Some(Toleration {
                key: Some(key),
                operator: Some(if value.is_some() { "Equal" } else { "Exists" }.to_owned()),
                value,
                effect,
                ..Toleration::default()
            }),
            Err(error) => {
                problem(error);
                None
            }
        },
        DeValue::Table(table) => {
            let name = "a toleration";
            let mut fields = Section::new(section.doc, name, table, found.span());
            let key = fields.text("key");
            let value = fields.text("value");
            let operator = fields.word("operator", &["Exists", "Equal"]);
            let effect = fields.word("effect", &EFFECTS);
            let seconds = fields.seconds("for");
            fields.finish();
            let implied = if value.is_some() { "Equal" } else { "Exists" };
            Some(Toleration {
                key: key.map(|k| k.value.to_owned()),
                operator: Some(operator.map_or(implied, |o| o.value).to_owned()),
                value: value.map(|v| v.value.to_owned()),
                effect: effect.map(|e| e.value.to_owned()),
                toleration_seconds: seconds.map(|s| s.value),
            })
        }
        _ => {
            problem(
                "a toleration is a text like \"dedicated=db:NoSchedule\" or a table".to_owned(),
            );
            None
        }
    }
}

/// Key, value and effect.
type Parts = (String, Option<String>, Option<String>);

fn split(text: &str) -> Result<Parts, String> {
    let (head, effect) = match text.rsplit_once(':') {
        Some((head, effect)) => (head, Some(effect)),
        None => (text, None),
    };
    if let Some(effect) = effect
        && !EFFECTS.contains(&effect)
    {
        let meant = did_you_mean(effect, EFFECTS);
        let list = EFFECTS.join("`, `");
        return Err(format!(
            "\"{text}\" has the unknown effect \"{effect}\"; it can be `{list}`{meant}"
        ));
    }
    let (key, value) = match head.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (head, None),
    };
    if key.is_empty() {
        return Err(format!("\"{text}\" has no key before the `:`"));
    }
    Ok((key.to_owned(), value, effect.map(str::to_owned)))
}
