//! What an image's name says.

/// The name by which specs refer to the workload that kubeplay brings along. A runtime puts its own image in its place.
pub const BUILT_IN_IMAGE: &str = "kubeplay.dev/workload";

/// The tag of an image's name; `latest` if it gives neither tag nor digest, empty if it gives only a digest or is no
/// name of an image (`pkg/util/parsers.ParseImageName`).
#[must_use]
pub fn tag(image: &str) -> &str {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match name[last..].find(':') {
        Some(colon) => (&name[..last + colon], Some(&name[last + colon + 1..])),
        None => (name, None),
    };
    // The registry's name may have capitals, what follows it may not.
    let path = repository.split_once('/').map_or(repository, |(_, p)| p);
    let well_formed = !path.is_empty()
        && path
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b));
    match (tag, digest) {
        _ if !well_formed => "",
        (Some(tag), _) => tag,
        (None, Some(_)) => "",
        (None, None) => "latest",
    }
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn the_tag_is_found_behind_a_port_and_before_a_digest() {
        for (image, expected) in [
            ("nginx", "latest"),
            ("nginx:1.27", "1.27"),
            ("registry:5000/a/b", "latest"),
            ("registry:5000/a/b:v2", "v2"),
            ("nginx@sha256:00", ""),
            ("nginx:1.27@sha256:00", "1.27"),
            ("Nginx", ""),
            ("", ""),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }
}
