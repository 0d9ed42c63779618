//! Whom the device asks about tokens, when it has no keys of its own. An image without the feature `introspection`
//! asks nobody: there the device verifies every token.

#[cfg(feature = "introspection")]
mod over_tls;

#[cfg(feature = "introspection")]
pub(crate) use over_tls::{Asking, start};
#[cfg(not(feature = "introspection"))]
pub(crate) use portcullis_embassy::introspection::NoIntrospection as Asking;

/// Asks nobody.
#[cfg(not(feature = "introspection"))]
pub(crate) fn start(
    _: embassy_executor::Spawner,
    _: embassy_net::Stack<'static>,
    _: &mut crate::identity::Identity,
) -> Asking {
    Asking {}
}
