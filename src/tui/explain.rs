//! A scheduling decision in words and tables: why this node, why not the others, and how it was counted.

use std::sync::Arc;

use super::{
    census::natural,
    lines::{Line, Lines},
    model::Scores,
    theme::Meaning,
};
use crate::{
    api::{Name, Pod},
    scheduler::{
        framework::{PreFilter, Profile},
        resources::PodInfo,
    },
    store::{
        Decision,
        decision::{NodeScore, PluginScore, Rejection, Verdict},
    },
};

/// A plugin's name where there is little room.
#[must_use]
pub fn short(plugin: &str) -> &str {
    match plugin {
        "NodeResourcesFit" => "Fit",
        "NodeResourcesBalancedAllocation" => "Balanced",
        "TaintToleration" => "Taints",
        "NodeAffinity" => "Affinity",
        "NodeUnschedulable" => "Unsched",
        "NodeName" => "Name",
        "NodePorts" => "Ports",
        "ImageLocality" => "Image",
        "PodTopologySpread" => "Spread",
        "InterPodAffinity" => "PodAff",
        "DynamicResources" => "DRA",
        "VolumeBinding" => "Volumes",
        other => other,
    }
}

/// A number of something: `1 node fits`, `3 nodes fit`.
fn fit(decision: &Decision) -> String {
    let verb = if decision.feasible == 1 {
        "fits"
    } else {
        "fit"
    };
    format!("{} of {} nodes {verb}", decision.feasible, decision.nodes)
}

/// What was decided, in a few words.
#[must_use]
pub fn outcome(decision: &Decision) -> String {
    let of = fit(decision);
    match (&decision.verdict, decision.scores.first()) {
        (Verdict::Bound { node }, Some(score)) => format!("{node}: {} points, {of}", score.total),
        (Verdict::Bound { node }, None) => format!("{node}: {of}"),
        (Verdict::Unschedulable, _) => format!("none: {of}, try {}", decision.attempt),
        (Verdict::Error { message }, _) => format!("failed: {message}"),
    }
}

/// How a decision's outcome is drawn.
#[must_use]
pub const fn meaning(decision: &Decision) -> Meaning {
    match decision.verdict {
        Verdict::Bound { .. } => Meaning::ScoreWin,
        Verdict::Unschedulable | Verdict::Error { .. } => Meaning::Reject,
    }
}

/// The scores of the node that was chosen.
fn winner(decision: &Decision) -> Option<&NodeScore> {
    let Verdict::Bound { node } = &decision.verdict else {
        return None;
    };
    decision.scores.iter().find(|score| score.node == *node)
}

/// The best node that was not chosen.
fn runner_up(decision: &Decision) -> Option<&NodeScore> {
    let Verdict::Bound { node } = &decision.verdict else {
        return None;
    };
    decision.scores.iter().find(|score| score.node != *node)
}

/// By how much the next node was behind, in a line.
#[must_use]
pub fn next_best(decision: &Decision) -> Option<String> {
    let (first, next) = (winner(decision)?, runner_up(decision)?);
    Some(match first.total - next.total {
        0 => format!("{} nodes have as many: drawn by lot", decision.tied),
        behind => format!("next {} with {} ({behind} behind)", next.node, next.total),
    })
}

/// A number with its sign.
fn signed(number: i64) -> String {
    match number {
        0.. => format!("+{number}"),
        _ => format!("−{}", -number),
    }
}

/// The plugins that spoke for and against the winner, compared with the next node; the strongest first.
fn decided_by(first: &NodeScore, next: &NodeScore) -> String {
    let difference = |score: &PluginScore| {
        let other = next.plugins.iter().find(|o| o.plugin == score.plugin);
        score.weighted() - other.map_or(0, PluginScore::weighted)
    };
    let mut parts: Vec<(i64, &str)> = first
        .plugins
        .iter()
        .map(|score| (difference(score), short(score.plugin)))
        .filter(|(by, _)| *by != 0)
        .collect();
    parts.sort_by_key(|(by, _)| std::cmp::Reverse(by.abs()));
    let list = |wanted: fn(i64) -> bool| -> Vec<String> {
        let those = parts.iter().filter(|(by, _)| wanted(*by));
        those
            .map(|(by, plugin)| format!("{plugin} {}", signed(*by)))
            .collect()
    };
    let (with, against) = (list(|by| by > 0), list(|by| by < 0));
    let mut text = with.join(", ");
    if !against.is_empty() {
        let comma = if text.is_empty() { "" } else { ", " };
        text = format!("{text}{comma}against {}", against.join(", "));
    }
    if text.is_empty() {
        "no plugin: every score is the same".to_owned()
    } else {
        format!("{text} (compared with {})", next.node)
    }
}

