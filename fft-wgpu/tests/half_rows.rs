//! Operations along rows in half precision: the bits of those in single precision, rounded once.

mod common;

use common::open;
use fft_core::{DType, Device, Result, Tensor};
use fft_wgpu::WgpuOptions;

fn ramp(device: &Device, shape: &[usize], step: usize, dtype: DType) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| ((i * step) % 997) as f32 * 0.004 - 2.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap().to_dtype(dtype).unwrap()
}

/// The same work in half precision, and on what that is in single precision, gives the same rounded results.
fn same(what: &str, operands: &[Tensor], work: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) {
    let dtype = operands[0].dtype();
    let single: Vec<Tensor> = operands.iter().map(|x| x.to_dtype(DType::F32).unwrap()).collect();
    let (got, want) = (work(operands).unwrap(), work(&single).unwrap());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let want = want.to_dtype(dtype).unwrap();
        assert_eq!((got.dtype(), got.shape()), (dtype, want.shape()), "{what}");
        assert!(got.to_bytes().unwrap() == want.to_bytes().unwrap(), "{what}: result {i} differs");
    }
}

#[test]
fn rounded_once() {
    // Without an adapter, which the conformance test says loudly, there is nothing to test.
    let Some(device) = open(WgpuOptions { validation: true, ..Default::default() }) else { return };
    for dtype in [DType::F16, DType::BF16] {
        for (rows, n) in [(1, 1), (5, 7), (33, 8), (70, 30), (33, 129), (9, 258), (3, 1030)] {
            let what = |name: &str| format!("{name} of {rows} x {n}, {dtype}");
            let make = |shape: &[usize], step| ramp(&device, shape, step, dtype);
            let (x, grad, w) = (make(&[rows, n], 7919), make(&[rows, n], 104_729), make(&[n], 31));
            let three = [x.clone(), w, grad.clone()];
            same(&what("rms norm"), &three, |t| Ok(t[0].rms_norm_backward(&t[1], &t[2], 1e-5)?.into()));
            same(&what("layer norm"), &three, |t| Ok(t[0].layer_norm_backward(&t[1], &t[2], 1e-5)?.into()));
            let gated = [x.clone(), grad.affine(0.5, 0.25).unwrap(), grad];
            same(&what("gate"), &gated, |t| Ok(t[0].silu_mul_backward(&t[1], &t[2])?.into()));

            // Some targets are no class.
            let targets: Vec<u32> = (0..rows as u32).map(|i| i * 5 % (n as u32 + 1)).collect();
            let targets = Tensor::from_slice(&device, &targets, &[rows]).unwrap();
            for targets in [targets.clone(), targets.to_dtype(DType::I64).unwrap()] {
                same(&what("cross-entropy"), std::slice::from_ref(&x), |t| {
                    let (loss, logarithm) = t[0].cross_entropy(&targets)?;
                    Ok(vec![loss, logarithm])
                });
                let (_, logarithm) = x.cross_entropy(&targets).unwrap();
                let operands = [x.clone(), logarithm, make(&[rows], 13)];
                same(&what("cross-entropy's way back"), &operands, |t| {
                    Ok(vec![t[0].cross_entropy_backward(&targets, &t[1], &t[2])?])
                });
            }
        }
    }
}
