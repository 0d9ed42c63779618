//! Showing the authorization server to the user (CL-47, CL-91).

use std::{
    future::Future,
    io,
    pin::Pin,
    process::{Command, Stdio},
};

/// The future of [`OpenBrowser::open`].
pub type Opened<'b> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'b>>;

/// Opens a URL in a user agent of the user's own, never in a view of the application.
///
/// The future may end as soon as the page is open, or only when the user is done: the redirect is
/// waited for meanwhile. If it fails, so does the login.
pub trait OpenBrowser: Send + Sync {
    /// Opens the URL. It is https, or http on loopback, and holds the `state`: do not log it.
    fn open(&self, url: String) -> Opened<'_>;
}

impl<F, R> OpenBrowser for F
where
    F: Fn(String) -> R + Send + Sync,
    R: Future<Output = io::Result<()>> + Send + 'static,
{
    fn open(&self, url: String) -> Opened<'_> {
        Box::pin(self(url))
    }
}

/// Prints the URL for the user to open.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrintUrl;

impl OpenBrowser for PrintUrl {
    fn open(&self, url: String) -> Opened<'_> {
        println!("Open this page to log in:\n{url}");
        Box::pin(async { Ok(()) })
    }
}

/// Prints the URL to standard error and opens it in the desktop's browser, by argument vector, without a shell.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBrowser;

impl OpenBrowser for SystemBrowser {
    fn open(&self, url: String) -> Opened<'_> {
        eprintln!("Your browser opens this page to log in:\n{url}");
        Box::pin(async move {
            let exit = tokio::task::spawn_blocking(move || opener(&url).status()).await;
            match exit.map_err(io::Error::other)? {
                // Where there is no such program, the user has the printed URL.
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        })
    }
}

fn opener(url: &str) -> Command {
    let (program, arguments): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("rundll32", &["url.dll,FileProtocolHandler"]),
        _ => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(url);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_460_the_url_is_one_argument() {
        let url = "https://as.example/a?b=$(id)&c='d';e";
        let command = opener(url);
        assert_eq!(command.get_args().last().unwrap(), url);
        assert!(["open", "rundll32", "xdg-open"].iter().any(|name| command.get_program() == *name));
    }
}
