//! `skupper link generate`: from the Site to the documents (cli.md §3.1).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use skupper_api::{Certificate, CertificateSpec, Endpoint, Kind, Link, LinkSpec, Site, condition};

use crate::arguments::link::Generate;
use crate::document::{Format, encode};
use crate::failure::Failure;
use crate::site::name_of;
use crate::validate::{self, Problems};

/// What is to be generated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// The site that will be linked to.
    pub(crate) site: Site,
    /// What the Links are called, followed by their group.
    pub(crate) name: String,
    /// What the Secret is called.
    pub(crate) credentials: String,
    /// Whether the Secret is printed too, and issued if need be.
    pub(crate) with_secret: bool,
    /// Whether a name of its own was given.
    named: bool,
    cost: i64,
    format: Format,
}

/// Reads what was typed, and picks the site.
pub(crate) fn request(command: &Generate, sites: &[Site]) -> Result<Request, Failure> {
    let mut problems = Problems::default();
    if sites.is_empty() {
        problems.add("there is no skupper site in this namespace");
    }
    let active = sites
        .iter()
        .rev()
        .find(|site| site.is_true(condition::READY));
    if active.is_none() {
        problems.add("there is no active skupper site in this namespace");
    }
    if !command.extra.is_empty() {
        problems.add("arguments are not allowed in this command");
    }
    if !command.generate_credential.0 && command.tls_credentials.is_empty() {
        problems.add("the TLS secret name was not specified");
    }
    if !command.tls_credentials.is_empty() {
        problems.check(
            "the name of the tls secret is not valid",
            validate::resource_name(&command.tls_credentials),
        );
    }
    if let Some(name) = &command.name {
        problems.check("the name is not valid", validate::resource_name(name));
    }
    let cost = validate::number(&command.cost).and_then(validate::positive);
    let cost = problems.check("link cost is not valid", cost);
    if !command.output.is_empty() {
        problems.check(
            "output type is not valid",
            validate::option(&command.output, &validate::OUTPUTS),
        );
    }
    problems.check("timeout is not valid", validate::timeout(command.timeout));
    problems.or(()).map_err(|failure| match (sites, active) {
        ([], _) => failure.next("make one with skupper site create NAME --enable-link-access, or choose another namespace with -n"),
        (_, None) => failure.next("skupper site status says what it waits for"),
        _ => failure,
    })?;
    let (Some(site), Some(cost)) = (active, cost) else {
        return Err(Failure::failed(
            "There is no active site to generate the link resource file",
        ));
    };
    let name = match &command.name {
        Some(name) => name.clone(),
        None => format!("link-{}", name_of(site)),
    };
    let credentials = match command.tls_credentials.as_str() {
        "" => name.clone(),
        given => given.to_owned(),
    };
    Ok(Request {
        site: site.clone(),
        name,
        credentials,
        with_secret: command.generate_credential.0,
        named: command.name.is_some(),
        cost,
        format: Format::of(&command.output),
    })
}

impl Request {
    /// Where the site is reached.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        let status = self.site.status.as_ref();
        status.map_or(&[], |status| status.endpoints.as_slice())
    }

    /// The Secret with the CA that signs.
    pub(crate) fn issuer(&self) -> &str {
        let status = self.site.status.as_ref();
        let given = [
            status.map(|status| status.default_issuer.as_str()),
            Some(self.site.spec.default_issuer.as_str()),
        ];
        let mut given = given.into_iter().flatten().filter(|name| !name.is_empty());
        given.next().unwrap_or(Site::DEFAULT_ISSUER)
    }

    /// One Link for each group of endpoints, the groups in order of their names.
    pub(crate) fn links(&self) -> Result<Vec<Link>, Failure> {
        if self.site.spec.edge {
            return Err(Failure::failed(
                "Edge sites cannot accept incoming links from remote sites",
            )
            .next("generate the link at an interior site, and apply it here"));
        }
        if self.endpoints().is_empty() {
            return Err(Failure::failed(
                "A link cannot be generated because link access is not enabled. \n Use \"skupper site update --enable-link-access\" to enable it.",
            ));
        }
        let mut groups: BTreeMap<&str, Vec<Endpoint>> = BTreeMap::new();
        for endpoint in self.endpoints() {
            groups
                .entry(&endpoint.group)
                .or_default()
                .push(endpoint.clone());
        }
        let link = |(group, endpoints): (&str, Vec<Endpoint>)| {
            // An endpoint of older versions may have no group.
            let name = match group {
                "" => self.name.clone(),
                group => format!("{}-{group}", self.name),
            };
            let spec = LinkSpec {
                endpoints,
                tls_credentials: self.credentials.clone(),
                cost: self.cost,
                ..LinkSpec::default()
            };
            Link::new(name, spec)
        };
        Ok(groups.into_iter().map(link).collect())
    }

    /// The Certificate that has the credential issued.
    pub(crate) fn certificate(&self) -> Certificate {
        let hosts: Vec<&str> = self
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.host.as_str())
            .collect();
        let spec = CertificateSpec {
            ca: self.issuer().to_owned(),
            client: true,
            // With a name of its own, the credential says whose it is.
            subject: if self.named {
                self.credentials.clone()
            } else {
                hosts.join(",")
            },
            ..CertificateSpec::default()
        };
        Certificate::new(self.credentials.clone(), spec)
    }

    /// What is printed.
    pub(crate) fn documents(
        &self,
        links: &[Link],
        secret: Option<&Secret>,
    ) -> Result<String, Failure> {
        let mut documents = Vec::new();
        for link in links {
            documents.push(encode(link, self.format)?);
        }
        if let Some(secret) = secret {
            let secret = crate::secret::portable(&self.credentials, secret);
            documents.push(encode(&secret, self.format)?);
        }
        let separator = match self.format {
            Format::Yaml => "\n---\n",
            Format::Json => "\n",
        };
        Ok(documents.join(separator) + "\n")
    }
}
