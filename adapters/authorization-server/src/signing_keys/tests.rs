use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;
const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

/// A folder that is there for one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-keys-{}-{count}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn keys(&self, algorithms: &[Algorithm], now: u64) -> Result<SigningKeys, KeyFolderError> {
        SigningKeys::new(algorithms.to_vec(), Lifetimes::default(), Some(&self.0), now)
    }

    /// The key files, by name.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".pem"));
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ids(keys: &SigningKeys) -> Vec<String> {
    keys.current().verifier().key_ids().map(str::to_owned).collect()
}

fn signing(keys: &SigningKeys, now: u64) -> String {
    keys.signing(Algorithm::Es256, now).unwrap().id().to_string()
}

#[test]
fn keys_are_made_at_the_first_start_and_found_at_the_next() {
    let folder = Folder::new();
    let first = folder.keys(&ALL, NOW).unwrap();
    let names = ["eddsa-1800000000.pem", "es256-1800000000.pem", "rs256-1800000000.pem"];
    assert_eq!(folder.files(), names);
    assert_eq!(ids(&first).len(), 3);
    let again = folder.keys(&ALL, NOW + DAY).unwrap();
    assert_eq!(
        (folder.files().as_slice(), ids(&again)),
        (&names.map(String::from)[..], ids(&first))
    );
    for algorithm in ALL {
        let id = |keys: &SigningKeys| keys.signing(algorithm, NOW).unwrap().id().clone();
        assert_eq!(id(&first), id(&again));
    }
    let other = Folder::new().keys(&ALL, NOW).unwrap();
    assert!(ids(&other).iter().all(|id| !ids(&first).contains(id)));
    // What no resource wants is not made, and without any there is no folder either.
    let none = Folder::new();
    let keys = none.keys(&[], NOW).unwrap();
    assert!(keys.is_empty() && !none.0.exists() && keys.signing(Algorithm::Es256, NOW).is_none());
    assert_eq!(keys.current().document(), "{\"keys\":[]}");
}

#[test]
fn as_15_a_key_is_published_before_it_signs_and_kept_until_its_tokens_are_dead() {
    let folder = Folder::new();
    let keys = folder.keys(&[Algorithm::Es256], NOW).unwrap();
    let old = signing(&keys, NOW);
    keys.tend(NOW + 90 * DAY - 1).unwrap();
    assert_eq!(ids(&keys), std::slice::from_ref(&old));
    let made = NOW + 90 * DAY;
    keys.tend(made).unwrap();
    assert_eq!(ids(&keys).len(), 2);
    assert_eq!(signing(&keys, made + 3_599), old);
    let new = signing(&keys, made + 3_600);
    assert_ne!(new, old);
    // Another process with the same folder says the same.
    let other = folder.keys(&[Algorithm::Es256], made).unwrap();
    assert_eq!(ids(&other), ids(&keys));
    assert_eq!([made + 3_599, made + 3_600].map(|now| signing(&other, now)), [old, new.clone()]);
    let ended = made + 3_600 + DAY + 300;
    keys.tend(ended - 1).unwrap();
    assert_eq!(ids(&keys).len(), 2);
    keys.tend(ended).unwrap();
    assert_eq!((ids(&keys), folder.files().len()), (vec![new], 1));
}

#[test]
fn a_key_made_by_another_process_is_found() {
    let folder = Folder::new();
    let algorithms = &[Algorithm::EdDsa];
    let (one, other) =
        (folder.keys(algorithms, NOW).unwrap(), folder.keys(algorithms, NOW).unwrap());
    assert_eq!(ids(&one), ids(&other));
    one.rotate(NOW + 10).unwrap();
    assert_ne!(ids(&one), ids(&other));
    other.tend(NOW + 11).unwrap();
    assert_eq!(ids(&one), ids(&other));
    // Both at once: one key, not two.
    other.rotate(NOW + 10).unwrap();
    assert_eq!(folder.files().len(), 2);
}

#[test]
fn sec_112_a_key_whose_file_is_deleted_is_out_of_use() {
    let folder = Folder::new();
    let keys = folder.keys(&[Algorithm::Es256], NOW).unwrap();
    let stolen = signing(&keys, NOW);
    fs::remove_file(folder.0.join(&folder.files()[0])).unwrap();
    keys.tend(NOW + 1).unwrap();
    assert_ne!(signing(&keys, NOW + 1), stolen);
    assert!(!ids(&keys).contains(&stolen));
}

#[test]
fn lim_12_no_more_keys_than_a_set_may_have() {
    let keys = SigningKeys::new(vec![Algorithm::EdDsa], Lifetimes::default(), None, NOW).unwrap();
    for n in 1..u64::try_from(JWKS_KEYS_MAX_DESKTOP).unwrap() {
        keys.rotate(NOW + n).unwrap();
    }
    let before = ids(&keys);
    assert_eq!(before.len(), JWKS_KEYS_MAX_DESKTOP);
    assert_eq!(keys.rotate(NOW + 100), Err(KeyFolderError::TooMany));
    assert_eq!(ids(&keys), before);
}

