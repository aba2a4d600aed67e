//! `--fault "10s kill node-2"`: something to do at a time.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    api::{Key, Kind, Name, ObjectRef},
    store::{
        Input, Objects, Subresource, WriteRequest, WriteVerb,
        input::{Fault, FaultRequest, Target},
    },
};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Inject(Fault),
    Heal,
    Cordon(bool),
}

/// Something to do to a node or a pod, so long after the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledFault {
    /// When, from the beginning.
    pub after: Duration,
    action: Action,
    target: Target,
}

impl ScheduledFault {
    /// The input that does it.
    #[must_use]
    pub fn input(&self) -> Input {
        let target = self.target.clone();
        match (self.action, &self.target) {
            (Action::Inject(fault), _) => Input::Fault(FaultRequest::Inject { fault, target }),
            (Action::Cordon(on), Target::Node(node)) => {
                let value = if on {
                    serde_json::json!(true)
                } else {
                    serde_json::Value::Null
                };
                Input::Write(WriteRequest {
                    id: 0,
                    user: Name::from("user"),
                    verb: WriteVerb::MergePatch {
                        target: ObjectRef::new(Kind::Node, Key::cluster(node.clone())),
                        subresource: Subresource::Main,
                        patch: serde_json::json!({"spec": {"unschedulable": value}}),
                    },
                })
            }
            (Action::Heal | Action::Cordon(_), _) => Input::Fault(FaultRequest::Heal { target }),
        }
    }

    /// Whether the topology has what the fault is aimed at. Pods come and go: only nodes are looked up.
    ///
    /// # Errors
    /// It names a node that does not exist.
    pub fn check(&self, objects: &Objects) -> Result<(), String> {
        match &self.target {
            Target::Node(name) if objects.node(name).is_none() => {
                let nodes: Vec<_> = objects.nodes.keys().map(|key| &*key.name).collect();
                Err(format!(
                    "--fault \"{self}\": there is no node `{name}`; there are {}",
                    nodes.join(", ")
                ))
            }
            Target::Node(_) | Target::Pod(_) => Ok(()),
        }
    }
}

impl fmt::Display for ScheduledFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Inject(fault) => fault.as_str(),
            Action::Heal => "heal",
            Action::Cordon(true) => "cordon",
            Action::Cordon(false) => "uncordon",
        };
        write!(f, "{:?} {action} {}", self.after, self.target)
    }
}

impl FromStr for ScheduledFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_whitespace().collect();
        let [after, action, target @ ..] = words.as_slice() else {
            return Err("write when, what and whom: `10s kill node-2`".to_owned());
        };
        let after = super::parse_duration(after)?;
        let action = match *action {
            "kill" => Action::Inject(Fault::Kill),
            "reboot" => Action::Inject(Fault::Reboot),
            "cut-heartbeats" => Action::Inject(Fault::CutHeartbeats),
            "heal" => Action::Heal,
            "cordon" => Action::Cordon(true),
            "uncordon" => Action::Cordon(false),
            other => {
                return Err(format!(
                    "`{other}` is no fault: kill, reboot, cut-heartbeats, heal, cordon, uncordon"
                ));
            }
        };
        let target = match target {
            [one] => match one.split('/').collect::<Vec<_>>().as_slice() {
                ["pod", name] => Target::Pod(Key::new("default", *name)),
                ["pod", namespace, name] => Target::Pod(Key::new(*namespace, *name)),
                ["node", name] | [name] => Target::Node(Name::from(*name)),
                _ => return Err(format!("`{one}` is neither a node nor pod/NAMESPACE/NAME")),
            },
            ["node", name] => Target::Node(Name::from(*name)),
            ["pod", name] => match name.split_once('/') {
                Some((namespace, name)) => Target::Pod(Key::new(namespace, name)),
                None => Target::Pod(Key::new("default", *name)),
            },
            _ => return Err("name one node or one pod: `10s kill node-2`".to_owned()),
        };
        let takes_pods = matches!(action, Action::Inject(Fault::Kill));
        if matches!(target, Target::Pod(_)) && !takes_pods {
            return Err("a pod can only be killed".to_owned());
        }
        Ok(Self {
            after,
            action,
            target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<ScheduledFault>();
        let kill = read("10s kill node-2").unwrap();
        assert_eq!(kill.after, Duration::from_secs(10));
        assert_eq!(kill.target, Target::Node("node-2".into()));
        assert_eq!(read("10s kill node/node-2"), Ok(kill.clone()));
        assert_eq!(read("10s kill node node-2"), Ok(kill));
        let pod = read("1m kill pod/shop/web-0").unwrap();
        assert_eq!(pod.target, Target::Pod(Key::new("shop", "web-0")));
        for bad in [
            "",
            "kill node-2",
            "10s",
            "10s explode node-2",
            "10s kill",
            "10s heal pod/web",
            "10 kill n",
            "1s kill a b c",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
