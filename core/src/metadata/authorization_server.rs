//! Authorization server metadata, read by clients and resource servers (RFC 8414 §2).
