//! Topologies: a TOML file that expands to plain Kubernetes objects, manifests beside it or instead of it, and messages
//! that say exactly what is wrong where.
//!
//! Nothing stops at the first mistake: every reader notes what it finds in a [`source::Report`] and goes on. The
//! format is described in `docs/topology.md`.

use std::{path::Path, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use toml::de::DeTable;

pub use self::source::{Problem, Problems};
use self::{
    made::{Made, Origin},
    section::{Document, Section},
    source::{Report, Source},
};
use crate::{
    api::{Kind, Namespace, Object, Quantity},
    store::{Config, Preset, Timing, bootstrap},
};

mod checks;
mod cluster;
mod deployments;
mod files;
mod made;
mod manifest;
mod nodes;
mod section;
mod services;
mod source;
mod suggest;
mod summary;
mod taints;
mod units;
mod yaml;

/// The demos that come with kubeplay: name and text.
pub const DEMOS: [(&str, &str); 3] = [
    ("shop.toml", include_str!("../demo/shop.toml")),
    ("zones.toml", include_str!("../demo/zones.toml")),
    ("tiny.toml", include_str!("../demo/tiny.toml")),
];

/// Reads a file that a topology names, by the name that it gives; answers the name to call it by, and its text.
pub type Loader<'l> = dyn Fn(&str) -> Result<(String, String), String> + 'l;

/// What a run is started with.
#[derive(Clone, Debug)]
pub struct Topology {
    pub config: Config,
    /// The objects, in an order in which they can be created. A Node's runtime, unless it is left to kubeplay, is in its
    /// annotation [`RUNTIME_ANNOTATION`](crate::store::config::RUNTIME_ANNOTATION).
    pub objects: Vec<Object>,
    /// What is worth a remark, a line each.
    pub warnings: Vec<String>,
    /// The timing constants that the file sets itself.
    overrides: Vec<(&'static str, u64)>,
}

impl Topology {
    /// Takes another preset; what the file sets itself stays.
    pub fn set_preset(&mut self, preset: Preset) {
        self.config.preset = preset;
        self.config.timing = Timing::preset(preset);
        for (key, value) in &self.overrides {
            self.config.timing.set(key, *value);
        }
    }

    /// What would be created, in a few lines.
    #[must_use]
    pub fn summary(&self) -> String {
        summary::of(self)
    }

    /// The sum of what the nodes have of a resource.
    fn capacity(&self, resource: &str) -> Quantity {
        let of = |object: &Object| match object {
            Object::Node(node) => {
                let status = node.status.as_ref();
                let amount = status.and_then(|s| s.allocatable.as_ref()?.get(resource));
                amount.map(Quantity::of)
            }
            _ => None,
        };
        let amounts = self.objects.iter().filter_map(of);
        amounts.fold(Quantity::ZERO, Quantity::plus)
    }
}

/// The built-in demo.
///
/// # Errors
/// None: a test loads every demo.
pub fn demo() -> Result<Topology, Problems> {
    let [(name, text), ..] = DEMOS;
    parse(name, text, &|_| Err("a demo has no manifests".to_owned()))
}

/// Reads a topology from a file: TOML, or a manifest if its name ends so.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Topology, Problems> {
    let name = path.display().to_string();
    let text = files::read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&name, &text, &|file| {
        let path = folder.join(file);
        let text = files::read(&path).map_err(|problem| problem.message().to_owned())?;
        Ok((path.display().to_string(), text))
    })
}

/// Reads a topology from a text: TOML, or a manifest if its name ends in `.yaml`, `.yml` or `.json`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(name: &str, text: &str, loader: &Loader<'_>) -> Result<Topology, Problems> {
    let report = Report::default();
    let source = Source::new(name, text);
    let stem = Path::new(name).file_stem().unwrap_or_default();
    let mut config = Config::new(&*stem.to_string_lossy(), 1, Preset::default());
    let mut overrides = Vec::new();
    let mut made = if is_manifest(name) {
        let mut made = manifest::read(&source, &report);
        add_default_nodes(&mut made, &source);
        made
    } else {
        let doc = Document {
            source: &source,
            report: &report,
        };
        read_toml(doc, loader, &mut config, &mut overrides)
    };
    made.retain(|one| !checks::is_systems_own(&one.object));
    imply_namespaces(&mut made);
    checks::check(&made, &report);
    made.sort_by_key(|one| one.object.kind());
    let objects = made.into_iter().map(|one| one.object).collect();
    Ok(Topology {
        warnings: report.finish()?,
        config,
        objects,
        overrides,
    })
}

