//! Taints and tolerations (`api/core/v1/toleration.go`, `component-helpers/scheduling/corev1/helpers.go`).

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// Whether a toleration tolerates a taint. Empty effects and keys stand for all.
#[must_use]
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    if (!effect.is_empty() && effect != taint.effect) || (!key.is_empty() && key != taint.key) {
        return false;
    }
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => {
            toleration.value.as_deref().unwrap_or_default()
                == taint.value.as_deref().unwrap_or_default()
        }
        "Exists" => true,
        _ => false,
    }
}

/// Whether one of the tolerations tolerates a taint.
#[must_use]
pub fn is_tolerated(tolerations: Option<&[Toleration]>, taint: &Taint) -> bool {
    tolerations
        .unwrap_or_default()
        .iter()
        .any(|toleration| tolerates(toleration, taint))
}

/// A taint as `kubectl` writes it: `key=value:Effect`.
#[must_use]
pub fn display(taint: &Taint) -> String {
    match taint.value.as_deref().unwrap_or_default() {
        "" => format!("{}:{}", taint.key, taint.effect),
        value => format!("{}={value}:{}", taint.key, taint.effect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint() -> Taint {
        Taint {
            key: "dedicated".to_owned(),
            value: Some("gpu".to_owned()),
            effect: "NoSchedule".to_owned(),
            time_added: None,
        }
    }

    #[test]
    fn tolerations_tolerate_what_kubernetes_says_they_do() {
        // key, operator, value, effect, tolerated
        for (key, operator, value, effect, expected) in [
            ("dedicated", "Equal", "gpu", "NoSchedule", true),
            ("dedicated", "", "gpu", "", true),
            ("dedicated", "Equal", "cpu", "NoSchedule", false),
            ("dedicated", "Equal", "gpu", "NoExecute", false),
            ("dedicated", "Exists", "", "", true),
            ("", "Exists", "", "", true),
            ("", "Exists", "", "PreferNoSchedule", false),
            ("other", "Exists", "", "", false),
            ("dedicated", "Gt", "gpu", "", false),
        ] {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let toleration = Toleration {
                key: text(key),
                operator: text(operator),
                value: text(value),
                effect: text(effect),
                toleration_seconds: None,
            };
            assert_eq!(tolerates(&toleration, &taint()), expected, "{toleration:?}");
        }
    }

    #[test]
    fn a_taint_is_written_as_kubectl_writes_it() {
        assert_eq!(display(&taint()), "dedicated=gpu:NoSchedule");
        let bare = Taint {
            value: None,
            ..taint()
        };
        assert_eq!(display(&bare), "dedicated:NoSchedule");
    }
}
