//! The service behind: says who it believes to be asked by, and repeats the body that it got.

use core::{
    cell::Cell,
    fmt::{self, Write as _},
};

use portcullis_core::{
    encoding::{scratch::Scratch, text},
    resource_server::Principal,
};
use portcullis_embassy::{Reply, Request, Service};

/// The content type of its answers.
pub const CONTENT_TYPE: &str = "text/plain";

/// The line about a principal.
#[derive(Clone, Copy, Debug)]
pub struct Line<'p, 's>(pub &'p Principal<'s>);

impl fmt::Display for Line<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(principal) = self;
        write!(
            f,
            "{} {} {} [{}] {} {}",
            principal.subject().unwrap_or("-"),
            principal.client_id().unwrap_or("-"),
            principal.issuer(),
            principal.scope().as_str(),
            principal.token_id().unwrap_or("-"),
            principal.expires_at().as_secs()
        )
    }
}

/// The service as the embassy adapter sees it; counts how often it ran.
#[derive(Debug, Default)]
pub struct Echo(pub Cell<usize>);

impl Service for Echo {
    async fn answer<'s>(
        &'s self,
        request: Request<'_, 's>,
        scratch: &mut Scratch<'s>,
    ) -> Reply<'s> {
        self.0.set(self.0.get() + 1);
        let body = core::str::from_utf8(request.body).expect("a checked body is text");
        let text = text::write_in(scratch, |text| {
            writeln!(text, "{}", Line(request.principal)).expect("room for the line");
            text.push(body)
        });
        Reply::Text { content_type: CONTENT_TYPE, text: text.expect("room for the body") }
    }
}
