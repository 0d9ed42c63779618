//! portcullis-tokio
