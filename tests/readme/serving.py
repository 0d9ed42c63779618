"""The commands of whoever runs a server: the demo, the authorization server, the proxy."""

from __future__ import annotations

import ssl
import time
import tomllib

from browser import DEMO_PASSWORD, DEMO_USER
from peers import McpServer, call, token
from recipe import shows
from stage import Stage, Untrue, expect, fetch
from user_agent import LoginRefused

ISSUER, CLOCK = "http://localhost:9000", "http://localhost:8001/mcp"
METADATA = f"{ISSUER}/.well-known/oauth-authorization-server"
ALICE, PASSWORD = "alice", "a password that alice chose"
# In place of what the documentation calls the servers.
RESOURCE = "https://localhost:8443/mcp"
LOOPBACK = {
    "https://mcp.example.com/mcp": RESOURCE,
    "https://as.example.com": ISSUER,
    "0.0.0.0:443": "127.0.0.1:8443",
}
CONFIGURATION = f"""
[[resource]]
identifier = "{RESOURCE}"
name = "Clock"
token_format = "es256"
[[resource.scope]]
name = "user"
description = "read the time"
default = true
"""


def demo(stage: Stage) -> None:
    """The demo on the ports that the documentation names."""
    if not stage.is_running("portcullis demo"):
        stage.serve("portcullis demo", CLOCK, "The servers stay up.")


@shows(r"cargo run --release -- demo")
def demo_stays_up(stage: Stage, command: str) -> None:
    demo(stage)
    expect(call(CLOCK, None)[0] == 401, "a call without a token is refused")
    expect(call(CLOCK, token(ISSUER, CLOCK, "user"))[0] == 200, "the user's token is taken")
    for option in ("--once", "--verify", "--legacy", "-port"):
        expect(option in stage.run("portcullis demo --help").out, f"demo --help has {option}")


@shows(r"portcullis authorization-server --example-config > \S*portcullis\.toml")
def example_configuration(stage: Stage, command: str) -> None:
    stage.run(command.replace("/etc/", "etc/"))
    path = command.rpartition(" ")[2].replace("/etc/", "etc/")
    text = (stage.work / path).read_text()
    expect("resource" in tomllib.loads(text), "it names an MCP server")


@shows(r"portcullis authorization-server --check")
def check_configuration(stage: Stage, command: str) -> None:
    expect("good" in stage.run(command).out, "the configuration is good")
    expect(not (stage.work / "portcullis-data").exists(), "nothing is made")
    right = (stage.work / "portcullis.toml").read_text()
    (stage.work / "wrong.toml").write_text(right.replace('#issuer = "http://localhost:9000"', 'issuer = "ftp://localhost"'))
    said = stage.run(f"{command} --config wrong.toml", status=1).said
    expect("issuer" in said, f"what is wrong is told: {said}")


@shows(r"portcullis authorization-server")
def authorization_server(stage: Stage, command: str) -> None:
    stage.serve(command, "http://127.0.0.1:9000/ready")
    for name, mode in (("portcullis-data", 0o700), ("portcullis-data/master.key", 0o600), ("portcullis-data/records.db", 0o600)):
        stage.mode(name, mode)
    for path in ("/health", "/ready"):
        expect(fetch(ISSUER + path)[0] == 200, f"{path} answers")


@shows(r"portcullis user add alice")
def add_user(stage: Stage, command: str) -> None:
    stage.run(command, typed=PASSWORD + "\n")
    stage.notes["token"] = token(ISSUER, CLOCK, "user", ALICE, PASSWORD)
    try:
        token(ISSUER, CLOCK, "user", ALICE, "not the password")
    except LoginRefused:
        return
    raise Untrue("alice signs in with another password")


@shows(r"portcullis client add .+")
def add_client(stage: Stage, command: str) -> None:
    stage.run(command)
    expect("Desktop app" in stage.run("portcullis client list").out, "the client is listed")


