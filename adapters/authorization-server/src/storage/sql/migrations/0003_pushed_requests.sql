-- Authorization requests that were pushed (RFC 9126), by the digest of their `request_uri`.
CREATE TABLE pushed_requests (
    request_uri TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX pushed_requests_client ON pushed_requests (client_id);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);
