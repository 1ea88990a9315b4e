//! Clients and servers: what each writes, reads and does, and what it may see of the other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::reach::Fault;
use super::stream::Stream;
use super::world::{State, World};

/// Octets that say who writes.
const NAME: u64 = 8;
/// A flow that begins so soon before something happens may not be open yet.
const OPENING: Duration = Duration::from_secs(2);

/// How an end behaves.
#[derive(Debug, Clone)]
struct Script {
    octets: u64,
    /// Octets that are written and read at once, at most.
    piece: usize,
    /// Percent of pieces before which it rests, and for how many milliseconds at most.
    rests: (usize, usize),
    /// It does not read for so long.
    stands_still: Duration,
    /// It ends its stream when it has read the other's end.
    ends_second: bool,
    /// It resets the connection after so long.
    resets: Option<Duration>,
    /// It closes its socket when it has written, whatever is still to come.
    leaves: bool,
}

impl Script {
    fn draw(dice: &mut Dice, client: bool) -> Self {
        let octets = match dice.below(100) {
            0 => dice.between(200_000, 1_500_000),
            1..12 => dice.between(16_000, 128_000),
            12..45 => dice.between(500, 16_000),
            45..95 => dice.between(8, 500),
            _ => 0,
        };
        let ends_second = !client && dice.chance(30);
        let still = dice.chance(10);
        Script {
            octets: octets as u64,
            piece: match dice.chance(50) {
                true => dice.between(1_000, 64_000),
                false => dice.between(200, 5_000),
            },
            rests: (
                if dice.chance(40) {
                    dice.between(1, 30)
                } else {
                    0
                },
                400,
            ),
            stands_still: match still {
                true => dice.ms(0, 6_000),
                false => Duration::ZERO,
            },
            ends_second,
            resets: dice.chance(6).then(|| dice.ms(0, 3_000)),
            leaves: dice.chance(4),
        }
    }

    /// The flow may break by it.
    fn breaks(&self) -> bool {
        self.resets.is_some() || self.leaves
    }
}

/// How a side ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    /// It has written all, and read up to the other's end.
    InOrder,
    /// As it wanted to.
    ByItself,
    /// Its socket failed.
    Broken(io::ErrorKind),
}

/// One end of a flow.
#[derive(Debug)]
pub(super) struct Side {
    client: bool,
    service: usize,
    /// The router that it is at.
    at: usize,
    script: Script,
    began: Instant,
    /// Octets that its socket has taken.
    wrote: u64,
    /// It has ended its stream.
    shut: bool,
    read: u64,
    /// Who wrote what it reads.
    peer: Option<usize>,
    ended: Option<(Instant, Ended)>,
}

