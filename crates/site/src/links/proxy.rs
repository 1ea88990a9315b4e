//! The HTTP CONNECT proxy of a Link (reference §3.9).

use k8s_openapi::api::core::v1::Secret;
use skupper_api::Link;
use skupper_management::config::ProxyProfile;

use crate::pass::Pass;

/// The proxy that a Link names, if it names one.
pub(super) fn of(pass: &Pass<'_>, link: &Link) -> Result<Option<ProxyProfile>, String> {
    let Some(name) = link
        .spec
        .settings
        .get("proxy-configuration")
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
    else {
        return Ok(None);
    };
    let secret = pass
        .secret(name)
        .filter(|secret| secret.type_.as_deref() == Some("kubernetes.io/basic-auth"));
    let secret = secret.ok_or("Secret not found for proxy configuration")?;
    let host = text(secret, "host").filter(|host| !host.is_empty());
    let port = text(secret, "port").filter(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    let (Some(host), Some(port)) = (host, port) else {
        return Err(format!(
            "Secret {name} for proxy configuration lacks host or port: expected both, the port a number"
        ));
    };
    let username = text(secret, "username").unwrap_or_default();
    let password = if username.is_empty() {
        String::new()
    } else {
        format!("file:/etc/skupper-router-proxies/{name}/password.txt")
    };
    Ok(Some(ProxyProfile {
        name: name.to_owned(),
        host,
        port,
        username,
        password,
    }))
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let value = secret.data.as_ref()?.get(key)?;
    Some(String::from_utf8(value.0.clone()).ok()?.trim().to_owned())
}
