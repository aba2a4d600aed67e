//! The cluster's network: a bridge of its own, from which nothing leads out.

use std::{collections::BTreeMap, fs, time::Duration};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};

use super::{
    engine::{Engine, Failure, within},
    labels,
    subnet::{Subnet, candidates, routes},
};

const LIMIT: Duration = Duration::from_secs(30);
/// How many subnets are tried: others make networks at the same time.
const ATTEMPTS: usize = 20;

/// The network of a run.
#[derive(Clone, Debug)]
pub struct Network {
    pub name: String,
    pub subnet: Subnet,
}

/// Makes the network of a run, or finds it.
///
/// # Errors
/// The engine failed, or no subnet is free.
pub async fn ensure(engine: &Engine, run: &str, machine: &str) -> Result<Network, Failure> {
    let name = format!("kubeplay-{run}");
    if let Some(subnet) = find(engine, &name).await? {
        return Ok(Network { name, subnet });
    }
    let taken = taken(engine).await?;
    let mut last = Failure::Other("no subnet is free for the cluster's network".to_owned());
    for subnet in candidates(taken).take(ATTEMPTS) {
        let request = request(&name, subnet, run, machine);
        let creation = engine.docker().create_network(request);
        match within(LIMIT, "create network", creation).await {
            Ok(_) => return Ok(Network { name, subnet }),
            // Somebody took it meanwhile.
            Err(failure @ Failure::Refused { .. }) if failure.to_string().contains("overlaps") => {
                last = failure;
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(last)
}

fn request(name: &str, subnet: Subnet, run: &str, machine: &str) -> NetworkCreateRequest {
    let labels = [
        (labels::OURS, "1"),
        (labels::RUN, run),
        (labels::MACHINE, machine),
    ];
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(true),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.to_string()),
                gateway: Some(subnet.nth(1).to_string()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        labels: Some(
            labels
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
        ),
        ..Default::default()
    }
}

async fn find(engine: &Engine, name: &str) -> Result<Option<Subnet>, Failure> {
    let all = networks(engine).await?;
    Ok(all.get(name).and_then(|subnets| subnets.first().copied()))
}

/// What other networks of the engine and the host's routes use.
async fn taken(engine: &Engine) -> Result<Vec<Subnet>, Failure> {
    let mut taken: Vec<Subnet> = networks(engine).await?.into_values().flatten().collect();
    if engine.is_local() {
        taken.extend(routes(
            &fs::read_to_string("/proc/net/route").unwrap_or_default(),
        ));
    }
    Ok(taken)
}

async fn networks(engine: &Engine) -> Result<BTreeMap<String, Vec<Subnet>>, Failure> {
    let listing = engine.docker().list_networks(None);
    let listing = within(LIMIT, "list networks", listing).await?;
    let subnets = |ipam: Option<Ipam>| {
        let configs = ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        configs
            .into_iter()
            .filter_map(|config| config.subnet?.parse().ok())
            .collect()
    };
    Ok(listing
        .into_iter()
        .map(|network| (network.name.unwrap_or_default(), subnets(network.ipam)))
        .collect())
}
