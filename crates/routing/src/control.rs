//! Control messages on their way: the addresses they are sent to, and where a router passes them on (§5.2).

use crate::address::{AddressKey, Class, Naming};
use crate::id::{AREA, LinkId, RouterId};
use crate::table::Table;

/// `to` of a HELLO.
pub const HELLO: &str = "amqp:/_local/qdhello";
/// `to` of an RA.
pub const ALL_ROUTERS: &str = "amqp:/_topo/0/all/qdrouter";
/// `to` of a differential MAU.
pub const ALL_ROUTERS_MOBILE: &str = "_topo/0/all/qdrouter.ma";

/// `to` of an LSR or LSU.
pub fn router(id: &RouterId) -> String {
    format!("amqp:/_topo/{AREA}/{id}/qdrouter")
}

/// `to` of a MAR or an absolute MAU.
pub fn router_mobile(id: &RouterId) -> String {
    format!("amqp:/_topo/{AREA}/{id}/qdrouter.ma")
}

/// What becomes of a control message that came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// It is for this router's engine (too).
    pub here: bool,
    /// The control links it is sent on, its trace extended by this router.
    pub links: Vec<LinkId>,
}

/// Whether a key may be used on control links only: deliveries for it from elsewhere are released.
pub fn is_control_only(key: &AddressKey) -> bool {
    matches!(
        key.as_str(),
        "Lqdhello" | "Lqdrouter" | "Lqdrouter.ma" | "Tqdrouter" | "Tqdrouter.ma"
    )
}

/// Where a control message goes that came in on a control link: `to` from its properties, `ingress` and `trace` from its
/// router annotations. What is flooded comes by many ways: [`Engine::passes_on`](crate::Engine::passes_on) says whether this
/// copy is the one to go on.
pub fn forward<'a>(
    table: &Table,
    naming: &Naming,
    to: &str,
    ingress: Option<&str>,
    trace: impl IntoIterator<Item = &'a str>,
) -> Forward {
    let key = naming.key(to);
    let trace: Vec<&str> = trace.into_iter().collect();
    if trace.contains(&table.me.annotation().as_str()) {
        // It goes round.
        return Forward {
            here: key.class() != Class::Router,
            links: Vec::new(),
        };
    }
    match (key.class(), key.text()) {
        (Class::Local, "qdhello" | "qdrouter" | "qdrouter.ma") => Forward {
            here: true,
            links: Vec::new(),
        },
        (Class::Topological, "qdrouter") => {
            // To every neighbour, also one to which another way is cheaper: while trees disagree the ways lead astray, and
            // what is flooded is what makes them agree.
            let links = table.neighbours_off(trace).collect();
            Forward { here: true, links }
        }
        (Class::Topological, "qdrouter.ma") => {
            let passed = table.traced(trace);
            let origin = table.origin(ingress);
            let mut links: Vec<LinkId> = table
                .routers()
                .filter_map(|(router, _)| table.eligible(router, origin))
                .collect();
            links.sort_unstable();
            links.dedup();
            links.retain(|link| !passed.contains(link));
            Forward { here: true, links }
        }
        (Class::Router, id) => {
            // No origin test here: while trees disagree it would lose the very messages that make them agree.
            let link = table.router(id).and_then(|(_, route)| route.link);
            Forward {
                here: false,
                links: link.into_iter().collect(),
            }
        }
        _ => Forward::default(),
    }
}
