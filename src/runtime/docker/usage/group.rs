//! The kernel's control groups as files, versions 1 and 2: where a container's is, what it has used, what it may use.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What the kernel counted of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    pub cpu_nanos: u64,
    /// Without what can be reclaimed at once (inactive pages of files), as kubelet's working set.
    pub memory_bytes: u64,
    pub oom_kills: u32,
}

/// The control groups of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// Version 1: a tree for each controller.
    One(PathBuf),
    /// Version 2: one tree.
    Two(PathBuf),
}

/// A control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    One { cpu: PathBuf, memory: PathBuf },
    Two(PathBuf),
}

impl Hierarchy {
    /// Those of this machine; none if they are not mounted where they usually are.
    pub fn here() -> Option<Self> {
        Self::at(Path::new("/sys/fs/cgroup"))
    }

    /// What is mounted at a path; none if no control groups are.
    pub fn at(root: &Path) -> Option<Self> {
        if root.join("cgroup.controllers").is_file() {
            Some(Self::Two(root.to_owned()))
        } else if root.join("memory").is_dir() && root.join("cpuacct").is_dir() {
            Some(Self::One(root.to_owned()))
        } else {
            None
        }
    }

    /// The group of a container, where engines usually put it: below the node's, in Docker's own, or in a scope of
    /// systemd's.
    pub fn find(&self, run: &str, node: &str, id: &str) -> Option<Group> {
        let usual = [
            format!("kubeplay/{run}/{node}/{id}"),
            format!("docker/{id}"),
            format!("system.slice/docker-{id}.scope"),
        ];
        usual
            .iter()
            .map(|path| self.group(path))
            .find(Group::exists)
    }

    /// The group that a process is in, as `/proc/PID/cgroup` says.
    pub fn of_process(&self, text: &str) -> Option<Group> {
        let path = |wanted: &str| {
            text.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let controllers = parts.next()?;
                let found = controllers
                    .split(',')
                    .any(|controller| controller == wanted);
                found.then(|| parts.next())?
            })
        };
        let group = match self {
            Self::One(root) => Group::One {
                cpu: below(&root.join("cpuacct"), path("cpuacct")?),
                memory: below(&root.join("memory"), path("memory")?),
            },
            Self::Two(root) => Group::Two(below(root, path("")?)),
        };
        group.exists().then_some(group)
    }

    fn group(&self, path: &str) -> Group {
        match self {
            Self::One(root) => Group::One {
                cpu: root.join("cpuacct").join(path),
                memory: root.join("memory").join(path),
            },
            Self::Two(root) => Group::Two(root.join(path)),
        }
    }

    /// Makes the group of a node, if need be, and caps what everything in it may use together. Zero is no cap.
    ///
    /// # Errors
    /// The groups may not be written here.
    pub fn cap(
        &self,
        path: &str,
        cpu_period_quota: (u64, u64),
        memory_bytes: u64,
    ) -> io::Result<()> {
        let (period, quota) = cpu_period_quota;
        match self {
            Self::One(root) => {
                let (cpu, memory) = (root.join("cpu").join(path), root.join("memory").join(path));
                if quota > 0 {
                    fs::create_dir_all(&cpu)?;
                    fs::write(cpu.join("cpu.cfs_period_us"), period.to_string())?;
                    fs::write(cpu.join("cpu.cfs_quota_us"), quota.to_string())?;
                }
                if memory_bytes > 0 {
                    fs::create_dir_all(&memory)?;
                    // Without this, a group's limit does not hold for what is below it.
                    let _ = fs::write(memory.join("memory.use_hierarchy"), "1");
                    let limit = memory_bytes.to_string();
                    fs::write(memory.join("memory.limit_in_bytes"), limit)?;
                }
            }
            Self::Two(root) => {
                let group = root.join(path);
                fs::create_dir_all(&group)?;
                // What a group's children may count is said by its parent, level by level.
                let mut parent = root.clone();
                for level in Path::new(path).components() {
                    fs::write(parent.join("cgroup.subtree_control"), "+cpu +memory +pids")?;
                    parent.push(level);
                }
                if quota > 0 {
                    fs::write(group.join("cpu.max"), format!("{quota} {period}"))?;
                }
                if memory_bytes > 0 {
                    fs::write(group.join("memory.max"), memory_bytes.to_string())?;
                }
            }
        }
        Ok(())
    }
}

impl Group {
    fn exists(&self) -> bool {
        match self {
            Self::One { cpu, memory } => cpu.is_dir() && memory.is_dir(),
            Self::Two(path) => path.is_dir(),
        }
    }

    /// What it has used; none if it is gone.
    pub fn read(&self) -> Option<Counters> {
        match self {
            Self::One { cpu, memory } => {
                let stat = fs::read_to_string(memory.join("memory.stat")).ok()?;
                let inactive = field(&stat, "total_inactive_file").unwrap_or(0);
                let oom = fs::read_to_string(memory.join("memory.oom_control")).ok()?;
                Some(Counters {
                    cpu_nanos: number(&cpu.join("cpuacct.usage"))?,
                    memory_bytes: number(&memory.join("memory.usage_in_bytes"))?
                        .saturating_sub(inactive),
                    oom_kills: count(&oom),
                })
            }
            Self::Two(path) => {
                let cpu = fs::read_to_string(path.join("cpu.stat")).ok()?;
                let stat = fs::read_to_string(path.join("memory.stat")).ok()?;
                let events = fs::read_to_string(path.join("memory.events")).ok()?;
                let inactive = field(&stat, "inactive_file").unwrap_or(0);
                Some(Counters {
                    cpu_nanos: field(&cpu, "usage_usec")?.saturating_mul(1000),
                    memory_bytes: number(&path.join("memory.current"))?.saturating_sub(inactive),
                    oom_kills: count(&events),
                })
            }
        }
    }
}

