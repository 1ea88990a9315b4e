//! Control messages to octets, as the original composes them (§5.1).

use bytes::Bytes;

use super::compose::{Composer, Keys};
use super::{ControlMessage, Descriptor, MobileChange};
use crate::id::AREA;

/// Protocol version of HELLO, RA, LSR and LSU.
pub(super) const ENGINE_VERSION: i64 = 1;
/// Protocol version of MAR and MAU.
pub(super) const MOBILE_VERSION: i64 = 2;

const ROUTER_ANNOTATIONS: [u8; 10] = [0x00, 0x80, 0x53, 0x4b, 0x50, 0x52, 0x2d, 0x2d, 0x52, 0x41];
const HEADER: [u8; 3] = [0x00, 0x53, 0x70];
const PROPERTIES: [u8; 3] = [0x00, 0x53, 0x73];
const APPLICATION_PROPERTIES: [u8; 3] = [0x00, 0x53, 0x74];
const AMQP_VALUE: [u8; 3] = [0x00, 0x53, 0x77];

impl ControlMessage {
    /// The whole message as it leaves its sender: router annotations, header, properties with `to`,
    /// application-properties and body. It is sent settled, on a control link.
    pub fn encode(&self, to: &str) -> Bytes {
        let mut c = Composer::new();
        annotations(&mut c, &self.sender().annotation());
        c.octets(&HEADER);
        c.list(1, |c| c.scalar().bool(false));
        c.octets(&PROPERTIES);
        let keys = self.keys();
        let properties = match keys {
            Keys::Strings => 6,
            Keys::Symbols => 3,
        };
        c.list(properties, |c| {
            c.scalar().null();
            c.scalar().null();
            c.scalar().str(to);
            (3..properties).for_each(|_| c.scalar().null());
        });
        c.octets(&APPLICATION_PROPERTIES);
        c.map(1, |c| {
            c.key(keys, "opcode");
            c.scalar().str(self.opcode());
        });
        c.octets(&AMQP_VALUE);
        self.body(&mut c);
        c.finish()
    }

    fn keys(&self) -> Keys {
        match self {
            Self::MobileRequest(_) | Self::MobileUpdate(_) => Keys::Symbols,
            _ => Keys::Strings,
        }
    }

    fn body(&self, c: &mut Composer) {
        let id = self.sender().as_str();
        let s = Keys::Strings;
        match self {
            Self::Hello(m) => c.map(5, |c| {
                common(c, s, id);
                integer(c, s, "instance", m.instance);
                c.key(s, "seen");
                match m.seen.len() {
                    0 => c.empty_list(),
                    n => c.list(n, |c| {
                        m.seen.iter().for_each(|id| c.scalar().str(id.as_str()))
                    }),
                }
            }),
            Self::RouterAdvertisement(m) => c.map(6, |c| {
                common(c, s, id);
                integer(c, s, "instance", m.instance);
                integer(c, s, "ls_seq", m.ls_seq as i64);
                integer(c, s, "mobile_seq", m.mobile_seq as i64);
            }),
            Self::LinkStateRequest(_) => c.map(3, |c| common(c, s, id)),
            Self::LinkStateUpdate(m) => c.map(if m.instance.is_some() { 6 } else { 5 }, |c| {
                common(c, s, id);
                if let Some(instance) = m.instance {
                    integer(c, s, "instance", instance);
                }
                integer(c, s, "ls_seq", m.ls.ls_seq as i64);
                c.key(s, "ls");
                c.map(4, |c| {
                    c.key(s, "id");
                    c.scalar().str(id);
                    c.key(s, "area");
                    c.scalar().str(AREA);
                    integer(c, s, "ls_seq", m.ls.ls_seq as i64);
                    c.key(s, "peers");
                    c.map(m.ls.peers.len(), |c| {
                        for (peer, cost) in m.ls.peers.iter() {
                            c.scalar().str(peer.as_str());
                            c.integer(i64::from(*cost));
                        }
                    });
                });
            }),
            Self::MobileRequest(m) => c.map(4, |c| {
                common(c, Keys::Symbols, id);
                sequence(c, "have_seq", m.have_seq);
            }),
            Self::MobileUpdate(m) => match &m.change {
                MobileChange::Exist(exist) => c.map(5, |c| {
                    common(c, Keys::Symbols, id);
                    sequence(c, "mobile_seq", m.mobile_seq);
                    c.key(Keys::Symbols, "exist");
                    descriptors(c, exist);
                }),
                MobileChange::Difference { add, del } => c.map(6, |c| {
                    common(c, Keys::Symbols, id);
                    sequence(c, "mobile_seq", m.mobile_seq);
                    c.key(Keys::Symbols, "add");
                    descriptors(c, add);
                    c.key(Keys::Symbols, "del");
                    c.list(del.len(), |c| {
                        del.iter()
                            .for_each(|key| c.list(1, |c| c.scalar().str(key.as_str())));
                    });
                }),
            },
        }
    }
}

fn annotations(c: &mut Composer, me: &str) {
    c.octets(&ROUTER_ANNOTATIONS);
    c.list(4, |c| {
        c.scalar().u32(0);
        c.scalar().null();
        c.scalar().str(me);
        c.list(1, |c| c.scalar().str(me));
    });
}

fn common(c: &mut Composer, keys: Keys, id: &str) {
    c.key(keys, "id");
    c.scalar().str(id);
    c.key(keys, "pv");
    match keys {
        Keys::Strings => c.integer(ENGINE_VERSION),
        Keys::Symbols => c.scalar().i64(MOBILE_VERSION),
    }
    c.key(keys, "area");
    c.scalar().str(AREA);
}

fn integer(c: &mut Composer, keys: Keys, key: &str, value: i64) {
    c.key(keys, key);
    c.integer(value);
}

fn sequence(c: &mut Composer, key: &str, value: u64) {
    c.key(Keys::Symbols, key);
    c.scalar().i64(value as i64);
}

fn descriptors(c: &mut Composer, list: &[Descriptor]) {
    c.list(list.len(), |c| {
        for d in list {
            c.list(if d.sole_mesh.is_some() { 5 } else { 3 }, |c| {
                c.scalar().str(d.key.as_str());
                c.scalar().i32(d.treatment.map_or(-1, |t| t.number()));
                c.scalar().i32(d.producers.min(i32::MAX as u32) as i32);
                if let Some(mesh) = &d.sole_mesh {
                    c.scalar().null();
                    c.scalar().str(mesh);
                }
            });
        }
    });
}
