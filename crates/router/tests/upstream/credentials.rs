//! The credentials of routers that are linked by TLS, and their renewal.

use std::path::Path;

use serde_json::Value;
use skupper_pki::Credential;

use super::common::trust::{Ca, Files, Use};
use super::node::Node;

/// Both profiles of each router: what it presents where it listens, and where it connects.
pub(crate) struct Credentials {
    ca: Ca,
    /// By router.
    files: Vec<Vec<Held>>,
    /// The newest revision of all.
    pub(crate) ordinal: u64,
}

/// One profile.
struct Held {
    to_be: Use,
    files: Files,
    /// The oldest revision that is valid.
    oldest: u64,
}

impl Held {
    fn update(&self, node: &Node, ordinal: u64) {
        let attributes = self
            .files
            .attributes(name(self.to_be), ordinal, self.oldest);
        let Value::Object(attributes) = attributes else {
            panic!("attributes are a map")
        };
        node.update_profile(name(self.to_be), attributes);
    }
}

/// The name of a profile.
pub(crate) const fn name(to_be: Use) -> &'static str {
    match to_be {
        Use::Server => "server",
        Use::Client => "client",
    }
}

/// The common name in a revision of a certificate.
pub(crate) fn subject(to_be: Use, ordinal: u64) -> String {
    format!("{}-{ordinal}", name(to_be))
}

fn leaf(ca: &Ca, to_be: Use, ordinal: u64) -> Credential {
    let hosts: &[&str] = match to_be {
        Use::Server => &["127.0.0.1"],
        Use::Client => &[],
    };
    ca.leaf(to_be, &subject(to_be, ordinal), hosts)
}

impl Credentials {
    /// For so many routers, of one CA.
    pub(crate) fn new(directory: &Path, routers: usize) -> Self {
        let ca = Ca::new("CA");
        let files = (0..routers).map(|router| {
            let directory = directory.join(router.to_string());
            let held = [Use::Server, Use::Client].map(|to_be| Held {
                to_be,
                files: Files::write(&directory, name(to_be), &leaf(&ca, to_be, 0)),
                oldest: 0,
            });
            Vec::from(held)
        });
        Credentials {
            files: files.collect(),
            ca,
            ordinal: 0,
        }
    }

    /// What stands of them in a router's configuration.
    pub(crate) fn sections(&self, router: usize) -> Vec<Value> {
        let held = self.files[router].iter();
        held.map(|held| held.files.profile(name(held.to_be)))
            .collect()
    }

    /// New certificates, which new connections are to use; the old ones stay valid. Who listens has its own before anybody connects
    /// with a new one, so that a connection is of one revision at both ends.
    pub(crate) fn renew(&mut self, nodes: &[Node]) {
        self.ordinal += 1;
        for to_be in [Use::Server, Use::Client] {
            for (node, held) in self.of(nodes, to_be) {
                let leaf = leaf(&self.ca, to_be, self.ordinal);
                held.files.replace(&leaf);
                held.update(node, self.ordinal);
            }
        }
    }

    /// Makes all but the newest revision of those that are for one use invalid.
    pub(crate) fn expire(&mut self, nodes: &[Node], to_be: Use) {
        for held in self.files.iter_mut().flatten() {
            if held.to_be == to_be {
                held.oldest = self.ordinal;
            }
        }
        for (node, held) in self.of(nodes, to_be) {
            held.update(node, self.ordinal);
        }
    }

    fn of<'a>(
        &'a self,
        nodes: &'a [Node],
        to_be: Use,
    ) -> impl Iterator<Item = (&'a Node, &'a Held)> {
        let held = self.files.iter().flatten();
        nodes
            .iter()
            .zip(held.filter(move |held| held.to_be == to_be))
    }
}
