"""The example `desktop_server`, an rmcp service behind our layer, with settings of its own for each column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from authorization import AuthorizationServer
from columns import Column, Means
from servers import Server, metadata_url

SETTINGS = """
resource = {resource}
[[issuers]]
identifier = {issuer}
[issuers.verification]
{verification}
[scopes]
base = {base}
tools = {{ set_time = {further} }}
"""


def start(means: Means, column: Column) -> Server:
    issuer, resource = means.issuers[column.issuer], means.resource(column)
    server = Server(column.name, means.cache, issuer.issuer, resource)
    told = {"resource": resource, "issuer": issuer.issuer, "base": column.base, "further": column.further}
    quoted = {name: json.dumps(value) for name, value in told.items()}
    settings = means.cache / f"{column.name}.toml"
    settings.write_text(SETTINGS.format(**quoted, verification=verification(issuer, column, resource)))
    try:
        address = f"127.0.0.1:{means.ports[column.name]}"
        server.run([str(means.examples / "desktop_server"), str(settings), address], ours=True)
        server.answers(metadata_url(resource))
        return server
    except BaseException:
        server.stop()
        raise


def verification(issuer: AuthorizationServer, column: Column, resource: str) -> str:
    """As the format of the tokens has it."""

    def secret(file: Path) -> str:
        return f"{{ file = {json.dumps(str(file))} }}"

    def lines(**settings: Any) -> str:
        return "\n".join(f"{name} = {value}" for name, value in settings.items())

    if column.token_format == "hs256":
        key = secret(issuer.key_file(column, resource))
        return lines(mode='"offline"', keys=f'[{{ id = "1", secret = {key} }}]')
    if column.token_format == "jwt":
        return lines(mode='"jwks"', url=json.dumps(f"{issuer.issuer}/jwks"))
    return lines(
        mode='"introspection"',
        endpoint=json.dumps(issuer.introspection_endpoint),
        client_id=json.dumps(column.name),
        client_secret=secret(issuer.secret_file(column)),
    )
