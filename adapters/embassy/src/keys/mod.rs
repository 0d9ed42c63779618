//! The keys of a device: changed while it serves, and kept over restarts.
//!
//! [`LiveKeyRing`] is what a [`ResourceServer`](portcullis_core::resource_server::ResourceServer) verifies with, and
//! what one task may change while others verify. `storage::KeyStore` (feature `storage`) keeps the keys in
//! flash, and the last time that was known.
//!
//! # To change keys without a gap
//!
//! 1. Derive the next key of each device at the authorization server, and bring it to the device on an
//!    authenticated way: `KeyStore::add_next`. From now on the device accepts both.
//! 2. Let the authorization server sign with the next key.
//! 3. When the last token under the old key has expired, `KeyStore::rotate`. The old key is wiped from memory
//!    and verifies nothing any more.
//!
//! A device that was off for all of this is provisioned anew (`KeyStore::provision`), with a higher version. The
//! same provisioning at every start is harmless: it does not undo what was changed since.
//!
//! # When the power goes
//!
//! Each change is written before the live ring follows. Whenever the power goes, in the middle of a word or of
//! an erase too, the next start finds exactly what was stored before the change or exactly what is stored
//! after it. There are two copies of each record, each in a log of its own (sequential-storage), and one log is
//! touched only while the other one is whole; the next read mends the other. One log alone is not enough: it
//! loses its keys when an erase is cut that clears a page's data before its marks, which real flash may do.
//!
//! # What is noticed, and what is not
//!
//! Decay of one copy is mended. Records of another resource, of another format, or under another secret of the
//! board are errors, and nothing is written then. With a secret of the board nobody can make a record; without
//! one a MAC with a public key is only a good checksum. Whoever can read the flash has the keys: close the
//! debug port.
//!
//! A time mark says which change of the keys it came after, so that keys that are older than it are noticed.
//! An old image of the *whole* flash is a rollback that only a counter outside of it can tell, and so is damage
//! that hits both copies of the latest keys and of each later mark: `Binding::sequence_min` compares with a counter.
//! Flash on which nothing can be read is like new: no keys, nobody is admitted, and any version is taken.
//!
//! After a rotation the old key stays readable in the flash until its page is used again; it is not accepted.
//!
//! # Sizes and wear
//!
//! Four pages of 1 KiB or more: two for each copy. A record of two keys with short ids takes about 200 bytes, a
//! time mark about 90, twice. With a mark every hour and pages of 4 KiB, each page is erased about every third
//! day: 10 000 erases last for 80 years. On a Cortex-M3 the store is about 14 KiB of code, the half of it the log's,
//! and the task that uses it takes 3.5 KiB of memory, in which keys are wiped after each operation.
//!
//! A flash driver that blocks is used through `embassy_embedded_hal::adapter::BlockingAsync`.

mod live_ring;
#[cfg(feature = "storage")]
pub mod storage;

pub use live_ring::LiveKeyRing;
