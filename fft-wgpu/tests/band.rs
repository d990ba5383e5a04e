//! The lowest frequencies of real functions: how many kernels that takes, and lengths at the ends of what a kernel takes.

mod common;
mod steady;

use common::open;
use fft_core::{Device, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;
use steady::makes_nothing_new;

fn numbers(device: &Device, shape: &[usize]) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| ((i * 7919 + 13) % 1009) as f32 * 0.002 - 1.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap()
}

fn complex(device: &Device, shape: &[usize]) -> Tensor {
    let parts = numbers(device, &[&[2], shape].concat());
    let part = |i| parts.narrow(0, i, 1).unwrap().reshape(shape).unwrap();
    part(0).complex(&part(1)).unwrap()
}

/// How many kernels `work` takes.
fn dispatches(device: &Device, work: impl FnOnce() -> Result<Tensor>) -> usize {
    let before = fft_wgpu::stats(device).unwrap().dispatches;
    work().unwrap();
    fft_wgpu::stats(device).unwrap().dispatches - before
}

/// A layer of a Fourier neural operator: frequencies, a product of channels for each, and the way back.
fn layer(x: &Tensor, w: &Tensor, modes: &[usize]) -> Result<Tensor> {
    let (batch, inputs, lengths) = (x.shape()[0], x.shape()[1], &x.shape()[2..]);
    let (outputs, kept) = (w.shape()[1], &w.shape()[2..]);
    let all = kept.iter().product();
    let z = x.low_frequencies(modes)?.reshape(&[batch, inputs, all])?.permute(&[2, 0, 1])?;
    let y = z.matmul(&w.reshape(&[inputs, outputs, all])?.permute(&[2, 0, 1])?)?;
    let y = y.permute(&[1, 2, 0])?.reshape(&[&[batch, outputs], kept].concat())?;
    y.band_limited(lengths)
}

#[test]
fn a_transform_an_axis_and_nothing_between() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    // Lengths of one kernel: powers of two, even and odd ones, a prime.
    for (lengths, modes) in [
        (&[1024][..], &[16][..]),
        (&[1000], &[40]),
        (&[243], &[20]),
        (&[101], &[51]),
        (&[64, 64], &[12, 12]),
        (&[50, 37], &[9, 6]),
        (&[16, 12, 20], &[4, 3, 5]),
    ] {
        let axes = lengths.len();
        let x = numbers(&device, &[&[2, 3], lengths].concat());
        let mut shape = vec![2, 3];
        shape.extend(modes.iter().enumerate().map(|(a, m)| if a + 1 == axes { *m } else { 2 * m - 1 }));
        let z = complex(&device, &shape);
        assert_eq!(dispatches(&device, || x.low_frequencies(modes)), axes, "{lengths:?}");
        assert_eq!(dispatches(&device, || z.band_limited(lengths)), axes, "{lengths:?}");
        shape.splice(..2, [3, 4]);
        let w = complex(&device, &shape);
        assert_eq!(dispatches(&device, || layer(&x, &w, modes)), 2 * axes + 1, "{lengths:?}");
    }
}

#[test]
fn a_steady_state_makes_nothing_new() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let (x, w) = (numbers(&device, &[2, 3, 40, 48]), complex(&device, &[3, 2, 9, 7]));
    let work = || layer(&x, &w, &[5, 7]).and_then(|y| y.to_bytes()).unwrap();
    makes_nothing_new(&device, 2, work);
}

fn close(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.shape(), want.shape(), "{what}");
    let off = got.sub(want).unwrap().abs_squared().unwrap().sum_all().unwrap();
    let size = want.abs_squared().unwrap().sum_all().unwrap();
    let number = |t: Tensor| f64::from(t.to_scalar::<f32>().unwrap());
    let (off, size) = (number(off), number(size));
    // Both sides err by at most epsilon log2 n an axis.
    assert!(size > 0.0 && (off / size).sqrt() < 2e-6, "{what}: {off} of {size}");
}

/// Beside the compositions: one step and several, convolutions with a chirp, the last and the middle axis; one mode, some, and all.
fn check(device: &Device, lines: &[usize], across: &[usize]) {
    let some = |n: usize| {
        let mut modes = vec![1, n.div_ceil(6), n.div_ceil(2)];
        modes.dedup();
        modes
    };
    for &n in lines {
        let x = numbers(device, &[3, n]);
        for m in some(n) {
            let what = format!("{m} modes of {n} points");
            close(&what, &x.low_frequencies(&[m]).unwrap(), &compose::low_frequencies(&x, &[m]).unwrap());
            // The two lines do not follow one another.
            let z = complex(device, &[m, 2]).transpose(0, 1).unwrap();
            let want = compose::band_limited(&z, &[n]).unwrap();
            close(&what, &z.band_limited(&[n]).unwrap(), &want);
        }
    }
    for &n in across {
        let x = numbers(device, &[n, 5]);
        for m in some(n) {
            let what = format!("{m} modes of columns of {n} points");
            let modes = [m, 3];
            close(&what, &x.low_frequencies(&modes).unwrap(), &compose::low_frequencies(&x, &modes).unwrap());
            let z = complex(device, &[2 * m - 1, 3]);
            let want = compose::band_limited(&z, &[n, 5]).unwrap();
            close(&what, &z.band_limited(&[n, 5]).unwrap(), &want);
        }
    }
}

#[test]
fn lengths_at_the_ends_of_a_kernel() {
    // With 16 KiB of workgroup memory a kernel takes 2048 complex points, or 4096 real ones, of columns 512.
    let Some(device) = open(WgpuOptions { default_limits: true, ..Default::default() }) else { return };
    check(
        &device,
        &[2, 3, 16, 1025, 1459, 2047, 2187, 4094, 4096, 4098, 4100, 4375, 5101, 8192],
        &[2, 3, 17, 486, 509, 511, 512, 513, 514, 768, 1021, 1458, 2053],
    );
}

#[test]
fn lines_that_are_not_side_by_side() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    // Six axes, four of them of lines, none of which joins another.
    let x = numbers(&device, &[3, 2, 2, 3, 12, 18]).permute(&[2, 0, 3, 1, 4, 5]).unwrap();
    let modes = [4, 5];
    let low = x.low_frequencies(&modes).unwrap();
    close("low", &low, &compose::low_frequencies(&x, &modes).unwrap());
    let z = low.permute(&[3, 1, 0, 2, 4, 5]).unwrap();
    let want = compose::band_limited(&z, &[12, 18]).unwrap();
    close("back", &z.band_limited(&[12, 18]).unwrap(), &want);
    // Axes of frequencies that lie the other way round, and one backwards.
    let z = z.transpose(4, 5).unwrap().narrow(4, 0, 5).unwrap().step(5, -1).unwrap();
    let z = z.narrow(5, 0, 4).unwrap();
    let want = compose::band_limited(&z, &[9, 7]).unwrap();
    close("turned", &z.band_limited(&[9, 7]).unwrap(), &want);
}
