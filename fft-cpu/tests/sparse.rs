//! Sparse spectral tensors on the processor: any sizes, any number of threads, files.

use fft_core::reference::half_plane_matrix;
use fft_core::spectral::{
    Amount, Selection, SparseOptions, SparseSpectralMatrix, SparseSpectralTensor, ValueFormat,
};
use fft_core::{Complex32, Complex64, Device, Error, Tensor};
use proptest::prelude::*;

fn cpu(threads: usize) -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(threads), ..Default::default() }).unwrap()
}

/// Deterministic numbers in -1..1.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32
        })
        .collect()
}

fn format(i: usize) -> ValueFormat {
    [ValueFormat::F32, ValueFormat::F16, ValueFormat::Log8][i % 3]
}

fn relative(got: &[f32], want: &[f64]) -> f64 {
    let error: f64 = got.iter().zip(want).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
    (error / want.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The product with the stored coefficients is that with the dense matrix, within `5 epsilon log2(N)`.
    #[test]
    fn product_is_that_of_the_dense_matrix(
        m in 1usize..70, n in 1usize..70, batch in 6usize..40, count in 1usize..300, kind in 0usize..3,
        transpose: bool, seed: u64,
    ) {
        let device = cpu(2);
        let values = noise(2 * count, seed);
        let places = noise(2 * count, !seed);
        let place = |i: usize, n: usize| ((places[i] + 1.0) * 0.5 * n as f32) as usize % n;
        let coefficients: Vec<_> = (0..count)
            .map(|i| (place(2 * i, m), place(2 * i + 1, n), Complex32::new(values[2 * i], values[2 * i + 1])))
            .collect();
        let w = SparseSpectralMatrix::from_coefficients(&device, [m, n], &coefficients, format(kind)).unwrap();
        let (positions, stored) = w.coefficients().unwrap();
        let dense = half_plane_matrix(m, n, &positions.iter().zip(stored)
            .map(|(&p, c)| (p as usize / n, p as usize % n, Complex64::new(c.re.into(), c.im.into())))
            .collect::<Vec<_>>());
        let (from, to) = if transpose { (m, n) } else { (n, m) };
        let x = noise(batch * from, seed ^ 5);
        let t = Tensor::from_slice(&device, &x, &[batch, from]).unwrap();
        let y = if transpose { w.apply_transposed(&t) } else { w.apply(&t) }.unwrap().to_vec::<f32>().unwrap();
        let want: Vec<f64> = x.chunks(from).flat_map(|x| (0..to).map(|i| (0..from)
            .map(|j| f64::from(x[j]) * if transpose { dense[j * n + i] } else { dense[i * n + j] }).sum())
            .collect::<Vec<f64>>()).collect();
        let bound = 5.0 * f64::from(f32::EPSILON) * (m.max(n) as f64).log2().max(1.0);
        // A matrix whose few coefficients all vanish (their real parts at self-mirrored places) has no relative error.
        let size: f64 = want.iter().map(|v| v * v).sum();
        if size > 0.0 {
            // One element a vector may cancel, so the error counts against what was summed.
            let summed = dense.iter().map(|v| v * v).sum::<f64>() * x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>()
                / (from as f64);
            let scale = (size / summed.max(size)).sqrt();
            let error = relative(&y, &want) * scale;
            prop_assert!(error <= bound, "{error} exceeds {bound}");
        } else {
            prop_assert!(y.iter().all(|v| v.abs() < 1e-6));
        }
    }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let (m, n) = (600, 500);
    let dense = noise(m * n, 1);
    for kind in 0..3 {
        let results: Vec<Vec<Vec<f32>>> = [1, 2, 3]
            .into_iter()
            .map(|threads| {
                let device = cpu(threads);
                let w = Tensor::from_slice(&device, &dense, &[m, n]).unwrap();
                let options = SparseOptions::density(0.4).with_values(format(kind));
                let w = SparseSpectralMatrix::from_dense(&w, &options).unwrap();
                assert!(w.count() > 50_000, "large enough to run on several threads");
                [1, 2, 3, 37]
                    .into_iter()
                    .flat_map(|batch| {
                        let x = Tensor::from_slice(&device, &noise(batch * n, 9), &[batch, n]).unwrap();
                        let y = Tensor::from_slice(&device, &noise(batch * m, 8), &[batch, m]).unwrap();
                        [
                            w.apply(&x).unwrap().to_vec().unwrap(),
                            w.apply_transposed(&y).unwrap().to_vec().unwrap(),
                        ]
                    })
                    .collect()
            })
            .collect();
        assert_eq!(results[0], results[1]);
        assert_eq!(results[0], results[2]);
    }
}

#[test]
fn more_columns_than_sixteen_bits_hold() {
    let device = cpu(2);
    let n = (1 << 16) + 6;
    let coefficients: Vec<_> =
        (0..40).map(|i| (i % 3, i * 1699 % n, Complex32::new(1.0 + i as f32, -0.5))).collect();
    let w =
        SparseSpectralMatrix::from_coefficients(&device, [4, n], &coefficients, ValueFormat::F32).unwrap();
    assert_eq!(w.columns().dtype(), fft_core::DType::U32);
    let dense: Vec<f64> = w.to_dense().unwrap().to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
    for batch in [1, 8] {
        let x = noise(batch * n, 3);
        let y = w.apply(&Tensor::from_slice(&device, &x, &[batch, n]).unwrap()).unwrap();
        let want: Vec<f64> = x
            .chunks(n)
            .flat_map(|x| dense.chunks(n).map(move |w| w.iter().zip(x).map(|(w, &x)| w * f64::from(x)).sum()))
            .collect();
        let error = relative(&y.to_vec::<f32>().unwrap(), &want);
        assert!(error < 5.0 * f64::from(f32::EPSILON) * 16.0, "{error}");
    }
}

#[test]
fn saved_tensors_come_back_the_same_and_broken_files_are_named() {
    let device = cpu(1);
    let dir = std::env::temp_dir().join(format!("fft-cpu-sparse-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("tensor.safetensors");
    let w = Tensor::from_slice(&device, &noise(6 * 7 * 8, 2), &[6, 7, 8]).unwrap();
    for kind in 0..3 {
        let selection = Selection::TopK(Amount::Density(0.3));
        let sparse =
            SparseSpectralTensor::from_dense(&w, &SparseOptions { selection, values: format(kind) }).unwrap();
        sparse.save(&path).unwrap();
        let back = SparseSpectralTensor::load(&path, &device).unwrap();
        assert_eq!(back.shape(), &[6, 7, 8]);
        assert_eq!(back.coefficients().unwrap(), sparse.coefficients().unwrap());
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "nothing is left beside the file");
    }
    let good = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&good[8..8 + header]).unwrap().to_owned();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        let text = text.replace(from, to);
        let mut file = (text.len() as u64).to_le_bytes().to_vec();
        file.extend(text.as_bytes());
        file.extend(&good[8 + header..]);
        file
    };
    let broken = [
        good[..good.len() - 3].to_vec(),
        good[..20].to_vec(),
        Vec::new(),
        with("\"version\":\"1\"", "\"version\":\"2\""),
        with("6,7,8", "6,7,9"),
        with("6,7,8", "6,7,x"),
        with("6,7,8", "2,2,2"),
        with("6,7,8", "99999999,99999999,99999999"),
        with("\"values\":\"log8\"", "\"values\":\"f32\""),
        with("\"values\":\"log8\"", "\"values\":\"lo68\""),
        with("positions", "positionz"),
        with("fft-tensor sparse", "fft-tensor dense "),
    ];
    for (i, bytes) in broken.into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        let result = SparseSpectralTensor::load(&path, &device);
        // Another shape of the same rank may hold the same positions; what it must not do is pass unnoticed when it cannot.
        if i == 4 && result.is_ok() {
            continue;
        }
        let error = result.expect_err(&format!("broken file {i}"));
        assert!(matches!(error, Error::Format { .. }), "{i}: {error}");
        assert!(error.to_string().contains("tensor.safetensors"), "{i}: {error}");
    }
    let missing = SparseSpectralTensor::load(dir.join("none"), &device).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }));
    assert!(SparseSpectralTensor::load(&dir, &device).is_err());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_memory_limit_refuses_and_leaves_nothing_behind() {
    let device = cpu(2);
    let w = Tensor::from_slice(&device, &noise(256 * 256, 4), &[256, 256]).unwrap();
    let w = SparseSpectralMatrix::from_dense(&w, &SparseOptions::density(0.1)).unwrap();
    let x = Tensor::from_slice(&device, &noise(64 * 256, 5), &[64, 256]).unwrap();
    let before = device.memory().usage();
    device.memory().set_limit(Some(before.in_use + 1000));
    assert!(matches!(w.apply(&x), Err(Error::MemoryLimit { .. })));
    assert!(matches!(w.block_streaming_matmul(&x, 32), Err(Error::MemoryLimit { .. })));
    assert!(matches!(w.to_dense(), Err(Error::MemoryLimit { .. })));
    device.memory().set_limit(None);
    assert_eq!(device.memory().usage().in_use, before.in_use);
    assert_eq!(w.apply(&x).unwrap().shape(), &[64, 256]);
}

