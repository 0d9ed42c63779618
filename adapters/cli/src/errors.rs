//! What the errors of the commands have in common.

/// `?` for an error that has one variant for each part that may fail.
macro_rules! from_parts {
    ($error:ty { $($variant:ident($part:ty);)* }) => {
        $(impl From<$part> for $error {
            fn from(error: $part) -> Self {
                Self::$variant(error)
            }
        })*
    };
}
pub(crate) use from_parts;
