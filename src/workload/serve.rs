//! The HTTP server of the built-in workload: HTTP/1.1 with keep-alive, as little of it as clients need.
//!
//! `/healthz` answers at once; every other path costs the CPU time that was asked for, and names the pod.
#![expect(
    clippy::disallowed_methods,
    reason = "a workload is configured by its environment"
)]

use std::{env, io, sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ending, arguments::Serve, say, wait};

/// Longest line of a request, and most lines.
const LINE_LIMIT: u64 = 8 << 10;
const LINES_LIMIT: usize = 100;
/// Longest body that is read.
const BODY_LIMIT: u64 = 16 << 20;
/// How much is computed between two looks at the clock.
const ROUNDS: u32 = 2_000;

/// What all connections answer.
struct Site {
    /// Real CPU time of a request.
    cost: Duration,
    text: String,
}

/// Serves until it is asked to end; requests under way are answered first.
pub async fn run(how: &Serve) -> io::Result<()> {
    let mut ending = Ending::new()?;
    // Written to, or the kernel would not give it.
    let memory = vec![1_u8; how.memory];
    tokio::select! {
        () = ending.wait() => return Ok(()),
        () = wait(how.startup) => {}
    }
    let listener = TcpListener::bind(("0.0.0.0", how.port)).await?;
    say(&format!("serving at port {}", how.port));
    let site = Arc::new(Site::new(how));
    let closing = CancellationToken::new();
    let connections = TaskTracker::new();
    let end = async {
        ending.wait().await;
        wait(how.stop_after).await;
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (site, closing) = (Arc::clone(&site), closing.clone());
                    connections.spawn(async move {
                        // A client that goes away is none of our business.
                        let _ = converse(stream, &site, &closing).await;
                    });
                }
                // Out of file descriptors: some connection will end.
                Err(_) => wait(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    closing.cancel();
    connections.close();
    connections.wait().await;
    drop(memory);
    Ok(())
}

impl Site {
    fn new(how: &Serve) -> Self {
        let var = |name: &str| env::var(name).ok();
        let share = var("KUBEPLAY_CPU_SHARE").and_then(|share| share.parse::<f64>().ok());
        let share = share.filter(|share| (0.0..=1.0).contains(share));
        let pod = var("KUBEPLAY_POD").or_else(|| var("HOSTNAME"));
        Self {
            cost: how.cpu.mul_f64(share.unwrap_or(1.0)),
            text: format!(
                "{} on {}\n",
                pod.unwrap_or_default(),
                var("KUBEPLAY_NODE").unwrap_or_default()
            ),
        }
    }

    fn answer(&self, request: &Request) -> &str {
        if request.path == "/healthz" {
            return "ok\n";
        }
        burn(self.cost);
        &self.text
    }
}

/// Answers the requests of one connection until either side has enough.
async fn converse(stream: TcpStream, site: &Site, closing: &CancellationToken) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let request = tokio::select! {
            biased;
            request = read(&mut stream) => request?,
            () = closing.cancelled() => return Ok(()),
        };
        let Some(request) = request else {
            return Ok(());
        };
        let body = site.answer(&request);
        let last = !request.keep_alive || closing.is_cancelled();
        let connection = if last { "close" } else { "keep-alive" };
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            body.len()
        );
        if !request.head {
            answer.push_str(body);
        }
        stream.write_all(answer.as_bytes()).await?;
        if last {
            return stream.shutdown().await;
        }
    }
}

/// What of a request matters.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    path: String,
    head: bool,
    keep_alive: bool,
}

/// Reads a request and throws its body away; none at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let Some(first) = line(stream).await? else {
        return Ok(None);
    };
    let mut lines = Vec::new();
    loop {
        match line(stream).await? {
            Some(text) if text.is_empty() => break,
            Some(text) if lines.len() < LINES_LIMIT => lines.push(text),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    let (request, body) = parse(&first, &lines).ok_or(io::ErrorKind::InvalidData)?;
    let mut rest = (&mut *stream).take(body.min(BODY_LIMIT));
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(Some(request))
}

/// A line without its end; none at the end of the stream.
async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut text = String::new();
    let size = (&mut *stream).take(LINE_LIMIT).read_line(&mut text).await?;
    if size > 0 && !text.ends_with('\n') {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((size > 0).then(|| text.trim_end().to_owned()))
}

/// The request of a first line and headers, and the length of its body.
fn parse(first: &str, headers: &[String]) -> Option<(Request, u64)> {
    let mut words = first.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let header = |wanted: &str| {
        headers.iter().find_map(|header| {
            let (name, value) = header.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let keep_alive = match header("connection") {
        Some(value) if value.eq_ignore_ascii_case("close") => false,
        Some(value) if value.eq_ignore_ascii_case("keep-alive") => true,
        _ => version == "HTTP/1.1",
    };
    // A body in chunks is not understood: the connection ends after the answer.
    let keep_alive = keep_alive && header("transfer-encoding").is_none();
    let body = header("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let request = Request {
        path: target.split('?').next()?.to_owned(),
        head: method == "HEAD",
        keep_alive,
    };
    Some((request, body))
}

/// Uses so much CPU time of this thread, however long that takes.
fn burn(cost: Duration) {
    let start = cpu_time();
    let mut number = 1_u64;
    while cpu_time().saturating_sub(start) < cost {
        for _ in 0..ROUNDS {
            number = std::hint::black_box(
                number
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            );
        }
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_what_was_asked_for() {
        let start = cpu_time();
        burn(Duration::from_millis(5));
        let used = cpu_time().saturating_sub(start);
        assert!(used >= Duration::from_millis(5), "{used:?}");
    }

    #[test]
    fn connections_stay_open_unless_somebody_says_otherwise() {
        let rows: &[(&str, &[&str], bool)] = &[
            ("GET / HTTP/1.1", &[], true),
            ("GET / HTTP/1.1", &["Connection: close"], false),
            ("GET / HTTP/1.0", &[], false),
            ("GET / HTTP/1.0", &["connection: Keep-Alive"], true),
            ("POST / HTTP/1.1", &["Transfer-Encoding: chunked"], false),
        ];
        for (first, headers, expected) in rows {
            let headers: Vec<String> = headers.iter().map(|&h| h.to_owned()).collect();
            let (request, _) = parse(first, &headers).unwrap();
            assert_eq!(request.keep_alive, *expected, "{first} {headers:?}");
        }
    }

    #[test]
    fn path_and_body_are_found() {
        let headers = ["Host: x".to_owned(), "content-length: 12".to_owned()];
        let (request, body) = parse("POST /a/b?c=d HTTP/1.1", &headers).unwrap();
        assert_eq!((request.path.as_str(), body), ("/a/b", 12));
        assert_eq!(parse("GET", &[]), None);
        assert_eq!(
            parse("GET / HTTP/1.1", &["Content-Length: x".to_owned()]),
            None
        );
    }
}
