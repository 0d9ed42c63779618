//! Who this device is: what it was provisioned with.

use core::{fmt, net::SocketAddr};

use microcontroller::{
    board,
    provisioning::{DOCUMENT_LEN_MAX, Provisioning, TIME_SERVERS_MAX},
};
use portcullis_core::encoding::scratch::Scratch;
use static_cell::ConstStaticCell;
use zeroize::Zeroizing;

use crate::keeper::{DeviceKeys, ToStore};

/// Bytes for the texts of the identity, and for the metadata written from them.
const TEXTS_LEN: usize = if cfg!(feature = "introspection") { 3072 } else { 1536 };

/// Who this device is.
pub(crate) struct Identity {
    /// The URL of its MCP endpoint.
    pub(crate) resource: &'static str,
    /// The authorization server whose tokens it accepts.
    pub(crate) issuer: &'static str,
    /// The keys of those tokens; `None` for a device that asks about tokens.
    pub(crate) keys: Option<&'static DeviceKeys>,
    /// Whom to ask about tokens.
    #[cfg(feature = "introspection")]
    pub(crate) introspection: Option<microcontroller::provisioning::Introspection<'static>>,
    /// Whom to ask for the time.
    #[cfg_attr(not(feature = "sntp"), allow(dead_code, reason = "the calendar tells the time"))]
    pub(crate) time_servers: heapless::Vec<SocketAddr, TIME_SERVERS_MAX>,
    /// Memory for further texts.
    pub(crate) memory: Scratch<'static>,
}

impl Identity {
    /// Reads the provisioning, of which the flash is to take over the second part; halts with the reason when it
    /// cannot be read.
    pub(crate) fn read() -> (Self, ToStore) {
        let (provisioning, memory) = read();
        let Provisioning { version, resource, issuer, keys, time_servers, .. } = provisioning;
        #[cfg(not(feature = "introspection"))]
        let keys = Some(keys);
        let keys = keys.map(|keys| match DeviceKeys::provisioned(&keys) {
            Ok(live) => (keys, live),
            Err(error) => unusable(&error),
        });
        let identity = Self {
            resource,
            issuer,
            keys: keys.as_ref().map(|(_, live)| *live),
            #[cfg(feature = "introspection")]
            introspection: provisioning.introspection,
            time_servers,
            memory,
        };
        (identity, ToStore { resource, version, keys })
    }
}

/// The document, read; it has secrets in it and is wiped.
fn read() -> (Provisioning<'static>, Scratch<'static>) {
    static TEXTS: ConstStaticCell<[u8; TEXTS_LEN]> = ConstStaticCell::new([0; TEXTS_LEN]);
    let mut memory = Scratch::new(TEXTS.take());
    let mut document = Zeroizing::new([0; DOCUMENT_LEN_MAX]);
    let document = match board::provisioning(document.as_mut()) {
        Ok(document) => document,
        Err(reason) => board::halt(format_args!("{reason}")),
    };
    match Provisioning::read(document, &mut memory) {
        Ok(provisioning) => (provisioning, memory),
        Err(error) => unusable(&error),
    }
}

/// Halts: this device cannot be what it was provisioned to be.
pub(crate) fn unusable(reason: &dyn fmt::Display) -> ! {
    board::halt(format_args!("the provisioning cannot be used: {reason}"))
}