#[cfg(unix)]
#[test]
fn keys_that_others_can_read_are_refused() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = Folder::new();
    let algorithms = &[Algorithm::Es256];
    folder.keys(algorithms, NOW).unwrap();
    let file = folder.0.join(&folder.files()[0]);
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder.0), mode(&file)), (0o700, 0o600));
    let set = |path: &PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let refused = || folder.keys(algorithms, NOW).err();
    for (path, own) in [(&file, 0o600), (&folder.0, 0o700)] {
        for open in [0o040, 0o004, 0o020, 0o010] {
            set(path, own | open).unwrap();
            assert_eq!(refused(), Some(KeyFolderError::Permissions), "{open:o}");
        }
        set(path, own).unwrap();
        assert_eq!(refused(), None);
    }
    // A link leads to whatever somebody else put there.
    let elsewhere = folder.0.join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert_eq!(refused(), Some(KeyFolderError::Kind));
    fs::remove_file(&file).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    assert_eq!(refused(), None);
    let link = Folder::new();
    symlink(&folder.0, &link.0).unwrap();
    assert_eq!(link.keys(algorithms, NOW).err(), Some(KeyFolderError::Kind));
    fs::remove_file(&link.0).unwrap();
}

#[test]
fn files_that_are_no_keys_are_refused() {
    let folder = Folder::new();
    let algorithms = &[Algorithm::Es256, Algorithm::EdDsa];
    folder.keys(algorithms, NOW).unwrap();
    let path = |name: &str| folder.0.join(name);
    let refused = || folder.keys(algorithms, NOW).err();
    // Others' files are let alone, and so is what a crash left behind.
    fs::write(path("README"), "keys").unwrap();
    fs::write(path(".es256-1800000009.pem.new"), "half").unwrap();
    assert_eq!(refused(), None);
    for name in [
        "key.pem",
        "es256-.pem",
        "es256-x.pem",
        "es256-01.pem",
        "es256-+1.pem",
        "hs256-1.pem",
        "ES256-1.pem",
    ] {
        fs::write(path(name), "x").unwrap();
        assert_eq!(refused(), Some(KeyFolderError::Name), "{name}");
        fs::remove_file(path(name)).unwrap();
    }
    let key = path("es256-1800000000.pem");
    let good = fs::read_to_string(&key).unwrap();
    let body = good.replace("PRIVATE KEY", "EC PRIVATE KEY");
    let eddsa = fs::read_to_string(path("eddsa-1800000000.pem")).unwrap();
    for bad in
        ["", "x", &good[..good.len() / 2], &body, &eddsa, &good.replace("-----BEGIN", "----BEGIN")]
    {
        fs::write(&key, bad).unwrap();
        assert_eq!(refused(), Some(KeyFolderError::Key), "{bad:?}");
    }
    fs::write(&key, &good).unwrap();
    assert_eq!(refused(), None);
    // A folder that is a file.
    let file = Folder::new();
    fs::write(&file.0, "x").unwrap();
    assert!(file.keys(algorithms, NOW).is_err());
    fs::remove_file(&file.0).unwrap();
}

/// SEC-543 asks for no RSA private key beside a library whose time depends on it. The one in the process is
/// AWS-LC, which blinds and computes in constant time; the crate `rsa` must not come in by any way.
#[test]
fn sec_543_rsa_keys_are_signed_with_by_aws_lc_alone() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap();
    let has = |name: &str| lock.contains(&format!("name = \"{name}\"\n"));
    assert!(has("aws-lc-rs") && !has("rsa") && !has("openssl"));
}

#[test]
fn sec_544_a_public_key_that_is_not_the_private_ones() {
    let pair = || SigningKey::generate(Algorithm::EdDsa).unwrap().to_pkcs8().unwrap().to_vec();
    let (mut one, other) = (pair(), pair());
    assert!(SigningKey::from_pkcs8(Algorithm::EdDsa, &one).is_ok());
    // The public key stands at the end of both.
    let at = one.len() - 32;
    one[at..].copy_from_slice(&other[at..]);
    assert!(SigningKey::from_pkcs8(Algorithm::EdDsa, &one).is_err());
}

#[test]
fn sec_320_debug_and_the_key_set_have_no_secret() {
    let folder = Folder::new();
    let keys = folder.keys(&ALL, NOW).unwrap();
    let document = String::from_utf8(keys.current().document().to_vec()).unwrap();
    for algorithm in ALL {
        let key = keys.signing(algorithm, NOW).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id()));
        assert!(document.contains(key.id().as_str()));
    }
    for member in ["\"d\"", "\"p\"", "\"q\"", "\"k\""] {
        assert!(!document.contains(member), "{document}");
    }
}
