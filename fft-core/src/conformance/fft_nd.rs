//! Transforms along several axes, and circular convolution.
//!
//! Bound of a transform over axes of `n1, n2, ..` points: relative L2 error at most the sum of the bounds of the single
//! transforms, since each is unitary up to a factor and hands on the error of the one before.

use super::compare::{close_l2, ensure};
use super::fft::{bound, oracle};
use super::sample::{Array, Guise, Random};
use super::{Case, Operation, Outcome};
use crate::{DType, Device, Direction, FftKind, FftSpec, Norm, Tensor, compose, reference};

const FFT_ND: &[Operation] = &[Operation::FftNd, Operation::Fft];
const IN_PLACE: &[Operation] = &[Operation::FftInPlace];
const CONV: &[Operation] = &[Operation::SpectralConv];
const WIDE: &[DType] = &[DType::F64, DType::C128];

pub(super) const CASES: &[Case] = &[
    Case::new("fft_nd::one_to_four_axes", FFT_ND, |d| axes(d, DType::C64)),
    Case::new("fft_nd::one_to_four_axes_f64", FFT_ND, |d| axes(d, DType::C128)).needing(WIDE),
    Case::new("fft_nd::crop_and_pad", FFT_ND, crop_and_pad),
    Case::new("fft_nd::norms", FFT_ND, norms),
    Case::new("fft_nd::round_trips", FFT_ND, round_trips),
    Case::new("fft_nd::real_input_and_empty", FFT_ND, real_input_and_empty),
    Case::new("fft_nd::in_place", IN_PLACE, |d| in_place(d, DType::C64)),
    Case::new("fft_nd::in_place_f64", IN_PLACE, |d| in_place(d, DType::C128)).needing(WIDE),
    Case::new("spectral_conv::against_the_sum", CONV, |d| convolution(d, DType::F32)),
    Case::new("spectral_conv::against_the_sum_f64", CONV, |d| convolution(d, DType::F64)).needing(WIDE),
];

/// The specs that `Tensor` makes of a call.
fn specs(kind: FftKind, direction: Direction, axes: &[usize], n: &[usize], norm: Norm) -> Vec<FftSpec> {
    let last = axes.len() - 1;
    (0..axes.len())
        .map(|i| FftSpec {
            kind: if i == last { kind } else { FftKind::C2C },
            direction,
            axis: axes[i],
            n: n[i],
            scale: norm.scale(direction, n[i]),
        })
        .collect()
}

/// The definition: R2C takes the last axis first, C2R takes it last.
fn oracle_nd(x: &Array, specs: &[FftSpec]) -> Array {
    let one = |x: Array, spec: &FftSpec| oracle(&x, *spec);
    if specs.iter().any(|s| s.kind == FftKind::C2R) {
        specs.iter().fold(x.clone(), one)
    } else {
        specs.iter().rev().fold(x.clone(), one)
    }
}

fn total(dtype: DType, n: &[usize]) -> f64 {
    n.iter().map(|&n| bound(dtype, n)).sum()
}

fn call(
    x: &Tensor,
    kind: FftKind,
    direction: Direction,
    axes: &[usize],
    n: Option<&[usize]>,
    norm: Norm,
) -> crate::Result<Tensor> {
    match (kind, direction) {
        (FftKind::C2C, Direction::Forward) => x.fftn(axes, n, norm),
        (FftKind::C2C, Direction::Inverse) => x.ifftn(axes, n, norm),
        (FftKind::R2C, _) => x.rfftn(axes, n, norm),
        (FftKind::C2R, _) => x.irfftn(axes, n, norm),
    }
}

const WAYS: [(FftKind, Direction); 4] = [
    (FftKind::C2C, Direction::Forward),
    (FftKind::C2C, Direction::Inverse),
    (FftKind::R2C, Direction::Forward),
    (FftKind::C2R, Direction::Inverse),
];

fn source(kind: FftKind, complex: DType) -> DType {
    if kind == FftKind::R2C { complex.to_real() } else { complex }
}

fn axes(device: &Device, dtype: DType) -> Outcome {
    let cases: [(&[usize], &[usize]); 12] = [
        (&[30], &[0]),
        (&[8, 12], &[0, 1]),
        (&[8, 12], &[1, 0]),
        (&[7, 5], &[0]),
        (&[3, 8, 10], &[1, 2]),
        (&[3, 8, 10], &[0, 1, 2]),
        (&[3, 8, 10], &[2, 0]),
        (&[4, 3, 5, 6], &[0, 1, 2, 3]),
        (&[4, 3, 5, 6], &[3, 1]),
        (&[2, 1, 16, 9], &[1, 2, 3]),
        (&[64, 64], &[0, 1]),
        (&[2, 33, 31], &[1, 2]),
    ];
    for (seed, (shape, axes)) in cases.into_iter().enumerate() {
        for (kind, direction) in WAYS {
            let array = Random::new(seed as u64).array(shape, source(kind, dtype));
            let mut n: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
            if kind == FftKind::C2R {
                let last = n.len() - 1;
                n[last] = 2 * (n[last] - 1);
            }
            let specs = specs(kind, direction, axes, &n, Norm::Backward);
            let want = oracle_nd(&array, &specs);
            for (guise, x) in array.guises(device, source(kind, dtype))? {
                let what = format!("{kind:?} {direction:?} {guise:?} {shape:?}, axes {axes:?}");
                // By default an inverse real transform has 2 (bins - 1) points.
                let got = call(&x, kind, direction, axes, None, Norm::Backward)?;
                close_l2(&what, &got, &want, total(dtype, &n))?;
                let composed = compose::fft_nd(&specs, &x)?;
                close_l2(format_args!("composed {what}"), &composed, &want, total(dtype, &n))?;
            }
        }
    }
    Ok(())
}