/// How a node's total comes about.
#[must_use]
pub fn formula(score: &NodeScore) -> String {
    let parts: Vec<String> = score
        .plugins
        .iter()
        .map(|part| format!("{} {}×{}", short(part.plugin), part.normalized, part.weight))
        .collect();
    format!("{} = {}", parts.join(" + "), score.total)
}

/// How the tie was broken, if there was one.
fn tie(decision: &Decision) -> Option<String> {
    if decision.tied < 2 {
        return None;
    }
    let best = decision.scores.first()?.total;
    let equal = decision.scores.iter().filter(|score| score.total == best);
    let names: Vec<&str> = equal.take(8).map(|score| &*score.node).collect();
    let more = match decision.tied.checked_sub(names.len()) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    Some(format!(
        "{} nodes share {best}: {}{more}; lot {} of {} was drawn, from the run's seed and the pod's uid",
        decision.tied,
        names.join(", "),
        decision.tie_break + 1,
        decision.tied,
    ))
}

/// A refusal in words.
fn refusal(rejection: &Rejection) -> String {
    let reasons = rejection.reasons.join(", ");
    match rejection.detail.as_str() {
        "" => reasons,
        detail => format!("{reasons} ({detail})"),
    }
}

/// The refusals in words, those for the same reason together.
fn refused(decision: &Decision) -> Vec<String> {
    let mut groups: Vec<(&Rejection, Vec<&str>)> = Vec::new();
    for rejection in &decision.rejections {
        let same = groups.iter_mut().find(|(first, _)| {
            first.plugin == rejection.plugin
                && first.reasons == rejection.reasons
                && first.detail == rejection.detail
        });
        match same {
            Some((_, nodes)) => nodes.push(&rejection.node),
            None => groups.push((rejection, vec![&rejection.node])),
        }
    }
    groups
        .iter()
        .map(|(first, nodes)| format!("{}: {}", nodes.join(", "), refusal(first)))
        .collect()
}

/// Why it was decided so: what the view shows above its tables.
#[must_use]
pub fn why(decision: &Decision, columns: u16) -> Vec<Line> {
    let mut lines = Lines::new(columns);
    match &decision.verdict {
        Verdict::Bound { node } => {
            let text = match (winner(decision), runner_up(decision)) {
                (Some(first), Some(next)) => {
                    let third = decision
                        .scores
                        .iter()
                        .filter(|s| s.node != next.node)
                        .nth(1);
                    let third = third.map_or(String::new(), |third| {
                        format!(", then {} {}", third.node, third.total)
                    });
                    let behind = first.total - next.total;
                    let best = if behind == 0 { "shares" } else { "has" };
                    format!(
                        "{node} {best} the highest total, {}; next {} {} ({}){third}",
                        first.total,
                        next.node,
                        next.total,
                        if behind == 0 {
                            "equal".to_owned()
                        } else {
                            signed(-behind)
                        }
                    )
                }
                _ => format!("{node} is the only node that fits: there is nothing to score"),
            };
            lines.wrapped("Why", &text, Meaning::ScoreWin);
            if let (Some(first), Some(next)) = (winner(decision), runner_up(decision)) {
                lines.wrapped("By", &decided_by(first, next), Meaning::Text);
                if let Some(tie) = tie(decision) {
                    lines.wrapped("Tie", &tie, Meaning::EventWarning);
                }
                lines.wrapped("Total", &formula(first), Meaning::Text);
            }
        }
        Verdict::Unschedulable => lines.wrapped("Why", &decision.message, Meaning::Reject),
        Verdict::Error { message } => lines.wrapped("Failed", message, Meaning::Reject),
    }
    let known = decision.rejections.len();
    let all: usize = decision.nodes.saturating_sub(decision.feasible);
    if known == all {
        for (index, text) in refused(decision).iter().enumerate() {
            let label = if index == 0 { "Why not" } else { "" };
            lines.wrapped(label, text, Meaning::Reject);
        }
    } else {
        for (index, (reason, nodes)) in decision.histogram.iter().enumerate() {
            let label = if index == 0 { "Why not" } else { "" };
            let text = format!("{nodes} nodes: {reason}");
            lines.wrapped(label, &text, Meaning::Reject);
        }
    }
    lines.done()
}

