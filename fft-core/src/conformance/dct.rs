//! Cosine and sine transforms.
//!
//! Bound of every comparison unless stated: relative L2 error at most `epsilon * log2(4 n)`, the promise of
//! [`SpectralBackend::dct`](crate::SpectralBackend::dct).

use super::compare::{close_l2, ensure, slices_close_l2};
use super::fft::WIDE;
use super::sample::{Array, Random};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, DctSpec, DctType, Device, Direction, Norm, Tensor, Wave, compose, reference};

const DCT: &[Operation] = &[Operation::Dct];

pub(super) const CASES: &[Case] = &[
    Case::new("dct::every_length", DCT, |d| every_length(d, DType::F32)),
    Case::new("dct::every_length_f64", DCT, |d| every_length(d, DType::F64)).needing(WIDE),
    Case::new("dct::composed_every_length", DCT, |d| composed_every_length(d, DType::F32)),
    Case::new("dct::composed_every_length_f64", DCT, |d| composed_every_length(d, DType::F64)).needing(WIDE),
    Case::new("dct::axes_and_layouts", DCT, axes_and_layouts),
    Case::new("dct::norms", DCT, norms),
    Case::new("dct::several_axes", DCT, several_axes),
    Case::new("dct::crop_and_pad", DCT, crop_and_pad),
    Case::new("dct::complex_numbers", DCT, complex_numbers),
    Case::new("dct::nan_stays_in_its_row", DCT, nan_stays_in_its_row),
];

const WAVES: [Wave; 2] = [Wave::Cosine, Wave::Sine];
const NORMS: [Norm; 3] = [Norm::Backward, Norm::Ortho, Norm::Forward];

fn bound(dtype: DType, n: usize) -> f64 {
    dtype.epsilon() * (4.0 * n as f64).log2()
}

fn least(wave: Wave, kind: DctType) -> usize {
    if (wave, kind) == (Wave::Cosine, DctType::I) { 2 } else { 1 }
}

fn kinds() -> impl Iterator<Item = (Wave, DctType)> {
    WAVES.into_iter().flat_map(|wave| DctType::ALL.map(|kind| (wave, kind)))
}

fn call(
    x: &Tensor,
    wave: Wave,
    kind: DctType,
    inverse: bool,
    axis: usize,
    norm: Norm,
) -> crate::Result<Tensor> {
    match (wave, inverse) {
        (Wave::Cosine, false) => x.dct(kind, axis, None, norm),
        (Wave::Cosine, true) => x.idct(kind, axis, None, norm),
        (Wave::Sine, false) => x.dst(kind, axis, None, norm),
        (Wave::Sine, true) => x.idst(kind, axis, None, norm),
    }
}

/// What a transform of one line should return.
fn line(x: &[f64], wave: Wave, kind: DctType, inverse: bool, norm: Norm) -> Vec<f64> {
    let kind = if inverse { kind.inverse() } else { kind };
    if norm == Norm::Ortho {
        return reference::orthogonal_dct(wave, kind, x);
    }
    let direction = if inverse { Direction::Inverse } else { Direction::Forward };
    let scale = norm.scale(direction, DctSpec::period(wave, kind, x.len()));
    reference::dct(wave, kind, x).into_iter().map(|y| y * scale).collect()
}

/// As [`line()`], of each line of an array along `axis`.
fn oracle(x: &Array, axis: usize, wave: Wave, kind: DctType, inverse: bool, norm: Norm) -> Array {
    let mut out = x.clone();
    let inner: usize = x.shape[axis + 1..].iter().product();
    let n = x.shape[axis];
    for first in (0..x.data.len()).filter(|at| (at / inner).is_multiple_of(n)) {
        let points: Vec<f64> = (0..n).map(|j| x.data[first + j * inner].re).collect();
        for (j, y) in line(&points, wave, kind, inverse, norm).into_iter().enumerate() {
            out.data[first + j * inner] = Complex64::from(y);
        }
    }
    out
}

/// Lengths at which plans change, and around them.
const LONG: [usize; 10] = [511, 512, 513, 1000, 1009, 1023, 1024, 1025, 2048, 2187];

