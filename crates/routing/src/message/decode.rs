//! Octets to control messages: string or symbol keys, integers of any width, unknown keys passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use skupper_amqp::codec::Reader;
use skupper_amqp::{Map, Value};

use super::encode::{ENGINE_VERSION, MOBILE_VERSION};
use super::{
    ControlMessage, Descriptor, Hello, LinkState, LinkStateRequest, LinkStateUpdate, MobileChange,
    MobileRequest, MobileUpdate, RouterAdvertisement,
};
use crate::address::{AddressKey, Treatment};
use crate::id::RouterId;

const APPLICATION_PROPERTIES: u64 = 0x74;
const AMQP_VALUE: u64 = 0x77;
/// Characters of an edge mesh's id.
const MESH_ID_LEN: usize = 15;

/// Why a control message was not understood. Such a message is dropped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not AMQP.
    #[error("control message is not well-formed AMQP: {0}")]
    Codec(#[from] skupper_amqp::codec::DecodeError),
    /// No application-properties with an opcode, or no body.
    #[error(
        "control message has no {0}: expected application-properties with 'opcode' and an amqp-value with a map"
    )]
    Section(&'static str),
    /// An opcode that is none of the six.
    #[error("unknown opcode '{0}': expected HELLO, RA, LSR, LSU, MAR or MAU")]
    Opcode(String),
    /// A field is absent or of another type.
    #[error("{opcode} field '{field}': expected {expected}, found {found}")]
    Field {
        /// Of which message.
        opcode: &'static str,
        /// The field's key.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
        /// The type found, or `nothing`.
        found: String,
    },
    /// A protocol newer than this one; to be reported once for each router.
    #[error(
        "{opcode} of {id} at protocol version {version}, understood up to {supported}: ignored; upgrade this router"
    )]
    Version {
        /// Of which message.
        opcode: &'static str,
        /// The sender.
        id: RouterId,
        /// Its version.
        version: i64,
        /// Ours.
        supported: i64,
    },
}

impl ControlMessage {
    /// A message from its whole payload; sections that do not matter are passed over.
    ///
    /// # Errors
    /// Malformed, incomplete or of an unknown kind or version.
    pub fn from_payload(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let (mut properties, mut body) = (None, None);
        while !reader.is_empty() {
            match reader.descriptor()? {
                APPLICATION_PROPERTIES => properties = Some(reader.value()?),
                AMQP_VALUE => body = Some(reader.value()?),
                _ => reader.skip()?,
            }
        }
        let properties = properties
            .as_ref()
            .and_then(Value::as_map)
            .ok_or(DecodeError::Section("opcode"))?;
        Self::from_sections(properties, &body.ok_or(DecodeError::Section("body"))?)
    }

    /// A message from its application-properties and the value of its body.
    ///
    /// # Errors
    /// Incomplete or of an unknown kind or version.
    pub fn from_sections(properties: &Map, body: &Value) -> Result<Self, DecodeError> {
        let opcode = properties
            .get("opcode")
            .and_then(Value::as_str)
            .ok_or(DecodeError::Section("opcode"))?;
        let map = body.as_map().ok_or(DecodeError::Section("body"))?;
        let fields = |opcode, supported| Fields { opcode, map }.check_version(supported);
        Ok(match opcode {
            "HELLO" => Self::Hello(hello(&fields("HELLO", ENGINE_VERSION)?)?),
            "RA" => Self::RouterAdvertisement(advertisement(&fields("RA", ENGINE_VERSION)?)?),
            "LSR" => Self::LinkStateRequest(LinkStateRequest {
                id: fields("LSR", ENGINE_VERSION)?.id("id")?,
            }),
            "LSU" => Self::LinkStateUpdate(link_state_update(&fields("LSU", ENGINE_VERSION)?)?),
            "MAR" => {
                let f = fields("MAR", MOBILE_VERSION)?;
                Self::MobileRequest(MobileRequest {
                    id: f.id("id")?,
                    have_seq: f.sequence("have_seq")?,
                })
            }
            "MAU" => Self::MobileUpdate(mobile_update(&fields("MAU", MOBILE_VERSION)?)?),
            other => return Err(DecodeError::Opcode(other.chars().take(32).collect())),
        })
    }
}

fn hello(f: &Fields) -> Result<Hello, DecodeError> {
    let seen = f
        .list("seen")?
        .iter()
        .map(|v| f.to_id("seen", Some(v)))
        .collect::<Result<_, _>>()?;
    Ok(Hello {
        id: f.id("id")?,
        instance: f.instance()?.unwrap_or(0),
        seen,
    })
}

fn advertisement(f: &Fields) -> Result<RouterAdvertisement, DecodeError> {
    Ok(RouterAdvertisement {
        id: f.id("id")?,
        instance: f.instance()?.unwrap_or(0),
        ls_seq: f.sequence("ls_seq")?,
        mobile_seq: f.sequence("mobile_seq")?,
    })
}

