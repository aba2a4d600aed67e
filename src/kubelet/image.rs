//! Images: what a name means and when it is pulled (`pkg/kubelet/images/image_manager.go`).

use k8s_openapi::api::core::v1::Container;

use crate::api::image::tag;

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// A container's policy; of one that does not say, as the API server's default: `Always` for `:latest`.
    pub fn of(container: &Container) -> Self {
        match container.image_pull_policy.as_deref() {
            Some("Always") => Self::Always,
            Some("Never") => Self::Never,
            Some("IfNotPresent") => Self::IfNotPresent,
            _ => match container.image.as_deref() {
                Some(image) if tag(image) == "latest" => Self::Always,
                _ => Self::IfNotPresent,
            },
        }
    }
}

/// Why a name is no image's, if so (`distribution/reference`). The empty name is the built-in image's.
pub(super) fn invalid_name(image: &str) -> Option<&'static str> {
    const INVALID: &str = "invalid reference format";
    if image.is_empty() {
        return None;
    }
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[slash..].split_once(':') {
        Some((last, tag)) => (&name[..slash + last.len()], Some(tag)),
        None => (name, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if tag.is_some_and(|tag| tag.is_empty() || tag.len() > 128 || !tag.chars().all(word)) {
        return Some(INVALID);
    }
    if digest.is_some_and(|digest| !digest.contains(':')) {
        return Some(INVALID);
    }
    let mut parts = path.split('/').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let host = first && parts.peek().is_some() && part.contains(['.', ':']);
        let inner = if host {
            part.replace(':', "")
        } else {
            part.to_owned()
        };
        let ends = |c: char| c.is_ascii_alphanumeric();
        if inner.is_empty()
            || !inner.chars().all(word)
            || !inner.starts_with(ends)
            || !inner.ends_with(ends)
        {
            return Some(INVALID);
        }
        if !host && inner.chars().any(|c| c.is_ascii_uppercase()) {
            return Some("invalid reference format: repository name must be lowercase");
        }
        first = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_images_or_not() {
        for (name, valid) in [
            ("", true),
            ("nginx", true),
            ("nginx:1.27-alpine", true),
            ("registry.example.com:5000/shop/web:v1", true),
            ("nginx@sha256:0123", true),
            ("Nginx", false),
            ("shop/Web:1", false),
            ("nginx:", false),
            ("a b", false),
            ("/nginx", false),
            ("nginx:a:b", false),
            ("-web", false),
        ] {
            assert_eq!(invalid_name(name).is_none(), valid, "{name:?}");
        }
    }

    #[test]
    fn latest_is_always_pulled_unless_the_container_says_otherwise() {
        let policy = |image: &str, policy: Option<&str>| {
            PullPolicy::of(&Container {
                image: Some(image.to_owned()),
                image_pull_policy: policy.map(str::to_owned),
                ..Container::default()
            })
        };
        assert_eq!(policy("nginx", None), PullPolicy::Always);
        assert_eq!(policy("localhost:5000/nginx", None), PullPolicy::Always);
        assert_eq!(policy("nginx:1", None), PullPolicy::IfNotPresent);
        assert_eq!(policy("nginx@sha256:01", None), PullPolicy::IfNotPresent);
        assert_eq!(policy("nginx", Some("Never")), PullPolicy::Never);
        assert_eq!(policy("", None), PullPolicy::IfNotPresent);
    }
}
