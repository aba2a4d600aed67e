//! The built-in workload: what runs inside the built-in image.
