//! The same server on a socket of the operating system.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use edge_nal::TcpBind as _;
use portcullis_embassy::{Memory, Server, tools::ToolService};

use crate::harness::{
    Hands, INFO, NOW, configuration, modern, resource_server, statuses, token, tools,
};

#[test]
fn connections_are_served_one_after_the_other() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let serve = async move {
        let led = Cell::new(false);
        let resource_server = resource_server(configuration());
        let tools = tools(&led);
        let service = ToolService::new(INFO, &tools, resource_server).unwrap();
        let server = Server::new(resource_server, service, Hands(Some(NOW)));
        let acceptor = edge_nal_std::Stack::new().bind(address).await.unwrap();
        let mut memory = Box::new(<Memory>::new());
        server.run(&acceptor, &mut memory).await
    };
    let ask = runtime.spawn_blocking(move || {
        for _ in 0..3 {
            assert_eq!(
                ask(address, "POST /mcp HTTP/1.1\r\nHost: device.example.com\r\n\r\n"),
                [401]
            );
            let request = modern(&token("device:read"), "tools/list", "");
            assert_eq!(ask(address, &request), [200]);
        }
    });
    runtime.block_on(async {
        tokio::select! {
            never = serve => never,
            asked = ask => asked.unwrap(),
        }
    });
}

fn ask(address: SocketAddr, request: &str) -> Vec<u16> {
    let mut tries = 0;
    let mut socket = loop {
        match TcpStream::connect(address) {
            Ok(socket) => break socket,
            Err(error) if tries > 100 => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
        tries += 1;
    };
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let closing = request.replacen("Host:", "Connection: close\r\nHost:", 1);
    socket.write_all(closing.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    statuses(&answer)
}
