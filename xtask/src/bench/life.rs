//! The life of a link: how long from a router's start, or its peer's return, until an address can be reached.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::contender::{Contender, Setting, end, services};
use super::load;
use super::routers::{self, End};

/// Longer than any router that works takes.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a client tries.
const PERIOD: Duration = Duration::from_millis(2);

/// Seconds from the start of the front, with the back up, until a client is answered; and from the return of a killed back.
pub(super) fn measure(contender: &Contender, setting: &Setting) -> Result<Vec<Option<f64>>> {
    let Contender::Routers(name, front, back) = contender else {
        anyhow::bail!("a link is between routers");
    };
    let services = services(setting, None)?;
    let echo = services.iter().find(|service| service.name == "echo");
    let echo = echo.context("no service echoes")?.entrance;
    let between = services.first().context("nothing to be served")?.back;
    let start = |end, words| {
        routers::start(
            name,
            end,
            words,
            &services,
            &setting.folder,
            &setting.material,
        )
    };
    let mut processes = vec![start(End::Back, back)?];
    let result = (|| {
        until(|| TcpStream::connect(between).ok().map(drop)).context("the back's listener")?;
        let began = Instant::now();
        processes.push(start(End::Front, front)?);
        until(|| answered(echo)).context("an answer after the start")?;
        let started = began.elapsed();
        end(&mut processes[..1]);
        // Long enough for the front to have noticed, and for its first attempts to have failed.
        thread::sleep(Duration::from_millis(1_500));
        let began = Instant::now();
        processes.push(start(End::Back, back)?);
        until(|| answered(echo)).context("an answer after the peer's return")?;
        let recovered = began.elapsed();
        Ok(vec![
            Some(started.as_secs_f64()),
            Some(recovered.as_secs_f64()),
        ])
    })();
    end(&mut processes);
    result
}

fn answered(entrance: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(entrance).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .ok()?;
    load::exchange(&mut stream).ok()
}

fn until(mut attempt: impl FnMut() -> Option<()>) -> Result<()> {
    let start = Instant::now();
    while attempt().is_none() {
        anyhow::ensure!(start.elapsed() < LIMIT, "it did not come within a minute");
        thread::sleep(PERIOD);
    }
    Ok(())
}
