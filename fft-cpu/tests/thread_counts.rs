//! Results are the same bits whatever the number of threads.

use fft_core::backend::AttentionSpec;
use fft_core::spectral::{BlockCirculantMatrix, SparseSpectralMatrix};
use fft_core::stft::StftOptions;
use fft_core::{
    Complex32, ConvolveMode, DType, DctType, Device, Error, Norm, ReduceOp, Result, ScatterMode, Tensor,
};
use fft_cpu::CpuOptions;

fn device(threads: usize) -> Result<Device> {
    fft_cpu::device(CpuOptions { threads: Some(threads), ..Default::default() })
}

/// Values without a pattern that a wrong order of sums would preserve.
fn noise(device: &Device, shape: &[usize]) -> Result<Tensor> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_slice(device, &values, shape)
}

/// A matrix of 96 x 128 whose first rows have most of the coefficients.
fn sparse(device: &Device) -> Result<SparseSpectralMatrix> {
    let positions: Vec<[u32; 2]> = (0..49u32).flat_map(|u| (u..128).map(move |v| [u, v])).collect();
    let parts = noise(device, &[2, positions.len()])?;
    let values = parts.narrow(0, 0, 1)?.complex(&parts.narrow(0, 1, 1)?)?.reshape(&[positions.len()])?;
    SparseSpectralMatrix::from_positions(device, [96, 128], &positions)?.with_values(&values)
}

/// Blocks of 8 of a matrix of 96 x 128.
fn circulant(device: &Device) -> Result<BlockCirculantMatrix> {
    BlockCirculantMatrix::from_first_columns(&noise(device, &[12, 16, 8])?)
}

type Work = fn(&Device) -> Result<Tensor>;

