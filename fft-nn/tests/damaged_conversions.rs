//! Converted models whose files lie: every part mutated in every way that matters, and at random. Errors, never a panic.

use std::path::{Path, PathBuf};

use fft_core::spectral::{
    Bits, CirculantOptions, LogSpectrumOptions, RotatedOptions, SparseOptions, ValueFormat,
};
use fft_core::{DType, Device, Tensor};
use fft_nn::checkpoint::{Checkpoint, CheckpointWriter, WriterOptions};
use fft_nn::codec::{MatrixCodec, QuantizationConfig, TensorCodec, load_linear};
use tempfile::TempDir;

const NAME: &str = "w.weight";

fn cpu() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), ..Default::default() }).unwrap()
}

/// A coded matrix as named parts, to be damaged.
#[derive(Clone)]
struct Coded {
    codec: TensorCodec,
    parts: Vec<Part>,
}

#[derive(Clone)]
struct Part {
    name: &'static str,
    dtype: DType,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Coded {
    fn new(codec: MatrixCodec) -> Self {
        let values: Vec<f32> =
            (0..24 * 20).map(|i| ((i * i * 7 + 3 * i) % 101) as f32 / 50.0 - 1.0).collect();
        let w = Tensor::from_slice(&cpu(), &values, &[24, 20]).unwrap();
        let coded = codec.encode(&w).unwrap();
        let part = |(name, t): (&'static str, Tensor)| Part {
            name,
            dtype: t.dtype(),
            shape: t.shape().to_vec(),
            bytes: t.to_bytes().unwrap(),
        };
        Self { codec: coded.codec(), parts: coded.parts().into_iter().map(part).collect() }
    }

    fn part(&mut self, name: &str) -> &mut Part {
        self.parts.iter_mut().find(|p| p.name == name).unwrap()
    }

    fn save(&self, folder: &Path) -> PathBuf {
        let mut writer = CheckpointWriter::new(folder, WriterOptions::default());
        for part in &self.parts {
            let name = format!("{NAME}.{}", part.name);
            writer.write(&name, part.dtype.into(), &part.shape, |sink| sink(&part.bytes)).unwrap();
        }
        writer.finish().unwrap().remove(0)
    }

    /// Loads and uses the matrix: its product and its dense form.
    fn try_load(&self, file: &Path) -> Result<(), String> {
        let device = cpu();
        let mut config = QuantizationConfig::default();
        config.tensors.insert(NAME.into(), self.codec);
        let run = || -> fft_core::Result<()> {
            let checkpoint = Checkpoint::open(file)?;
            if let Some(weights) = load_linear(&checkpoint, &config, NAME, &device)? {
                let [_, inputs] = self.codec.shape();
                weights.apply(&Tensor::full(&device, &[2, inputs], DType::F32, 1.0)?)?;
                weights.to_dense()?;
            }
            Ok(())
        };
        run().map_err(|e| e.to_string())
    }

    fn check(&self) -> Result<(), String> {
        let folder = TempDir::new().unwrap();
        self.try_load(&self.save(folder.path()))
    }

    fn expect(&self, what: &str, reason: &str) {
        let message = self.check().expect_err(what);
        assert!(message.contains("tensor w.weight") && message.contains(reason), "{what}: {message:?}");
        assert!(message.contains("model.safetensors"), "{what}: {message:?} names no file");
    }
}

fn all() -> Vec<Coded> {
    let sparse = |values| MatrixCodec::Sparse(SparseOptions::density(0.4).with_values(values));
    [
        sparse(ValueFormat::F32),
        sparse(ValueFormat::F16),
        sparse(ValueFormat::Log8),
        MatrixCodec::Rotated(RotatedOptions::new(Bits::Eight)),
        MatrixCodec::Rotated(RotatedOptions::new(Bits::Four)),
        MatrixCodec::Log8(LogSpectrumOptions::default()),
        MatrixCodec::BlockCirculant(CirculantOptions { block: 4 }),
    ]
    .map(Coded::new)
    .into()
}

#[test]
fn every_part_must_be_there_and_fit() {
    for sound in all() {
        sound.check().unwrap();
        for index in 0..sound.parts.len() {
            let what = format!("{:?}, part {}", sound.codec, sound.parts[index].name);
            let mut missing = sound.clone();
            let part = missing.parts.remove(index);
            if missing.parts.is_empty() {
                missing.parts.push(Part { name: "other", ..part.clone() });
            }
            let message = missing.check().expect_err(&what);
            assert!(message.contains(&format!("{NAME}.{}: is missing", part.name)), "{what}: {message}");

            let mut retyped = sound.clone();
            let part = &mut retyped.parts[index];
            part.dtype = match part.dtype {
                DType::F32 => DType::U32,
                DType::U32 => DType::F32,
                DType::U16 => DType::F16,
                DType::F16 => DType::U16,
                _ => DType::I8,
            };
            retyped.expect(&what, "dtypes");

            let mut reshaped = sound.clone();
            let part = &mut reshaped.parts[index];
            part.shape.insert(0, 1);
            reshaped.expect(&what, "shapes");

            let mut longer = sound.clone();
            let part = &mut longer.parts[index];
            let row = part.bytes.len() / part.shape[0];
            part.bytes.extend(vec![0; row]);
            part.shape[0] += 1;
            longer.expect(&what, "shapes");
        }
    }
}

#[test]
fn numbers_that_lie() {
    let set = |coded: &Coded, part: &str, at: usize, bytes: &[u8]| {
        let mut coded = coded.clone();
        coded.part(part).bytes[at..at + bytes.len()].copy_from_slice(bytes);
        coded
    };
    let nan = f32::NAN.to_le_bytes();
    let infinite = f32::INFINITY.to_le_bytes();
    let nan16 = fft_core::f16::NAN.to_le_bytes();
    for sound in all() {
        match sound.codec {
            TensorCodec::Sparse { values, .. } => {
                set(&sound, "row_offsets", 0, &1u32.to_le_bytes()).expect("first offset", "row_offsets");
                set(&sound, "row_offsets", 4, &u32::MAX.to_le_bytes()).expect("offset", "row_offsets");
                let last = sound.clone().part("row_offsets").bytes.len() - 4;
                set(&sound, "row_offsets", last, &u32::MAX.to_le_bytes()).expect("last offset", "columns");
                set(&sound, "columns", 0, &20u16.to_le_bytes()).expect("column", "out of range");
                let first = sound.clone().part("columns").bytes[..2].to_vec();
                set(&sound, "columns", 2, &first).expect("repeated column", "ascend");
                match values {
                    ValueFormat::F32 => set(&sound, "values", 4, &nan).expect("value", "finite"),
                    ValueFormat::F16 => {
                        set(&sound, "values", 2, &nan16).expect("value", "finite");
                        set(&sound, "scale", 0, &infinite).expect("scale", "scale");
                        set(&sound, "scale", 0, &(-1.0f32).to_le_bytes()).expect("scale", "scale");
                    }
                    _ => {
                        set(&sound, "ranges", 0, &nan).expect("range", "range");
                        set(&sound, "ranges", 4, &infinite).expect("range step", "range");
                    }
                }
            }
            TensorCodec::Rotated { bits, .. } => {
                set(&sound, "scales", 2, &nan16).expect("scale", "scales");
                set(&sound, "scales", 0, &(-fft_core::f16::ONE).to_le_bytes()).expect("scale", "scales");
                set(&sound, "gain", 0, &nan).expect("gain", "gain");
                if bits == Bits::Eight {
                    set(&sound, "codes", 9, &[0x80]).expect("code", "codes");
                }
            }
            TensorCodec::Log8 { .. } => {
                set(&sound, "ranges", 0, &nan).expect("range", "range");
                set(&sound, "ranges", 0, &(-1.0f32).to_le_bytes()).expect("range", "range");
            }
            _ => set(&sound, "columns", 8, &nan).expect("column", "finite"),
        }
    }
}

#[test]
fn settings_that_lie() {
    for sound in all() {
        for shape in
            [[24, 21], [25, 20], [20, 24], [0, 20], [24, 0], [usize::MAX, 20], [24, usize::MAX], [1 << 32; 2]]
        {
            let mut lying = sound.clone();
            match &mut lying.codec {
                TensorCodec::Sparse { shape: s, .. }
                | TensorCodec::Rotated { shape: s, .. }
                | TensorCodec::Log8 { shape: s, .. }
                | TensorCodec::BlockCirculant { shape: s, .. } => *s = shape,
                other => panic!("{other:?} is not covered"),
            }
            // Parts tell a shape up to the parity of its rows (half planes), the columns that no index reaches (sparse) or the
            // padding (rotated); a model's configuration settles the rest. Nothing else may fit.
            let close = match lying.codec {
                TensorCodec::Sparse { .. } => matches!(shape, [25, 20] | [24, 21]),
                TensorCodec::Log8 { .. } => shape == [25, 20],
                TensorCodec::Rotated { .. } => matches!(shape, [25, 20] | [24, 21] | [20, 24]),
                _ => false,
            };
            match lying.check() {
                Ok(()) => assert!(close, "{:?} was accepted", lying.codec),
                Err(message) => assert!(message.contains("tensor w.weight"), "{message}"),
            }
        }
        let mut lying = sound.clone();
        match &mut lying.codec {
            TensorCodec::Rotated { group, .. } => *group = 0,
            TensorCodec::Log8 { group, .. } => *group = 0,
            TensorCodec::BlockCirculant { block, .. } => *block = 0,
            _ => continue,
        }
        lying.expect("zero", "must be");
        match &mut lying.codec {
            TensorCodec::Rotated { group, .. } => *group = usize::MAX - 7,
            TensorCodec::Log8 { group, .. } => *group = 1,
            TensorCodec::BlockCirculant { block, .. } => *block = usize::MAX,
            _ => continue,
        }
        lying.check().expect_err("a huge setting");
    }
}

#[test]
fn a_weight_is_plain_or_coded_not_both() {
    let mut both = Coded::new(MatrixCodec::Log8(LogSpectrumOptions::default()));
    let folder = TempDir::new().unwrap();
    let file = both.save(folder.path());
    let mut writer = CheckpointWriter::new(folder.path(), WriterOptions::default());
    let source = Checkpoint::open(&file).unwrap();
    source.names().for_each(|name| writer.copy(&source, name).unwrap());
    writer.write(NAME, DType::U8.into(), &[1], |sink| sink(&[1])).unwrap();
    let file = writer.finish().unwrap().remove(0);
    let message = both.try_load(&file).unwrap_err();
    assert!(message.contains("is stored plain, but"), "{message}");
    both.parts.clear();
}

/// Bytes changed anywhere in a file give an error or another matrix, never a panic.
#[test]
fn random_damage_never_panics() {
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    for sound in all() {
        let folder = TempDir::new().unwrap();
        let file = sound.save(folder.path());
        let bytes = std::fs::read(&file).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (mut refused, mut accepted) = (0, 0);
        for round in 0..300 {
            let mut damaged = bytes.clone();
            // Every third time the header, else the data.
            let range = if round % 3 == 0 { 0..header } else { header..bytes.len() };
            for _ in 0..1 + random.next_u32() % 4 {
                let at = range.start + random.next_u32() as usize % range.len();
                damaged[at] = random.next_u32() as u8;
            }
            std::fs::write(&file, &damaged).unwrap();
            match sound.try_load(&file) {
                Ok(()) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 50 && accepted > 0, "{:?}: {refused} refused, {accepted} accepted", sound.codec);
    }
}