/// Whether a file is a manifest, by its name.
fn is_manifest(name: &str) -> bool {
    let extension = Path::new(name).extension().unwrap_or_default();
    ["yaml", "yml", "json"]
        .iter()
        .any(|known| extension == *known)
}

fn origin_of_file(source: &Arc<Source>) -> Origin {
    Origin {
        source: Arc::clone(source),
        span: 0..0,
        fields: made::Fields::Known(Vec::new()),
    }
}

fn read_toml(
    doc: Document<'_>,
    loader: &Loader<'_>,
    config: &mut Config,
    overrides: &mut Vec<(&'static str, u64)>,
) -> Vec<Made> {
    let (table, errors) = DeTable::parse_recoverable(doc.source.text());
    if !errors.is_empty() {
        // One mistake often makes several errors: the first of each line says what is wrong.
        let mut lines = Vec::new();
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            let line = doc.source.line(span.start);
            if !lines.contains(&line) {
                doc.problem(span, error.message());
                lines.push(line);
            }
        }
        return Vec::new();
    }
    let mut root = Section::new(doc, "a topology", table.get_ref(), 0..0);
    if let Some(section) = root.section("cluster", "[cluster]") {
        *overrides = cluster::read(section, config);
    }
    let mut made = Vec::new();
    for section in root.sections("nodes", "[[nodes]]") {
        let span = section.span.clone();
        made.extend(nodes::group(section));
        if made.len() > nodes::MOST_NODES {
            let most = nodes::MOST_NODES;
            doc.problem(span, format!("more than {most} nodes in all"));
            made.truncate(most);
        }
    }
    let classes = root.sections("priority_classes", "[[priority_classes]]");
    made.extend(classes.into_iter().filter_map(services::priority_class));
    let config_maps = root.sections("config_maps", "[[config_maps]]");
    made.extend(config_maps.into_iter().filter_map(services::config_map));
    let services = root.sections("services", "[[services]]");
    made.extend(services.into_iter().filter_map(services::service));
    let deployments = root.sections("deployments", "[[deployments]]");
    made.extend(deployments.into_iter().filter_map(deployments::deployment));
    for file in root
        .texts("manifests")
        .map_or_else(Vec::new, |list| list.value)
    {
        match loader(file.value) {
            Ok((name, text)) => made.extend(manifest::read(&Source::new(name, text), doc.report)),
            Err(error) => doc.problem(file.span, format!("`{}`: {error}", file.value)),
        }
    }
    if root.raw("nodes").is_none() {
        add_default_nodes(&mut made, doc.source);
    }
    root.finish();
    made
}

/// A cluster whose files say nothing of nodes gets some.
fn add_default_nodes(made: &mut Vec<Made>, source: &Arc<Source>) {
    if !made.iter().any(|one| one.object.kind() == Kind::Node) {
        made.extend(nodes::default_nodes(&origin_of_file(source)));
    }
}

/// Adds the namespaces that objects name and nobody makes.
fn imply_namespaces(made: &mut Vec<Made>) {
    let mut known: Vec<String> = bootstrap::NAMESPACES.map(str::to_owned).into();
    let namespaces = made
        .iter()
        .filter(|one| one.object.kind() == Kind::Namespace);
    known.extend(namespaces.map(|one| one.object.key().name.to_string()));
    let mut implied = Vec::new();
    for one in made.iter() {
        let name = one.object.key().namespace.to_string();
        if name.is_empty() || known.contains(&name) {
            continue;
        }
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let mut origin = origin_of_file(&one.origin.source);
        origin.span = one.origin.find("metadata.namespace");
        implied.push(Made {
            object: Object::of(namespace),
            origin,
            implied: true,
        });
        known.push(name);
    }
    made.extend(implied);
}