fn link_state_update(f: &Fields) -> Result<LinkStateUpdate, DecodeError> {
    let id = f.id("id")?;
    let ls = f.map("ls")?;
    if ls.id("id")? != id {
        return Err(ls.wrong(
            "id",
            "the sender's id: a router tells of its own links only",
            ls.map.get("id"),
        ));
    }
    let mut peers = BTreeMap::new();
    for (peer, cost) in ls.map("peers")?.map {
        let cost = cost
            .as_i64()
            .ok_or_else(|| ls.wrong("peers", "integer costs", Some(cost)))?;
        peers.insert(
            ls.to_id("peers", Some(peer))?,
            cost.clamp(1, i64::from(i32::MAX)) as u32,
        );
    }
    let ls = LinkState {
        ls_seq: ls.sequence("ls_seq")?,
        peers: Arc::new(peers),
    };
    Ok(LinkStateUpdate {
        id,
        instance: f.instance()?,
        ls,
    })
}

fn mobile_update(f: &Fields) -> Result<MobileUpdate, DecodeError> {
    let has = |key| f.map.get(key).is_some();
    let change = match (has("exist"), has("add"), has("del")) {
        (true, false, false) => MobileChange::Exist(descriptors(f, "exist")?),
        (false, true, true) => MobileChange::Difference {
            add: descriptors(f, "add")?,
            del: f
                .list("del")?
                .iter()
                .map(|d| key_of(f, "del", d))
                .collect::<Result<_, _>>()?,
        },
        _ => return Err(f.wrong("exist", "either 'exist' or both 'add' and 'del'", None)),
    };
    Ok(MobileUpdate {
        id: f.id("id")?,
        mobile_seq: f.sequence("mobile_seq")?,
        change,
    })
}

fn descriptors(f: &Fields, field: &'static str) -> Result<Vec<Descriptor>, DecodeError> {
    let one = |d| {
        let key = key_of(f, field, d)?;
        let list = d.as_list().unwrap_or_default();
        let sole_mesh = match list.get(4) {
            None | Some(Value::Null) => None,
            Some(mesh) => match mesh.as_str() {
                Some(id) if id.len() == MESH_ID_LEN => Some(Arc::from(id)),
                _ => {
                    return Err(f.wrong(
                        field,
                        "a mesh id of 15 characters at index 4",
                        Some(mesh),
                    ));
                }
            },
        };
        Ok(Descriptor {
            key,
            treatment: list
                .get(1)
                .and_then(Value::as_i64)
                .and_then(Treatment::from_number),
            producers: list
                .get(2)
                .and_then(Value::as_u64)
                .and_then(|n| n.try_into().ok())
                .unwrap_or(0),
            sole_mesh,
        })
    };
    f.list(field)?.iter().map(one).collect()
}

fn key_of(f: &Fields, field: &'static str, descriptor: &Value) -> Result<AddressKey, DecodeError> {
    let key = descriptor.as_list().and_then(|list| list.first());
    key.and_then(Value::as_str)
        .and_then(AddressKey::parse)
        .ok_or_else(|| {
            f.wrong(
                field,
                "lists that begin with an address key",
                Some(key.unwrap_or(descriptor)),
            )
        })
}

/// The body's map, and what message it belongs to.
struct Fields<'a> {
    opcode: &'static str,
    map: &'a Map,
}

impl<'a> Fields<'a> {
    fn check_version(self, supported: i64) -> Result<Self, DecodeError> {
        match self.map.get("pv").and_then(Value::as_i64).unwrap_or(0) {
            version if version > supported => Err(DecodeError::Version {
                opcode: self.opcode,
                id: self.id("id")?,
                version,
                supported,
            }),
            _ => Ok(self),
        }
    }

    fn id(&self, field: &'static str) -> Result<RouterId, DecodeError> {
        self.to_id(field, self.map.get(field))
    }

    fn to_id(&self, field: &'static str, value: Option<&Value>) -> Result<RouterId, DecodeError> {
        let id = value.and_then(Value::as_str).and_then(RouterId::new);
        id.ok_or_else(|| self.wrong(field, "a router id of 1 to 512 octets", value))
    }

    fn sequence(&self, field: &'static str) -> Result<u64, DecodeError> {
        let value = self.map.get(field);
        // Kept within i64, as it is written.
        let sequence = value
            .and_then(Value::as_i64)
            .and_then(|n| u64::try_from(n).ok());
        sequence.ok_or_else(|| self.wrong(field, "a sequence number", value))
    }

    fn instance(&self) -> Result<Option<i64>, DecodeError> {
        match self.map.get("instance") {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(instance) => Ok(Some(instance)),
                None => Err(self.wrong("instance", "an integer", Some(value))),
            },
        }
    }

    fn list(&self, field: &'static str) -> Result<&'a [Value], DecodeError> {
        let value = self.map.get(field);
        value
            .and_then(Value::as_list)
            .ok_or_else(|| self.wrong(field, "a list", value))
    }

    fn map(&self, field: &'static str) -> Result<Fields<'a>, DecodeError> {
        let value = self.map.get(field);
        let map = value
            .and_then(Value::as_map)
            .ok_or_else(|| self.wrong(field, "a map", value))?;
        Ok(Fields {
            opcode: self.opcode,
            map,
        })
    }

    fn wrong(
        &self,
        field: &'static str,
        expected: &'static str,
        found: Option<&Value>,
    ) -> DecodeError {
        let found = found.map_or("nothing", Value::type_name).to_owned();
        DecodeError::Field {
            opcode: self.opcode,
            field,
            expected,
            found,
        }
    }
}
