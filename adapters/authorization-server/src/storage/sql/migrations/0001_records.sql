-- The records of an authorization server, in words that SQLite and PostgreSQL share.
--
-- Columns are what statements look for; the rest of a record is the JSON in `record`. Instants are
-- nanoseconds since 1970. Codes and tokens are the digests of what clients hold.

-- Clients that registered themselves. Those that the settings name are not here.
CREATE TABLE clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
);

-- Those of them that never obtained a token (LIM-16).
CREATE TABLE unused_clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);
CREATE INDEX unused_clients_since ON unused_clients (since);

CREATE TABLE authorization_codes (
    code TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX authorization_codes_client ON authorization_codes (client_id);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

CREATE TABLE access_tokens (
    token TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    family_id TEXT,
    expires_at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX access_tokens_client ON access_tokens (client_id);
CREATE INDEX access_tokens_family ON access_tokens (family_id);
CREATE INDEX access_tokens_expiry ON access_tokens (expires_at);

CREATE TABLE refresh_tokens (
    token TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    family_id TEXT NOT NULL,
    state TEXT NOT NULL,
    -- NULL: the chain does not end by itself.
    expires_at BIGINT,
    record TEXT NOT NULL
);
CREATE INDEX refresh_tokens_client ON refresh_tokens (client_id);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE device_grants (
    device_code TEXT NOT NULL PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX device_grants_client ON device_grants (client_id);
CREATE INDEX device_grants_expiry ON device_grants (expires_at);

-- Clients and families of tokens that were ended: what is written late must not bring them back.
CREATE TABLE revocations (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- Browsers that signed in, by the digest of their cookie's secret.
CREATE TABLE sessions (
    browser TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_subject ON sessions (subject);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Authorization requests that wait for their user.
CREATE TABLE pending_authorizations (
    id TEXT NOT NULL PRIMARY KEY,
    browser TEXT NOT NULL,
    query TEXT NOT NULL,
    peer TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX pending_authorizations_browser ON pending_authorizations (browser, query);
CREATE INDEX pending_authorizations_peer ON pending_authorizations (peer);
CREATE INDEX pending_authorizations_expiry ON pending_authorizations (expires_at);

CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
);
