//! The in-tree plugins (`pkg/scheduler/framework/plugins`), a file each.

mod default_binder;
mod default_preemption;
mod dynamic_resources;
mod image_locality;
mod node_affinity;
mod node_name;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
mod priority_sort;
mod scheduling_gates;
mod taint_toleration;

pub use default_binder::bind;
pub use default_preemption::DefaultPreemption;
pub use dynamic_resources::DynamicResources;
pub use image_locality::ImageLocality;
pub use node_affinity::NodeAffinity;
pub use node_name::NodeName;
pub use node_resources_balanced_allocation::NodeResourcesBalancedAllocation;
pub use node_resources_fit::NodeResourcesFit;
pub use node_unschedulable::NodeUnschedulable;
pub use priority_sort::{Place, place};
pub use scheduling_gates::SchedulingGates;
pub use taint_toleration::TaintToleration;
