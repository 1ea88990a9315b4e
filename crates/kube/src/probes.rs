//! What is served over HTTP: `/healthz`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

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

/// Serves routes until the process ends.
///
/// # Errors
///
/// The address cannot be listened at.
pub async fn serve(address: SocketAddr, routes: Router) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_go_takes_them() {
        assert_eq!(address(":9000"), Ok(([0, 0, 0, 0], 9000).into()));
        assert_eq!(address("127.0.0.1:1"), Ok(([127, 0, 0, 1], 1).into()));
        assert!(address("9000").is_err());
        assert!(address("").is_err());
    }
}
