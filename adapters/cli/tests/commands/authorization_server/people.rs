//! Users and clients, added and taken away beside a server that is running.

use super::*;

fn names(folder: &Folder) -> Vec<(String, bool)> {
    let listed = folder.run("user list --json").json();
    let user = |user: &serde_json::Value| {
        assert!(user["created_at"].as_u64().unwrap() > 1_700_000_000);
        (user["name"].as_str().unwrap().to_owned(), user["disabled"].as_bool().unwrap())
    };
    listed["users"].as_array().unwrap().iter().map(user).collect()
}

#[test]
fn users_are_added_changed_and_removed() {
    let folder = Folder::new();
    let with_password =
        |command: &str, name: &str, input: &str| folder.run_with(&["user", command, name], input);
    assert!(names(&folder).is_empty());
    with_password("add", "bob", &format!("{PASSWORD}\nmore lines\n")).ok();
    with_password("add", "alice", PASSWORD).ok();
    assert_eq!(names(&folder), [("alice".to_owned(), false), ("bob".to_owned(), false)]);
    with_password("add", "bob", PASSWORD).refused(1, "there is such a user already");
    with_password("add", "client-1", PASSWORD).refused(1, "unlike a client id");
    with_password("passwd", "carol", PASSWORD).refused(1, "there is no such user");
    for (input, words) in
        [("", "8 to 1024 bytes"), ("short\n", "8 to"), (&"x".repeat(1_025), "1024")]
    {
        with_password("add", "carol", input).refused(1, words);
        with_password("passwd", "bob", input).refused(1, words);
    }
    folder.run_with(&["user", "add", "carol", PASSWORD], "").refused(2, "unexpected");
    folder.run("user disable bob").ok();
    assert_eq!(names(&folder)[1], ("bob".to_owned(), true));
    let table = folder.run("user list").ok();
    assert!(table.starts_with("name") && table.contains("disabled"), "{table}");
    folder.run("user enable bob").ok();
    folder.run("user remove alice").ok();
    assert_eq!(names(&folder), [("bob".to_owned(), false)]);
    for command in ["remove", "disable", "enable"] {
        folder.run(&format!("user {command} alice")).refused(1, "there is no such user");
    }
}

#[test]
fn sec_236_a_user_is_not_named_like_a_client_of_the_configuration() {
    let folder = Folder::new();
    let client =
        "[[client]]\nid = \"app\"\nname = \"N\"\nredirect_uris = [\"https://a.example/\"]\n";
    folder.write("portcullis.toml", configuration(9000, client));
    folder.run_with(&["user", "add", "app"], PASSWORD).refused(1, "a client");
    folder.run_with(&["user", "add", "apps"], PASSWORD).ok();
}

#[test]
fn clients_are_added_listed_and_removed() {
    let folder = Folder::new();
    let add = |further: &str| {
        let command = format!("client add --json --redirect-uri {REDIRECT} App{further}");
        folder.run(&command).json()
    };
    let (public, confidential) = (add(""), add(" --confidential"));
    assert!(public.get("client_secret").is_none());
    let secret = confidential["client_secret"].as_str().unwrap();
    let listed = folder.run("client list --json");
    assert!(!listed.stdout.contains(secret));
    let clients = listed.json()["clients"].as_array().unwrap().clone();
    assert_eq!(clients.len(), 2);
    assert!(clients.iter().all(|client| client["redirect_uris"][0] == REDIRECT));
    assert_eq!(clients.iter().filter(|client| client["confidential"] == true).count(), 1);
    folder.run("client add App").refused(2, "--redirect-uri");
    for uri in ["http://a.example/", "javascript:x", "https://a.example/#f"] {
        folder.run(&format!("client add App --redirect-uri {uri}")).refused(1, "redirect URI");
    }
    let id = public["client_id"].as_str().unwrap();
    folder.run(&format!("client remove {id}")).ok();
    folder.run(&format!("client remove {id}")).refused(1, "there is no such client");
    assert!(!folder.run("client list").ok().contains(id));
}

#[test]
fn dp_07_a_client_of_bound_tokens_alone_is_added() {
    for (further, is_taken) in [("dpop = \"offered\"\n", true), ("", false)] {
        let folder = Folder::new();
        folder.write("portcullis.toml", configuration(9000, further));
        let add = format!("client add --json --redirect-uri {REDIRECT} App");
        folder.run(&add).json();
        let bound = folder.run(&format!("{add} --dpop-bound-access-tokens"));
        let listed = folder.run("client list --json").json();
        let of_bound = |client: &&serde_json::Value| client["dpop_bound_access_tokens"] == true;
        let listed = listed["clients"].as_array().unwrap();
        let listed: Vec<_> = listed.iter().filter(of_bound).collect();
        if is_taken {
            let id = bound.json()["client_id"].clone();
            assert_eq!((listed.len(), &listed[0]["client_id"]), (1, &id));
            assert_eq!(folder.run("client list").ok().matches("bound alone").count(), 1);
        } else {
            bound.refused(1, "needs `dpop`");
            assert!(listed.is_empty(), "{listed:?}");
        }
    }
}

#[test]
fn sec_214_a_running_server_takes_notice_at_once() {
    let (folder, port) = configured("");
    let server = Server::start(&folder, port, &[]);
    let added = format!("client add --json --redirect-uri {REDIRECT} App");
    let added = folder.run(&added).json();
    let client = added["client_id"].as_str().unwrap();
    let code = server.code(client, "alice", &mut Vec::new());
    let (_, refresh) = server.redeem(client, &code).tokens();
    let (_, refresh) = server.refresh(client, &refresh).tokens();

    folder.run("user disable alice").ok();
    assert_eq!(server.refresh(client, &refresh).status, 400);
    let (_, answer) = server.sign_in(client, "alice", PASSWORD);
    assert!(answer.location().contains("failed=1"), "{answer:?}");
    folder.run("user enable alice").ok();
    folder.run_with(&["user", "passwd", "alice"], "another password").ok();
    let (_, answer) = server.sign_in(client, "alice", PASSWORD);
    assert!(answer.location().contains("failed=1"), "{answer:?}");
    let (_, answer) = server.sign_in(client, "alice", "another password");
    assert!(answer.location().starts_with("/consent"), "{answer:?}");

    folder.run(&format!("client remove {client}")).ok();
    assert_eq!(server.refresh(client, &refresh).status, 401);
}
