//! Reading checkpoints: sound ones, and every way in which a file can lie.

use std::path::{Path, PathBuf};

use fft_core::DType;
use fft_nn::checkpoint::{Checkpoint, StoredType};
use tempfile::TempDir;

/// A safetensors file from a header text and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The message with which opening `bytes` is refused; it must name the file.
fn refusal(bytes: &[u8]) -> String {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "bad.safetensors", bytes);
    let message = Checkpoint::open(&path).expect_err("the file must be refused").to_string();
    assert!(message.contains("bad.safetensors"), "{message}");
    message
}

fn expect(header: &str, data: &[u8], parts: &[&str]) {
    let message = refusal(&file(header, data));
    for part in parts {
        assert!(message.contains(part), "{header}: {message:?} lacks {part:?}");
    }
}

#[test]
fn a_sound_file_is_read() {
    let folder = TempDir::new().unwrap();
    let header = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[3,11]},
        "a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"none":{"dtype":"BF16","shape":[0,4],"data_offsets":[11,11]},
        "eight":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[11,13]}}   "#;
    let mut data = vec![1, 2, 3];
    data.extend([1.5f32, f32::NAN].iter().flat_map(|x| x.to_le_bytes()));
    data.extend([0x7e, 0]);
    let path = write(&folder, "model.safetensors", &file(header, &data));
    for at in [folder.path(), &path] {
        let checkpoint = Checkpoint::open(at).unwrap();
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b", "eight", "none"]);
        assert_eq!(checkpoint.metadata()["format"], "pt");
        let b = checkpoint.get("b").unwrap();
        assert_eq!((b.dtype, &b.shape[..], b.bytes()), (StoredType::Known(DType::F32), &[2, 1][..], 8));
        assert_eq!(*b.path, *path);
        assert_eq!(checkpoint.bytes("a").unwrap().as_slice(), [1, 2, 3]);
        assert_eq!(checkpoint.bytes("none").unwrap().as_slice(), [0u8; 0]);
        checkpoint.check_finite("a").unwrap();
        let message = checkpoint.check_finite("b").unwrap_err().to_string();
        assert!(message.contains("tensor b: element [1, 0] is NaN or infinite"), "{message}");
        let message = checkpoint.dtype("eight").unwrap_err().to_string();
        assert!(message.contains("tensor eight: the dtype F8_E4M3 is not supported"), "{message}");
        assert!(checkpoint.bytes("c").unwrap_err().to_string().contains("tensor c: is missing"));
    }
}

#[test]
fn lengths_that_lie() {
    assert!(refusal(&[]).contains("truncated"));
    assert!(refusal(&[1, 0, 0]).contains("truncated"));
    assert!(refusal(&100_000_001u64.to_le_bytes()).contains("header of 100000001 bytes"));
    assert!(refusal(&u64::MAX.to_le_bytes()).contains("at most 100000000"));
    assert!(refusal(&100_000_000u64.to_le_bytes()).contains("truncated"));
    let sound = file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, &[0; 8]);
    for len in 0..sound.len() {
        refusal(&sound[..len]);
    }
    let mut longer = sound.clone();
    longer.push(0);
    assert!(refusal(&longer).contains("belong to none"));
}