/// One of each operation that splits its work, large enough to be split.
const WORKS: &[(&str, Work)] = &[
    ("rfftn", |d| noise(d, &[7, 130, 260])?.rfftn(&[0, 1, 2], None, Norm::Ortho)),
    ("rfftn by planes", |d| noise(d, &[40, 130, 128])?.rfftn(&[0, 1, 2], None, Norm::Ortho)),
    ("irfftn", |d| {
        let x = noise(d, &[7, 130, 131])?;
        x.complex(&x.exp()?)?.irfftn(&[0, 1, 2], None, Norm::Backward)
    }),
    ("fft of one long line", |d| noise(d, &[1 << 19])?.fft(0, None, Norm::Backward)),
    ("fft of columns", |d| noise(d, &[1009, 301])?.fft(0, None, Norm::Backward)),
    ("dctn", |d| noise(d, &[301, 130])?.dctn(DctType::II, &[0, 1], None, Norm::Ortho)),
    ("stft", |d| {
        let options = StftOptions::new(256);
        noise(d, &[3, 60_001])?.stft(&options)?.istft(&options, Some(60_000))
    }),
    ("convolve", |d| noise(d, &[3, 70_001])?.convolve(&noise(d, &[3_001])?, ConvolveMode::Same)),
    ("convolve with a short kernel", |d| {
        noise(d, &[70_001])?.convolve(&noise(d, &[3, 7])?, ConvolveMode::Full)
    }),
    ("copy", |d| noise(d, &[301, 70, 40])?.permute(&[2, 0, 1])?.contiguous()),
    ("convert", |d| noise(d, &[1_000_003])?.to_dtype(DType::BF16)),
    ("unary", |d| noise(d, &[1_000_003])?.gelu()),
    ("binary", |d| noise(d, &[1009, 1, 301])?.mul(&noise(d, &[7, 1])?)),
    ("sum of all", |d| noise(d, &[1_000_003])?.sum_all()),
    ("sum of rows", |d| noise(d, &[3, 400_001])?.sum(1)),
    ("sum of columns", |d| noise(d, &[40_001, 30])?.sum(0)),
    ("mean of the middle", |d| noise(d, &[50, 1009, 20])?.reduce(ReduceOp::Mean, &[1])),
    ("mean of the outer", |d| noise(d, &[50, 1009, 20])?.reduce(ReduceOp::Mean, &[0, 2])),
    ("argmax", |d| noise(d, &[3, 400_001])?.round()?.argmax(1)),
    ("matmul", |d| noise(d, &[301, 517])?.matmul(&noise(d, &[517, 403])?)),
    ("one row times a matrix", |d| noise(d, &[1, 2049])?.matmul(&noise(d, &[2049, 1025])?)),
    ("one row times a transposed matrix", |d| {
        noise(d, &[1, 2049])?.matmul(&noise(d, &[1025, 2049])?.transpose(0, 1)?)
    }),
    ("batched matmul", |d| noise(d, &[33, 50, 40])?.matmul(&noise(d, &[33, 40, 60])?)),
    ("half matmul", |d| {
        noise(d, &[64, 517])?.to_dtype(DType::BF16)?.matmul(&noise(d, &[517, 403])?.to_dtype(DType::BF16)?)
    }),
    ("complex matmul", |d| {
        let (a, b) = (noise(d, &[90, 301])?, noise(d, &[301, 77])?);
        a.complex(&a)?.matmul(&b.complex(&b.exp()?)?)
    }),
    ("softmax", |d| noise(d, &[301, 1009])?.softmax(1)),
    ("rms_norm", |d| noise(d, &[301, 1009])?.rms_norm(&noise(d, &[1009])?, 1e-5)),
    ("layer_norm", |d| noise(d, &[301, 1009])?.layer_norm(&noise(d, &[1009])?, &noise(d, &[1009])?, 1e-5)),
    ("attention", |d| {
        let spec = AttentionSpec { scale: 0.125, causal: true, offset: 30 };
        Tensor::attention(
            &noise(d, &[2, 8, 100, 64])?,
            &noise(d, &[2, 2, 130, 64])?,
            &noise(d, &[2, 2, 130, 64])?,
            spec,
        )
    }),
    ("spectral_conv", |d| noise(d, &[37, 5000])?.spectral_conv(&noise(d, &[5000])?)),
    ("sparse spectral product", |d| sparse(d)?.apply(&noise(d, &[301, 128])?)),
    ("transposed sparse spectral product", |d| sparse(d)?.apply_transposed(&noise(d, &[301, 96])?)),
    ("sparse spectral gradient", |d| {
        sparse(d)?.coefficient_gradient(&noise(d, &[1001, 128])?, &noise(d, &[1001, 96])?)
    }),
    ("block circulant product", |d| circulant(d)?.apply(&noise(d, &[1001, 128])?)),
    ("block circulant gradient", |d| {
        circulant(d)?.first_columns_gradient(&noise(d, &[1001, 128])?, &noise(d, &[1001, 96])?)
    }),
    ("scatter", |d| {
        let index: Vec<u32> = (0..50_000u32).map(|i| i.wrapping_mul(2_654_435_761) % 97).collect();
        let mut out = Tensor::zeros(d, &[97, 20], DType::F32)?;
        let index = Tensor::from_slice(d, &index, &[50_000])?;
        out.scatter(0, &index, &noise(d, &[50_000, 20])?, ScatterMode::Add)?;
        Ok(out)
    }),
];

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let devices = [1, 2, 3, 5].map(|threads| device(threads).expect("a processor backend opens"));
    for (name, work) in WORKS {
        let results = devices.each_ref().map(|device| {
            let bytes = work(device).and_then(|out| out.to_bytes());
            bytes.unwrap_or_else(|error| panic!("{name}: {error}"))
        });
        assert!(results[0].iter().any(|&b| b != 0), "{name} gives zeros");
        for (other, threads) in results.iter().zip([1, 2, 3, 5]) {
            assert!(*other == results[0], "{name}: {threads} threads and one thread differ");
        }
    }
}

#[test]
fn tensors_cross_between_threads_and_devices() {
    let (one, two) = (device(1).expect("opens"), device(2).expect("opens"));
    let x = noise(&one, &[64, 64]).expect("fits");
    let sums: Vec<f32> = std::thread::scope(|scope| {
        let work = || x.matmul(&x).and_then(|y| y.sum_all()).and_then(|y| y.to_scalar()).expect("computes");
        let handles: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
    });
    assert!(sums.iter().all(|&s| s == sums[0]), "{sums:?}");
    let moved = x.to_device(&two).expect("by way of the host");
    assert_eq!(moved.to_vec::<f32>().expect("reads"), x.to_vec::<f32>().expect("reads"));
    assert!(matches!(x.add(&moved), Err(Error::DeviceMismatch { .. })));
    let z = moved.fft(1, None, Norm::Backward).and_then(|z| z.to_vec::<Complex32>()).expect("computes");
    assert_eq!(z.len(), 64 * 64);
}
