"""The client library Authlib against the authorization server: every endpoint, and what it must refuse."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7591 import ClientMetadataClaims
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from joserfc.jwk import ECKey, KeySet

import report
from browser import Browser
from report import Failure, expect
from user_agent import RedirectListener

SECS_MAX = 20
SECRETS = ("access_token", "refresh_token", "device_code", "registration_access_token")
VERIFIERS = iter(f"{number:03}" + "authlib-verifier" * 3 for number in range(1000))


@contextmanager
def case(title: str) -> Iterator[None]:
    with report.case(f"authlib: {title}"):
        yield


@contextmanager
def refused(error: str) -> Iterator[None]:
    """The server must refuse with this error."""
    try:
        yield
    except OAuthError as refusal:
        expect(refusal.error == error, f"refused with {refusal.error} instead of {error}")
    else:
        raise Failure(f"accepted instead of {error}")


def watch(secrets: set[str]) -> None:
    """Notes the secrets that the server gives, for they must be in no log."""
    send = requests.Session.send

    def watched(session: requests.Session, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        answer = send(session, request, **settings)
        if "json" in answer.headers.get("Content-Type", ""):
            body = answer.json()
            secrets.update(body[name] for name in SECRETS if body.get(name))
        return answer

    requests.Session.send = watched  # type: ignore[method-assign]


class Peer:
    def __init__(self, site: dict[str, Any], browser: Browser) -> None:
        self.site, self.browser = site, browser
        self.metadata: dict[str, Any] = {}
        self.client_id = ""

    # Who the client is

    def discover(self) -> None:
        issuer = self.site["issuer"]
        url = get_well_known_url(issuer, external=True)
        answer = requests.get(url, timeout=SECS_MAX)
        self.metadata = answer.json()
        metadata = AuthorizationServerMetadata(self.metadata)
        # All of its checks but that of https, which loopback does without.
        for name in ("response_types_supported", "grant_types_supported", "code_challenge_methods_supported",
                     "token_endpoint_auth_methods_supported", "introspection_endpoint_auth_methods_supported",
                     "revocation_endpoint_auth_methods_supported", "scopes_supported"):
            getattr(metadata, f"validate_{name}")()
        expect(metadata.issuer == issuer, metadata.issuer)

    def register(self, **changes: Any) -> dict[str, Any]:
        wanted = {
            "client_name": "Authlib",
            "redirect_uris": [self.browser.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        answer = requests.post(self.metadata["registration_endpoint"], json=wanted | changes, timeout=SECS_MAX)
        body = answer.json()
        if answer.status_code != 201:
            raise OAuthError(body.get("error"), body.get("error_description"))
        claims = {name: body[name] for name in wanted if name in body}
        ClientMetadataClaims(claims, {}).validate()
        return body

    def session(self, client_id: str | None = None, **settings: Any) -> OAuth2Session:
        settings = {"token_endpoint_auth_method": "none", "redirect_uri": self.browser.redirect_uri} | settings
        return OAuth2Session(client_id or self.client_id, code_challenge_method="S256", **settings)

    # The flow

    def authorize(self, resource: str, approve: bool = True, **changes: str) -> tuple[OAuth2Session, str, str]:
        """The session, the verifier, and where the browser came back to."""
        session, verifier = self.session(scope="user"), next(VERIFIERS)
        url, _ = session.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, resource=resource, **changes
        )
        return session, verifier, self.browser.authorize(url, approve)

    def exchange(self, session: OAuth2Session, verifier: str, callback: str, resource: str, **changes: Any) -> dict[str, Any]:
        return session.fetch_token(
            self.metadata["token_endpoint"], authorization_response=callback, code_verifier=verifier, resource=resource, **changes
        )

    def expect_code(self, callback: str) -> None:
        """The library reads codes alone; what else may come back is read here (RFC 6749 §4.1.2.1)."""
        answer = dict(parse_qsl(urlsplit(callback).query))
        expect(answer.get("iss") == self.site["issuer"], answer.get("iss"))
        if "error" in answer:
            raise OAuthError(answer["error"], answer.get("error_description"))
        expect("code" in answer, sorted(answer))

    def login(self, resource: str | None = None) -> tuple[OAuth2Session, dict[str, Any]]:
        resource = resource or self.site["opaque"]
        session, verifier, callback = self.authorize(resource)
        return session, self.exchange(session, verifier, callback, resource)

    def refresh(self, session: OAuth2Session, token: str, resource: str | None = None) -> dict[str, Any]:
        return session.refresh_token(
            self.metadata["token_endpoint"], refresh_token=token, resource=resource or self.site["opaque"]
        )

    # The resource server

    def introspect(self, token: str) -> dict[str, Any]:
        server = OAuth2Session("clock-server", self.site["secrets"]["clock-server"])
        answer = server.introspect_token(self.metadata["introspection_endpoint"], token=token)
        expect(answer.status_code == 200, answer.status_code)
        return answer.json()

    def expect_active(self, token: str, active: bool) -> dict[str, Any]:
        facts = self.introspect(token)
        expect(facts["active"] is active, f"active is {facts['active']}")
        return facts


class Validator(JWTBearerTokenValidator):
    """A resource server that verifies access tokens by the published keys (RFC 9068 §4)."""

    def __init__(self, metadata: dict[str, Any], audience: str) -> None:
        super().__init__(metadata["issuer"], audience)
        self._jwks_uri = metadata["jwks_uri"]

    def get_jwks(self) -> Any:
        return KeySet.import_key_set(requests.get(self._jwks_uri, timeout=SECS_MAX).json())

    def accepts(self, token: str) -> TokenMixin:
        found = self.authenticate_token(token)
        self.validate_token(found, ["user"], None)
        return found


def codes(peer: Peer) -> None:
    opaque, other = peer.site["opaque"], peer.site["jwt"]
    with case("code with PKCE, resource, state and iss"):
        session, verifier, callback = peer.authorize(opaque)
        peer.expect_code(callback)
        token = peer.exchange(session, verifier, callback, opaque)
        expect(bool(token["refresh_token"]) and token["scope"] == "user", sorted(token))
        facts = peer.expect_active(token["access_token"], True)
        expect(facts["aud"] == [opaque] and facts["iss"] == peer.site["issuer"], facts)
    with case("the user says no"), refused("access_denied"):
        peer.expect_code(peer.authorize(opaque, approve=False)[2])
    with case("an unknown resource"), refused("invalid_target"):
        peer.expect_code(peer.authorize("http://127.0.0.1:1/other")[2])
    with case("a wrong verifier"):
        session, _, callback = peer.authorize(opaque)
        with refused("invalid_grant"):
            peer.exchange(session, next(VERIFIERS), callback, opaque)
    with case("another redirect URI at the token endpoint"):
        session, verifier, callback = peer.authorize(opaque)
        session.redirect_uri = "http://localhost/elsewhere"
        with refused("invalid_grant"):
            peer.exchange(session, verifier, callback, opaque)
    with case("another resource at the token endpoint"):
        session, verifier, callback = peer.authorize(opaque)
        with refused("invalid_target"):
            peer.exchange(session, verifier, callback, other)
    with case("a code used twice ends what it brought"):
        session, verifier, callback = peer.authorize(opaque)
        token = dict(peer.exchange(session, verifier, callback, opaque))
        peer.expect_active(token["access_token"], True)
        with refused("invalid_grant"):
            peer.exchange(session, verifier, callback, opaque)
        peer.expect_active(token["access_token"], False)


def refreshing(peer: Peer) -> None:
    with case("refresh with rotation; an old token ends the whole grant"):
        session, first = peer.login()
        first = dict(first)
        second = dict(peer.refresh(session, first["refresh_token"]))
        expect(second["refresh_token"] != first["refresh_token"], "the same refresh token")
        peer.expect_active(second["access_token"], True)
        with refused("invalid_grant"):
            peer.refresh(session, first["refresh_token"])
        with refused("invalid_grant"):
            peer.refresh(session, second["refresh_token"])
        peer.expect_active(second["access_token"], False)
    with case("refresh for another resource"):
        session, token = peer.login()
        with refused("invalid_target"):
            peer.refresh(session, token["refresh_token"], peer.site["jwt"])


def revocation(peer: Peer) -> None:
    endpoint = peer.metadata["revocation_endpoint"]
    with case("revocation of an access token, and of what is none"):
        session, token = peer.login()
        for value in ("no-token", token["access_token"]):
            answer = session.revoke_token(endpoint, token=value, body="")
            expect(answer.status_code == 200, answer.status_code)
        peer.expect_active(token["access_token"], False)
    with case("revocation by a stranger revokes nothing"):
        session, token = peer.login()
        stranger = peer.register()["client_id"]
        answer = peer.session(stranger).revoke_token(endpoint, token=token["access_token"], body="")
        expect(answer.status_code in (200, 400), answer.status_code)
        peer.expect_active(token["access_token"], True)
    with case("introspection without authentication"):
        answer = requests.post(peer.metadata["introspection_endpoint"], data={"token": "t"}, timeout=SECS_MAX)
        expect(answer.status_code == 401, answer.status_code)


def verification(peer: Peer) -> None:
    audience = peer.site["jwt"]
    with case("a JWT access token (RFC 9068) verifies with the published keys"):
        token = peer.login(audience)[1]["access_token"]
        accepted = Validator(peer.metadata, audience).accepts(token)
        expect(accepted["client_id"] == peer.client_id, dict(accepted))
    with case("a JWT access token is for one audience, and changed it is none"):
        token = peer.login(audience)[1]["access_token"]
        head, body, signature = token.split(".")
        changed = ("B" if signature[0] == "A" else "A") + signature[1:]
        for validator, text in (
            (Validator(peer.metadata, peer.site["opaque"]), token),
            (Validator(peer.metadata, audience), ".".join((head, body, changed))),
        ):
            try:
                validator.accepts(text)
            except InvalidTokenError:
                continue
            raise Failure("accepted")


def services(peer: Peer) -> None:
    endpoint, opaque = peer.metadata["token_endpoint"], peer.site["opaque"]
    secret = peer.site["secrets"]["service-secret"]

    def serve(session: OAuth2Session) -> dict[str, Any]:
        return session.fetch_token(endpoint, grant_type="client_credentials", scope="user", resource=opaque)

    for method in ("client_secret_basic", "client_secret_post"):
        with case(f"client credentials, {method}"):
            token = serve(OAuth2Session("service-secret", secret, token_endpoint_auth_method=method))
            expect("refresh_token" not in token, "a refresh token")
            peer.expect_active(token["access_token"], True)
            with refused("invalid_client"):
                serve(OAuth2Session("service-secret", secret[::-1], token_endpoint_auth_method=method))
    with case("client credentials, private_key_jwt for the issuer (RFC 7523)"):
        own, other = ECKey.import_key(peer.site["service_key"]), ECKey.generate_key("P-256")

        # An assertion lives ten minutes at most; the library's own ones live an hour unless they are told.
        def by(key: ECKey, audience: str, secs: int = 60) -> OAuth2Session:
            method = PrivateKeyJWT(audience, alg="ES256", claims={"exp": int(time.time()) + secs})
            return OAuth2Session("service-key", key, token_endpoint_auth_method=method)

        issuer = peer.site["issuer"]
        peer.expect_active(serve(by(own, issuer))["access_token"], True)
        for wrong in (by(other, issuer), by(own, endpoint), by(own, issuer, 3600), by(own, issuer, -1)):
            with refused("invalid_client"):
                serve(wrong)


def devices(peer: Peer) -> None:
    grant = "urn:ietf:params:oauth:grant-type:device_code"

    def begin() -> dict[str, Any]:
        form = {"client_id": "device", "scope": "user", "resource": peer.site["opaque"]}
        answer = requests.post(peer.metadata["device_authorization_endpoint"], data=form, timeout=SECS_MAX)
        expect(answer.status_code == 200, answer.text)
        return answer.json()

    def poll(code: str) -> dict[str, Any]:
        session = OAuth2Session("device", token_endpoint_auth_method="none")
        return session.fetch_token(peer.metadata["token_endpoint"], grant_type=grant, device_code=code)

    with case("device authorization (RFC 8628)"):
        asked = begin()
        with refused("authorization_pending"):
            poll(asked["device_code"])
        peer.browser.connect_device(asked["verification_uri"], asked["user_code"])
        time.sleep(asked["interval"] + 0.2)
        peer.expect_active(poll(asked["device_code"])["access_token"], True)
    with case("device authorization: the user says no"):
        asked = begin()
        peer.browser.connect_device(asked["verification_uri"], asked["user_code"], approve=False)
        with refused("access_denied"):
            poll(asked["device_code"])


def main() -> None:
    site = json.loads(Path(sys.argv[1]).read_text())
    listener = RedirectListener(0)
    browser = Browser(listener)
    peer = Peer(site, browser)
    watch(browser.secrets)
    with case("discovery (RFC 8414)"):
        peer.discover()
    with case("dynamic registration (RFC 7591)"):
        peer.client_id = peer.register()["client_id"]
    with case("dynamic registration: no script as redirect URI"), refused("invalid_redirect_uri"):
        peer.register(redirect_uris=["javascript:alert(1)"])
    if peer.client_id:
        for part in (codes, refreshing, revocation, verification, services, devices):
            part(peer)
    listener.close()
    Path(sys.argv[2]).write_text(json.dumps(sorted(browser.secrets)))
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
