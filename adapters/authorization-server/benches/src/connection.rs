//! One connection of HTTP/1.1 that is kept, the same for every server.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server accepts");
        stream.set_nodelay(true).expect("an open socket");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        // It ends with its sender; what goes wrong is seen there.
        tokio::spawn(connection);
        Self { address, sender }
    }

    pub async fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, fields, Bytes::new()).await
    }

    pub async fn post_form(&mut self, path: &str, fields: &[(&str, &str)], form: String) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("content-type", "application/x-www-form-urlencoded"));
        self.send(Method::POST, path, &fields, form.into()).await
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", self.address.to_string());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).expect("a request");
        self.sender.ready().await.expect("the connection is kept");
        let (head, body) = self.sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A member of the JSON object that this is; the measurement ends if it is not there.
    pub fn member(&self, name: &str) -> String {
        let object: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let Some(text) = object[name].as_str() else {
            panic!("no {name}: {} {}", self.status, self.text())
        };
        text.to_owned()
    }
}

/// A form, or a query.
pub fn encode(pairs: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}
