//! Circular convolutions: how many kernels they take, lengths at the ends of what a kernel takes, and which kernels are shared.

mod common;

use fft_core::{Device, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;

fn open() -> Option<Device> {
    // 16 KiB of workgroup memory: 2048 points.
    common::open(WgpuOptions { default_limits: true, ..Default::default() })
}

fn numbers(device: &Device, shape: &[usize], seed: usize) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| ((i * 7919 + seed) % 1009) as f32 * 0.002 - 1.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap()
}

/// Compares with the composition; the kernels that it took.
fn check(x: &Tensor, kernel: &Tensor) -> Result<usize> {
    let what = format!("{:?} with {:?}", x.shape(), kernel.shape());
    let before = fft_wgpu::stats(x.device()).unwrap().dispatches;
    let got = x.spectral_conv(kernel)?;
    let dispatches = fft_wgpu::stats(x.device()).unwrap().dispatches - before;
    let want = compose::spectral_conv(x, kernel)?;
    assert_eq!(got.shape(), want.shape(), "{what}");
    let number = |t: Tensor| t.abs_squared()?.sum_all()?.to_scalar::<f32>();
    let (off, size) = (number(got.sub(&want)?)?, number(want)?);
    // Either side errs by at most some (3 log2 n + 2) epsilon.
    assert!(size > 0.0 && (off / size).sqrt() < 5e-6, "{what}: {off} of {size}");
    Ok(dispatches)
}

#[test]
fn lengths_at_the_ends_of_a_kernel() -> Result<()> {
    let Some(device) = open() else { return Ok(()) };
    for n in [2, 3, 4, 16, 105, 1023, 1024, 1025, 2000, 2025, 2047, 2048, 2049, 4096] {
        let (x, kernel) = (numbers(&device, &[3, n], 1), numbers(&device, &[n], 500));
        let small = [2, 3, 5, 7].into_iter().fold(n, |mut rest, p| {
            while rest.is_multiple_of(p) {
                rest /= p;
            }
            rest
        });
        let own = small == 1 && n <= 2048;
        assert_eq!(check(&x, &kernel)? == 2, own, "{n} points");
    }
    Ok(())
}

#[test]
fn lines_share_kernels_along_outer_axes() -> Result<()> {
    let Some(device) = open() else { return Ok(()) };
    let n = 48;
    for (x, kernel, own) in [
        (&[1][..], &[1][..], true),
        (&[7], &[], true),
        (&[], &[7], true),
        (&[5, 3], &[3], true),
        (&[3], &[5, 3], true),
        (&[5, 3], &[1, 1], true),
        (&[2, 3], &[1, 2, 3], true),
        (&[70, 9], &[70, 9], true),
        (&[2, 3], &[2, 1], false),
        (&[2, 1], &[1, 3], false),
        (&[3, 1], &[3], false),
    ] {
        let shape = |lead: &[usize]| [lead, &[n]].concat();
        let (x, kernel) = (numbers(&device, &shape(x), 1), numbers(&device, &shape(kernel), 77));
        assert_eq!(check(&x, &kernel)? == 2, own, "{:?} with {:?}", x.shape(), kernel.shape());
    }
    // Lines that do not follow one another: a copy of each comes first.
    let x = numbers(&device, &[n, 4, 6], 1).permute(&[2, 1, 0])?;
    let kernel = numbers(&device, &[4, 2 * n], 5).step(1, -2)?;
    assert_eq!(check(&x, &kernel)?, 4);
    Ok(())
}