@shows(r"portcullis key derive --master-key portcullis-data/master\.key --resource http://localhost:8001/mcp")
def derive_key(stage: Stage, command: str) -> None:
    printed = stage.run(command).out
    for name, resource in (("this", CLOCK), ("other", "http://localhost:8002/mcp")):
        stage.run(f"{command.replace(CLOCK, resource)} --out {name}.key")
    expect((stage.work / "this.key").read_text().strip() in printed, "the key is printed")
    verify = f"portcullis token verify - --resource {CLOCK} --issuer {ISSUER} --key"
    stage.run(f"{verify} this.key", typed=stage.notes["token"])
    stage.run(f"{verify} other.key", typed=stage.notes["token"], status=1)
    # The example for authors of servers names the same URL, issuer and kid.
    stage.serve("env MCP_KEY=$(cat this.key) desktop_server", CLOCK, ends=-15)
    expect(call(CLOCK, stage.notes["token"])[0] == 200, "an MCP server with this key takes the token")
    stage.stop(1)
    stage.serve("env MCP_KEY=$(cat other.key) desktop_server", CLOCK, ends=-15)
    expect(call(CLOCK, stage.notes["token"])[0] == 401, "an MCP server with another key refuses it")


def issuer(stage: Stage) -> None:
    """An authorization server that knows the resource of the proxy."""
    folder = stage.work / "issuer"
    folder.mkdir(mode=0o700)
    (folder / "portcullis.toml").write_text(CONFIGURATION)
    stage.serve("portcullis authorization-server --config issuer/portcullis.toml", METADATA)
    stage.run(f"portcullis user add {DEMO_USER} --config issuer/portcullis.toml", typed=DEMO_PASSWORD + "\n")
    stage.notes["token"] = token(ISSUER, RESOURCE, "user")


def trusted(stage: Stage) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(stage.work / "authority.pem"))


@shows(r"portcullis protect .+")
def protect(stage: Stage, command: str) -> None:
    upstream = stage.keep(McpServer(3000))
    issuer(stage)
    stage.run("portcullis key certificate --host localhost --out tls && cp -p tls/* .")
    for shown, here in LOOPBACK.items():
        expect(shown in command, f"{shown} is shown")
        command = command.replace(shown, here)
    expect("good" in stage.run(f"{command} --check").out, "the flags are good")
    wrong = command.replace("--upstream http://127.0.0.1:3000/mcp", "--upstream http://mcp.example.com/mcp")
    stage.run(f"{wrong} --check", status=1)
    stage.serve(command, RESOURCE, trust=trusted(stage))
    status, challenge, _ = call(RESOURCE, None, trust=trusted(stage))
    expect(status == 401 and "resource_metadata=" in challenge, f"challenged: {status} {challenge}")
    expect(call(RESOURCE, stage.notes["token"], trust=trusted(stage))[0] == 200, "the token is taken")
    expect("authorization" not in upstream.seen[-1], "no token gets to the upstream")
    called = call(RESOURCE, stage.notes["token"], "tools/call", trusted(stage), name="set_time", arguments={})
    expect(called[0] == 403, f"set_time needs another scope: {called}")
    expect(len(upstream.seen) == 1, "what is refused does not get to the upstream")
    stage.notes["protect"] = command


@shows(r"portcullis key new --out identity\.key")
def identity_key(stage: Stage, command: str) -> None:
    stage.run(command)
    stage.never_overwritten(command, "identity.key")
    stage.stop(1)
    stage.serve(f"{stage.notes['protect']} --identity-key identity.key", RESOURCE, trust=trusted(stage))
    expect(call(RESOURCE, stage.notes["token"], trust=trusted(stage))[0] == 200, "the token is taken")
    (upstream,) = (peer for peer in stage.peers if isinstance(peer, McpServer))
    said = upstream.seen[-1].get("portcullis-identity", "")
    checker = f"python3 {stage.root}/examples/protect/identity.py $(cat identity.key)"
    claims = stage.run(f"{checker} http://127.0.0.1:3000/mcp {time.time()}", typed=said).out
    expect('"sub"' in claims and '"client_id"' in claims, f"who calls: {claims}")
    stage.run(f"{checker} http://127.0.0.1:3001/mcp {time.time()}", typed=said, status=1)
