//! portcullis-authorization-server
