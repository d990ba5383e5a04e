//! The direct kernels at every level of instructions against the definition, with the borders of their blocks and pieces on both sides.

use fft_core::convolution::{ConvGeometry, ConvSpec};
use fft_core::{DType, Device, Tensor, reference};

use super::direct::conv_direct;
use super::tiles::{Shape, conv_fft_within};
use crate::simd::{Machine, machine};
use crate::{CpuBackend, CpuOptions};

/// Small integers, whose sums of products are exact.
fn integers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % 9) as f32 - 4.0
        })
        .collect()
}

fn backend() -> CpuBackend {
    CpuBackend::new(CpuOptions { threads: Some(2), ..Default::default() }).expect("opens")
}

fn check(x: &[usize], w: &[usize], spec: &ConvSpec) {
    let (context, device) = (backend(), Device::new(backend()));
    let g = ConvGeometry::new("conv", x, w, spec).expect("valid");
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let (a, b) = (integers(x.iter().product(), 3), integers(w.iter().product(), 5));
    let bias = integers(w[0], 7);
    let outputs: usize = g.output.iter().product();
    let mut want = reference::convolution(&wide(&a), &wide(&b), &g);
    for (i, y) in want.iter_mut().enumerate() {
        *y += f64::from(bias[i / outputs % w[0]]);
    }
    let a = Tensor::from_slice(&device, &a, x).expect("fits");
    let b = Tensor::from_slice(&device, &b, w).expect("fits");
    let bias = Tensor::from_slice(&device, &bias, &[w[0]]).expect("fits");
    for level in [Machine::Baseline, Machine::Avx2, Machine::Avx512] {
        if level > machine() {
            continue;
        }
        let wrong = |y: Vec<f64>| y.iter().zip(&want).position(|(y, want)| y != want);
        let y = conv_direct::<f32>(context.fourier_context(), level, &a, &b, Some(&bias), &g);
        let y = wide(&y.expect("computes").to_vec::<f32>().expect("reads"));
        assert_eq!(wrong(y), None, "{level:?}, f32, {g:?}: first difference");
        let [a, b, bias] = [&a, &b, &bias].map(|x| x.to_dtype(DType::F64).expect("fits"));
        let y = conv_direct::<f64>(context.fourier_context(), level, &a, &b, Some(&bias), &g);
        let y = y.expect("computes").to_vec::<f64>().expect("reads");
        assert_eq!(wrong(y), None, "{level:?}, f64, {g:?}: first difference");
    }
}

#[test]
fn blocks_of_channels() {
    for out in [1, 2, 3, 5, 8, 9, 13, 16, 31] {
        for groups in [1, 2] {
            let x = [2, 3 * groups, 7, 11];
            check(&x, &[out * groups, 3, 3, 2], &ConvSpec::new(2).padding(&[1, 1]).groups(groups));
        }
    }
}

#[test]
fn widths_of_rows() {
    for width in (1..70).chain([95, 96, 97, 128, 200]) {
        let spec = ConvSpec::new(2).padding(&[1, 2]);
        check(&[1, 2, 3, width], &[9, 2, 2, 3], &spec);
        check(&[1, 1, 5, width], &[1, 1, 3, 3], &spec);
        check(&[1, 2, width], &[3, 2, 3], &ConvSpec::new(1).padding(&[1]));
        check(&[1, 2, width], &[2, 1, 3], &ConvSpec::new(1).padding(&[1]).groups(2));
    }
}

#[test]
fn blocks_of_rows() {
    for taps in 1..10 {
        for rows in 1..16 {
            for dilation in [1, 2, 3] {
                let spec = ConvSpec::new(2)
                    .dilation(&[dilation, 1])
                    .padding(&[(taps - 1) * dilation / 2 + 1, 1])
                    .groups(2);
                check(&[1, 2, rows, 21], &[2, 1, taps, 3], &spec);
            }
        }
    }
}

#[test]
fn strides_and_dilations() {
    for stride in 1..6 {
        for dilation in 1..7 {
            let one = ConvSpec::new(1).stride(&[stride]).dilation(&[dilation]).padding_sides(&[[4, 9]]);
            check(&[1, 2, 40], &[9, 2, 4], &one);
            let two = ConvSpec::new(2).stride(&[stride, 2]).dilation(&[dilation, 3]).padding(&[5, 4]);
            check(&[1, 3, 20, 23], &[5, 3, 3, 3], &two);
            check(&[1, 3, 20, 23], &[3, 1, 3, 3], &two.groups(3));
            let columns = ConvSpec::new(2).stride(&[1, stride]).dilation(&[2, dilation]).groups(3);
            check(&[1, 3, 20, 49], &[3, 1, 4, 5], &columns);
        }
    }
    let three = ConvSpec::new(3).stride(&[2, 1, 3]).dilation(&[1, 2, 2]).padding(&[1, 2, 0]);
    check(&[2, 2, 5, 8, 19], &[9, 2, 2, 3, 3], &three);
    let depthwise = ConvSpec::new(3).padding(&[1, 1, 1]).groups(2);
    check(&[2, 2, 5, 8, 19], &[2, 1, 3, 3, 3], &depthwise);
}

