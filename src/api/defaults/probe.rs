//! Defaults of probes and lifecycle hooks.

use k8s_openapi::api::core::v1::{HTTPGetAction, Lifecycle, LifecycleHandler, Probe};

/// Sets what a probe leaves open.
pub(super) fn defaults(probe: &mut Probe) {
    // Zero means "not given" in all but the first.
    let or = |slot: &mut Option<i32>, default| {
        if slot.is_none_or(|value| value == 0) {
            *slot = Some(default);
        }
    };
    or(&mut probe.timeout_seconds, 1);
    or(&mut probe.period_seconds, 10);
    or(&mut probe.success_threshold, 1);
    or(&mut probe.failure_threshold, 3);
    probe.initial_delay_seconds = probe.initial_delay_seconds.filter(|delay| *delay != 0);
    if let Some(get) = &mut probe.http_get {
        http_get(get);
    }
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_default();
    }
}

/// Sets what lifecycle hooks leave open.
pub(super) fn lifecycle_defaults(lifecycle: &mut Lifecycle) {
    let of = |handler: &mut Option<LifecycleHandler>| {
        if let Some(get) = handler.as_mut().and_then(|h| h.http_get.as_mut()) {
            http_get(get);
        }
    };
    of(&mut lifecycle.post_start);
    of(&mut lifecycle.pre_stop);
}

fn http_get(get: &mut HTTPGetAction) {
    let path = get.path.get_or_insert_default();
    if path.is_empty() {
        path.push('/');
    }
    get.scheme.get_or_insert_with(|| "HTTP".to_owned());
}
