//! Matrix products through `Tensor` beside the `gemm` crate called directly.

use fft_benches::pairs::{Table, compare};
use fft_benches::{dense, measuring, numbers};
use fft_core::{DType, Device, Tensor};
use fft_cpu::{CpuOptions, device};

fn tensor(device: &Device, rows: usize, columns: usize, seed: u64) -> Tensor {
    Tensor::from_slice(device, &numbers(rows * columns, seed), &[rows, columns]).expect("it fits")
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
                let (x, w) = (numbers(m * k, 1), numbers(n * k, 2));
                let mut out = vec![0f32; m * n];
                let a = tensor(&device, m, k, 1);
                let b =
                    tensor(&device, n, k, 2).to_dtype(dtype).and_then(|b| b.transpose(0, 1)).expect("valid");
                let ours = || a.matmul(&b).expect("valid");
                let row = compare(format!("{m} x {n} x {k}"), ours, || {
                    dense::product(&w, &x, &mut out, [n, k], m, 0, threads)
                });
                table.add(row);
            }
        }
    }
}