/// Everything that is known of a decision, as a page.
#[must_use]
pub fn full(decision: &Decision, pod: Option<&Arc<Pod>>, columns: u16) -> Vec<Line> {
    let mut lines = Lines::new(columns);
    lines.say("Pod", decision.pod.to_string());
    lines.put("Chosen", outcome(decision), meaning(decision));
    lines.say("When", format!("{}, try {}", decision.at, decision.attempt));
    lines.raw("", Meaning::Text);
    lines.extend(why(decision, columns));
    lines.heading("Filter: the first plugin that refuses ends it for a node");
    let table = Filters::read(decision, pod);
    lines.item("", &table.plugins.join(", "), Meaning::Dim);
    for row in &table.rows {
        let meaning = if row.refused.is_some() {
            Meaning::Reject
        } else {
            Meaning::Text
        };
        let by = row
            .refused
            .and_then(|index| table.plugins.get(index))
            .map_or(String::new(), |plugin| format!("{plugin}: "));
        lines.item("  ", &format!("{} — {by}{}", row.node, row.result), meaning);
    }
    if table.missing > 0 {
        lines.raw(format!("  and {} more nodes", table.missing), Meaning::Dim);
    }
    if !decision.scores.is_empty() {
        lines.heading("Score: each plugin 0 to 100 after normalisation, times its weight");
        for score in &decision.scores {
            let text = format!("{} — {}", score.node, formula(score));
            lines.item("  ", &text, Meaning::Text);
        }
    }
    lines.done()
}

/// What the filters said of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterRow {
    pub node: Name,
    /// The plugin that refused it, by its place in the table; those after it were not asked.
    pub refused: Option<usize>,
    /// The reason, or that it fits.
    pub result: String,
}

/// The nodes and what the filters said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// The plugins that looked at nodes, in the order in which they were asked.
    pub plugins: Vec<&'static str>,
    pub rows: Vec<FilterRow>,
    /// Nodes that the record of the decision does not name.
    pub missing: usize,
}

impl Filters {
    /// The table of a decision. Which plugins had nothing to say of the pod is found out by asking them again, if the pod
    /// is there to be asked about; else only those that refused a node are known.
    #[must_use]
    pub fn read(decision: &Decision, pod: Option<&Arc<Pod>>) -> Self {
        let pod = pod.filter(|pod| pod.meta.uid == decision.uid);
        let info = pod.map(|pod| Arc::new(PodInfo::new(&pod.spec)));
        let refuses = |name: &str| decision.rejections.iter().any(|r| r.plugin == name);
        let profile = Profile::default();
        let mut plugins: Vec<&'static str> = Vec::new();
        for enabled in &profile.plugins {
            let plugin = &enabled.plugin;
            let looked = info
                .as_ref()
                .is_some_and(|info| !matches!(plugin.pre_filter(info), PreFilter::Skip));
            if looked || refuses(plugin.name()) {
                plugins.push(plugin.name());
            }
        }
        for rejection in &decision.rejections {
            if !plugins.contains(&rejection.plugin) {
                plugins.push(rejection.plugin);
            }
        }
        let mut rows: Vec<FilterRow> = decision
            .rejections
            .iter()
            .map(|rejection| FilterRow {
                node: rejection.node.clone(),
                refused: plugins.iter().position(|name| *name == rejection.plugin),
                result: refusal(rejection),
            })
            .collect();
        let fits = |node: &Name| FilterRow {
            node: node.clone(),
            refused: None,
            result: "fits".to_owned(),
        };
        rows.extend(decision.scores.iter().map(|score| fits(&score.node)));
        if let (Verdict::Bound { node }, true) = (&decision.verdict, decision.scores.is_empty()) {
            rows.push(fits(node));
        }
        rows.sort_by(|a, b| natural(&a.node, &b.node));
        let missing = decision.nodes.saturating_sub(rows.len());
        Self {
            plugins,
            rows,
            missing,
        }
    }
}