#[test]
fn several_pieces() {
    check(&[1, 1, 200_001], &[1, 1, 7], &ConvSpec::new(1).padding(&[3]));
    check(&[1, 33, 4099], &[40, 33, 3], &ConvSpec::new(1).padding(&[1]));
    check(&[1, 1, 131, 1100], &[1, 1, 5, 5], &ConvSpec::new(2).padding(&[2, 2]));
    check(&[1, 32, 61, 67], &[40, 32, 3, 3], &ConvSpec::new(2).padding(&[1, 1]));
    check(&[1, 256, 5, 6], &[72, 256, 3, 3], &ConvSpec::new(2).padding(&[1, 1]));
}

#[test]
fn taps_far_apart() {
    for stride in [1, 2, 3] {
        let one = |dilation: usize| {
            let spec = ConvSpec::new(1).dilation(&[dilation]).stride(&[stride]);
            spec.padding_sides(&[[dilation / 3, dilation + 2]])
        };
        check(&[1, 16, 20_000], &[9, 16, 3], &one(4096));
        check(&[1, 64, 4000], &[3, 64, 2], &one(2048));
        check(&[2, 1, 150_001], &[1, 1, 3], &one(40_000));
        check(&[1, 4, 5000], &[4, 1, 5], &one(1100).groups(4));
        let two =
            ConvSpec::new(2).dilation(&[2, 700]).stride(&[1, stride]).padding_sides(&[[1, 2], [650, 9]]);
        check(&[1, 16, 9, 2100], &[5, 16, 3, 3], &two);
        check(&[1, 2, 19, 2100], &[2, 1, 4, 3], &two.groups(2));
    }
    // More between the taps than the row has outputs.
    check(&[1, 3, 9, 37], &[9, 3, 2, 2], &ConvSpec::new(2).dilation(&[3, 33]).stride(&[2, 1]));
    check(&[1, 1, 37], &[1, 1, 4], &ConvSpec::new(1).dilation(&[12]));
    check(&[1, 2, 6, 5], &[2, 1, 3, 3], &ConvSpec::new(2).dilation(&[2, 40]).padding(&[2, 40]).groups(2));
}

/// Spectra of channels that do not fit the room are made in parts, with the same sums.
#[test]
fn parts_of_channels_give_the_same_bits() {
    let (context, device) = (backend(), Device::new(backend()));
    for (x, w, tile) in [
        (vec![2, 9, 40, 33], vec![5, 9, 7, 6], vec![48, 40]),
        (vec![1, 14, 11, 12, 13], vec![4, 7, 3, 3, 3], vec![12, 14, 16]),
    ] {
        let spec = ConvSpec::new(x.len() - 2).padding(&vec![2; x.len() - 2]).groups(x[1] / w[1]);
        let g = ConvGeometry::new("conv", &x, &w, &spec).expect("valid");
        let [a, b] = [(&x, 3), (&w, 5)].map(|(shape, seed)| {
            Tensor::from_slice(&device, &integers(shape.iter().product(), seed), shape).expect("fits")
        });
        let spectrum = device.conv_spectrum(&b, &g, &tile).expect("computes");
        let run = |most: usize| {
            let shape = Shape::new::<f32>(&g, &tile).expect("fits").sharing::<f32>();
            let y = conv_fft_within::<f32>(
                context.fourier_context(),
                shape,
                most,
                &a,
                &spectrum,
                None,
                &g,
                &tile,
            );
            y.expect("computes").to_vec::<f32>().expect("reads")
        };
        let whole = run(usize::MAX);
        let want = device.conv_direct(&a, &b, None, &g).expect("computes").to_vec::<f32>().expect("reads");
        assert!(whole.iter().zip(&want).all(|(y, want)| (y - want).abs() < 0.05), "{g:?}");
        for most in [0, 100_000, 150_000] {
            assert!(run(most) == whole, "in {most} bytes, {g:?}");
        }
    }
}