/// The octet that a side writes at an offset.
fn octet(side: usize, offset: u64) -> u8 {
    if offset < NAME {
        return (side as u64).to_be_bytes()[offset as usize];
    }
    let mixed = (offset + ((side as u64) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// Has a client or server begin.
pub(super) fn begin(
    world: &Arc<World>,
    state: &mut State,
    stream: Stream,
    service: usize,
    client: bool,
    at: usize,
) {
    let mut dice = state.dice.fork();
    let script = Script::draw(&mut dice, client);
    let me = state.sides.len();
    state.sides.push(Side {
        client,
        service,
        at,
        script: script.clone(),
        began: Instant::now(),
        wrote: 0,
        shut: false,
        read: 0,
        peer: None,
        ended: None,
    });
    let who = if client { "client" } else { "server" };
    if let Some(line) = state.note(format!("{who} {me} of service {service} at {at} begins")) {
        println!("{line}   {script:?}");
    }
    let world = world.clone();
    tokio::spawn(async move {
        let ended = run(&world, me, stream, script, dice).await;
        let mut state = world.lock();
        let side = &mut state.sides[me];
        let text = format!(
            "{who} {me} has ended: {ended:?}, wrote {}, read {} of {:?}",
            side.wrote, side.read, side.peer
        );
        side.ended = Some((Instant::now(), ended));
        if let Some(line) = state.note(text) {
            println!("{line}");
        }
    });
}

/// What a side knows of its own two directions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// The other has said who it is.
    peer: bool,
    /// The other has ended its stream.
    end: bool,
}

async fn run(world: &World, me: usize, stream: Stream, script: Script, mut dice: Dice) -> Ended {
    let resets = stream.resets();
    let seen = watch::Sender::new(Seen {
        peer: false,
        end: false,
    });
    let client = world.lock().sides[me].client;
    // A server does nothing that breaks the flow before it knows whose it is.
    let known = || async {
        let mut seen = seen.subscribe();
        if !client {
            // Without a sender there is nothing to wait for.
            let _ = seen.wait_for(|seen| seen.peer || seen.end).await;
        }
    };
    let (reader, writer) = tokio::io::split(stream);
    let [mut reading, mut writing] = [dice.fork(), dice.fork()];
    let reads = read(world, me, reader, &script, &mut reading, &seen);
    let writes = async {
        let written = write(world, me, writer, &script, &mut writing, &seen).await;
        match written {
            Ok(()) if script.leaves => {
                known().await;
                Err(None)
            }
            other => other.map_err(|error| Some(error.kind())),
        }
    };
    let both = async {
        let reads = async { reads.await.map_err(|error| Some(error.kind())) };
        tokio::try_join!(reads, writes).map(drop)
    };
    let gives_up = async {
        match script.resets {
            Some(after) => {
                known().await;
                sleep(after).await;
                resets.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        ended = both => match ended {
            Ok(()) => Ended::InOrder,
            Err(None) => Ended::ByItself,
            Err(Some(kind)) => Ended::Broken(kind),
        },
        () = gives_up => Ended::ByItself,
    }
}

async fn rest(script: &Script, dice: &mut Dice) {
    let (percent, most) = script.rests;
    if percent > 0 && dice.chance(percent) {
        sleep(dice.ms(1, most)).await;
    }
}

async fn write(
    world: &World,
    me: usize,
    mut writer: impl AsyncWrite + Unpin,
    script: &Script,
    dice: &mut Dice,
    seen: &watch::Sender<Seen>,
) -> io::Result<()> {
    let mut at = 0;
    while at < script.octets {
        rest(script, dice).await;
        let count = (script.octets - at).min(dice.between(1, script.piece) as u64);
        let octets: Vec<u8> = (at..at + count).map(|offset| octet(me, offset)).collect();
        let written = writer.write(&octets).await?;
        at += written as u64;
        world.lock().sides[me].wrote = at;
    }
    if script.ends_second {
        // The sender is this side's own.
        let _ = seen.subscribe().wait_for(|seen| seen.end).await;
    }
    rest(script, dice).await;
    writer.shutdown().await?;
    world.lock().sides[me].shut = true;
    Ok(())
}

async fn read(
    world: &World,
    me: usize,
    mut reader: impl AsyncRead + Unpin,
    script: &Script,
    dice: &mut Dice,
    seen: &watch::Sender<Seen>,
) -> io::Result<()> {
    let mut name = [0; NAME as usize];
    let mut at: u64 = 0;
    let mut still = script.stands_still;
    let mut octets = vec![0; script.piece];
    loop {
        rest(script, dice).await;
        if at > 1_000 {
            sleep(std::mem::take(&mut still)).await;
        }
        let most = dice.between(1, script.piece);
        let count = reader.read(&mut octets[..most]).await?;
        let mut state = world.lock();
        if count == 0 {
            state.check_end(me);
            drop(state);
            seen.send_modify(|seen| seen.end = true);
            return Ok(());
        }
        for octet_read in &octets[..count] {
            if at < NAME {
                name[at as usize] = *octet_read;
                if at + 1 == NAME {
                    state.meet(me, u64::from_be_bytes(name) as usize);
                    seen.send_modify(|seen| seen.peer = true);
                }
            } else if let Some(peer) = state.sides[me].peer
                && *octet_read != octet(peer, at)
            {
                state.accuse(format!("side {me} reads a wrong octet of {peer} at {at}"));
            }
            at += 1;
        }
        state.sides[me].read = at;
    }
}

impl State {
    /// A side has read who writes to it.
    fn meet(&mut self, me: usize, peer: usize) {
        let Some(other) = self.sides.get(peer) else {
            return self.accuse(format!("side {me} reads garbage instead of a name"));
        };
        let own = &self.sides[me];
        let pairs = other.client != own.client && other.service == own.service;
        if !pairs || other.peer.is_some_and(|known| known != me) {
            self.accuse(format!(
                "side {me} reads what {peer} wrote to somebody else"
            ));
        }
        self.sides[me].peer = Some(peer);
    }

    fn peer_of(&self, me: usize) -> Option<&Side> {
        let knows = |side: &&Side| side.peer == Some(me);
        let known = self.sides[me].peer.and_then(|peer| self.sides.get(peer));
        known.or_else(|| self.sides.iter().find(knows))
    }

    /// A side has read the end of the other's stream.
    fn check_end(&mut self, me: usize) {
        let read = self.sides[me].read;
        let Some(peer) = self.peer_of(me) else {
            if read > 0 {
                self.accuse(format!("side {me} reads an end within a name"));
            }
            return;
        };
        let (wrote, shut) = (peer.wrote, peer.shut);
        if !shut || wrote != read {
            self.accuse(format!(
                "side {me} reads an end after {read} octets; the other wrote {wrote} and has{} ended its stream",
                if shut { "" } else { " not" }
            ));
        }
    }

    /// Accuses flows that have broken without a reason.
    pub(super) fn judge_flows(&mut self) {
        for me in 0..self.sides.len() {
            let side = &self.sides[me];
            let peer = self.peer_of(me);
            let planned = side.script.breaks()
                || peer.map_or_else(|| self.may_be_left(side), |peer| peer.script.breaks());
            let wrong = match &side.ended {
                None => Some("has not ended".to_owned()),
                // Offered once, and given up before anything of the client's came: the client's stream was offered again.
                Some((_, Ended::Broken(_))) if !side.client && peer.is_none() => None,
                Some((at, Ended::Broken(kind))) if !planned => {
                    let excused = self.excuses(side, *at);
                    (!excused).then(|| format!("broke at {:.3} s ({kind})", self.when(*at)))
                }
                Some(_) => None,
            };
            if let Some(wrong) = wrong {
                let who = if side.client { "client" } else { "server" };
                let text = format!(
                    "{who} {me} of service {} at {}, begun at {:.3} s, wrote {}, read {}, {wrong}",
                    side.service,
                    side.at,
                    self.when(side.began),
                    side.wrote,
                    side.read
                );
                self.accuse(text);
            }
        }
    }

    /// Whether somebody who did not say who he was may have left a side alone.
    fn may_be_left(&self, side: &Side) -> bool {
        let mut others = self.sides.iter().enumerate();
        others.any(|(number, other)| {
            let may_be = other.client != side.client && other.service == side.service;
            may_be && other.script.breaks() && self.peer_of(number).is_none()
        })
    }

    /// Whether a flow may break by what was done.
    fn excuses(&self, side: &Side, ended: Instant) -> bool {
        // Where the client is may not be known.
        let from = match side.client {
            true => Some(side.at),
            false => side.peer.map(|peer| self.sides[peer].at),
        };
        let may_break = |fault: &Fault| {
            let under_way = side.began <= fault.at && fault.at <= ended;
            let new = fault.at <= side.began + OPENING && side.began <= fault.until;
            (new || (under_way && fault.breaks))
                && from.is_none_or(|from| self.touches(fault.place, from, side.service))
        };
        self.faults.iter().any(may_break)
    }

    /// Whether all that began have ended.
    pub(super) fn flows_are_over(&self) -> bool {
        self.sides.iter().all(|side| side.ended.is_some())
    }

    /// Flows that ended in order, and all.
    pub(super) fn flows(&self) -> (usize, usize) {
        let clients = self.sides.iter().filter(|side| side.client);
        let ended = |side: &&Side| matches!(side.ended, Some((_, Ended::InOrder)));
        (clients.clone().filter(ended).count(), clients.count())
    }
}
