//! Addresses of a node's pods: none is given again until it has rested.

use std::{collections::VecDeque, time::Duration};

use crate::api::Time;

/// How long an address rests after its sandbox is gone.
const REST: Duration = Duration::from_secs(60);
/// The last host number of a node's subnet: `.0` is the network, `.1` the gateway, `.255` broadcast.
const LAST_HOST: u8 = 254;

/// The addresses of one node: a /24 of `10.0.0.0/8`, from `10.244.0.0` on, around the Service range.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// The subnet's second and third number.
    subnet: (u8, u8),
    next: u8,
    resting: VecDeque<(Time, u8)>,
}

impl Addresses {
    /// The addresses of a cluster's n-th node.
    pub fn new(node: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "both are below 256")]
        let subnet = (((244 + node / 256) % 256) as u8, (node % 256) as u8);
        Self {
            subnet,
            next: 2,
            resting: VecDeque::new(),
        }
    }

    /// An address that nobody ever had, else the one that has rested longest; none if all are taken or rest.
    pub fn take(&mut self, now: Time) -> Option<u8> {
        if self.next <= LAST_HOST {
            self.next += 1;
            return Some(self.next - 1);
        }
        let (since, host) = self.resting.front().copied()?;
        (since + REST <= now).then(|| {
            self.resting.pop_front();
            host
        })
    }

    /// Lets an address rest.
    pub fn release(&mut self, host: u8, now: Time) {
        self.resting.push_back((now, host));
    }

    /// The address in words.
    pub fn text(&self, host: u8) -> String {
        format!("10.{}.{}.{host}", self.subnet.0, self.subnet.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_rests_a_minute_before_it_is_given_again() {
        let mut addresses = Addresses::new(1);
        let first = addresses.take(Time::ZERO).unwrap();
        assert_eq!(addresses.text(first), "10.244.1.2");
        addresses.release(first, Time::from_secs(5));
        let others = std::iter::from_fn(|| addresses.take(Time::from_secs(64))).count();
        assert_eq!(others, 252);
        assert_eq!(addresses.take(Time::from_secs(65)), Some(first));
    }
}
