//! The challenges of a response, as a client reads them (RFC 9110 §11.6.1).
