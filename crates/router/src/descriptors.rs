//! File descriptors: the last of them are kept for links between routers.
//!
//! Clients take as many as they like, each with one more for its server. A router that had given away all could take no link
//! back that it lost, and read no renewed credential, until clients leave. The system hands out the lowest number that is free,
//! so the number of a new socket says how many are in use at least: while there are enough, nothing is counted here and nothing
//! asked of the system.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use crate::spell::Spell;

/// For whom there is one at least, by how many are left. Who is named later has one in all that is before, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// Everybody.
    Clients,
    /// The servers of clients that were let in.
    Servers,
    /// Links between routers.
    Links,
    /// Peers that are known, and files: nobody new stays at a port for routers unless another goes.
    Known,
}

/// How the descriptors that a process may have are shared out.
#[derive(Debug, Clone, Copy)]
struct Shares {
    limit: u64,
}

impl Shares {
    /// Of those that this process may have now.
    fn now() -> Self {
        Shares {
            limit: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        }
    }

    /// How many workloads do not get: 32, or an eighth where that is less.
    fn kept(self) -> u64 {
        (self.limit / 8).min(32)
    }

    /// How many are in use at least when there is no more room of a kind.
    fn full(self, room: Room) -> u64 {
        let kept = self.kept();
        self.limit
            - match room {
                Room::Clients => kept + kept / 4,
                Room::Servers => kept,
                Room::Links => kept / 2,
                Room::Known => 0,
            }
    }

    /// What room there is where so many are in use, which is the number of the next one.
    fn room(self, used: u64) -> Room {
        let all = [Room::Clients, Room::Servers, Room::Links];
        let fits = all.into_iter().find(|room| used < self.full(*room));
        fits.unwrap_or(Room::Known)
    }

    fn short(self, room: Room) -> Short {
        Short {
            used: self.full(room),
            limit: self.limit,
        }
    }
}

/// Why somebody does not get a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    /// So many are in use at least.
    used: u64,
    /// So many the process may have.
    limit: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Short { used, limit } = self;
        write!(f, "{used} of {limit} file descriptors are in use")?;
        if used < limit {
            let kept = limit - used;
            write!(
                f,
                ", and the other {kept} are kept for links between routers, credentials and logs"
            )?;
        }
        f.write_str(
            ": let the router's process open more files (ulimit -n, LimitNOFILE of its unit), or see who leaves connections open",
        )
    }
}

impl std::error::Error for Short {}

impl Short {
    /// Whether this is why something failed.
    pub(crate) fn is_why(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|why| why.is::<Short>())
    }
}

impl From<Short> for io::Error {
    fn from(short: Short) -> Self {
        io::Error::other(short)
    }
}

/// The descriptors of this process.
#[derive(Debug)]
pub(crate) struct Descriptors {
    /// There is room for everybody below this number, by the limit that was read last.
    plenty: AtomicU64,
    /// There was no room for clients when that was looked at last.
    short: AtomicBool,
    spell: Mutex<Spell>,
}

impl Descriptors {
    pub(crate) fn new() -> Self {
        Descriptors {
            plenty: AtomicU64::new(Shares::now().full(Room::Clients)),
            short: AtomicBool::new(false),
            spell: Mutex::default(),
        }
    }

    /// What room there was when a socket got its descriptor.
    pub(crate) fn at(&self, socket: &impl AsRawFd) -> Room {
        let number = u64::try_from(socket.as_raw_fd()).unwrap_or(0);
        match number < self.plenty.load(Ordering::Relaxed) {
            true => Room::Clients,
            false => self.look(number),
        }
    }

    /// What room there is now. The system is asked for that only where there was none for clients.
    pub(crate) fn room(&self) -> Room {
        if !self.short.load(Ordering::Relaxed) {
            return Room::Clients;
        }
        // A copy of one that is there is a descriptor like any other, wherever sockets of a kind are forbidden.
        match fcntl_dupfd_cloexec(io::stderr(), 0) {
            Ok(next) => self.look(u64::try_from(next.as_raw_fd()).unwrap_or(0)),
            Err(Errno::MFILE | Errno::NFILE) => Room::Known,
            // It is not known, and who waits because of that would wait for ever.
            Err(_) => {
                self.short.store(false, Ordering::Relaxed);
                Room::Clients
            }
        }
    }