fn crop_and_pad(device: &Device) -> Outcome {
    let dtype = DType::C64;
    for n in [[4, 6, 3], [7, 9, 8], [3, 12, 5], [1, 1, 1], [5, 7, 11]] {
        for (kind, direction) in WAYS {
            let src = source(kind, dtype);
            let array = Random::new(n[0] as u64).array(&[5, 7, 6], src);
            let specs = specs(kind, direction, &[0, 1, 2], &n, Norm::Backward);
            let x = array.disguised(device, src, Guise::Narrowed)?;
            let got = call(&x, kind, direction, &[0, 1, 2], Some(&n), Norm::Backward)?;
            let what = format!("{kind:?} {direction:?} to {n:?}");
            close_l2(what, &got, &oracle_nd(&array, &specs), total(dtype, &n))?;
        }
    }
    Ok(())
}

fn norms(device: &Device) -> Outcome {
    let dtype = DType::C64;
    let n = [6, 10];
    for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
        for (kind, direction) in WAYS {
            let src = source(kind, dtype);
            let array = Random::new(9).array(&n, src);
            let want = oracle_nd(&array, &specs(kind, direction, &[0, 1], &n, norm));
            let got = call(&array.to(device, src)?, kind, direction, &[0, 1], Some(&n), norm)?;
            close_l2(format_args!("{kind:?} {direction:?} {norm:?}"), &got, &want, total(dtype, &n))?;
        }
    }
    Ok(())
}

fn round_trips(device: &Device) -> Outcome {
    for shape in [[3, 6, 8], [2, 5, 9], [1, 100, 75], [2, 128, 96]] {
        let limit = 2.0 * total(DType::C64, &shape[1..]);
        let array = Random::new(shape[1] as u64).array(&shape, DType::F32);
        let x = array.to(device, DType::F32)?;
        for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
            let back = x.rfftn(&[1, 2], None, norm)?.irfftn(&[1, 2], Some(&shape[1..]), norm)?;
            close_l2(format_args!("real {shape:?} {norm:?}"), &back, &array, limit)?;
            let back = x.fftn(&[1, 2], None, norm)?.ifftn(&[1, 2], None, norm)?;
            close_l2(format_args!("complex {shape:?} {norm:?}"), &back, &array, limit)?;
        }
    }
    Ok(())
}

fn real_input_and_empty(device: &Device) -> Outcome {
    let array = Random::new(2).array(&[4, 6], DType::F32);
    let x = array.to(device, DType::F32)?;
    let specs = specs(FftKind::C2C, Direction::Forward, &[0, 1], &[4, 6], Norm::Backward);
    let got = x.fftn(&[0, 1], None, Norm::Backward)?;
    close_l2("a real tensor taken as complex", &got, &oracle_nd(&array, &specs), total(DType::C64, &[4, 6]))?;
    let empty = Tensor::zeros(device, &[0, 4, 6], DType::F32)?;
    let shape = empty.rfftn(&[1, 2], None, Norm::Backward)?;
    ensure(shape.shape() == [0, 4, 4], || format!("an empty batch gives {:?}", shape.shape()))?;
    let back = shape.irfftn(&[1, 2], Some(&[4, 6]), Norm::Backward)?;
    ensure(back.shape() == [0, 4, 6], || format!("an empty batch gives {:?}", back.shape()))?;
    let same = got.fftn(&[], None, Norm::Backward)?;
    ensure(Array::from(&same)? == Array::from(&got)?, || "no axes change something".into())
}

