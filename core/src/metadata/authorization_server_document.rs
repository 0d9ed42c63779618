//! Authorization server metadata, written (RFC 8414 §2).
