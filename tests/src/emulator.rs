//! A machine in QEMU that lives as long as its value.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often a start is tried: between choosing a port and using it, somebody else may take it.
const STARTS_MAX: usize = 5;
/// How long a start may take.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether the image is ready.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The file of what the image prints.
const LOG: &str = "log";
/// The file of what QEMU itself has to say.
const COMPLAINTS: &str = "complaints";

/// A running image. Killed when dropped; of a driver that is killed, the image itself takes notice and ends.
pub struct Emulator {
    process: Child,
    folder: PathBuf,
    addresses: Vec<SocketAddr>,
}

impl Emulator {
    /// Starts an image, and waits until its log says `ready`. Each of `ports` is reachable from this
    /// machine only, and nothing is reachable from the image.
    pub fn start(image: &Path, ports: &[u16], ready: &str) -> io::Result<Self> {
        let mut reason = io::Error::other("no start was tried");
        for _ in 0..STARTS_MAX {
            let mut emulator = Self::launch(image, ports)?;
            match emulator.wait(ready) {
                Ok(()) => return Ok(emulator),
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    fn launch(image: &Path, ports: &[u16]) -> io::Result<Self> {
        let mut addresses = Vec::new();
        let mut nic = "user,restrict=on".to_owned();
        // Held together, so that no two are the same.
        let mut held = Vec::new();
        for port in ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            nic.push_str(&format!(",hostfwd=tcp:{address}-:{port}"));
            addresses.push(address);
            held.push(listener);
        }
        drop(held);
        let first = addresses.first().map_or(0, SocketAddr::port);
        let folder =
            std::env::temp_dir().join(format!("portcullis-image-{}-{first}", std::process::id()));
        fs::create_dir(&folder)?;
        let [log, complaints] = [LOG, COMPLAINTS].map(|name| File::create(folder.join(name)));
        // A comma in an argument is written twice.
        let flash = folder.join("flash").display().to_string().replace(',', ",,");
        let semihosting = format!("enable=on,target=native,arg=flash={flash}");
        let process = Command::new("qemu-system-arm")
            .args(["-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "null"])
            .args(["-semihosting-config", &semihosting, "-nic", &nic, "-kernel"])
            .arg(image)
            .stdin(Stdio::null())
            .stdout(log?)
            .stderr(complaints?)
            .spawn()
            .inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        Ok(Self { process, folder, addresses })
    }

    fn wait(&mut self, ready: &str) -> io::Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            let log = self.log();
            if log.lines().any(|line| line == ready) {
                return Ok(());
            }
            if self.process.try_wait()?.is_some() || Instant::now() > deadline {
                let reason = log + &self.printed(COMPLAINTS);
                return Err(io::Error::other(format!("the image does not start: {reason}")));
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Where this machine reaches the ports, in their order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the image printed so far.
    pub fn log(&self) -> String {
        self.printed(LOG)
    }

    fn printed(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill, and nothing left to do about it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
