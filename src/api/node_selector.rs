//! Node selectors and node affinity (`component-helpers/scheduling/corev1/nodeaffinity`).

use std::{collections::BTreeSet, fmt};

use k8s_openapi::api::core::v1::{
    self as core, NodeSelectorRequirement, NodeSelectorTerm, PodSpec,
};

use super::{Node, meta::Labels};

const NAME_FIELD: &str = "metadata.name";

/// One requirement on a label, or on the node's name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    Gt(i64),
    Lt(i64),
    /// An operator that does not exist, or a bound that is no number.
    Never,
}

impl Requirement {
    fn of(requirement: &NodeSelectorRequirement) -> Self {
        let values = requirement.values.clone().unwrap_or_default();
        let bound = || match values.as_slice() {
            [bound] => bound.parse().ok(),
            _ => None,
        };
        let operator = match requirement.operator.as_str() {
            "Gt" => bound().map_or(Operator::Never, Operator::Gt),
            "Lt" => bound().map_or(Operator::Never, Operator::Lt),
            "In" => Operator::In(values),
            "NotIn" => Operator::NotIn(values),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => Operator::Never,
        };
        Self {
            key: requirement.key.clone(),
            operator,
        }
    }

    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        let among = |values: &[String]| value.is_some_and(|v| values.iter().any(|it| it == v));
        match &self.operator {
            Operator::In(values) => among(values),
            // A label that is not there is not in the list either.
            Operator::NotIn(values) => !among(values),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt(bound) => number().is_some_and(|number| number > *bound),
            Operator::Lt(bound) => number().is_some_and(|number| number < *bound),
            Operator::Never => false,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.operator {
            Operator::In(values) => write!(f, "{key} in ({})", values.join(",")),
            Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(",")),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Gt(bound) => write!(f, "{key} > {bound}"),
            Operator::Lt(bound) => write!(f, "{key} < {bound}"),
            Operator::Never => write!(f, "{key} ?"),
        }
    }
}

/// Requirements that must all be met. Without any, no node is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

impl Term {
    /// The term of an object's field.
    #[must_use]
    pub fn of(term: &NodeSelectorTerm) -> Self {
        let all = |list: &Option<Vec<NodeSelectorRequirement>>| {
            list.iter().flatten().map(Requirement::of).collect()
        };
        Self {
            labels: all(&term.match_expressions),
            fields: all(&term.match_fields),
        }
    }

    /// Whether it asks for nothing, and therefore selects nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether a node is selected.
    #[must_use]
    pub fn matches(&self, node: &Node) -> bool {
        !self.is_empty() && self.unmet(node).next().is_none()
    }

    /// The requirements that a node does not meet.
    fn unmet<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Requirement> {
        let labels = node.metadata.labels.as_ref();
        let label = move |key: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .map(String::as_str)
        };
        let name = node.metadata.name.as_deref();
        let field = move |key: &str| name.filter(|_| key == NAME_FIELD);
        let unmet_labels = self
            .labels
            .iter()
            .filter(move |it| !it.matches(label(&it.key)));
        unmet_labels.chain(
            self.fields
                .iter()
                .filter(move |it| !it.matches(field(&it.key))),
        )
    }

    /// The names of the only nodes that can match, if the term says so.
    fn names(&self) -> Option<BTreeSet<&str>> {
        let named = self
            .fields
            .iter()
            .filter_map(|field| match &field.operator {
                Operator::In(values) if field.key == NAME_FIELD => {
                    Some(values.iter().map(String::as_str).collect::<BTreeSet<_>>())
                }
                _ => None,
            });
        named.reduce(|all, more| all.intersection(&more).copied().collect())
    }
}

/// What a pod requires of its node: `nodeSelector`, and one of the required terms of its node affinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredNodeAffinity {
    selector: Labels,
    /// None: nothing is required beside the selector.
    terms: Option<Vec<Term>>,
}

impl RequiredNodeAffinity {
    /// What a pod requires; none if it requires nothing.
    #[must_use]
    pub fn of(spec: &PodSpec) -> Option<Self> {
        let terms = node_affinity(spec)
            .and_then(|it| {
                it.required_during_scheduling_ignored_during_execution
                    .as_ref()
            })
            .map(|required| required.node_selector_terms.iter().map(Term::of).collect());
        if terms.is_none() && spec.node_selector.is_none() {
            return None;
        }
        Some(Self {
            selector: spec.node_selector.clone().unwrap_or_default(),
            terms,
        })
    }

    /// Whether a node will do.
    #[must_use]
    pub fn matches(&self, node: &Node) -> bool {
        self.missing_label(node).is_none()
            && self
                .terms
                .as_ref()
                .is_none_or(|terms| terms.iter().any(|term| term.matches(node)))
    }

    fn missing_label(&self, node: &Node) -> Option<(&String, &String)> {
        let labels = node.metadata.labels.as_ref();
        self.selector
            .iter()
            .find(|(key, value)| labels.and_then(|labels| labels.get(*key)) != Some(*value))
    }

