//! `portcullis doctor`: what it prints and how it ends.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use crate::harness::Folder;

/// A server that answers everything with this status and nothing else, until the test ends.
fn server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
        }
    });
    url
}

#[test]
fn errors_end_with_2() {
    let (folder, url) = (Folder::new(), server("403 Forbidden"));
    let ended = folder.run(&format!("doctor {url} --json"));
    let json = ended.json();
    assert_eq!((ended.status, &json["verdict"], &json["schema"]), (2, &"errors".into(), &1.into()));
    let ended = folder.run(&format!("doctor {url}"));
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(
        ended.stdout.contains("[RS-20; no-401]") && ended.stdout.contains("not sound"),
        "{ended:?}"
    );
}

#[test]
fn what_cannot_be_checked_ends_with_3() {
    let folder = Folder::new();
    for url in ["http://127.0.0.1:1/mcp", "ftp://127.0.0.1/", "mcp"] {
        let ended = folder.run(&format!("doctor {url} --json"));
        assert_eq!((ended.status, &ended.json()["verdict"]), (3, &"unchecked".into()), "{ended:?}");
    }
}
