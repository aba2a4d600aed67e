//! Cluster addresses and node ports of services (`pkg/registry/core/service/{ipallocator,portallocator}`).
//!
//! What is taken is read from the services themselves: there is nothing to repair. Free ones are drawn by key, from the
//! upper part of the range first, as upstream does, so that addresses chosen by hand (usually low ones) stay free.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use k8s_openapi::api::core::v1::ServiceSpec;

use super::Store;
use crate::api::{ApiError, Key, Kind, Object, Reason, error::FieldError};

/// The range of services' addresses, upstream's default of its tools: 10.96.0.0/12.
const RANGE_START: u32 = 0x0a60_0000;
const RANGE_BITS: u32 = 12;
/// How many addresses at the start are handed out last.
const STATIC_ADDRESSES: u32 = 256;

/// The range of node ports, upstream's default.
const PORTS: std::ops::RangeInclusive<i32> = 30_000..=32_767;
/// How many ports at the start are handed out last.
const STATIC_PORTS: i32 = 86;

/// What of the addresses and ports other services hold.
struct Taken {
    addresses: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<(i32, String)>,
}

impl Store {
    /// Gives a service that is written the addresses and node ports that it needs and does not have.
    ///
    /// # Errors
    /// One that it asks for is taken or not in the range, or none is left.
    pub(super) fn allocate(&self, object: &mut Object) -> Result<(), ApiError> {
        let Object::Service(service) = object else {
            return Ok(());
        };
        let service = Arc::make_mut(service);
        let key = crate::api::Resource::key(service);
        let taken = self.taken(&key);
        let Some(spec) = &mut service.spec else {
            return Ok(());
        };
        let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
        let (needs_address, needs_ports) = match kind {
            "ExternalName" => (false, false),
            "NodePort" => (true, true),
            "LoadBalancer" => (true, spec.allocate_load_balancer_node_ports != Some(false)),
            _ => (true, false),
        };
        if needs_address {
            self.allocate_address(&key, spec, &taken)?;
        }
        self.allocate_ports(&key, spec, &taken, needs_ports)
    }

    /// What all services but one hold.
    fn taken(&self, key: &Key) -> Taken {
        let others = self
            .objects
            .services
            .iter()
            .filter(|(other, _)| *other != key);
        let specs: Vec<&ServiceSpec> = others.filter_map(|(_, s)| s.spec.as_ref()).collect();
        let addresses = specs
            .iter()
            .filter_map(|spec| spec.cluster_ip.as_ref()?.parse().ok());
        let ports = specs.iter().flat_map(|spec| spec.ports.iter().flatten());
        let ports = ports.filter_map(|port| Some((port.node_port?, protocol(&port.protocol))));
        Taken {
            addresses: addresses.collect(),
            ports: ports.collect(),
        }
    }

    fn allocate_address(
        &self,
        key: &Key,
        spec: &mut ServiceSpec,
        taken: &Taken,
    ) -> Result<(), ApiError> {
        match spec.cluster_ip.as_deref() {
            Some("None") => return Ok(()),
            Some(text) => {
                let address: Option<Ipv4Addr> = text.parse().ok();
                let problem = match address {
                    Some(address) if !in_range(address) => Some(format!(
                        "the provided IP ({text}) is not in the valid range. The range of valid IPs is {}/{RANGE_BITS}",
                        Ipv4Addr::from(RANGE_START)
                    )),
                    Some(address) if taken.addresses.contains(&address) => {
                        Some("provided IP is already allocated".to_owned())
                    }
                    _ => None, // not an address: validation has said so
                };
                return problem.map_or(Ok(()), |problem| {
                    let value = serde_json::json!([text]);
                    let message = format!("failed to allocate IP {text}: {problem}");
                    Err(invalid(key, "spec.clusterIPs", &value, &message))
                });
            }
            None => {}
        }
        let name = key.to_string();
        let size = 1 << (32 - RANGE_BITS);
        // The first address is the network's, the last one the broadcast's.
        let (low, high) = (1, size - 2);
        let dynamic = u64::from(high - STATIC_ADDRESSES + 1);
        let draw = self
            .random
            .below(dynamic, "service-address", &name, self.log.next_seq());
        let start = STATIC_ADDRESSES + u32::try_from(draw).unwrap_or(0);
        let order = (start..=high)
            .chain((STATIC_ADDRESSES..start).rev())
            .chain((low..STATIC_ADDRESSES).rev());
        let mut free = order
            .map(|offset| Ipv4Addr::from(RANGE_START + offset))
            .filter(|address| !taken.addresses.contains(address));
        let address = free.next().ok_or_else(|| full("a serviceIP"))?.to_string();
        spec.cluster_ips = Some(vec![address.clone()]);
        spec.cluster_ip = Some(address);
        Ok(())
    }

