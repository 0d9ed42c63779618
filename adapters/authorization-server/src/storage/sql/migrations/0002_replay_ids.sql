-- Ids of client assertions that were used (RFC 7523): digests of client id and `jti`.
CREATE TABLE replay_ids (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX replay_ids_expiry ON replay_ids (expires_at);