#[test]
fn repeated_products_make_no_plans_or_blocks() {
    let device = cpu(2);
    let w = Tensor::from_slice(&device, &noise(300 * 200, 4), &[300, 200]).unwrap();
    let w = SparseSpectralMatrix::from_dense(&w, &SparseOptions::density(0.1)).unwrap();
    let inputs: Vec<Tensor> = [1, 5, 40]
        .into_iter()
        .map(|batch| Tensor::from_slice(&device, &noise(batch * 200, 5), &[batch, 200]).unwrap())
        .collect();
    let round = || inputs.iter().for_each(|x| drop(w.apply(x).unwrap()));
    round();
    let first = device.cache_stats();
    (0..5).for_each(|_| round());
    assert_eq!(device.cache_stats(), first);
}

/// Kernels do not check columns, so columns that were checked are no longer a file's.
#[test]
fn columns_of_a_mapped_file_are_copied() {
    let device = cpu(1);
    let w = Tensor::from_slice(&device, &noise(20 * 30, 1), &[20, 30]).unwrap();
    let options = SparseOptions::density(0.3);
    let parts = SparseSpectralMatrix::from_dense(&w, &options).unwrap().parts();
    let matrix = SparseSpectralMatrix::from_parts(&device, [20, 30], options.values, &mut |name| {
        let (_, part) = parts.iter().find(|(n, _)| *n == name).unwrap();
        let bytes = fft_core::HostBytes::from(part.to_bytes()?);
        Tensor::from_host(&device, bytes, part.shape(), part.dtype())
    })
    .unwrap();
    assert!(!matrix.columns().buffer().is_borrowed());
    assert!(matrix.values().values().buffer().is_borrowed());
}
