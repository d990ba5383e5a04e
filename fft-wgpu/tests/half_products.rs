//! A few rows in half precision times a matrix that lies along the inner axis: as in single precision.

use fft_core::{DType, Device, Tensor};
use fft_wgpu::WgpuOptions;

fn ramp(device: &Device, shape: &[usize], step: usize, dtype: DType) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| ((i * step) % 1000) as f32 * 0.002 - 1.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap().to_dtype(dtype).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap();
    x.into_iter().map(f64::from).collect()
}

#[test]
fn a_few_rows_take_the_kernel_for_rows() {
    let options = WgpuOptions { profile: true, ..Default::default() };
    if !fft_wgpu::adapters().first().is_some_and(|a| a.features.contains("timestamps")) {
        eprintln!("*** no adapter, or none with timestamps: this wgpu test DID NOT RUN ***");
        return;
    }
    let device = fft_wgpu::device(options).unwrap();
    let kinds = [DType::F32, DType::F16, DType::BF16];
    for (a, b) in [DType::F16, DType::BF16].into_iter().flat_map(|a| kinds.map(|b| (a, b))) {
        for (batch, rows, columns, inner) in
            [(1, 1, 70, 512), (1, 8, 33, 64), (3, 2, 5, 136), (1, 9, 12, 128), (2, 5, 3, 100)]
        {
            let what = format!("{batch} x {rows} x {columns} over {inner}, {a} by {b}");
            let x = ramp(&device, &[batch, rows, inner], 7919, a);
            let w = ramp(&device, &[batch, columns, inner], 104_729, b);
            let calls = || -> u64 {
                let times = device.kernel_times().unwrap().unwrap();
                times.iter().filter(|t| t.name.starts_with("matmul:Wide")).map(|t| t.calls).sum()
            };
            let before = calls();
            let y = x.matmul_to(&w.transpose(1, 2).unwrap(), DType::F32).unwrap();
            let wide = rows <= 8 && inner % if b == DType::F32 { 4 } else { 8 } == 0;
            assert_eq!(calls() - before, u64::from(wide), "{what}");
            let (x, w, y) = (numbers(&x), numbers(&w), numbers(&y));
            for (i, y) in y.into_iter().enumerate() {
                let (row, column) = (i / columns, i / columns / rows * columns + i % columns);
                let (x, w) = (&x[row * inner..][..inner], &w[column * inner..][..inner]);
                let sum: f64 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                let size: f64 = x.iter().zip(w).map(|(x, w)| (x * w).abs()).sum();
                assert!((y - sum).abs() <= 1e-6 * size, "{what}: {y} for {sum} at {i}");
            }
        }
        // Rows of a wider tensor, turned; and the result in half precision.
        let x = ramp(&device, &[128, 3], 7919, a).transpose(0, 1).unwrap();
        let w = ramp(&device, &[40, 128], 31, a).transpose(0, 1).unwrap();
        let y = x.matmul(&w).unwrap();
        let want = x.to_dtype(DType::F32).unwrap().matmul(&w.to_dtype(DType::F32).unwrap()).unwrap();
        assert_eq!(y.to_bytes().unwrap(), want.to_dtype(a).unwrap().to_bytes().unwrap(), "{a} turned");
    }
}
