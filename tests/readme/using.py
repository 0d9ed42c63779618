"""The commands of whoever calls a server: logins, the examples, the doctor."""

from __future__ import annotations

import json
import re
import stat

from peers import McpServer, call
from recipe import shows
from serving import CLOCK, ISSUER, demo
from stage import Stage, expect

PUBLISHED = "https://mcp.example.com/mcp"
LIST_TOOLS = (
    "-s -o answer -w '%{{http_code}}' -H 'Content-Type: application/json' -H 'MCP-Protocol-Version: 2025-11-25' "
    "-H 'Accept: application/json, text/event-stream' "
    '-d \'{{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}}\' {url}'
)
PRM = "/.well-known/oauth-protected-resource"


def here(command: str) -> str:
    """The demo's server in place of the one that is shown."""
    return command.replace(PUBLISHED, CLOCK)


@shows(rf"portcullis login {PUBLISHED}")
def login(stage: Stage, command: str) -> None:
    demo(stage)
    stage.run(f"portcullis token get {CLOCK}", status=1)
    stage.run(f"portcullis token get {CLOCK} --store file --folder /dev/null", status=2)
    said = stage.run(here(command)).out
    expect(CLOCK in said, f"it says where: {said}")
    logins = stage.folder / "home" / ".local" / "share" / "portcullis" / "logins"
    for path, mode in ((logins, 0o700), *((file, 0o600) for file in logins.glob("*.json"))):
        found = stat.S_IMODE(path.stat().st_mode)
        expect(found == mode, f"{path.name} has mode {found:o}")
    expect(len(list(logins.glob("*.json"))) == 1, "the login is a file")


@shows(rf'curl -H "Authorization: Bearer \$\(portcullis token get {PUBLISHED}\)" …')
def curl_with_token(stage: Stage, command: str) -> None:
    called = here(command).replace("…", LIST_TOOLS.format(url=CLOCK))
    expect(stage.run(called).out == "200", "the server takes the token")
    refused = re.sub(r"\$\(.*?\)", "mF_9.B5f-4.1JqM", called)
    expect(stage.run(refused).out == "401", "the server refuses another one")
    expect(len(stage.run(f"portcullis token get {CLOCK}").out.split()) == 1, "one token is printed, and nothing else")


@shows(r"portcullis login --list")
def list_logins(stage: Stage, command: str) -> None:
    token = stage.run(f"portcullis token get {CLOCK}").out.strip()
    for shown in (stage.run(command).out, stage.run(f"{command} --json").out):
        expect(CLOCK in shown and token not in shown, "the login is listed without its secrets")
    json.loads(shown)


@shows(rf"portcullis logout {PUBLISHED}")
def logout(stage: Stage, command: str) -> None:
    stage.run(here(command))
    stage.run(f"portcullis token get {CLOCK}", status=1)
    expect(CLOCK not in stage.run("portcullis login --list").out, "the login is forgotten")


@shows(rf"portcullis doctor {PUBLISHED}")
def doctor(stage: Stage, command: str) -> None:
    demo(stage)
    for option in ("", " --strict"):
        expect("sound: errors 0" in stage.run(here(command) + option).out, "the demo is sound")
    expect(json.loads(stage.run(f"{here(command)} --json").out)["verdict"] == "sound", "in JSON, too")
    for peer, verdict, status, strict in (
        (_without_pointer(stage), "warnings", 0, 1),
        (stage.keep(McpServer(0)).origin, "errors", 2, 2),
        ("http://127.0.0.1:1", "unchecked", 3, 3),
    ):
        diagnosed = command.replace(PUBLISHED, f"{peer}/mcp")
        said = json.loads(stage.run(f"{diagnosed} --json", status=status).out)
        expect(said["verdict"] == verdict, f"{verdict}, and not {said['verdict']}: {said['findings']}")
        stage.run(f"{diagnosed} --strict", status=strict)


def _without_pointer(stage: Stage) -> str:
    """A server with one warning: its challenge does not say where its metadata is."""
    documents: dict[str, object] = {}
    server = stage.keep(McpServer(0, documents, 'scope="user"'))
    resource = {"resource": f"{server.origin}/mcp", "authorization_servers": [ISSUER]}
    documents[f"{PRM}/mcp"] = resource | {"scopes_supported": ["user"]}
    return server.origin


@shows(r"[A-Z_]+=.+ cargo run -p desktop_server( -- settings\.toml 127\.0\.0\.1:8002)?")
def desktop_server(stage: Stage, command: str) -> None:
    here = "env " + command.replace("cargo run -p ", "").replace(" -- ", " ")
    url = CLOCK
    if "settings.toml" in command:
        url = CLOCK.replace("8001", "8002")
        settings = (stage.root / "examples" / "desktop_server" / "settings.toml").read_text()
        (stage.work / "settings.toml").write_text(settings.replace(CLOCK, url))
        here = here.replace("env ", f"env MCP_KEY={'QUJD' * 10 + 'QUI'} ")
    # It has no signal of its own to end at.
    stage.serve(here, url, ends=-15)
    expect(call(url, None)[0] == 401, "a call without a token is refused")


@shows(r"curl -i -X POST http://localhost:8001/mcp")
def curl_without_token(stage: Stage, command: str) -> None:
    said = stage.run(f"{command} -s").out
    expect(said.startswith("HTTP/1.1 401"), f"refused: {said}")
    expect(f"resource_metadata=\"http://localhost:8001{PRM}/mcp\"" in said, f"challenged: {said}")


@shows(rf"curl http://localhost:8001{PRM}/mcp")
def curl_metadata(stage: Stage, command: str) -> None:
    said = json.loads(stage.run(f"{command} -s").out)
    expect((said["resource"], said["authorization_servers"]) == (CLOCK, [ISSUER]), f"the metadata: {said}")


@shows(r"cargo run -p desktop_client( --bin rmcp_client)?( -- .+)?")
def desktop_client(stage: Stage, command: str) -> None:
    demo(stage)
    program = "rmcp_client" if "rmcp_client" in command else "desktop_client"
    _, _, words = command.partition(" -- ")
    # The tool that the demo has, in place of a weather service.
    words = here(words).replace("""get_forecast '{"city": "Riga"}'""", "get_time '{}'")
    expect(PUBLISHED not in words and "get_forecast" not in words, "what is shown is there")
    open_browser = "--open" in words
    ended = (stage.run if open_browser else stage.login_of)(f"{program} {words}")
    expect(ended.status == 0, f"status {ended.status}: {ended.said}")
    expect(("T" if words else "get_time") in ended.out, f"what it prints: {ended.out}")
