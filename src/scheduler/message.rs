//! The text of a failure (`FitError` in `pkg/scheduler/framework/types.go`).

/// What is said when there is not one node.
pub const NO_NODES: &str = "no nodes available to schedule pods";

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`: the reasons with their counts, sorted as
/// text.
pub fn no_node_available<R: AsRef<str>>(
    nodes: usize,
    reasons: impl IntoIterator<Item = (R, usize)>,
) -> String {
    let counted = reasons.into_iter().filter(|(_, count)| *count > 0);
    let mut texts: Vec<_> = counted
        .map(|(reason, count)| format!("{count} {}", reason.as_ref()))
        .collect();
    texts.sort();
    let mut message = format!("0/{nodes} nodes are available:");
    if !texts.is_empty() {
        message.push_str(&format!(" {}.", texts.join(", ")));
    }
    message
}

/// An event's message may have 1024 bytes.
#[must_use]
pub fn truncated(message: &str) -> String {
    const LIMIT: usize = 1024;
    const SUFFIX: &str = " ...";
    if message.len() <= LIMIT {
        return message.to_owned();
    }
    let ends = (0..=LIMIT - SUFFIX.len()).rev();
    let end = ends
        .into_iter()
        .find(|end| message.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}{SUFFIX}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sorted_as_text_so_that_ten_comes_before_two() {
        let reasons = [
            ("Insufficient cpu", 2),
            ("Too many pods", 10),
            ("nothing", 0),
        ];
        assert_eq!(
            no_node_available(12, reasons),
            "0/12 nodes are available: 10 Too many pods, 2 Insufficient cpu."
        );
    }

    #[test]
    fn a_long_message_is_cut_where_an_event_ends() {
        let cut = truncated(&"é".repeat(1000));
        assert!(cut.len() <= 1024 && cut.ends_with("é ..."), "{}", cut.len());
        assert_eq!(truncated("short"), "short");
    }
}
