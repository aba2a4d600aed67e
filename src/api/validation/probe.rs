//! Rules of probes and lifecycle hooks.

use k8s_openapi::{
    api::core::v1::{Lifecycle, LifecycleHandler, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{field::Errors, names};

/// A probe; `once` if one success must be enough (liveness, startup).
pub(super) fn probe(path: &str, probe: &Probe, once: bool, errors: &mut Errors) {
    let handlers = [
        ("exec", probe.exec.is_some()),
        ("httpGet", probe.http_get.is_some()),
        ("tcpSocket", probe.tcp_socket.is_some()),
        ("grpc", probe.grpc.is_some()),
    ];
    only_one(path, &handlers, errors);
    if let Some(exec) = &probe.exec
        && exec.command.as_ref().is_none_or(Vec::is_empty)
    {
        errors.required(&format!("{path}.exec.command"), "");
    }
    if let Some(get) = &probe.http_get {
        port(&format!("{path}.httpGet.port"), &get.port, errors);
    }
    if let Some(socket) = &probe.tcp_socket {
        port(&format!("{path}.tcpSocket.port"), &socket.port, errors);
    }
    if let Some(grpc) = &probe.grpc {
        port(
            &format!("{path}.grpc.port"),
            &IntOrString::Int(grpc.port),
            errors,
        );
    }
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        errors.not_negative(&format!("{path}.{field}"), value.map(i64::from));
    }
    if let Some(successes) = probe.success_threshold.filter(|n| once && *n != 1) {
        errors.invalid(&format!("{path}.successThreshold"), successes, "must be 1");
    }
}

fn only_one(path: &str, handlers: &[(&str, bool)], errors: &mut Errors) {
    let mut given = handlers.iter().filter(|(_, given)| *given);
    if given.next().is_none() {
        errors.required(path, "must specify a handler type");
    }
    for (name, _) in given {
        let path = format!("{path}.{name}");
        errors.forbidden(&path, "may not specify more than 1 handler type");
    }
}

/// A port's number or name.
pub(super) fn port(path: &str, port: &IntOrString, errors: &mut Errors) {
    match port {
        IntOrString::Int(1..=65_535) => {}
        IntOrString::Int(number) => {
            errors.invalid(path, *number, "must be between 1 and 65535, inclusive");
        }
        IntOrString::String(name) => errors.invalid_each(path, name, names::port(name)),
    }
}

pub(super) fn lifecycle(path: &str, lifecycle: &Lifecycle, errors: &mut Errors) {
    let mut check = |field: &str, handler: &Option<LifecycleHandler>| {
        if let Some(handler) = handler {
            let handlers = [
                ("exec", handler.exec.is_some()),
                ("httpGet", handler.http_get.is_some()),
                ("tcpSocket", handler.tcp_socket.is_some()),
                ("sleep", handler.sleep.is_some()),
            ];
            only_one(&format!("{path}.{field}"), &handlers, errors);
        }
    };
    check("postStart", &lifecycle.post_start);
    check("preStop", &lifecycle.pre_stop);
}