/// A plugin's score as it is shown.
#[must_use]
pub const fn shown(score: &PluginScore, scores: Scores) -> i64 {
    match scores {
        Scores::Weighted => score.weighted(),
        Scores::Normalized => score.normalized,
        Scores::Raw => score.raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Key, Time, Uid};

    fn score(node: &str, parts: &[(&'static str, i64, i64)]) -> NodeScore {
        let plugins: Vec<PluginScore> = parts
            .iter()
            .map(|(plugin, normalized, weight)| PluginScore {
                plugin,
                raw: *normalized,
                normalized: *normalized,
                weight: *weight,
            })
            .collect();
        NodeScore {
            node: node.into(),
            total: plugins.iter().map(PluginScore::weighted).sum(),
            plugins,
        }
    }

    fn decision(scores: Vec<NodeScore>, tied: usize) -> Decision {
        Decision {
            number: 1,
            pod: Key::new("default", "p"),
            uid: Uid::NONE,
            at: Time::ZERO,
            attempt: 1,
            verdict: Verdict::Bound {
                node: scores.first().map_or("only".into(), |s| s.node.clone()),
            },
            nodes: scores.len() + 1,
            feasible: scores.len().max(1),
            scores,
            rejections: vec![Rejection {
                node: "node-10".into(),
                plugin: "NodeResourcesFit",
                reasons: vec!["Insufficient cpu".to_owned()],
                detail: "cpu: 1 wanted, 0 free".to_owned(),
                resolvable: true,
            }],
            histogram: vec![("Insufficient cpu".to_owned(), 1)],
            tied,
            tie_break: 0,
            message: String::new(),
        }
    }

    fn text(decision: &Decision) -> String {
        let lines = why(decision, 200);
        let plain: Vec<String> = lines.iter().map(Line::plain).collect();
        plain.join("\n")
    }

    #[test]
    fn a_win_is_told_with_what_it_was_won_by() {
        let (fit, taints) = ("NodeResourcesFit", "TaintToleration");
        let scores = vec![
            score("a", &[(fit, 60, 1), (taints, 100, 3)]),
            score("b", &[(fit, 90, 1), (taints, 50, 3)]),
        ];
        let text = text(&decision(scores, 1));
        assert_eq!(
            text,
            "Why       a has the highest total, 360; next b 240 (−120)\n\
             By        Taints +150, against Fit −30 (compared with b)\n\
             Total     Fit 60×1 + Taints 100×3 = 360\n\
             Why not   node-10: Insufficient cpu (cpu: 1 wanted, 0 free)"
        );
    }

    #[test]
    fn a_tie_is_told_with_the_lot_that_broke_it() {
        let fit = "NodeResourcesFit";
        let scores = vec![score("a", &[(fit, 60, 1)]), score("b", &[(fit, 60, 1)])];
        let text = text(&decision(scores, 2));
        assert!(
            text.contains("a shares the highest total, 60; next b 60 (equal)"),
            "{text}"
        );
        assert!(
            text.contains("2 nodes share 60: a, b; lot 1 of 2 was drawn"),
            "{text}"
        );
        assert!(
            text.contains("no plugin: every score is the same"),
            "{text}"
        );
    }

    #[test]
    fn the_only_node_that_fits_is_not_scored() {
        let decision = decision(Vec::new(), 1);
        assert!(text(&decision).contains("only is the only node that fits"));
        let table = Filters::read(&decision, None);
        assert_eq!(table.plugins, ["NodeResourcesFit"]);
        let nodes: Vec<_> = table
            .rows
            .iter()
            .map(|row| (&*row.node, row.refused))
            .collect();
        assert_eq!(nodes, [("node-10", Some(0)), ("only", None)]);
    }
}
