-- Ids of client assertions that were used (RFC 7523): digests of client id and `jti`.
CREATE TABLE replay_ids (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX replay_ids_expiry ON replay_ids (expires_at);

-- What device grants are for, by the digest of the device code.
CREATE TABLE device_resources (
    device_code TEXT NOT NULL PRIMARY KEY,
    resource TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX device_resources_expiry ON device_resources (expires_at);
