//! The Docker runtime against a real engine. Where none answers, the tests say so and pass; with
//! `KUBEPLAY_REQUIRE_DOCKER=1` they fail.

mod ends;
mod engine;
pub mod lab;
mod live;
mod outage;
mod verbs;