    /// The limit may have been changed meanwhile.
    fn look(&self, number: u64) -> Room {
        let shares = Shares::now();
        let room = shares.room(number);
        let plenty = shares.full(Room::Clients);
        self.plenty.store(plenty, Ordering::Relaxed);
        self.short.store(room > Room::Clients, Ordering::Relaxed);
        room
    }

    /// There is no room of this kind.
    pub(crate) fn short(&self, room: Room) -> Short {
        Shares::now().short(room)
    }

    /// An error that the system gave where a descriptor was asked for: in plain words where that was the last.
    pub(crate) fn explain(&self, error: io::Error) -> io::Error {
        match Errno::from_io_error(&error) {
            Some(Errno::MFILE) => {
                self.short.store(true, Ordering::Relaxed);
                Shares::now().short(Room::Known).into()
            }
            _ => error,
        }
    }

    /// Says that clients do not get what they want, once for each spell of that in the whole process.
    pub(crate) fn tell(&self, what: impl fmt::Display) {
        let mut spell = self.spell.lock().unwrap_or_else(PoisonError::into_inner);
        if spell.begins(Instant::now()) {
            let short = Shares::now().short(Room::Servers);
            tracing::error!(target: "SERVER", "{what}: {short}");
        }
    }
}

/// Lets this process have as many as its user may give it: how many a process has otherwise was meant for programs that wait for
/// descriptors below 1024.
pub(crate) fn take_all() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let all = Rlimit {
            current: maximum,
            maximum,
        };
        // A system that does not give them says how many there are when they run out.
        let _ = setrlimit(Resource::Nofile, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_descriptors_are_shared_out_by_their_numbers() {
        let rooms = |limit: u64, numbers: &[u64]| -> Vec<Room> {
            let shares = Shares { limit };
            numbers.iter().map(|number| shares.room(*number)).collect()
        };
        use Room::{Clients, Known, Links, Servers};
        let expected = [Clients, Servers, Servers, Links, Links, Known, Known];
        let of_1024 = rooms(1024, &[983, 984, 991, 992, 1007, 1008, 1023]);
        assert_eq!(of_1024, expected);
        // An eighth.
        let of_100 = rooms(100, &[84, 85, 87, 88, 93, 94, 99]);
        assert_eq!(of_100, expected);
        assert_eq!(rooms(u64::MAX, &[0, 1 << 40]), [Clients, Clients]);
        assert_eq!(rooms(0, &[0]), [Known]);
    }

    #[test]
    fn what_is_short_is_said_with_its_remedy() {
        let shares = Shares { limit: 100 };
        let servers = shares.short(Room::Servers).to_string();
        let begins = "88 of 100 file descriptors are in use, and the other 12 are kept for links between routers";
        assert!(
            servers.starts_with(begins) && servers.contains("ulimit -n"),
            "{servers}"
        );
        let all = shares.short(Room::Known).to_string();
        assert!(
            all.starts_with("100 of 100 file descriptors are in use: let"),
            "{all}"
        );
    }

    #[test]
    fn a_process_with_enough_is_not_short() {
        let descriptors = Descriptors::new();
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        assert_eq!(descriptors.at(&socket), Room::Clients);
        // As if the limit had been lower, and was raised meanwhile.
        descriptors.plenty.store(0, Ordering::Relaxed);
        descriptors.short.store(true, Ordering::Relaxed);
        assert_eq!(descriptors.room(), Room::Clients);
        assert!(!descriptors.short.load(Ordering::Relaxed));
        assert!(descriptors.plenty.load(Ordering::Relaxed) > 0);
        let refused = descriptors.explain(Errno::CONNREFUSED.into());
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let all = descriptors.explain(Errno::MFILE.into()).to_string();
        assert!(all.contains("file descriptors are in use: let"), "{all}");
    }
}
