//! TLS 1.3 to the endpoint.