fn every_length(device: &Device, dtype: DType) -> Outcome {
    for n in (1..=320).chain(LONG) {
        let array = Random::new(n as u64).array(&[n], dtype);
        let x = array.to(device, dtype)?;
        for (wave, kind) in kinds().filter(|&(wave, kind)| n >= least(wave, kind)) {
            let want = Array::real(&[n], reference::dct(wave, kind, &array.re()));
            let y = call(&x, wave, kind, false, 0, Norm::Backward)?;
            close_l2(format_args!("{wave:?} {kind:?}, n = {n}"), &y, &want, bound(dtype, n))?;
            let back = call(&y, wave, kind, true, 0, Norm::Backward)?;
            // Both errors; the ends that count once in some transforms make the second up to sqrt(2) times as large.
            let limit = 2.5 * bound(dtype, n);
            close_l2(format_args!("{wave:?} {kind:?} there and back, n = {n}"), &back, &array, limit)?;
        }
    }
    Ok(())
}

/// The composition, whatever the backend does itself.
fn composed_every_length(device: &Device, dtype: DType) -> Outcome {
    for n in (1..=256).chain([509, 512, 1000]) {
        let array = Random::new(n as u64).array(&[2, n], dtype);
        let x = array.to(device, dtype)?;
        for (wave, kind) in kinds().filter(|&(wave, kind)| n >= least(wave, kind)) {
            for norm in [Norm::Backward, Norm::Ortho] {
                let scale = norm.scale(Direction::Forward, DctSpec::period(wave, kind, n));
                let spec = DctSpec { wave, kind, axis: 1, scale, orthogonal: norm == Norm::Ortho };
                let want = oracle(&array, 1, wave, kind, false, norm);
                let what = format!("{wave:?} {kind:?} {norm:?}, n = {n}");
                close_l2(what, &compose::dct(&x, spec)?, &want, bound(dtype, n))?;
            }
        }
    }
    Ok(())
}

fn axes_and_layouts(device: &Device) -> Outcome {
    let dtype = DType::F32;
    let shapes: [&[usize]; 5] = [&[12], &[5, 8], &[3, 16, 7], &[2, 1, 33], &[40, 3]];
    for (seed, shape) in shapes.into_iter().enumerate() {
        let array = Random::new(seed as u64).array(shape, dtype);
        for (guise, x) in array.guises(device, dtype)? {
            for (wave, kind) in kinds() {
                for axis in (0..shape.len()).filter(|&a| shape[a] >= least(wave, kind)) {
                    let want = oracle(&array, axis, wave, kind, false, Norm::Ortho);
                    let got = call(&x, wave, kind, false, axis, Norm::Ortho)?;
                    let what = format!("{wave:?} {kind:?} {guise:?} {shape:?}, axis {axis}");
                    close_l2(what, &got, &want, bound(dtype, shape[axis]))?;
                }
            }
            ensure(Array::from(&x)? == array, || format!("{guise:?}: the source was changed"))?;
        }
    }
    Ok(())
}

fn norms(device: &Device) -> Outcome {
    let dtype = DType::F32;
    for n in [2, 3, 8, 15, 16, 21] {
        let array = Random::new(n as u64).array(&[3, n], dtype);
        let x = array.to(device, dtype)?;
        for (wave, kind) in kinds() {
            for (norm, inverse) in NORMS.into_iter().flat_map(|norm| [(norm, false), (norm, true)]) {
                let want = oracle(&array, 1, wave, kind, inverse, norm);
                let got = call(&x, wave, kind, inverse, 1, norm)?;
                let what = format!("{wave:?} {kind:?} {norm:?}, inverse {inverse}, n = {n}");
                close_l2(what, &got, &want, bound(dtype, n))?;
            }
        }
    }
    Ok(())
}

