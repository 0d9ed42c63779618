//! Answers of other servers, as the core sees them.

use http::{header, response::Parts};
use portcullis_core::message::{Field, IncomingResponse};

/// A media type that is said twice is none; it is never the first one found.
pub(crate) fn incoming<'r>(head: &'r Parts, body: &'r [u8]) -> IncomingResponse<'r> {
    let mut values = head.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(only), None) => Field::One(only.as_bytes()),
        (Some(_), Some(_)) => Field::Repeated,
    };
    IncomingResponse { status: head.status.as_u16(), content_type, body }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    #[test]
    fn sec_173_a_media_type_that_is_said_twice_is_none() {
        for (values, expected) in [
            (&[][..], Field::Absent),
            (&["application/json"], Field::One(b"application/json")),
            (&["application/json", "application/json"], Field::Repeated),
            (&["application/json", "text/html", "text/html"], Field::Repeated),
        ] {
            let mut response = Response::new(());
            for value in values {
                response.headers_mut().append(header::CONTENT_TYPE, value.parse().unwrap());
            }
            let (head, ()) = response.into_parts();
            let seen = incoming(&head, b"{}");
            assert_eq!((seen.status, seen.content_type), (200, expected), "{values:?}");
        }
    }
}
