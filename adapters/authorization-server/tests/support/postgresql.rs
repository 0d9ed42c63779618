//! A PostgreSQL server of one's own, in a temporary folder, for as long as a test lasts.
//!
//! Debian's package `postgresql` brings the programs; no cluster of the system is touched. They refuse
//! to run as root, so root becomes `nobody` for them.

#![allow(dead_code, reason = "each of the programs that include this file needs a part of it")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long the server may take to start on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Postgresql {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Postgresql {
    /// Starts a server, or says why there is none.
    pub(crate) fn start() -> Result<Self, String> {
        let programs = programs().ok_or("Debian's package postgresql is not installed")?;
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        // `nobody` must get in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))
            .map_err(|error| error.to_string())?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        let server = Self { programs, folder, port };
        server.make_cluster()?;
        server.run(
            "pg_ctl",
            &["start", "-w", "-t", "60", "-l", "LOG", "-o", "OPTIONS", "-D", "DATA"],
        )?;
        let started = Instant::now();
        while server.query("postgres", "SELECT 1").is_err() {
            if started.elapsed() > START_MAX {
                return Err("the server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// A new, empty database, as a URL.
    pub(crate) fn database(&self, name: &str) -> String {
        let created = self.query("postgres", &format!("CREATE DATABASE {name}"));
        assert!(created.is_ok(), "{created:?}");
        self.url(name)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgresql://portcullis@127.0.0.1:{}/{name}?sslmode=disable", self.port)
    }

    /// Runs one statement with psql; gives what it prints.
    pub(crate) fn query(&self, database: &str, statement: &str) -> Result<String, String> {
        let url = self.url(database);
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "-c", statement, &url]);
        printed(psql.output())
    }

    /// Everything in a database, as text.
    pub(crate) fn dump(&self, name: &str) -> String {
        let mut dump = Command::new(self.programs.join("pg_dump"));
        printed(dump.args(["--data-only", "--inserts"]).arg(self.url(name)).output()).unwrap()
    }

    fn make_cluster(&self) -> Result<(), String> {
        let arguments = ["-D", "DATA", "-U", "portcullis", "-A", "trust", "-E", "UTF8", "-N"];
        self.run("initdb", &[&arguments[..], &["--no-locale"]].concat())
    }

    /// Runs a program of the server; words in capitals stand for what only this server knows.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let options = format!(
            "-h 127.0.0.1 -p {} -k {} -c max_connections=60",
            self.port,
            self.folder.path().display(),
        );
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "nobody", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdin(Stdio::null());
        for argument in arguments {
            match *argument {
                "DATA" => command.arg(path("data")),
                "LOG" => command.arg(path("log")),
                "OPTIONS" => command.arg(&options),
                plain => command.arg(plain),
            };
        }
        // The server inherits what it is started with: no pipe, whose end would never come.
        let output = command.stdout(Stdio::null()).stderr(Stdio::null()).output();
        printed(output).map(drop)
    }
}

impl Drop for Postgresql {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["stop", "-m", "immediate", "-w", "-D", "DATA"]);
        // The files are those of another user; the folder itself is ours.
        let data = self.folder.path().join("data");
        if is_root() {
            let _ = fs::remove_dir_all(data);
        }
    }
}

fn printed(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

fn is_root() -> bool {
    let own = fs::metadata("/proc/self").map(|it| std::os::unix::fs::MetadataExt::uid(&it));
    own.is_ok_and(|uid| uid == 0)
}

/// The newest version's programs, where Debian puts them.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| is_program(&folder.join("initdb"))).max()
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}