    /// The names of the only nodes that can match, if the terms say so; empty if they contradict each other.
    #[must_use]
    pub fn names(&self) -> Option<BTreeSet<&str>> {
        let terms = self.terms.as_ref().filter(|terms| !terms.is_empty())?;
        let mut all = BTreeSet::new();
        for term in terms {
            all.extend(term.names()?);
        }
        Some(all)
    }

    /// What a node that will not do lacks, in words.
    #[must_use]
    pub fn explain(&self, node: &Node) -> String {
        if let Some((key, value)) = self.missing_label(node) {
            let labels = node.metadata.labels.as_ref();
            return match labels.and_then(|labels| labels.get(key)) {
                Some(other) => format!("needs label {key}={value}, has {key}={other}"),
                None => format!("needs label {key}={value}, has none"),
            };
        }
        let first = self.terms.iter().flatten().next();
        match first.and_then(|term| term.unmet(node).next()) {
            Some(requirement) => format!("needs {requirement}"),
            None => "no term of its affinity selects any node".to_owned(),
        }
    }
}

/// The terms by which a pod prefers nodes, with their weights; empty terms and weights of zero are left out.
#[must_use]
pub fn preferred_terms(spec: &PodSpec) -> Option<Vec<(i64, Term)>> {
    let preferred = node_affinity(spec)?
        .preferred_during_scheduling_ignored_during_execution
        .as_ref()?;
    let terms = preferred
        .iter()
        .map(|it| (i64::from(it.weight), Term::of(&it.preference)));
    Some(
        terms
            .filter(|(weight, term)| *weight != 0 && !term.is_empty())
            .collect(),
    )
}

fn node_affinity(spec: &PodSpec) -> Option<&core::NodeAffinity> {
    spec.affinity.as_ref()?.node_affinity.as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(labels: serde_json::Value) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "n1", "labels": labels}})).unwrap()
    }

    fn matches(spec: serde_json::Value, labels: serde_json::Value) -> bool {
        let mut spec = spec;
        spec["containers"] = json!([]);
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        RequiredNodeAffinity::of(&spec).is_none_or(|required| required.matches(&node(labels)))
    }

    fn term(term: serde_json::Value, labels: serde_json::Value) -> bool {
        matches(
            json!({"affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}}),
            labels,
        )
    }

    fn expression(key: &str, operator: &str, values: &[&str], labels: serde_json::Value) -> bool {
        let expression = json!({"key": key, "operator": operator, "values": values});
        term(json!({"matchExpressions": [expression]}), labels)
    }

    #[test]
    fn a_node_selector_asks_for_every_label() {
        let spec = json!({"nodeSelector": {"disk": "ssd", "zone": "a"}});
        assert!(matches(
            spec.clone(),
            json!({"disk": "ssd", "zone": "a", "more": "x"})
        ));
        assert!(!matches(spec.clone(), json!({"disk": "ssd"})));
        assert!(!matches(spec, json!({"disk": "hdd", "zone": "a"})));
        assert!(matches(json!({}), json!({})));
    }

    #[test]
    fn operators_mean_what_kubernetes_means() {
        let ten = || json!({"n": "10"});
        assert!(expression("n", "In", &["9", "10"], ten()));
        assert!(!expression("n", "In", &["9"], json!({})));
        assert!(expression("n", "NotIn", &["9"], json!({})));
        assert!(!expression("n", "NotIn", &["10"], ten()));
        assert!(expression("n", "Exists", &[], ten()));
        assert!(!expression("n", "Exists", &[], json!({})));
        assert!(expression("n", "DoesNotExist", &[], json!({})));
        assert!(expression("n", "Gt", &["9"], ten()));
        assert!(!expression("n", "Gt", &["10"], ten()));
        assert!(expression("n", "Lt", &["11"], ten()));
        assert!(!expression("n", "Lt", &["11"], json!({})));
        assert!(!expression("n", "Gt", &["9"], json!({"n": "many"})));
        assert!(!expression("n", "Like", &["1.*"], ten()));
    }

    #[test]
    fn an_empty_term_selects_nothing_and_one_of_the_terms_is_enough() {
        assert!(!term(json!({}), json!({})));
        let terms = json!([{"matchExpressions": [{"key": "a", "operator": "Exists"}]},
                           {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]);
        let spec = json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
        assert!(matches(spec, json!({})));
    }

    fn names(terms: serde_json::Value) -> Option<Vec<String>> {
        let spec: PodSpec = serde_json::from_value(json!({"containers": [], "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": terms}}}}))
        .unwrap();
        let required = RequiredNodeAffinity::of(&spec).unwrap();
        required
            .names()
            .map(|names| names.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn names_are_known_when_every_term_names_its_nodes() {
        let field =
            |values: &[&str]| json!({"key": "metadata.name", "operator": "In", "values": values});
        let named = json!({"matchFields": [field(&["n1"])]});
        assert_eq!(names(json!([named])), Some(vec!["n1".to_owned()]));
        let open = json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]});
        assert_eq!(names(json!([named, open])), None);
        let conflict = json!({"matchFields": [field(&["n1"]), field(&["n2"])]});
        assert_eq!(names(json!([conflict])), Some(vec![]));
    }
}
