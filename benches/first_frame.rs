//! How long the screen takes to show something: from exec to the first frame, in a pseudo-terminal.
//!
//! `cargo bench --bench first_frame`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures and prints"
)]

use std::{
    io::{Read, Write},
    time::Instant,
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let large = std::env::temp_dir().join("kubeplay-first-frame.toml");
    std::fs::write(&large, LARGE)?;
    let large = large.to_string_lossy().into_owned();
    for (what, arguments) in [
        ("the demo, whatever engine there is", vec![]),
        ("the demo, simulated", vec!["--runtime", "simulated"]),
        (
            "1,000 nodes and 20,000 pods, simulated",
            vec![large.as_str(), "--runtime", "simulated"],
        ),
    ] {
        let mut millis = Vec::new();
        for _ in 0..7 {
            millis.push(first_frame(&arguments)?);
        }
        millis.sort_by(f64::total_cmp);
        println!(
            "first frame, {what}: median {:.1} ms, max {:.1} ms (7 runs)",
            millis[3], millis[6]
        );
    }
    Ok(())
}

const LARGE: &str = r#"
[cluster]
name = "large"
[[nodes]]
name = "node"
count = 1000
cpu = "8"
memory = "32Gi"
[[deployments]]
name = "web"
image = "example/app:1"
replicas = 20000
requests = { cpu = "100m", memory = "64Mi" }
"#;

/// From exec to the first byte after which the name of the program is on the screen.
fn first_frame(arguments: &[&str]) -> Result<f64, Box<dyn std::error::Error>> {
    let size = PtySize {
        rows: 36,
        cols: 120,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size)?;
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_kubeplay"));
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    let mut reader = pair.master.try_clone_reader()?;
    let mut writer = pair.master.take_writer()?;
    let begun = Instant::now();
    let mut child = pair.slave.spawn_command(command)?;
    let mut seen = Vec::new();
    let mut buffer = [0; 65536];
    let millis = loop {
        let count = reader.read(&mut buffer)?;
        seen.extend_from_slice(&buffer[..count]);
        if seen.windows(8).any(|bytes| bytes == b"kubeplay") {
            break begun.elapsed().as_secs_f64() * 1000.0;
        }
    };
    // Somebody must read on, or the program waits for its terminal.
    let drain =
        std::thread::spawn(move || while reader.read(&mut buffer).is_ok_and(|count| count > 0) {});
    for _ in 0..100 {
        // Quit, and yes.
        let _ = writer.write_all(b"qy");
        std::thread::sleep(std::time::Duration::from_millis(100));
        if child.try_wait()?.is_some() {
            break;
        }
    }
    child.kill().ok();
    drop(pair);
    drop(writer);
    let _ = drain.join();
    Ok(millis)
}
