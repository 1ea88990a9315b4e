//! Who is connected to a virtual host, and who may be.

use std::collections::BTreeMap;

/// How many connections there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of everybody.
    pub(crate) all: u64,
    /// Of one user.
    pub(crate) user: u64,
    /// From one host.
    pub(crate) host: u64,
}

/// Which limit is reached, and the number of connections that it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    All(u64),
    User(u64),
    Host(u64),
}

/// The connections of a virtual host.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    /// Connections that were let in.
    pub(crate) approved: u64,
    /// Connections that were not.
    pub(crate) denied: u64,
    /// Connections that are open.
    pub(crate) current: u64,
    /// The connections of each user, by their peers' addresses.
    pub(crate) users: BTreeMap<String, Vec<String>>,
    /// The connections from each host.
    pub(crate) hosts: BTreeMap<String, Vec<String>>,
}

impl Seats {
    /// Counts a connection of a user from a host in, unless it is one too many.
    pub(crate) fn take(
        &mut self,
        user: &str,
        host: &str,
        name: &str,
        limits: Limits,
    ) -> Result<(), Full> {
        let of = |taken: &BTreeMap<String, Vec<String>>, key: &str| {
            taken.get(key).map_or(0, |names| names.len() as u64)
        };
        let full = [
            (self.current, limits.all, Full::All as fn(u64) -> Full),
            (of(&self.users, user), limits.user, Full::User),
            (of(&self.hosts, host), limits.host, Full::Host),
        ];
        if let Some((_, most, full)) = full.into_iter().find(|(current, most, _)| current >= most) {
            self.denied += 1;
            return Err(full(most));
        }
        self.current += 1;
        self.approved += 1;
        for (taken, key) in [(&mut self.users, user), (&mut self.hosts, host)] {
            taken
                .entry(key.to_owned())
                .or_default()
                .push(name.to_owned());
        }
        Ok(())
    }

    /// Counts a connection out that was counted in.
    pub(crate) fn leave(&mut self, user: &str, host: &str, name: &str) {
        self.current = self.current.saturating_sub(1);
        for (taken, key) in [(&mut self.users, user), (&mut self.hosts, host)] {
            let Some(names) = taken.get_mut(key) else {
                continue;
            };
            if let Some(at) = names.iter().position(|known| known == name) {
                names.swap_remove(at);
            }
            if names.is_empty() {
                taken.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_limit_is_obeyed_and_told() {
        let limits = Limits {
            all: 3,
            user: 2,
            host: 2,
        };
        let mut seats = Seats::default();
        seats.take("ann", "h1", "1", limits).unwrap();
        seats.take("ann", "h2", "2", limits).unwrap();
        assert_eq!(seats.take("ann", "h3", "3", limits), Err(Full::User(2)));
        seats.take("bob", "h1", "4", limits).unwrap();
        assert_eq!(seats.take("cid", "h4", "5", limits), Err(Full::All(3)));
        seats.leave("ann", "h2", "2");
        assert_eq!(seats.take("cid", "h1", "6", limits), Err(Full::Host(2)));
        assert_eq!((seats.approved, seats.denied, seats.current), (3, 3, 2));
        assert_eq!(seats.hosts["h1"], ["1", "4"]);
        assert!(!seats.hosts.contains_key("h2"));
        let none = Limits { all: 0, ..limits };
        assert_eq!(
            Seats::default().take("u", "h", "1", none),
            Err(Full::All(0))
        );
    }

    proptest! {
        /// Whatever comes and goes: no limit is passed, and nothing is left when all have gone.
        #[test]
        fn counts_are_of_those_who_are_there(
            steps in prop::collection::vec((0_u8..4, 0_u8..3, 0_u8..3), 0..60),
        ) {
            let limits = Limits { all: 5, user: 3, host: 4 };
            let mut seats = Seats::default();
            let mut there: Vec<(String, String, String)> = Vec::new();
            for (number, (step, user, host)) in steps.into_iter().enumerate() {
                if step == 0 && !there.is_empty() {
                    let (user, host, name) = there.remove(usize::from(user) % there.len());
                    seats.leave(&user, &host, &name);
                } else {
                    let (user, host, name) = (user.to_string(), host.to_string(), number.to_string());
                    let of_user = there.iter().filter(|seat| seat.0 == user).count();
                    let of_host = there.iter().filter(|seat| seat.1 == host).count();
                    let fits = there.len() < 5 && of_user < 3 && of_host < 4;
                    prop_assert_eq!(seats.take(&user, &host, &name, limits).is_ok(), fits);
                    if fits {
                        there.push((user, host, name));
                    }
                }
                prop_assert_eq!(seats.current as usize, there.len());
                let names: usize = seats.users.values().map(Vec::len).sum();
                prop_assert_eq!(names, there.len());
            }
            for (user, host, name) in there {
                seats.leave(&user, &host, &name);
            }
            prop_assert!(seats.users.is_empty() && seats.hosts.is_empty() && seats.current == 0);
        }
    }
}