/// A path that begins with a slash, below another.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The value of a line `name value`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(' ')?;
        (found == name).then(|| value.trim().parse().ok())?
    })
}

fn count(text: &str) -> u32 {
    let kills = field(text, "oom_kill").unwrap_or(0);
    kills.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f1c";

    /// Files of a machine.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    /// As a kernel of version 1 shows a container (shortened).
    fn one(parent: &str) -> tempfile::TempDir {
        let cpu = format!("cpuacct/{parent}/cpuacct.usage");
        let memory = |name: &str| format!("memory/{parent}/{name}");
        tree(&[
            (&cpu, "128834516\n"),
            (&memory("memory.usage_in_bytes"), "5242880\n"),
            (
                &memory("memory.stat"),
                "cache 1216512\nrss 3784704\ninactive_file 1\ntotal_cache 1216512\ntotal_inactive_file 1081344\n",
            ),
            (
                &memory("memory.oom_control"),
                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            ),
        ])
    }

    /// As a kernel of version 2 shows it (shortened).
    fn two(parent: &str) -> tempfile::TempDir {
        let file = |name: &str| format!("{parent}/{name}");
        tree(&[
            (
                "cgroup.controllers",
                "cpuset cpu io memory hugetlb pids rdma misc\n",
            ),
            (
                &file("cpu.stat"),
                "usage_usec 128834\nuser_usec 90000\nsystem_usec 38834\nnr_periods 12\nnr_throttled 3\n",
            ),
            (&file("memory.current"), "5242880\n"),
            (
                &file("memory.stat"),
                "anon 3784704\nfile 1216512\ninactive_anon 0\ninactive_file 1081344\n",
            ),
            (
                &file("memory.events"),
                "low 0\nhigh 0\nmax 14\noom 2\noom_kill 2\noom_group_kill 0\n",
            ),
        ])
    }

    #[test]
    fn both_versions_are_found_and_read_alike() {
        for parent in [
            "kubeplay/run1/node-1/3f1c",
            "docker/3f1c",
            "system.slice/docker-3f1c.scope",
        ] {
            for (root, cpu_nanos) in [(one(parent), 128_834_516), (two(parent), 128_834_000)] {
                let hierarchy = Hierarchy::at(root.path()).unwrap();
                let group = hierarchy.find("run1", "node-1", ID).unwrap();
                let expected = Counters {
                    cpu_nanos,
                    memory_bytes: 5_242_880 - 1_081_344,
                    oom_kills: 2,
                };
                assert_eq!(group.read(), Some(expected), "{parent}");
                assert_eq!(hierarchy.find("run1", "node-1", "4444"), None);
            }
        }
    }

    #[test]
    fn a_group_that_is_gone_has_no_figures() {
        let root = two("docker/3f1c");
        let group = Hierarchy::at(root.path())
            .unwrap()
            .find("r", "n", ID)
            .unwrap();
        fs::remove_dir_all(root.path().join("docker")).unwrap();
        assert_eq!(group.read(), None);
        assert_eq!(Hierarchy::at(&root.path().join("nothing")), None);
    }

    #[test]
    fn a_process_says_where_its_group_is() {
        let root = one("lxc/box/docker/3f1c");
        let hierarchy = Hierarchy::at(root.path()).unwrap();
        let text = "9:name=systemd:/\n8:pids:/x\n4:cpu,cpuacct:/lxc/box/docker/3f1c\n3:memory:/lxc/box/docker/3f1c\n0::/\n";
        assert!(hierarchy.of_process(text).unwrap().read().is_some());
        let root = two("user.slice/docker/3f1c");
        let hierarchy = Hierarchy::at(root.path()).unwrap();
        let group = hierarchy
            .of_process("0::/user.slice/docker/3f1c\n")
            .unwrap();
        assert!(group.read().is_some());
        assert_eq!(hierarchy.of_process("0::/elsewhere\n"), None);
        assert_eq!(hierarchy.of_process("nonsense"), None);
    }

    #[test]
    fn a_node_is_capped_on_both_versions() {
        let read = |root: &tempfile::TempDir, path: &str| {
            fs::read_to_string(root.path().join(path)).unwrap()
        };
        let root = one("docker/3f1c");
        let hierarchy = Hierarchy::at(root.path()).unwrap();
        hierarchy
            .cap("kubeplay/r/n", (100_000, 50_000), 1 << 30)
            .unwrap();
        assert_eq!(read(&root, "cpu/kubeplay/r/n/cpu.cfs_quota_us"), "50000");
        assert_eq!(read(&root, "cpu/kubeplay/r/n/cpu.cfs_period_us"), "100000");
        assert_eq!(
            read(&root, "memory/kubeplay/r/n/memory.limit_in_bytes"),
            "1073741824"
        );
        let root = two("docker/3f1c");
        let hierarchy = Hierarchy::at(root.path()).unwrap();
        hierarchy
            .cap("kubeplay/r/n", (100_000, 50_000), 1 << 30)
            .unwrap();
        assert_eq!(read(&root, "kubeplay/r/n/cpu.max"), "50000 100000");
        assert_eq!(read(&root, "kubeplay/r/n/memory.max"), "1073741824");
        for parent in ["", "kubeplay/", "kubeplay/r/"] {
            assert_eq!(
                read(&root, &format!("{parent}cgroup.subtree_control")),
                "+cpu +memory +pids"
            );
        }
    }
}