    fn allocate_ports(
        &self,
        key: &Key,
        spec: &mut ServiceSpec,
        taken: &Taken,
        needs_ports: bool,
    ) -> Result<(), ApiError> {
        let name = key.to_string();
        let mut own = BTreeSet::new();
        for (index, port) in spec.ports.iter_mut().flatten().enumerate() {
            let protocol = protocol(&port.protocol);
            if let Some(number) = port.node_port {
                let problem = if !PORTS.contains(&number) {
                    format!(
                        "provided port is not in the valid range. The range of valid ports is {}-{}",
                        PORTS.start(),
                        PORTS.end()
                    )
                } else if taken.ports.contains(&(number, protocol)) {
                    "provided port is already allocated".to_owned()
                } else {
                    own.insert(number);
                    continue;
                };
                let field = format!("spec.ports[{index}].nodePort");
                return Err(invalid(key, &field, &number.into(), &problem));
            }
            if !needs_ports {
                continue;
            }
            let first = PORTS.start() + STATIC_PORTS;
            let dynamic = u64::try_from(PORTS.end() - first + 1).unwrap_or(1);
            let counter = self.log.next_seq().wrapping_add(index as u64);
            let draw = self.random.below(dynamic, "node-port", &name, counter);
            let start = first + i32::try_from(draw).unwrap_or(0);
            let order = (start..=*PORTS.end()).chain((*PORTS.start()..start).rev());
            let is_free = |number: &i32| {
                let busy = ["TCP", "UDP", "SCTP"].map(|p| (*number, p.to_owned()));
                !own.contains(number) && !busy.iter().any(|pair| taken.ports.contains(pair))
            };
            let number = order.into_iter().find(is_free);
            let number = number.ok_or_else(|| full("a nodePort"))?;
            own.insert(number);
            port.node_port = Some(number);
        }
        Ok(())
    }
}

fn protocol(protocol: &Option<String>) -> String {
    protocol.clone().unwrap_or_else(|| "TCP".to_owned())
}

fn in_range(address: Ipv4Addr) -> bool {
    u32::from(address) >> (32 - RANGE_BITS) == RANGE_START >> (32 - RANGE_BITS)
}

fn full(what: &str) -> ApiError {
    ApiError::new(
        Reason::InternalError,
        format!("Internal error occurred: failed to allocate {what}: range is full"),
    )
}

fn invalid(key: &Key, field: &str, value: &serde_json::Value, message: &str) -> ApiError {
    let error = FieldError {
        reason: "FieldValueInvalid".to_owned(),
        field: field.to_owned(),
        message: format!("Invalid value: {value}: {message}"),
    };
    ApiError::invalid(Kind::Service, &key.name, vec![error])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::Time,
        store::{Config, Preset, Timing, WriteVerb, input::Written, write::Author},
    };

    fn store() -> Store {
        let mut store = Store::new(&Config::new("test", 1, Preset::Fast));
        store.bootstrap();
        store
    }

    fn create(store: &mut Store, name: &str, spec: serde_json::Value) -> Result<Written, ApiError> {
        let value = serde_json::json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
        let object = crate::api::codec::from_any(value)?;
        let author = Author {
            by: "test",
            at: Time::ZERO,
            cause: 0,
        };
        let timing = Timing::preset(Preset::Fast);
        store.write(&WriteVerb::Create(object), &timing, author)
    }

    fn spec(written: &Written) -> ServiceSpec {
        let Object::Service(service) = &written.object else {
            panic!("no service");
        };
        service.spec.clone().unwrap()
    }

    #[test]
    fn an_address_is_drawn_from_the_range_and_never_twice() {
        let mut store = store();
        let mut seen = BTreeSet::new();
        for index in 0..300 {
            let ports = serde_json::json!({"ports": [{"port": 80}]});
            let written = create(&mut store, &format!("s{index}"), ports).unwrap();
            let address: Ipv4Addr = spec(&written).cluster_ip.unwrap().parse().unwrap();
            assert!(in_range(address) && seen.insert(address));
        }
    }

    #[test]
    fn what_is_taken_or_outside_is_refused_in_upstreams_words() {
        let mut store = store();
        let service = |address: &str, port: i32| {
            serde_json::json!({"type": "NodePort", "clusterIP": address,
                "ports": [{"port": 80, "nodePort": port}]})
        };
        create(&mut store, "a", service("10.96.0.10", 30_080)).unwrap();
        for (address, port, expected) in [
            (
                "10.96.0.10",
                30_081,
                "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.10\"]: failed to allocate IP 10.96.0.10: provided IP is already allocated",
            ),
            (
                "10.0.0.1",
                30_081,
                "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.0.0.1\"]: failed to allocate IP 10.0.0.1: the provided IP (10.0.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12",
            ),
            (
                "10.96.0.11",
                30_080,
                "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated",
            ),
        ] {
            let refused = create(&mut store, "b", service(address, port)).unwrap_err();
            assert_eq!(refused.message, expected);
        }
    }

    #[test]
    fn when_every_node_port_is_taken_the_next_service_is_refused() {
        let mut store = store();
        let ports: Vec<_> = PORTS
            .map(|number| serde_json::json!({"name": format!("p{number}"), "port": number, "nodePort": number}))
            .collect();
        let all = serde_json::json!({"type": "NodePort", "ports": ports});
        create(&mut store, "all", all).unwrap();
        let one = serde_json::json!({"type": "NodePort", "ports": [{"port": 80}]});
        let refused = create(&mut store, "one", one).unwrap_err();
        assert_eq!(
            refused.message,
            "Internal error occurred: failed to allocate a nodePort: range is full"
        );
    }
}
