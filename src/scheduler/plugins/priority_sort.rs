//! PrioritySort: the order of the active queue. Higher priority first, then who came earlier.

use std::cmp::Reverse;

use crate::api::Time;

/// A pod's place in the queue; the number, which grows, decides between pods of one instant.
pub type Place = (Reverse<i32>, Time, u64);

/// The place of a pod of a priority that was queued at a time.
#[must_use]
pub const fn place(priority: i32, queued: Time, number: u64) -> Place {
    (Reverse(priority), queued, number)
}
