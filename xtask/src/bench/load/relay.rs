//! A long way on one machine: octets that pass are held for half a round trip in each direction.
//!
//! It takes all that comes at once, so that neither socket's window limits what is under way: what shows is the window of the
//! protocol that passes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::BLOCK;

/// Relays connections on `listener` to `target`. It runs as long as the program.
pub(in crate::bench) fn start(
    listener: TcpListener,
    target: SocketAddr,
    trip: Duration,
) -> Result<()> {
    thread::Builder::new()
        .name("relay".to_owned())
        .spawn(move || {
            for near in listener.incoming().flatten() {
                if let Ok(far) = TcpStream::connect(target) {
                    for stream in [&near, &far] {
                        stream.set_nodelay(true).ok();
                    }
                    if let (Ok(from), Ok(to)) = (near.try_clone(), far.try_clone()) {
                        way(from, to, trip / 2);
                        way(far, near, trip / 2);
                    }
                }
            }
        })?;
    Ok(())
}

type Piece = (Instant, Vec<u8>);

/// One direction: a thread that reads, one that writes when it is time.
fn way(from: TcpStream, to: TcpStream, delay: Duration) {
    let (pieces, due) = channel();
    thread::spawn(move || read(from, &pieces, delay));
    thread::spawn(move || write(to, &due));
}

fn read(mut from: TcpStream, pieces: &Sender<Piece>, delay: Duration) {
    let mut block = vec![0; BLOCK];
    while let Ok(count) = from.read(&mut block)
        && count > 0
    {
        let piece = (Instant::now() + delay, block[..count].to_vec());
        if pieces.send(piece).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, due: &Receiver<Piece>) {
    for (at, octets) in due {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&octets).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}
