//! A folder with files, and the program run in it.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// For a run, and for anything that is waited for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const RESOURCE: &str = "http://127.0.0.1:8080/mcp";
pub(crate) const OTHER_RESOURCE: &str = "http://127.0.0.1:8081/mcp";
pub(crate) const ISSUER: &str = "http://localhost:9000";

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// What was printed, of a run that succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.stdout
    }

    /// The one JSON object that was printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).expect(&self.stdout);
        assert!(value.is_object() && self.stdout.lines().count() == 1, "{self:?}");
        value
    }

    /// Ended with `status` and an error that has `words`; nothing on standard output.
    #[track_caller]
    pub(crate) fn refused(self, status: i32, words: &str) {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{self:?}");
        assert!(self.stderr.contains(words), "{self:?}");
    }
}

/// A folder of its own for one test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with `master.key`, and of two devices `device.json` and `other.json`.
    pub(crate) fn provisioned() -> Self {
        let folder = Self::new();
        folder.run("key new --out master.key").ok();
        for (resource, file) in [(RESOURCE, "device.json"), (OTHER_RESOURCE, "other.json")] {
            let command = format!(
                "key derive --master-key master.key --resource {resource} --provisioning --issuer {ISSUER} --out {file}"
            );
            folder.run(&command).ok();
        }
        folder
    }

    /// The program, with arguments that have no blanks.
    pub(crate) fn run(&self, arguments: &str) -> Ended {
        self.run_with(&arguments.split(' ').collect::<Vec<_>>(), "")
    }

    /// The program with these arguments and `input` on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A program that does not read it may be gone.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let deadline = Instant::now() + DEADLINE;
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        // Without effect on one that has ended; else no status is the right one.
        let _ = child.kill();
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ended {
            status: status.code().unwrap_or(-1),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments);
        self.at_home(command)
    }

    /// The command, run in this folder, with its outputs piped.
    pub(crate) fn at_home(&self, mut command: Command) -> Command {
        command.current_dir(self.0.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// Writes a file that only its owner can read: it may be a secret.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// `device.json` with one text in place of another.
    pub(crate) fn write_changed(&self, name: &str, from: &str, to: &str) {
        let (before, after) =
            (self.read("device.json"), self.read("device.json").replace(from, to));
        assert_ne!(before, after);
        self.write(name, after);
    }
}
