//! Matrix products through `Tensor` beside the `gemm` crate called directly.

use fft_benches::pairs::{Table, compare, measuring, noise};
use fft_core::{DType, Device, Tensor};
use fft_cpu::{CpuOptions, device};
use gemm::Parallelism;

/// `[m, k] x [n, k]^T` into a kept buffer.
fn peer(m: usize, n: usize, k: usize, x: &[f32], w: &[f32], out: &mut [f32], threads: usize) {
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    let (m_, n_, k_) = (m as isize, n as isize, k as isize);
    assert!(x.len() >= m * k && w.len() >= n * k && out.len() >= m * n && m_ * n_ * k_ > 0);
    // SAFETY: the slices hold the matrices, as asserted.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n_,
            false,
            x.as_ptr(),
            1,
            k_,
            w.as_ptr(),
            k_,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn tensor(device: &Device, rows: usize, columns: usize, seed: u64) -> Tensor {
    Tensor::from_slice(device, &noise(rows * columns, seed), &[rows, columns]).expect("it fits")
}

fn main() {
    if !measuring() {
        return;
    }
    for threads in [1, 2] {
        let device =
            device(CpuOptions { threads: Some(threads), memory_limit: None }).expect("the threads start");
        for (dtype, shapes) in [
            (
                DType::F32,
                &[
                    (1, 192, 192),
                    (1, 576, 1536),
                    (1, 4096, 4096),
                    (4, 4096, 4096),
                    (64, 1536, 576),
                    (512, 512, 512),
                    (1024, 1024, 1024),
                ][..],
            ),
            (
                DType::BF16,
                &[(1, 192, 192), (1, 576, 1536), (1, 4096, 4096), (8, 4096, 4096), (64, 1536, 576)][..],
            ),
            (DType::F16, &[(1, 576, 1536), (1, 4096, 4096), (64, 1536, 576)][..]),
        ] {
            let title = format!("x[m, k] W[n, k]^T, {dtype} weights, {threads} thread(s), peer: gemm in f32");
            let mut table = Table::new(&title);
            for &(m, n, k) in shapes {
                let (x, w) = (noise(m * k, 1), noise(n * k, 2));
                let mut out = vec![0f32; m * n];
                let a = tensor(&device, m, k, 1);
                let b =
                    tensor(&device, n, k, 2).to_dtype(dtype).and_then(|b| b.transpose(0, 1)).expect("valid");
                let ours = || a.matmul(&b).expect("valid");
                let row =
                    compare(format!("{m} x {n} x {k}"), ours, || peer(m, n, k, &x, &w, &mut out, threads));
                table.add(row);
            }
        }
    }
}
