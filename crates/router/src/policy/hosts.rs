//! The addresses of names from which users may come. They are looked up beside everything else, again and again: a name that has
//! no address now, or a resolver that is slow, keeps nobody waiting but who comes from there.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A name among remote hosts.
#[derive(Debug)]
pub(crate) struct HostName {
    pub(crate) name: String,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<IpAddr>,
    /// Why they are not what the name has now; empty if they are.
    fault: String,
}

impl HostName {
    /// A name that nobody has looked up.
    pub(crate) fn new(name: &str) -> Self {
        HostName {
            name: name.to_owned(),
            known: Mutex::new(Known {
                addresses: Vec::new(),
                fault: "not looked up yet".to_owned(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every critical section leaves what is known valid at every step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what looking it up has brought; whether it is news. Addresses stay while nobody can say what they are now.
    pub(crate) fn learn(&self, found: Result<Vec<IpAddr>, String>) -> bool {
        let mut known = self.lock();
        match found {
            Ok(addresses) if addresses.is_empty() => {
                known.addresses.clear();
                let fault = "it has no address".to_owned();
                std::mem::replace(&mut known.fault, fault.clone()) != fault
            }
            Ok(addresses) => {
                let addresses = addresses.iter().map(IpAddr::to_canonical).collect();
                let news = known.addresses != addresses || !known.fault.is_empty();
                *known = Known {
                    addresses,
                    fault: String::new(),
                };
                news
            }
            Err(fault) => std::mem::replace(&mut known.fault, fault.clone()) != fault,
        }
    }

    /// Whether it is the name of an address.
    pub(crate) fn has(&self, host: IpAddr) -> bool {
        self.lock().addresses.contains(&host)
    }

    /// Whether no address is known of it, now or from before.
    pub(crate) fn has_none(&self) -> bool {
        self.lock().addresses.is_empty()
    }

    /// Why it is not known what addresses it has, if that is so.
    pub(crate) fn fault(&self) -> Option<String> {
        Some(self.lock().fault.clone()).filter(|fault| !fault.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_stays_until_there_is_something_newer() {
        let host = HostName::new("office");
        let [old, new]: [IpAddr; 2] = ["10.0.0.1", "fd00::1"].map(|text| text.parse().unwrap());
        assert!(!host.has(old) && host.fault().is_some());
        assert!(host.learn(Err("no resolver".to_owned())));
        assert!(!host.learn(Err("no resolver".to_owned())));
        assert!(host.learn(Ok(vec!["::ffff:10.0.0.1".parse().unwrap()])));
        assert!(host.has(old) && host.fault().is_none());
        assert!(host.learn(Err("no resolver".to_owned())) && host.has(old));
        assert!(host.learn(Ok(Vec::new())) && host.has_none());
        assert_eq!(host.fault().as_deref(), Some("it has no address"));
        assert!(host.learn(Ok(vec![new])));
        assert!(!host.learn(Ok(vec![new])) && host.has(new) && !host.has(old));
    }
}
