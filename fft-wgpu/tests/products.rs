//! Attention, products with compressed weights and selections: the same bits at every call, and nothing made anew.

mod common;
mod steady;

use fft_core::backend::AttentionSpec;
use fft_core::spectral::{
    Bits, BlockCirculantMatrix, LogSpectrumMatrix, LogSpectrumOptions, RotatedMatrix, RotatedOptions,
    Rotation, SparseOptions, SparseSpectralMatrix,
};
use fft_core::{DType, Device, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;
use steady::makes_nothing_new;

fn ramp(device: &Device, shape: &[usize]) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| ((i * 7919) % 1000) as f32 * 0.002 - 1.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap()
}

fn open() -> Option<Device> {
    common::open(WgpuOptions::default())
}

#[test]
fn the_same_bits_and_nothing_new() {
    let Some(device) = open() else { return };
    let (q, k) = (ramp(&device, &[1, 4, 70, 24]), ramp(&device, &[1, 2, 300, 24]));
    let spec = AttentionSpec { scale: 0.2, causal: true, offset: 230 };
    let last = AttentionSpec { offset: 299, ..spec };
    let dense = ramp(&device, &[96, 64]);
    let sparse = SparseSpectralMatrix::from_dense(&dense, &SparseOptions::density(0.1)).unwrap();
    let circulant = BlockCirculantMatrix::from_first_columns(&ramp(&device, &[6, 5, 16])).unwrap();
    let rotated = [Rotation::Fourier, Rotation::Hadamard].map(|rotation| {
        let options = RotatedOptions { rotation, ..RotatedOptions::new(Bits::Four) };
        RotatedMatrix::from_dense(&dense, &options).unwrap()
    });
    let log = LogSpectrumMatrix::from_dense(&dense, &LogSpectrumOptions::default()).unwrap();
    let (x, y) = (ramp(&device, &[20, 64]), ramp(&device, &[20, 96]));
    let keys = ramp(&device, &[20_000]);
    let (blocks, of_blocks) = (ramp(&device, &[20, 80]), ramp(&device, &[20, 96]));
    let work = || -> Result<Vec<Vec<u8>>> {
        let mut made = vec![
            Tensor::attention(&q, &k, &k, spec)?,
            Tensor::attention(&q.narrow(2, 0, 1)?, &k, &k, last)?,
            sparse.apply(&x)?,
            sparse.apply_transposed(&y)?,
            sparse.coefficient_gradient(&x, &y)?,
            circulant.apply(&blocks)?,
            circulant.apply_transposed(&of_blocks)?,
            circulant.first_columns_gradient(&blocks, &of_blocks)?,
            rotated[0].apply(&x)?,
            rotated[1].apply(&x.narrow(0, 0, 1)?)?,
            log.apply(&x)?,
            keys.largest(777)?,
        ];
        made.extend(Tensor::attention_backward(&q, &k, &k, &q, spec)?);
        made.iter().map(Tensor::to_bytes).collect()
    };
    makes_nothing_new(&device, 4, || work().unwrap());
}

/// Neighbouring products of a batch whose inner axis is longer than what an invocation sums.
#[test]
fn long_sums_of_neighbouring_products() {
    let Some(device) = open() else { return };
    for (inner, rows, columns) in [(16_385, 1, 1), (70_001, 2, 1), (70_001, 1, 3)] {
        let batch = 64;
        let ones = Tensor::full(&device, &[rows, inner, batch], DType::F32, 1.0).unwrap();
        let a = ones.permute(&[2, 0, 1]).unwrap();
        let b = Tensor::full(&device, &[columns, inner], DType::F32, 2.0).unwrap().transpose(0, 1).unwrap();
        let got = a.matmul(&b.broadcast_to(&[batch, inner, columns]).unwrap()).unwrap();
        let got = got.to_vec::<f32>().unwrap();
        assert!(got.iter().all(|&x| x == 2.0 * inner as f32), "{inner}, {rows} x {columns}: {:?}", got[0]);
    }
}

/// More keys than blocks of 8192 that there may be, so that a block is written in several parts.
#[test]
fn the_largest_of_many_keys() {
    let Some(device) = open() else { return };
    let n = (1 << 23) + 12_345;
    // Each number below 2^23 in a mixed order, then some of them again.
    let keys: Vec<f32> = (0..n as u64).map(|i| ((i * 0x9e_3779) % (1 << 23)) as f32).collect();
    let tensor = Tensor::from_slice(&device, &keys, &[n]).unwrap();
    for count in [1, n / 20, n - 3] {
        let got = tensor.largest(count).unwrap().to_vec::<u32>().unwrap();
        assert_eq!(got, compose::largest(&tensor, count).unwrap().to_vec::<u32>().unwrap(), "{count}");
    }
}

/// What a causal query does not see changes no bit of its result, nor of its gradients, whatever it is.
#[test]
fn hidden_keys_may_be_anything() {
    let Some(device) = open() else { return };
    let keys = 150;
    for (queries, offset) in [(1, 2), (100, 3)] {
        let spec = AttentionSpec { scale: 0.5, causal: true, offset };
        // Seen by no query, or by some.
        let first = offset + queries;
        let with = |hidden: f32, seed: usize| {
            let mut data = ramp(&device, &[1, 1, keys, 8]).to_vec::<f32>().unwrap();
            data.rotate_left(seed);
            data[first * 8..].fill(hidden);
            Tensor::from_slice(&device, &data, &[1, 1, keys, 8]).unwrap()
        };
        let (q, grad) = (ramp(&device, &[1, 1, queries, 8]), ramp(&device, &[1, 1, queries, 8]));
        let run = |hidden: f32| {
            let (k, v) = (with(hidden, 1), with(hidden, 5));
            let y = Tensor::attention(&q, &k, &v, spec).unwrap();
            let [of_q, of_k, of_v] = Tensor::attention_backward(&q, &k, &v, &grad, spec).unwrap();
            let seen = |t: Tensor| t.narrow(2, 0, first).unwrap().to_vec::<f32>().unwrap();
            [y.to_vec().unwrap(), of_q.to_vec().unwrap(), seen(of_k), seen(of_v)]
        };
        let want = run(0.25);
        assert!(want.iter().flatten().all(|x| x.is_finite()));
        for hidden in [f32::NAN, f32::INFINITY] {
            assert!(run(hidden) == want, "{queries} queries, {hidden}");
        }
    }
    // A key that only some queries see: the others' results stay.
    let spec = AttentionSpec { scale: 0.5, causal: true, offset: 0 };
    let q = ramp(&device, &[1, 1, 100, 8]);
    let run = |value: f32| {
        let mut data = ramp(&device, &[1, 1, 100, 8]).to_vec::<f32>().unwrap();
        data[40 * 8..41 * 8].fill(value);
        let k = Tensor::from_slice(&device, &data, &[1, 1, 100, 8]).unwrap();
        let y = Tensor::attention(&q, &k, &k, spec).unwrap();
        let [of_q, ..] = Tensor::attention_backward(&q, &k, &k, &q, spec).unwrap();
        [y, of_q].map(|t| t.narrow(2, 0, 40).unwrap().to_vec::<f32>().unwrap())
    };
    assert!(run(f32::NAN) == run(0.25));
}
