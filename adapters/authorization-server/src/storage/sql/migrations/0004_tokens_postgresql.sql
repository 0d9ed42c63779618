-- What is written for one request for tokens, as one call: for PostgreSQL alone. SQLite takes several
-- statements at once.
--
-- A function that is volatile, as these are, sees in each of its statements what was committed before that
-- statement: a note that a revocation left is seen once its lock is given up.

-- Keeps a client and a family of tokens from being ended meanwhile; false when one of them has been. A client
-- may come back under its id: what was agreed to afterwards counts, if the client is there.
CREATE FUNCTION hold_owner(client_key BIGINT, family_key BIGINT, client TEXT, family TEXT, agreed_at BIGINT)
RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(client_key);
    -- There may be no family: no key, no lock.
    PERFORM pg_advisory_xact_lock_shared(family_key);
    RETURN NOT EXISTS (
        SELECT 1 FROM revocations WHERE
            (kind = 'client' AND id = client AND (recorded_at >= agreed_at
                OR NOT EXISTS (SELECT 1 FROM clients WHERE clients.client_id = client)))
            OR (kind = 'family' AND id = family)
    );
END
$$;

-- Writes an access token and a refresh token; one whose name is NULL is not there.
CREATE FUNCTION write_tokens(
    client TEXT, family TEXT,
    access_name TEXT, access_ends BIGINT, access_record TEXT,
    refresh_name TEXT, refresh_state TEXT, refresh_ends BIGINT, refresh_record TEXT
)
RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF access_name IS NOT NULL THEN
        INSERT INTO access_tokens (token, client_id, family_id, expires_at, record)
        VALUES (access_name, client, family, access_ends, access_record)
        ON CONFLICT (token) DO UPDATE SET client_id = excluded.client_id,
            family_id = excluded.family_id, expires_at = excluded.expires_at, record = excluded.record;
    END IF;
    IF refresh_name IS NOT NULL THEN
        INSERT INTO refresh_tokens (token, client_id, family_id, state, expires_at, record)
        VALUES (refresh_name, client, family, refresh_state, refresh_ends, refresh_record)
        ON CONFLICT (token) DO UPDATE SET client_id = excluded.client_id,
            family_id = excluded.family_id, state = excluded.state,
            expires_at = excluded.expires_at, record = excluded.record;
    END IF;
END
$$;

-- Keeps tokens for which nothing is used up; no row when their client or family has ended.
CREATE FUNCTION keep_tokens(
    client_key BIGINT, family_key BIGINT, client TEXT, family TEXT, agreed_at BIGINT,
    access_name TEXT, access_ends BIGINT, access_record TEXT,
    refresh_name TEXT, refresh_state TEXT, refresh_ends BIGINT, refresh_record TEXT
)
RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
BEGIN
    IF hold_owner(client_key, family_key, client, family, agreed_at) THEN
        PERFORM write_tokens(client, family, access_name, access_ends, access_record,
            refresh_name, refresh_state, refresh_ends, refresh_record);
        RETURN NEXT 'kept';
    END IF;
END
$$;

-- Keeps tokens, and uses up the code that they are for; no row, and nothing is written, when it is not unused.
CREATE FUNCTION redeem_code(
    client_key BIGINT, family_key BIGINT, client TEXT, family TEXT, agreed_at BIGINT,
    access_name TEXT, access_ends BIGINT, access_record TEXT,
    refresh_name TEXT, refresh_state TEXT, refresh_ends BIGINT, refresh_record TEXT,
    presented TEXT, unused TEXT, used TEXT, used_ends BIGINT, used_record TEXT
)
RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
BEGIN
    IF NOT hold_owner(client_key, family_key, client, family, agreed_at) THEN
        RETURN;
    END IF;
    UPDATE authorization_codes SET state = used, expires_at = used_ends, record = used_record
    WHERE code = presented AND state = unused;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM write_tokens(client, family, access_name, access_ends, access_record,
        refresh_name, refresh_state, refresh_ends, refresh_record);
    DELETE FROM unused_clients WHERE client_id = client;
    RETURN NEXT 'kept';
END
$$;

-- The same for a refresh token.
CREATE FUNCTION rotate_refresh_token(
    client_key BIGINT, family_key BIGINT, client TEXT, family TEXT, agreed_at BIGINT,
    access_name TEXT, access_ends BIGINT, access_record TEXT,
    refresh_name TEXT, refresh_state TEXT, refresh_ends BIGINT, refresh_record TEXT,
    presented TEXT, unused TEXT, used TEXT, used_ends BIGINT, used_record TEXT
)
RETURNS SETOF TEXT LANGUAGE plpgsql AS $$
BEGIN
    IF NOT hold_owner(client_key, family_key, client, family, agreed_at) THEN
        RETURN;
    END IF;
    UPDATE refresh_tokens SET state = used, expires_at = used_ends, record = used_record
    WHERE token = presented AND state = unused;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM write_tokens(client, family, access_name, access_ends, access_record,
        refresh_name, refresh_state, refresh_ends, refresh_record);
    RETURN NEXT 'kept';
END
$$;