#[test]
fn headers_that_lie() {
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    expect(&one("F32", "[2]", "[0,16]"), &[0; 8], &["tensor w", "past the 8 bytes"]);
    expect(&one("F32", "[3]", "[0,8]"), &[0; 8], &["tensor w", "needs 12 bytes"]);
    expect(&one("F32", "[2]", "[8,0]"), &[0; 8], &["tensor w", "backwards"]);
    expect(&one("F33", "[2]", "[0,8]"), &[0; 8], &["tensor w", "unknown dtype \"F33\""]);
    expect(&one("f32", "[2]", "[0,8]"), &[0; 8], &["tensor w", "unknown dtype"]);
    expect(&one("F32", "[4294967296,4294967296,4]", "[0,8]"), &[0; 8], &["tensor w", "no valid number"]);
    expect(&one("F32", "[18446744073709551615]", "[0,8]"), &[0; 8], &["tensor w", "no valid number"]);
    expect(&one("F4", "[3]", "[0,2]"), &[0; 2], &["tensor w", "no valid number"]);
    expect(&one("F32", "[-2]", "[0,8]"), &[0; 8], &["tensor w"]);
    expect(&one("F32", "[2.0]", "[0,8]"), &[0; 8], &["tensor w"]);
    expect(&one("F32", "2", "[0,8]"), &[0; 8], &["tensor w"]);
    expect(&one("F32", "[2]", "[0,8,9]"), &[0; 8], &["tensor w"]);
    expect(r#"{"w":{"dtype":"F32","shape":[2]}}"#, &[0; 8], &["tensor w", "data_offsets"]);
    let two = |first: &str, second: &str, a: &str, b: &str| {
        let entry =
            |name: &str, at: &str| format!(r#""{name}":{{"dtype":"U8","shape":[2],"data_offsets":{at}}}"#);
        format!("{{{},{}}}", entry(first, a), entry(second, b))
    };
    expect(&two("w", "w", "[0,2]", "[2,4]"), &[0; 4], &["tensor w", "twice"]);
    expect(&two("v", "w", "[0,2]", "[1,3]"), &[0; 3], &["tensor w", "overlap"]);
    expect(&two("v", "w", "[0,2]", "[3,5]"), &[0; 5], &["tensor w", "hole"]);
    expect(&one("U8", "[2]", "[1,3]"), &[0; 3], &["tensor w", "hole"]);
    expect(r#"{"__metadata__":{"a":1}}"#, &[], &["__metadata__"]);
    expect("[]", &[], &["does not start with {"]);
    expect(" {}", &[], &["does not start with {"]);
    expect("{", &[], &["not a valid table"]);
    expect("{} x", &[], &["not a valid table"]);
    let mut bytes = file("{\"?\":1}", &[]);
    bytes[10] = 0xff;
    assert!(refusal(&bytes).contains("not UTF-8 from byte 2"));
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    expect(&deep, &[], &["tensor a"]);
}

fn sharded(index: &str) -> (TempDir, Result<Checkpoint, fft_core::Error>) {
    let folder = TempDir::new().unwrap();
    let shard = |name: &str| {
        file(&format!(r#"{{"{name}":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}"#), &[7])
    };
    write(&folder, "one.safetensors", &shard("a"));
    write(&folder, "two.safetensors", &shard("b"));
    write(&folder, "model.safetensors.index.json", index.as_bytes());
    let checkpoint = Checkpoint::open(folder.path());
    (folder, checkpoint)
}

#[test]
fn sharded_sets_and_their_lies() {
    let sound = r#"{"metadata":{},"weight_map":{"b":"two.safetensors","a":"one.safetensors"}}"#;
    let (_folder, checkpoint) = sharded(sound);
    let checkpoint = checkpoint.unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(checkpoint.files().count(), 2);
    assert_eq!(checkpoint.bytes("b").unwrap().as_slice(), [7]);
    for (map, parts) in [
        (r#"{"a":"three.safetensors"}"#, &["tensor a", "three.safetensors does not exist"][..]),
        (r#"{"c":"one.safetensors"}"#, &["tensor c", "one.safetensors, which lacks it"]),
        (r#"{"a":"../one.safetensors"}"#, &["tensor a", "leads out"]),
        (r#"{"a":"x/../../one.safetensors"}"#, &["tensor a", "leads out"]),
        (r#"{"a":"/etc/passwd"}"#, &["tensor a", "leads out"]),
        (r#"{"a":""}"#, &["tensor a", "leads out"]),
        (r#"{"a":"one.safetensors","a":"two.safetensors"}"#, &["tensor a", "twice"]),
        (r#"{"a":1}"#, &["not a valid index"]),
        ("{}", &["names no tensors"]),
        ("[]", &["not a valid index"]),
    ] {
        let message = sharded(&format!(r#"{{"weight_map":{map}}}"#)).1.unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{map}: {message:?} lacks {part:?}");
        }
        assert!(message.contains("index.json"), "{message}");
    }
    assert!(sharded("{}").1.is_err());
}

#[test]
fn paths_that_are_no_checkpoint() {
    let folder = TempDir::new().unwrap();
    let message = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("neither model.safetensors nor"), "{message}");
    let message = Checkpoint::open(Path::new("/does/not/exist")).unwrap_err().to_string();
    assert!(message.starts_with("/does/not/exist: "), "{message}");
    std::fs::create_dir(folder.path().join("model.safetensors")).unwrap();
    assert!(Checkpoint::open(folder.path()).is_err());
}

/// No random change to a sound file may panic or lead outside it.
#[test]
fn random_damage_never_panics() {
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let header = concat!(
        r#"{"__metadata__":{"k":"v"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"#,
        r#""b":{"dtype":"U8","shape":[3],"data_offsets":[12,15]}}"#
    );
    let sound = file(header, &[0; 15]);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("damaged.safetensors");
    let mut refused = 0;
    for _ in 0..3000 {
        let mut bytes = sound.clone();
        for _ in 0..1 + random.next_u32() % 3 {
            let at = random.next_u32() as usize % bytes.len();
            bytes[at] = random.next_u32() as u8;
        }
        std::fs::write(&path, &bytes).unwrap();
        match Checkpoint::open(&path) {
            Err(_) => refused += 1,
            Ok(checkpoint) => {
                for (name, entry) in checkpoint.entries() {
                    assert_eq!(checkpoint.bytes(name).unwrap().as_slice().len(), entry.bytes());
                    checkpoint.stream(name, |_, _| Ok(())).unwrap();
                }
            }
        }
    }
    assert!(refused > 1500, "{refused} of 3000 refused");
}
