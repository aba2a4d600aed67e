//! Topologies (TOML) and manifests (YAML) to plain Kubernetes objects.
