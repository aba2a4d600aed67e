//! The arithmetic of a rolling update (`pkg/controller/deployment/util`): pure functions of sizes.

use k8s_openapi::{
    api::apps::v1::DeploymentStrategy, apimachinery::pkg::util::intstr::IntOrString,
};

use crate::api::Deployment;

/// How a Deployment replaces its pods, as far as the arithmetic needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// `RollingUpdate` as against `Recreate`.
    pub rolling: bool,
    /// How many pods are asked for.
    pub replicas: i32,
    surge: IntOrString,
    unavailable: IntOrString,
}

impl Strategy {
    /// A rolling update of so many pods.
    #[must_use]
    pub const fn rolling(replicas: i32, surge: IntOrString, unavailable: IntOrString) -> Self {
        Self {
            rolling: true,
            replicas,
            surge,
            unavailable,
        }
    }

    /// A Deployment's strategy, with Kubernetes' defaults.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let spec = deployment.spec.as_ref();
        let strategy: Option<&DeploymentStrategy> = spec.and_then(|spec| spec.strategy.as_ref());
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let quarter = || IntOrString::String("25%".to_owned());
        Self {
            rolling: strategy.is_none_or(|s| s.type_.as_deref() != Some("Recreate")),
            replicas: spec.and_then(|spec| spec.replicas).unwrap_or(1),
            surge: rolling
                .and_then(|rolling| rolling.max_surge.clone())
                .unwrap_or_else(quarter),
            unavailable: rolling
                .and_then(|rolling| rolling.max_unavailable.clone())
                .unwrap_or_else(quarter),
        }
    }

    /// `maxSurge` and `maxUnavailable` as numbers (`ResolveFenceposts`): the first rounded up, the second down, and not both
    /// zero, or nothing could ever move.
    #[must_use]
    pub fn fenceposts(&self) -> (i32, i32) {
        let surge = scaled(&self.surge, self.replicas, true);
        let unavailable = scaled(&self.unavailable, self.replicas, false);
        if surge == 0 && unavailable == 0 {
            return (0, 1);
        }
        (surge, unavailable)
    }

    /// How many pods more than asked for there may be.
    #[must_use]
    pub fn max_surge(&self) -> i32 {
        if self.rolling { self.fenceposts().0 } else { 0 }
    }

    /// How many pods may be missing.
    #[must_use]
    pub fn max_unavailable(&self) -> i32 {
        if self.rolling && self.replicas > 0 {
            self.fenceposts().1.min(self.replicas)
        } else {
            0
        }
    }

    /// How many pods must be available.
    #[must_use]
    pub fn min_available(&self) -> i32 {
        if self.rolling {
            self.replicas - self.max_unavailable()
        } else {
            0
        }
    }

    /// The size that the new ReplicaSet should have, where it has `new` and all sets together `total`
    /// (`NewRSNewReplicas`).
    #[must_use]
    pub fn new_set_size(&self, total: i32, new: i32) -> i32 {
        if !self.rolling {
            return self.replicas;
        }
        // The surge is not taken from the fenceposts here.
        let most = self.replicas + scaled(&self.surge, self.replicas, true);
        if total >= most {
            return new;
        }
        new + (most - total).min(self.replicas - new)
    }
}

/// A number, or a share of the total (`GetScaledValueFromIntOrPercent`). What is neither counts as zero.
fn scaled(value: &IntOrString, total: i32, round_up: bool) -> i32 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent = text
                .strip_suffix('%')
                .and_then(|text| text.parse::<i64>().ok());
            let share = percent.unwrap_or(0) * i64::from(total);
            let rounded = if round_up {
                (share + 99).div_euclid(100)
            } else {
                share.div_euclid(100)
            };
            i32::try_from(rounded).unwrap_or(i32::MAX)
        }
    }
}

/// A ReplicaSet's part in a proportional scaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub size: i32,
    /// The most pods that there could be when the set was last scaled (`deployment.kubernetes.io/max-replicas`).
    pub max_before: Option<i32>,
}

/// The new sizes of active ReplicaSets when a Deployment is scaled in the middle of a rollout, largest first
/// (`scale`, `GetReplicaSetProportion`). `actual` is the Deployment's own count, for sets that do not say `max_before`.
#[must_use]
pub fn proportional(strategy: &Strategy, shares: &[Share], actual: i32) -> Vec<i32> {
    let total: i32 = shares.iter().map(|share| share.size).sum();
    let allowed = match strategy.replicas {
        0 => 0,
        replicas => replicas + strategy.max_surge(),
    };
    let to_add = allowed - total;
    let mut added = 0;
    let mut sizes: Vec<i32> = shares
        .iter()
        .map(|share| {
            let left = to_add - added;
            let fraction = fraction(strategy, *share, actual);
            let part = match to_add {
                _ if share.size == 0 || left == 0 => 0,
                1.. => fraction.min(left),
                _ => fraction.max(left),
            };
            added += part;
            share.size + part
        })
        .collect();
    // What rounding left over goes to the largest.
    if let Some(largest) = sizes.first_mut() {
        *largest = (*largest + to_add - added).max(0);
    }
    sizes
}

/// How much a set grows or shrinks, in proportion to its size (`getReplicaSetFraction`).
fn fraction(strategy: &Strategy, share: Share, actual: i32) -> i32 {
    if strategy.replicas == 0 {
        return -share.size;
    }
    let most = i64::from(strategy.replicas + strategy.max_surge());
    let before = i64::from(share.max_before.filter(|max| *max != 0).unwrap_or(actual));
    if before == 0 {
        return 0;
    }
    // Rounded to the nearest, halves away from zero; all numbers are positive.
    let size = (2 * i64::from(share.size) * most + before).div_euclid(2 * before);
    i32::try_from(size).unwrap_or(i32::MAX) - share.size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(replicas: i32, surge: &str, unavailable: &str) -> Strategy {
        let value = |text: &str| {
            text.parse()
                .map_or_else(|_| IntOrString::String(text.to_owned()), IntOrString::Int)
        };
        Strategy::rolling(replicas, value(surge), value(unavailable))
    }

    #[test]
    fn a_scaling_in_mid_rollout_is_shared_in_proportion() {
        let share = |size, max_before| Share {
            size,
            max_before: Some(max_before),
        };
        let check = |replicas, sizes: &[(i32, i32)], expected: &[i32]| {
            let shares: Vec<_> = sizes.iter().map(|(size, max)| share(*size, *max)).collect();
            let sizes = proportional(&strategy(replicas, "3", "2"), &shares, 0);
            assert_eq!(sizes, expected, "{replicas} over {shares:?}");
        };
        check(10, &[(8, 13), (5, 13)], &[8, 5]);
        check(20, &[(8, 13), (5, 13)], &[14, 9]);
        check(0, &[(8, 13), (5, 13)], &[0, 0]);
        check(5, &[(8, 13), (5, 13)], &[5, 3]);
    }

    #[test]
    fn a_set_without_the_annotation_grows_by_the_deployments_own_count() {
        let shares = [Share {
            size: 5,
            max_before: None,
        }];
        assert_eq!(proportional(&strategy(10, "0", "1"), &shares, 5), [10]);
    }

    #[test]
    fn recreate_has_no_bounds() {
        let mut recreate = strategy(4, "25%", "25%");
        recreate.rolling = false;
        assert_eq!(recreate.max_surge(), 0);
        assert_eq!(recreate.min_available(), 0);
        assert_eq!(recreate.new_set_size(4, 0), 4);
    }
}