/// The transform replaces the tensor and nothing else: neither what lies between its elements nor tensors that share its buffer.
fn in_place(device: &Device, dtype: DType) -> Outcome {
    let cases: [(&[usize], &[usize]); 9] = [
        (&[30], &[0]),
        (&[7, 5], &[0]),
        (&[5, 7], &[1]),
        (&[16, 40], &[0, 1]),
        (&[37, 33], &[0]),
        (&[3, 20, 35], &[1, 2]),
        (&[8, 3, 34], &[2, 0]),
        (&[4, 3, 5, 6], &[0, 1, 2, 3]),
        (&[3, 2], &[]),
    ];
    for (seed, (shape, axes)) in cases.into_iter().enumerate() {
        let array = Random::new(seed as u64).array(shape, dtype);
        let n: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
        for direction in [Direction::Forward, Direction::Inverse] {
            let specs: Vec<FftSpec> = axes
                .iter()
                .map(|&axis| FftSpec {
                    kind: FftKind::C2C,
                    direction,
                    axis,
                    n: shape[axis],
                    scale: Norm::Ortho.scale(direction, shape[axis]),
                })
                .collect();
            let want = oracle_nd(&array, &specs);
            let transform = |x: &mut Tensor| match direction {
                Direction::Forward => x.fft_in_place(axes, Norm::Ortho),
                Direction::Inverse => x.ifft_in_place(axes, Norm::Ortho),
            };
            for (guise, mut x) in array.guises(device, dtype)? {
                let what = format!("{direction:?} {guise:?} {shape:?}, axes {axes:?}");
                let shared = x.clone();
                let mut composed = x.clone();
                transform(&mut x)?;
                ensure(Array::from(&shared)? == array, || {
                    format!("{what}: a tensor that shares the buffer changed")
                })?;
                drop(shared);
                compose::fft_in_place(&specs, &mut composed)?;
                close_l2(
                    format_args!("composed {what}"),
                    &composed,
                    &want,
                    total(dtype, &n).max(dtype.epsilon()),
                )?;
                close_l2(format_args!("shared {what}"), &x, &want, total(dtype, &n).max(dtype.epsilon()))?;
                // A buffer of its own, in a layout of any kind.
                let mut own = array.disguised(device, dtype, guise)?;
                transform(&mut own)?;
                close_l2(&what, &own, &want, total(dtype, &n).max(dtype.epsilon()))?;
            }
        }
    }
    let mut empty = Tensor::zeros(device, &[0, 4], dtype)?;
    empty.fft_in_place(&[1], Norm::Backward)?;
    ensure(empty.fft_in_place(&[0], Norm::Backward).is_err(), || {
        "no error for an axis without elements".into()
    })?;
    let mut real = Tensor::zeros(device, &[4], dtype.to_real())?;
    ensure(real.fft_in_place(&[0], Norm::Backward).is_err(), || "no error for a real tensor".into())?;
    let mut small = Tensor::zeros(device, &[4, 4], dtype)?;
    for axes in [&[2usize][..], &[1, 1]] {
        ensure(small.ifft_in_place(axes, Norm::Backward).is_err(), || {
            format!("no error for the axes {axes:?}")
        })?;
    }
    Ok(())
}

/// Bound: with `eps log2 n` for each of the two forward transforms, a product, and the inverse, the error relative to
/// `|x| |kernel|` in L2 is at most `(3 log2 n + 2) eps`; `|y|` may be smaller than that product by cancellation, for random
/// signals it is `|x| |kernel|` on average, half of it at least here.
fn convolution(device: &Device, dtype: DType) -> Outcome {
    let cases: [(&[usize], &[usize]); 8] = [
        (&[1], &[1]),
        (&[2], &[2]),
        (&[3, 12], &[3, 12]),
        (&[3, 13], &[13]),
        (&[17], &[2, 17]),
        (&[2, 3, 100], &[3, 100]),
        (&[2, 1, 64], &[1, 4, 64]),
        (&[1009], &[1009]),
    ];
    for (seed, (x_shape, kernel_shape)) in cases.into_iter().enumerate() {
        let mut random = Random::new(seed as u64);
        let (x, kernel) = (random.array(x_shape, dtype), random.array(kernel_shape, dtype));
        let shape = crate::layout::broadcast_shapes("spectral_conv", x_shape, kernel_shape)?;
        let n = *x_shape.last().unwrap_or(&1);
        let mut want = Array { shape: shape.to_vec(), data: Vec::new() };
        for index in Array::indices(&shape[..shape.len() - 1]) {
            let line = |a: &Array| -> Vec<f64> {
                (0..n).map(|j| a.at(&[index.as_slice(), &[j]].concat()).re).collect()
            };
            let y = reference::circular_convolution(&line(&x), &line(&kernel));
            want.data.extend(y.into_iter().map(crate::Complex64::from));
        }
        let limit = 2.0 * (3.0 * (n as f64).log2().max(1.0) + 2.0) * dtype.epsilon();
        for (guise, xt) in x.guises(device, dtype)? {
            let kt = kernel.disguised(device, dtype, guise)?;
            let what = format!("{guise:?} {x_shape:?} with {kernel_shape:?}");
            close_l2(&what, &xt.spectral_conv(&kt)?, &want, limit)?;
            close_l2(format_args!("composed {what}"), &compose::spectral_conv(&xt, &kt)?, &want, limit)?;
        }
    }
    Ok(())
}
