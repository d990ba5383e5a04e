//! Writing checkpoints: what is written is read back, by us and by the format's own reader; failures leave nothing.

use std::path::Path;

use fft_core::DType;
use fft_nn::checkpoint::{AtomicDir, Checkpoint, CheckpointWriter, StoredType, WriterOptions};

fn write_bytes(writer: &mut CheckpointWriter, name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) {
    writer.write(name, dtype.into(), shape, |sink| bytes.chunks(5).try_for_each(sink)).unwrap();
}

fn write_sample(folder: &Path, max_shard_bytes: u64) -> usize {
    let options = WriterOptions { max_shard_bytes, ..WriterOptions::default() };
    let mut writer = CheckpointWriter::new(folder, options);
    write_bytes(&mut writer, "z.codes", DType::U8, &[3], &[1, 2, 3]);
    write_bytes(&mut writer, "z.scales", DType::F32, &[2], &[9; 8]);
    write_bytes(&mut writer, "z.columns", DType::U16, &[1, 3], &[8; 6]);
    write_bytes(&mut writer, "empty", DType::F32, &[0, 7], &[]);
    write_bytes(&mut writer, "wide", DType::I64, &[2], &[7; 16]);
    write_bytes(&mut writer, "a.codes", DType::U8, &[5], &[5, 4, 3, 2, 1]);
    let float8 = StoredType::from_name("F8_E4M3").unwrap();
    writer.write("odd", float8, &[3], |sink| sink(&[1, 2, 3])).unwrap();
    assert_eq!(writer.bytes(), 41);
    writer.finish().unwrap().len()
}

fn check_sample(folder: &Path) {
    let checkpoint = Checkpoint::open(folder).unwrap();
    assert_eq!(
        checkpoint.names().collect::<Vec<_>>(),
        ["a.codes", "empty", "odd", "wide", "z.codes", "z.columns", "z.scales"]
    );
    assert_eq!(checkpoint.metadata()["format"], "pt");
    assert_eq!(checkpoint.bytes("z.codes").unwrap().as_slice(), [1, 2, 3]);
    assert_eq!(checkpoint.bytes("a.codes").unwrap().as_slice(), [5, 4, 3, 2, 1]);
    assert_eq!(checkpoint.bytes("wide").unwrap().as_slice(), [7; 16]);
    assert_eq!(checkpoint.get("empty").unwrap().shape, [0, 7]);
    for (name, size) in [("z.scales", 4), ("z.columns", 2), ("wide", 8)] {
        let bytes = checkpoint.bytes(name).unwrap();
        assert_eq!(bytes.as_slice().as_ptr() as usize % size, 0, "{name} is not aligned in the mapped file");
    }
}

#[test]
fn one_file_or_several() {
    for (max, files) in [(u64::MAX, 1), (16, 4), (1, 6)] {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write_sample(folder.path(), max), files, "shards of {max} bytes");
        check_sample(folder.path());
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, if files == 1 { 1 } else { files + 1 }, "spool files are left");
        assert_eq!(folder.path().join("model.safetensors").exists(), files == 1);
    }
}

#[test]
fn copies_are_exact() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_sample(source.path(), 16);
    let from = Checkpoint::open(source.path()).unwrap();
    let mut writer = CheckpointWriter::new(target.path(), WriterOptions::default());
    for name in from.names() {
        writer.copy(&from, name).unwrap();
    }
    writer.finish().unwrap();
    check_sample(target.path());
}

#[test]
fn mistakes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = CheckpointWriter::new(folder.path(), WriterOptions::default());
    let f32 = StoredType::Known(DType::F32);
    writer.write("w", f32, &[1], |sink| sink(&[0; 4])).unwrap();
    for (name, shape, bytes) in
        [("w", &[1][..], 4), ("__metadata__", &[1], 4), ("v", &[2], 4), ("u", &[1], 8)]
    {
        let message = writer.write(name, f32, shape, |sink| sink(&vec![0; bytes])).unwrap_err().to_string();
        assert!(message.contains(&format!("tensor {name}")), "{message}");
    }
    assert!(writer.write("huge", f32, &[usize::MAX, 2], |_| Ok(())).is_err());
}

/// A small file system in memory, unmounted at the end; `None` where one may not be mounted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        status.is_ok_and(|s| s.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_reported_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount("256k") else {
        eprintln!("SKIPPED: a full disk cannot be tested, tmpfs may not be mounted here");
        return;
    };
    // 200 KiB fit into the spools; joined to a file they fit no longer; 400 KiB fit nowhere.
    for size in [200 << 10, 400 << 10] {
        let dir = AtomicDir::create(disk.0.path().join("model"), false).unwrap();
        let mut writer = CheckpointWriter::new(dir.path(), WriterOptions::default());
        let u8 = StoredType::Known(DType::U8);
        let result =
            writer.write("w", u8, &[size], |sink| sink(&vec![1; size])).and_then(|()| writer.finish());
        match result {
            Err(fft_core::Error::Io { path, source }) => {
                assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
                assert!(path.starts_with(disk.0.path()), "{path:?}");
            }
            other => panic!("{size} bytes on a disk of 256 KiB: {other:?}"),
        }
        drop(dir);
        assert_eq!(std::fs::read_dir(disk.0.path()).unwrap().count(), 0, "something is left");
    }
}
