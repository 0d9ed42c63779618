"""`portcullis doctor` at every server of the matrix: it finds what is so, and nothing else.

What is to be found at each is listed here. Whether a listed fault is there is also seen by other means, at every
server, so that neither the list nor the doctor can be wrong alone. What it sent is in the servers' own logs.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import sdk_servers
from columns import Column, Means
from servers import PASSWORD, USER, Server, fetch, metadata_url
from user_agent import RedirectListener, UserAgent

SECS_MAX = 120
README = Path(__file__).resolve().parents[2] / "README.md"
# A line of a server of others about a request by the doctor.
ASKED = re.compile(r"^asked (.*)$", re.MULTILINE)
# Neither was issued by anybody.
NO_CREDENTIALS = {"Bearer portcullis-doctor-sends-no-real-token", "Bearer no token at all"}
# Where a request would change something, or take something that it needs a credential for.
NEVER_ASKED = {"/register", "/token", "/revoke", "/introspect", "/reg", "/request", "/me"}
MESSAGE = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
MCP = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@dataclass(frozen=True)
class Fault:
    """A code of the doctor that some server here earns."""

    code: str
    why: dict[str, str]
    """By the names of the columns where it is expected, what they do."""
    is_there: Callable[[Server, Column], bool]
    """The same, seen without the doctor."""


def _error_without_token(server: Server, column: Column) -> bool:
    return "error=" in (fetch(server.resource, MESSAGE, MCP)[1]["WWW-Authenticate"] or "")


def _preflight_token(server: Server, column: Column) -> bool:
    asks = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    return fetch(server.resource, headers=asks, method="OPTIONS")[0] == 401


def _no_public_clients(server: Server, column: Column) -> bool:
    return "none" not in _metadata(server)["token_endpoint_auth_methods_supported"]


def _no_iss(server: Server, column: Column) -> bool:
    """Whether the user comes back from a login without `iss` (RFC 9207)."""
    metadata = _metadata(server)
    with closing(RedirectListener(0)) as listener:
        client = {"redirect_uris": [listener.redirect_uri], "token_endpoint_auth_method": "none"}
        registered = fetch(metadata["registration_endpoint"], json.dumps(client).encode(), {"Content-Type": "application/json"})
        query = {"response_type": "code", "client_id": json.loads(registered[2])["client_id"], "state": "s"}
        query |= {"redirect_uri": listener.redirect_uri, "scope": column.base, "resource": server.resource}
        query |= {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
        agent = UserAgent(listener.redirect_uri, USER, PASSWORD)
        agent.authorize(f"{metadata['authorization_endpoint']}?{urlencode(query)}")
        callback = listener.callback()
    if "code" not in callback:
        raise RuntimeError(f"{column.title}: no login: {callback}")
    return callback.get("iss") != metadata["issuer"]


def _no_cache(server: Server, column: Column) -> bool:
    return fetch(metadata_url(server.resource))[1]["Cache-Control"] is None


def _head(server: Server, column: Column) -> bool:
    return fetch(metadata_url(server.resource), method="HEAD")[0] != 200


FAULTS = (
    Fault(
        "error-without-token",
        {
            sdk_servers.PYTHON: "its middleware says invalid_token whenever there is no user",
            sdk_servers.TYPESCRIPT: "its middleware says invalid_token when the field is missing",
        },
        _error_without_token,
    ),
    Fault(
        "preflight-token",
        {
            sdk_servers.PYTHON: "the endpoint's middleware judges OPTIONS, too; CORS is the application's to add",
            sdk_servers.TYPESCRIPT: "the example's guard stands before every method; CORS is the application's to add",
        },
        _preflight_token,
    ),
    Fault(
        "no-public-clients",
        {sdk_servers.PYTHON: "its metadata lists client_secret_post and client_secret_basic, though it admits others"},
        _no_public_clients,
    ),
    Fault(
        "no-iss",
        {
            sdk_servers.PYTHON: "the SDK's helper for redirects adds code and state",
            sdk_servers.TYPESCRIPT: "the redirect is the application's, and the SDK's metadata has no member for it",
        },
        _no_iss,
    ),
    Fault("prm-no-cache", {sdk_servers.TYPESCRIPT: "the SDK's handler sets no Cache-Control"}, _no_cache),
    Fault("prm-head", {sdk_servers.TYPESCRIPT: "the SDK's handler admits GET and OPTIONS alone"}, _head),
)


def check(means: Means, servers: dict[Column, Server]) -> Iterator[tuple[str, str | None]]:
    """Each case with why it failed."""
    # To the server they are one: what is hidden is hidden from clients.
    columns = [column for column in servers if not column.hidden]
    for column in columns:
        yield f"doctor: {column.title}: {_expected_words(column)}", _diagnosed(means, servers[column], column)
    for column in columns:
        if column.theirs:
            yield f"doctor: {column.title}: it sent no credential and changed nothing", _harmless(servers[column])
    for fault in FAULTS:
        found = {column.name for column in columns if fault.is_there(servers[column], column)}
        why = None if found == set(fault.why) else f"seen at {sorted(found)}, listed for {sorted(fault.why)}"
        yield f"doctor: {fault.code} is where it is found, and nowhere else", why


def _expected(column: Column) -> list[str]:
    return sorted(fault.code for fault in FAULTS if column.name in fault.why)


def _expected_words(column: Column) -> str:
    return ", ".join(_expected(column)) or "sound"


def _diagnosed(means: Means, server: Server, column: Column) -> str | None:
    """Runs it, as people and as scripts do."""
    command = [str(means.program), "doctor", server.resource]
    ended = [
        subprocess.run(command + more, capture_output=True, text=True, timeout=SECS_MAX, stdin=subprocess.DEVNULL)
        for more in ([], ["--json"], ["--json", "--strict"])
    ]
    report = json.loads(ended[1].stdout)
    codes = sorted({finding["code"] for finding in report["findings"]})
    if codes != _expected(column):
        return f"found {codes}: {report['findings']}"
    warned = report["counts"]["warnings"] > 0
    if (report["verdict"], report["counts"]["errors"]) != ("warnings" if warned else "sound", 0):
        return f"verdict {report['verdict']}, {report['counts']}"
    if [it.returncode for it in ended] != [0, 0, 1 if warned else 0]:
        return f"ended with {[it.returncode for it in ended]}"
    if missing := [code for code in codes if f"; {code}]" not in ended[0].stdout]:
        return f"not told to people: {missing}"
    return _like_readme(report)


def _like_readme(report: dict[str, object]) -> str | None:
    """Whether the members are those that README names."""
    said = re.search(r"The JSON is one object with (.*?); codes stay", README.read_text(), re.DOTALL)
    if said is None:
        return "README does not say which members there are"
    verdicts = re.search(r"`verdict` \((.*?)\)", said[1], re.DOTALL)
    own, _, of_finding = re.sub(r"\(.*?\)", "", said[1], flags=re.DOTALL).partition("`findings` with")
    members = [re.findall(r"`(\w+)`", part) for part in (own + "`findings`", of_finding)]
    if set(report) != set(members[0]) or report["schema"] != 1:
        return f"members {sorted(report)}, and README has {sorted(members[0])}"
    findings = report["findings"]
    if not isinstance(findings, list) or any(set(finding) != set(members[1]) for finding in findings):
        return f"a finding has other members than {sorted(members[1])}"
    return None if verdicts and f"`{report['verdict']}`" in verdicts[1] else f"README has no verdict {report['verdict']}"


def _harmless(server: Server) -> str | None:
    asked = [json.loads(line) for line in ASKED.findall(server.others_said())]
    if len(asked) < 10:
        return f"only {len(asked)} requests are in the log"
    for request in asked:
        url = urlsplit(request["url"])
        sent = {request["authorization"]} | {f"Bearer {value}" for name, value in parse_qsl(url.query) if name == "access_token"}
        if request["cookie"] or sent - NO_CREDENTIALS - {None}:
            return f"a credential: {request}"
        if url.path in NEVER_ASKED or request["method"] not in ("GET", "HEAD", "OPTIONS", "POST"):
            return f"a request that changes something: {request}"
    return None


def _metadata(server: Server) -> dict[str, str]:
    return dict(json.loads(fetch(f"{server.issuer}/.well-known/oauth-authorization-server")[2]))
