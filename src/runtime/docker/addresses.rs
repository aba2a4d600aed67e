//! Pods' addresses. Docker hands out an address again right after its container is gone, which would send a dead pod's
//! traffic to a new one: so kubeplay allocates them itself, and lets each rest.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use super::subnet::Subnet;
use crate::store::runtime::SandboxId;

/// How long an address is nobody's after it was somebody's.
const REST: Duration = Duration::from_secs(60);
/// The first addresses of a subnet are the gateway's and the system's.
const RESERVED: u32 = 10;

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    Sandbox(SandboxId),
    /// A sandbox that was made ahead, by its number.
    Warm(u64),
}

/// The addresses of one subnet.
#[derive(Debug)]
pub struct Addresses {
    subnet: Subnet,
    /// Offset of the first address that nobody ever had.
    fresh: u32,
    held: BTreeMap<Holder, Ipv4Addr>,
    /// Given back, oldest first.
    resting: VecDeque<(Instant, Ipv4Addr)>,
}

impl Addresses {
    /// All addresses of a subnet, free.
    pub const fn new(subnet: Subnet) -> Self {
        Self {
            subnet,
            fresh: RESERVED,
            held: BTreeMap::new(),
            resting: VecDeque::new(),
        }
    }

    /// The address of a sandbox: always the same while it has it. None if all are taken or rest.
    pub fn allocate(&mut self, holder: Holder, now: Instant) -> Option<Ipv4Addr> {
        if let Some(held) = self.held.get(&holder) {
            return Some(*held);
        }
        let address = if self.fresh + 1 < self.subnet.size() {
            self.fresh += 1;
            self.subnet.nth(self.fresh - 1)
        } else {
            let (since, _) = self.resting.front()?;
            if now.saturating_duration_since(*since) < REST {
                return None;
            }
            self.resting.pop_front()?.1
        };
        self.held.insert(holder, address);
        Some(address)
    }

    /// The address that a sandbox has.
    pub fn get(&self, sandbox: SandboxId) -> Option<Ipv4Addr> {
        self.held.get(&Holder::Sandbox(sandbox)).copied()
    }

    /// A sandbox that was made ahead becomes a pod's.
    pub fn hand_over(&mut self, warm: u64, sandbox: SandboxId) {
        if let Some(address) = self.held.remove(&Holder::Warm(warm)) {
            self.held.insert(Holder::Sandbox(sandbox), address);
        }
    }

    /// Takes a sandbox's address back.
    pub fn release(&mut self, holder: Holder, now: Instant) {
        if let Some(address) = self.held.remove(&holder) {
            self.resting.push_back((now, address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Uid;

    fn id(pod: u128) -> SandboxId {
        SandboxId {
            pod: Uid(pod),
            attempt: 0,
        }
    }

    fn sandbox(pod: u128) -> Holder {
        Holder::Sandbox(id(pod))
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "some moment")]
    fn a_sandbox_that_was_made_ahead_brings_its_address() {
        let now = Instant::now();
        let mut addresses = Addresses::new("10.1.0.0/28".parse().unwrap());
        let address = addresses.allocate(Holder::Warm(7), now);
        assert_eq!(addresses.get(id(1)), None);
        addresses.hand_over(7, id(1));
        assert_eq!(addresses.get(id(1)), address);
        assert_eq!(addresses.allocate(sandbox(1), now), address);
        assert_ne!(addresses.allocate(Holder::Warm(7), now), address);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "some moment to begin at")]
    fn an_address_rests_for_a_minute_before_somebody_else_gets_it() {
        let start = Instant::now();
        // 16 addresses: 10 reserved, the last one is the broadcast address, 5 are left.
        let mut addresses = Addresses::new("10.1.0.0/28".parse().unwrap());
        let first = addresses.allocate(sandbox(1), start).unwrap();
        assert_eq!(first, Ipv4Addr::new(10, 1, 0, 10));
        assert_eq!(addresses.allocate(sandbox(1), start), Some(first));
        addresses.release(sandbox(1), start);
        for pod in 2..=5 {
            let address = addresses.allocate(sandbox(pod), start).unwrap();
            assert_ne!(address, first);
        }
        let soon = start + Duration::from_secs(59);
        assert_eq!(addresses.allocate(sandbox(6), soon), None);
        let later = start + Duration::from_secs(60);
        assert_eq!(addresses.allocate(sandbox(6), later), Some(first));
        assert_eq!(addresses.allocate(sandbox(7), later), None);
    }
}
