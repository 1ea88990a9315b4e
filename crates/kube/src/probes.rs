//! What is served over HTTP: `/healthz`, `/readyz`, `/metrics`.

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
use tokio::time::{sleep, timeout};
use tracing::debug;

/// How long a client may take to say what it wants, from its connection or its last request on.
const HEAD: Duration = Duration::from_secs(10);
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

/// Serves routes until the process ends. No client may take for ever over anything.
///
/// # Errors
///
/// The address cannot be listened at.
pub async fn serve(address: SocketAddr, routes: Router) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(accept(listener, routes));
    Ok(())
}

async fn accept(listener: TcpListener, routes: Router) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("no probe can be accepted: {error}");
                sleep(EXHAUSTED).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // How it ends concerns its client.
            let _ = timeout(LIFE, connection).await;
        });
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

    #[tokio::test(start_paused = true)]
    async fn who_never_ends_a_request_is_sent_away_and_others_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, health(Arc::new(|| Ok(())))));
        let mut strangers = Vec::new();
        for beginning in ["", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: h"] {
            let mut stranger = TcpStream::connect(address).await.unwrap();
            stranger.write_all(beginning.as_bytes()).await.unwrap();
            strangers.push(stranger);
        }
        let request = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let mut prober = TcpStream::connect(address).await.unwrap();
        prober.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        prober.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for mut stranger in strangers {
            // Without an end this is never over: the clock is the test's, and goes on as soon as nothing else does.
            let mut answer = Vec::new();
            let end = timeout(3 * HEAD, stranger.read_to_end(&mut answer));
            assert!(end.await.is_ok());
        }
    }
}
