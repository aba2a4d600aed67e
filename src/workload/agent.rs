//! The agent of a sandbox: the first process of a pod's network. It learns by a line on its standard input whose
//! sandbox it is, if that was made ahead, and writes the files that say so.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// What the agent answers when it has done what it was told.
pub const DONE: &str = "done";

/// Whose a sandbox is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub hostname: String,
    pub ip: String,
}

impl Identity {
    /// As a line for the agent.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Two strings always serialise.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// The hosts file of a pod, as kubelet writes it (`managedHostsFileContent`).
    fn hosts(&self) -> String {
        let mut text = String::from("# Kubernetes-managed hosts file.\n");
        let fixed = [
            ("127.0.0.1", "localhost"),
            ("::1", "localhost ip6-localhost ip6-loopback"),
            ("fe00::0", "ip6-localnet"),
            ("fe00::0", "ip6-mcastprefix"),
            ("fe00::1", "ip6-allnodes"),
            ("fe00::2", "ip6-allrouters"),
            (&self.ip, &self.hostname),
        ];
        for (address, names) in fixed {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{address}\t{names}");
        }
        text
    }

    /// Writes the files of a container's `/etc`. They are mounts, so they are written in place.
    fn write(&self, etc: &Path) -> io::Result<()> {
        fs::write(etc.join("hostname"), format!("{}\n", self.hostname))?;
        fs::write(etc.join("hosts"), self.hosts())
    }
}

/// Does what it is told, line by line, until nobody tells it anything any more.
pub fn obey(orders: impl BufRead, mut answers: impl Write, etc: &Path) -> io::Result<()> {
    for line in orders.lines() {
        let done = serde_json::from_str::<Identity>(&line?)
            .map_err(io::Error::from)
            .and_then(|identity| identity.write(etc));
        match done {
            Ok(()) => writeln!(answers, "{DONE}")?,
            Err(error) => writeln!(answers, "failed: {error}")?,
        }
        answers.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_learns_whose_it_is() {
        let etc = tempfile::tempdir().unwrap();
        let identity = Identity {
            hostname: "web-1".to_owned(),
            ip: "10.1.0.12".to_owned(),
        };
        let orders = format!("{}nonsense\n", identity.to_line());
        let mut answers = Vec::new();
        obey(orders.as_bytes(), &mut answers, etc.path()).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        assert!(answers.starts_with("done\nfailed: "), "{answers}");
        let read = |name: &str| fs::read_to_string(etc.path().join(name)).unwrap();
        assert_eq!(read("hostname"), "web-1\n");
        let hosts = read("hosts");
        assert!(hosts.contains("\n10.1.0.12\tweb-1\n"), "{hosts}");
        assert!(hosts.contains("\n127.0.0.1\tlocalhost\n"), "{hosts}");
    }
}