fn several_axes(device: &Device) -> Outcome {
    let dtype = DType::F32;
    let array = Random::new(7).array(&[4, 6, 9], dtype);
    let x = array.to(device, dtype)?;
    let limit = bound(dtype, 4) + bound(dtype, 6) + bound(dtype, 9);
    for (kind, norm) in DctType::ALL.into_iter().flat_map(|kind| NORMS.map(|norm| (kind, norm))) {
        let all =
            |wave, inverse| (0..3).fold(array.clone(), |a, axis| oracle(&a, axis, wave, kind, inverse, norm));
        let axes = [2, 0, 1];
        let what = format!("{kind:?} {norm:?}");
        close_l2(
            format_args!("dctn {what}"),
            &x.dctn(kind, &axes, None, norm)?,
            &all(Wave::Cosine, false),
            limit,
        )?;
        close_l2(
            format_args!("idctn {what}"),
            &x.idctn(kind, &axes, None, norm)?,
            &all(Wave::Cosine, true),
            limit,
        )?;
        close_l2(
            format_args!("dstn {what}"),
            &x.dstn(kind, &axes, None, norm)?,
            &all(Wave::Sine, false),
            limit,
        )?;
        close_l2(
            format_args!("idstn {what}"),
            &x.idstn(kind, &axes, None, norm)?,
            &all(Wave::Sine, true),
            limit,
        )?;
    }
    let same = x.dctn(DctType::II, &[], None, Norm::Ortho)?;
    ensure(Array::from(&same)? == array, || "no axes change something".into())
}

fn crop_and_pad(device: &Device) -> Outcome {
    let dtype = DType::F32;
    let array = Random::new(8).array(&[7], dtype);
    let x = array.to(device, dtype)?;
    for n in [2, 5, 7, 8, 20] {
        let mut points = array.re();
        points.resize(n, 0.0);
        for kind in DctType::ALL {
            let want = Array::real(&[n], reference::dct(Wave::Cosine, kind, &points));
            let got = x.dct(kind, 0, Some(n), Norm::Backward)?;
            close_l2(format_args!("{kind:?} to {n}"), &got, &want, bound(dtype, n))?;
        }
    }
    let empty = Tensor::zeros(device, &[0, 4], dtype)?.dst(DctType::II, 1, Some(6), Norm::Ortho)?;
    ensure(empty.shape() == [0, 6], || format!("an empty batch gives {:?}", empty.shape()))
}

fn complex_numbers(device: &Device) -> Outcome {
    let array = Random::new(9).array(&[10], DType::C64);
    let z = array.to(device, DType::C64)?;
    for (wave, kind) in kinds() {
        let part = |f: fn(&Complex64) -> f64| {
            line(&array.data.iter().map(f).collect::<Vec<_>>(), wave, kind, true, Norm::Ortho)
        };
        let (re, im) = (part(|z| z.re), part(|z| z.im));
        let data = re.into_iter().zip(im).map(|(re, im)| Complex64::new(re, im)).collect();
        let got = call(&z, wave, kind, true, 0, Norm::Ortho)?;
        close_l2(
            format_args!("{wave:?} {kind:?}"),
            &got,
            &Array { shape: vec![10], data },
            bound(DType::C64, 10),
        )?;
    }
    Ok(())
}

fn nan_stays_in_its_row(device: &Device) -> Outcome {
    let dtype = DType::F32;
    for n in [2, 3, 8, 16, 21, 30, 64, 100] {
        for (wave, kind) in kinds() {
            for poison in [f64::NAN, f64::INFINITY] {
                let clean = Random::new(n as u64).array(&[3, n], dtype);
                let mut array = clean.clone();
                // Where no cosine or sine of any type is 0 in bin 0.
                array.data[n + n / 2 - usize::from(n == 2)].re = poison;
                let got = Array::from(&call(&array.to(device, dtype)?, wave, kind, false, 1, Norm::Ortho)?)?;
                let want = oracle(&clean, 1, wave, kind, false, Norm::Ortho);
                for row in [0, 2] {
                    let range = row * n..(row + 1) * n;
                    let what = format_args!("{wave:?} {kind:?} n = {n}: row {row} beside one with {poison}");
                    slices_close_l2(what, &got.data[range.clone()], &want.data[range], bound(dtype, n))?;
                }
                ensure(!got.data[n].re.is_finite() || kind == DctType::I, || {
                    format!("{wave:?} {kind:?} n = {n}: {poison} vanished")
                })?;
                ensure(got.data[n..2 * n].iter().any(|z| !z.re.is_finite()), || {
                    format!("{wave:?} {kind:?} n = {n}: {poison} vanished from all bins")
                })?;
            }
        }
    }
    Ok(())
}
