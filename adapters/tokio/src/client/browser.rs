//! Showing the authorization server to the user (CL-47, CL-91).

use std::{
    future::Future,
    io,
    pin::Pin,
    process::{Command, Stdio},
    thread,
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
            match ended(opener(&url)).await {
                // Where there is no such program, the user has the printed URL.
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            }
        })
    }
}

/// Waits for a program on a thread of its own: it may stay as long as the browser is open, and a runtime that ends
/// would wait for one of its own threads so long.
async fn ended(mut program: Command) -> io::Result<()> {
    let (tell, told) = tokio::sync::oneshot::channel();
    thread::Builder::new().spawn(move || tell.send(program.status()))?;
    told.await.map_err(io::Error::other)?.map(drop)
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

    #[cfg(unix)]
    #[test]
    fn an_opener_that_stays_keeps_nobody_from_ending() {
        use std::{sync::mpsc, time::Duration};
        // `cat` ends when nobody can write to it any more.
        let (input, open) = io::pipe().unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut program = Command::new("cat");
            program.stdin(input).stdout(Stdio::null());
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let mut ending = Box::pin(ended(program));
                let polled = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(ending.as_mut().poll(context).is_pending())
                });
                assert!(polled.await);
            });
            drop(runtime);
            tell.send(()).unwrap();
        });
        told.recv_timeout(Duration::from_secs(60)).unwrap();
        drop(open);
    }
}
