//! The verbs of images: what the engine has, what it can pull, and the built-in one.

use std::{collections::BTreeMap, time::Duration};

use bollard::{models::CreateImageInfo, query_parameters::CreateImageOptionsBuilder};
use futures_util::StreamExt;

use super::{
    engine::{Failure, within},
    shared::Shared,
};
use crate::{
    api::{Name, image::BUILT_IN_IMAGE},
    store::runtime::{Answer, Report, RuntimeError, RuntimeErrorKind},
};

const INSPECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a pull may make no progress.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);

impl Shared {
    /// Whether the engine has an image. The built-in one is packed if need be.
    pub async fn image_status(&self, image: &str) -> Result<Answer, RuntimeError> {
        let reference = match image {
            BUILT_IN_IMAGE => self.built_in().await?,
            image => image.to_owned(),
        };
        let inspect = self.engine.docker().inspect_image(&reference);
        match within(INSPECT_LIMIT, "inspect image", inspect).await {
            Ok(found) => Ok(Answer::Image {
                present: true,
                id: found.id.unwrap_or_default(),
                size_bytes: found.size.and_then(|n| n.try_into().ok()).unwrap_or(0),
            }),
            Err(failure) if failure.status() == Some(404) => Ok(Answer::Image {
                present: false,
                id: String::new(),
                size_bytes: 0,
            }),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Has the engine pull an image.
    pub async fn pull_image(&self, image: &str) -> Result<Answer, RuntimeError> {
        if image != BUILT_IN_IMAGE {
            self.pull(image).await.map_err(of_pull)?;
        }
        self.image_status(image).await
    }

    async fn pull(&self, image: &str) -> Result<(), Failure> {
        let (name, tag) = split(image);
        let mut options = CreateImageOptionsBuilder::new().from_image(name);
        if let Some(tag) = tag {
            options = options.tag(tag);
        }
        let docker = self.engine.docker();
        let mut pull = docker.create_image(Some(options.build()), None, None);
        let mut layers = Layers::default();
        loop {
            let next = async { pull.next().await.transpose() };
            let Some(info) = within(SILENCE_LIMIT, "pull image", next).await? else {
                return Ok(());
            };
            if let Some(message) = info.error_detail.as_ref().and_then(|e| e.message.clone()) {
                return Err(Failure::Refused {
                    status: 500,
                    message,
                });
            }
            if let Some((done, total)) = layers.note(&info) {
                self.report(Report::Progress {
                    what: Name::from(image),
                    done,
                    total,
                });
            }
        }
    }
}

/// How far the layers of an image have come.
#[derive(Default)]
struct Layers {
    layers: BTreeMap<String, (u64, u64)>,
    /// The last percentage that was told.
    told: Option<u64>,
}

impl Layers {
    /// Notes a message of the engine. Returns done and total when there is something new to tell.
    fn note(&mut self, info: &CreateImageInfo) -> Option<(u64, u64)> {
        let detail = info.progress_detail.as_ref()?;
        if info.status.as_deref() != Some("Downloading") {
            return None;
        }
        let done = u64::try_from(detail.current?).ok()?;
        let total = u64::try_from(detail.total?).ok()?;
        self.layers.insert(info.id.clone()?, (done, total));
        let (done, total) = self
            .layers
            .values()
            .fold((0, 0), |(d, t), layer| (d + layer.0, t + layer.1));
        let percent = (done * 100).checked_div(total)?;
        (self.told.replace(percent) != Some(percent)).then_some((done, total))
    }
}

/// An image's name and its tag, which is `latest` if it has none. A digest is part of the name.
fn split(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    match image.rsplit_once(':') {
        // A colon before a slash is that of a port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, Some("latest")),
    }
}

/// A registry says by its words that an image does not exist.
fn of_pull(failure: Failure) -> RuntimeError {
    const MISSING: [&str; 4] = [
        "not found",
        "manifest unknown",
        "does not exist",
        "pull access denied",
    ];
    const MALFORMED: [&str; 2] = ["invalid reference format", "invalid tag format"];
    let message = failure.to_string();
    let says = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
    let kind = match &failure {
        Failure::Refused { .. } if says(&MALFORMED) => RuntimeErrorKind::Invalid,
        Failure::Refused { status: 404, .. } => RuntimeErrorKind::NotFound,
        Failure::Refused { .. } if says(&MISSING) => RuntimeErrorKind::NotFound,
        _ => RuntimeErrorKind::Unavailable,
    };
    RuntimeError { kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        let rows = [
            ("nginx", ("nginx", Some("latest"))),
            ("nginx:1.22", ("nginx", Some("1.22"))),
            ("host:5000/a/b", ("host:5000/a/b", Some("latest"))),
            ("host:5000/a/b:c", ("host:5000/a/b", Some("c"))),
            ("nginx@sha256:0123", ("nginx@sha256:0123", None)),
        ];
        for (image, expected) in rows {
            assert_eq!(split(image), expected, "{image}");
        }
    }

    #[test]
    fn a_failed_pull_says_whether_the_image_exists() {
        let rows = [
            (
                "pull access denied for nope, repository does not exist or may require 'docker login'",
                RuntimeErrorKind::NotFound,
            ),
            (
                "manifest for nginx:9 not found: manifest unknown",
                RuntimeErrorKind::NotFound,
            ),
            ("invalid reference format", RuntimeErrorKind::Invalid),
            ("dial tcp: i/o timeout", RuntimeErrorKind::Unavailable),
        ];
        for (message, kind) in rows {
            let failure = Failure::Refused {
                status: 500,
                message: message.to_owned(),
            };
            assert_eq!(of_pull(failure).kind, kind, "{message}");
        }
    }
}
