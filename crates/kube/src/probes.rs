//! What is served over HTTP: `/healthz`, `/readyz`, `/metrics`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// What clients of a port may take.
const LIMITS: Limits = Limits {
    connections: 128,
    head: Duration::from_secs(10),
};
/// How long a connection is kept, whatever the client does with it. Who asks regularly connects anew.
const LIFE: Duration = Duration::from_secs(120);
/// How long to wait when the system has no more file descriptors.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Says whether the process can do its work: nothing, or what it lacks.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// An address as Go takes it: `:9000` means all interfaces.
///
/// # Errors
///
/// A text that is neither `:port` nor `address:port`.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let full = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.to_owned()
    };
    full.parse().map_err(|_| {
        format!("\"{text}\" is no address to listen at; expected :PORT or ADDRESS:PORT")
    })
}

/// The routes for a process's health: `/healthz` while it runs, `/readyz` while it can work.
pub fn health(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route(
            "/readyz",
            get(move || {
                let ready = readiness();
                async move {
                    match ready {
                        Ok(()) => (StatusCode::OK, "ok".to_owned()),
                        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing),
                    }
                }
            }),
        )
}

/// The route `/metrics`.
pub fn metrics(registry: Arc<Registry>) -> Router {
    Router::new().route(
        "/metrics",
        get(move || {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = encode(&mut text, &registry);
            async move {
                (
                    [(
                        header::CONTENT_TYPE,
                        "application/openmetrics-text; version=1.0.0; charset=utf-8",
                    )],
                    text,
                )
            }
        }),
    )
}

/// What clients of a port may take.
#[derive(Clone, Copy)]
struct Limits {
    /// Clients at the same time.
    connections: usize,
    /// How long a client may take to say what it wants, from its connection or its last request on.
    head: Duration,
}

/// Serves routes until the process ends. No client may take for ever over anything, and no number of them keeps others out: for
/// one more than there is room for, the oldest goes.
///
/// # Errors
///
/// The address cannot be listened at.
pub async fn serve(address: SocketAddr, routes: Router) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(accept(listener, routes, LIMITS));
    Ok(())
}

async fn accept(listener: TcpListener, routes: Router, limits: Limits) {
    let mut server = http1::Builder::new();
    let timer = TokioTimer::new();
    server.timer(timer).header_read_timeout(limits.head);
    // The oldest first.
    let mut clients: VecDeque<AbortHandle> = VecDeque::new();
    let mut crowded = false;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("no probe can be accepted: {error}");
                sleep(EXHAUSTED).await;
                continue;
            }
        };
        clients.retain(|client| !client.is_finished());
        if clients.len() < limits.connections / 2 {
            crowded = false;
        }
        if clients.len() >= limits.connections {
            if let Some(oldest) = clients.pop_front() {
                oldest.abort();
            }
            if !crowded {
                crowded = true;
                warn!(
                    "a port for probes and metrics has {} clients, and has no room for more: the oldest is sent away for each new one",
                    limits.connections
                );
            }
        }
        let service = TowerToHyperService::new(routes.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let client = tokio::spawn(async move {
            // How it ends concerns its client.
            let _ = timeout(LIFE, connection).await;
        });
        clients.push_back(client.abort_handle());
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn addresses_as_go_takes_them() {
        assert_eq!(address(":9000"), Ok(([0, 0, 0, 0], 9000).into()));
        assert_eq!(address("127.0.0.1:1"), Ok(([127, 0, 0, 1], 1).into()));
        assert!(address("9000").is_err());
        assert!(address("").is_err());
    }

    /// Far longer than anything takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn port(limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, health(Arc::new(|| Ok(()))), limits));
        address
    }

    async fn connect(address: SocketAddr, beginning: &str) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(beginning.as_bytes()).await.unwrap();
        client
    }

    /// What a client is told until its connection ends.
    async fn told(mut client: TcpStream) -> String {
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, client.read_to_end(&mut answer));
        // In order, or with a reset where not all was read that it sent.
        let _ = end.await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn is_served(address: SocketAddr) -> bool {
        let request = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let answer = told(connect(address, request).await).await;
        answer.starts_with("HTTP/1.1 200")
    }

    #[tokio::test]
    async fn who_never_ends_a_request_is_sent_away_and_others_are_served() {
        let limits = Limits {
            head: Duration::from_millis(10),
            ..LIMITS
        };
        let address = port(limits).await;
        for beginning in ["", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: h"] {
            let stranger = connect(address, beginning).await;
            assert!(!told(stranger).await.contains("200"), "{beginning:?}");
        }
        // Whoever asks within the time that there really is.
        assert!(is_served(port(LIMITS).await).await);
    }

    #[tokio::test]
    async fn for_one_more_client_than_there_is_room_for_the_oldest_goes() {
        let limits = Limits {
            connections: 2,
            head: Duration::from_secs(600),
        };
        let address = port(limits).await;
        let mut silent = Vec::new();
        for _ in 0..5 {
            silent.push(connect(address, "").await);
        }
        assert!(is_served(address).await);
        let mut last = silent.pop().unwrap();
        for client in silent {
            assert_eq!(told(client).await, "");
        }
        // Nobody came for whom the last of them had to go.
        let request = b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        last.write_all(request).await.unwrap();
        assert!(told(last).await.starts_with("HTTP/1.1 200"));
    }
}
