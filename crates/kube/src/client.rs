//! The client to the API server, with every request measured.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::http::{Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{Layer, Service};

use crate::metrics::ClientMetrics;

/// A client from a kubeconfig, or else from what the pod or the user's environment says.
///
/// # Errors
///
/// A kubeconfig that cannot be read, no kubeconfig and no service account, or unusable TLS material.
pub async fn connect(
    kubeconfig: Option<&Path>,
    metrics: &ClientMetrics,
) -> Result<Client, kube::Error> {
    let config = match kubeconfig {
        Some(path) => {
            let failed = |error| kube::Error::Service(Box::new(error));
            let file = Kubeconfig::read_from(path).map_err(failed)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(failed)?
        }
        None => Config::infer().await.map_err(kube::Error::InferConfig)?,
    };
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&Measure(metrics.clone()))
        .build())
}

/// What went wrong, in the API server's words where it is its refusal.
pub fn text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Api(status) => format!("{} ({})", status.reason, status.code),
        other => with_sources(other),
    }
}

/// An error and its causes in one line, without saying the same twice.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

#[derive(Clone)]
struct Measure(ClientMetrics);

impl<S> Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured {
            inner,
            metrics: self.0.clone(),
        }
    }
}

struct Measured<S> {
    inner: S,
    metrics: ClientMetrics,
}

impl<S, B> Service<Request<Body>> for Measured<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.method().as_str().to_owned();
        let endpoint = template(request.uri().path());
        let metrics = self.metrics.clone();
        let began = Instant::now();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            let status = response
                .as_ref()
                .map_or_else(|_| "<error>".to_owned(), |r| r.status().as_str().to_owned());
            metrics.request(&method, &endpoint, &status, began.elapsed());
            response
        })
    }
}

/// The path of a request with names replaced, since a label must not have as many values as there are objects.
fn template(path: &str) -> String {
    // /api/v1/… and /apis/group/version/…
    let group = if path.starts_with("/apis/") { 4 } else { 3 };
    let mut parts: Vec<&str> = path.split('/').collect();
    let namespaced = parts.get(group) == Some(&"namespaces") && parts.len() > group + 2;
    if namespaced {
        parts[group + 1] = "{namespace}";
    }
    let name = if namespaced { group + 3 } else { group + 1 };
    if let Some(part) = parts.get_mut(name) {
        *part = "{name}";
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_without_names() {
        let same = [
            "/api/v1/secrets",
            "/apis/skupper.io/v2alpha1/sites",
            "/apis",
            "/version",
        ];
        for path in same {
            assert_eq!(template(path), path);
        }
        assert_eq!(
            template("/api/v1/namespaces/west/secrets"),
            "/api/v1/namespaces/{namespace}/secrets"
        );
        assert_eq!(
            template("/api/v1/namespaces/west/secrets/s"),
            "/api/v1/namespaces/{namespace}/secrets/{name}"
        );
        assert_eq!(
            template("/apis/skupper.io/v2alpha1/namespaces/west/sites/s/status"),
            "/apis/skupper.io/v2alpha1/namespaces/{namespace}/sites/{name}/status"
        );
        assert_eq!(
            template("/api/v1/namespaces/west"),
            "/api/v1/namespaces/{name}"
        );
    }
}
