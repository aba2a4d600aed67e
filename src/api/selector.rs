//! Label selectors (`apimachinery/pkg/labels`, `metav1.LabelSelectorAsSelector`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::meta::Labels;

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            // A label that is not there is not in the list either.
            Self::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}

/// A selector over labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Selects nothing (no selector was given).
    Nothing,
    /// Selects what meets all requirements; everything, if there are none.
    All(Requirements),
}

/// Requirements that must all be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements(Vec<Requirement>);

impl Selector {
    /// The selector of a map of labels (`service.spec.selector`, `nodeSelector`).
    #[must_use]
    pub fn of_map(map: &BTreeMap<String, String>) -> Self {
        let one =
            |(key, value): (&String, &String)| Requirement::In(key.clone(), vec![value.clone()]);
        Self::All(Requirements(map.iter().map(one).collect()))
    }

    /// The selector of a label selector. An operator that does not exist selects nothing.
    #[must_use]
    pub fn of(selector: Option<&LabelSelector>) -> Self {
        let Some(selector) = selector else {
            return Self::Nothing;
        };
        let mut all: Vec<_> = selector
            .match_labels
            .iter()
            .flatten()
            .map(|(key, value)| Requirement::In(key.clone(), vec![value.clone()]))
            .collect();
        for expression in selector.match_expressions.iter().flatten() {
            let key = expression.key.clone();
            let values = expression.values.clone().unwrap_or_default();
            all.push(match expression.operator.as_str() {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::DoesNotExist(key),
                _ => return Self::Nothing,
            });
        }
        Self::All(Requirements(all))
    }

    /// Whether labels are selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(all) => all.0.iter().all(|requirement| requirement.matches(labels)),
        }
    }

    /// Whether everything is selected.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        matches!(self, Self::All(all) if all.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: serde_json::Value, labels: &[(&str, &str)], expected: bool) {
        let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let matches = Selector::of(Some(&parsed)).matches(&labels);
        assert_eq!(matches, expected, "{selector} on {labels:?}");
    }

    #[test]
    fn selectors_select_what_kubernetes_selects() {
        let app = serde_json::json!({"matchLabels": {"app": "web"}});
        check(app.clone(), &[("app", "web"), ("tier", "front")], true);
        check(app, &[("app", "db")], false);
        check(serde_json::json!({}), &[], true);
        let not_in = serde_json::json!({"matchExpressions": [
            {"key": "app", "operator": "NotIn", "values": ["db"]}]});
        check(not_in.clone(), &[], true);
        check(not_in, &[("app", "db")], false);
        let absent = serde_json::json!({"matchExpressions": [
            {"key": "app", "operator": "DoesNotExist"}]});
        check(absent, &[("app", "db")], false);
        assert!(!Selector::of(None).matches(&Labels::new()));
    }
}
