//! The lowest frequencies of real functions, and functions that have no others.
//!
//! Bound: that of the transforms along all axes ([`super::fft_nd`]), twice for what a random spectrum's part may have less than its share.

use super::compare::{close_l2, ensure};
use super::fft::{WIDE, bound};
use super::sample::{Array, Guise, Random};
use super::{Case, Operation, Outcome};
use crate::{Complex64, DType, Device, Direction, Tensor, compose, reference};

const LOW: &[Operation] = &[Operation::LowFrequencies];
const BACK: &[Operation] = &[Operation::BandLimited];
const BOTH: &[Operation] = &[Operation::LowFrequencies, Operation::BandLimited];

pub(super) const CASES: &[Case] = &[
    Case::new("low_frequencies::against_the_sum", LOW, |d| low(d, DType::F32)),
    Case::new("low_frequencies::against_the_sum_f64", LOW, |d| low(d, DType::F64)).needing(WIDE),
    Case::new("band_limited::against_the_sum", BACK, |d| back(d, DType::C64)),
    Case::new("band_limited::against_the_sum_f64", BACK, |d| back(d, DType::C128)).needing(WIDE),
    Case::new("low_frequencies::there_and_back", BOTH, there_and_back),
    Case::new("low_frequencies::other_frequencies_are_not_seen", BOTH, others),
];

/// Shapes, and modes along the last axes: all that a length has and fewer; odd, even and prime lengths, and those of several steps, along either axis.
const PROBLEMS: [(&[usize], &[usize]); 16] = [
    (&[1], &[1]),
    (&[3, 2], &[1]),
    (&[2, 5], &[3]),
    (&[2, 3, 12], &[4]),
    (&[3, 13], &[7]),
    (&[9, 64], &[20]),
    (&[2, 105], &[9]),
    (&[2, 1009], &[100]),
    (&[2, 6561], &[33]),
    (&[2, 16384], &[40]),
    (&[2, 3, 8, 10], &[3, 4]),
    (&[2, 5, 7], &[3, 2]),
    (&[37, 6], &[5, 2]),
    (&[1024, 6], &[9, 3]),
    (&[2000, 5], &[4, 2]),
    (&[2, 4, 5, 6], &[2, 3, 2]),
];

/// The bins of an axis of `n` points.
fn bins(n: usize, m: usize, last: bool) -> Vec<usize> {
    if last { (0..m).collect() } else { (0..m).chain(n + 1 - m..n).collect() }
}

/// Every line along `axis` replaced by what `f` makes of it.
fn along(x: &Array, axis: usize, f: impl Fn(&[Complex64]) -> Vec<Complex64>) -> Array {
    let mut shape = x.shape.clone();
    shape[axis] = 1;
    let lines: Vec<Vec<Complex64>> = Array::indices(&shape)
        .into_iter()
        .map(|mut at| {
            let point = |i: usize| {
                at[axis] = i;
                x.at(&at)
            };
            f(&(0..x.shape[axis]).map(point).collect::<Vec<_>>())
        })
        .collect();
    let outer = shape.clone();
    shape[axis] = lines.first().map_or(0, Vec::len);
    Array::from_fn(&shape, |at| {
        let line = at.iter().zip(&outer).fold(0, |place, (i, n)| place * n + i.min(&(n - 1)));
        lines[line][at[axis]]
    })
}

/// The definition, axis by axis.
fn low_oracle(x: &Array, modes: &[usize]) -> Array {
    let (rank, first) = (x.shape.len(), x.shape.len() - modes.len());
    (first..rank).rev().fold(x.clone(), |x, axis| {
        let kept = bins(x.shape[axis], modes[axis - first], axis + 1 == rank);
        along(&x, axis, |line| reference::dft_bins(line, Direction::Forward, &kept))
    })
}

fn back_oracle(z: &Array, lengths: &[usize]) -> Array {
    let (rank, first) = (z.shape.len(), z.shape.len() - lengths.len());
    (first..rank).fold(z.clone(), |z, axis| {
        let (n, last) = (lengths[axis - first], axis + 1 == rank);
        let m = if last { z.shape[axis] } else { z.shape[axis] / 2 + 1 };
        along(&z, axis, |line| {
            let mut whole = vec![Complex64::default(); n];
            for (&k, &value) in bins(n, m, last).iter().zip(line) {
                whole[k] = value;
                if last && k > 0 {
                    whole[n - k] = value.conj();
                }
            }
            let points = reference::fast_dft(&whole, Direction::Inverse);
            points.into_iter().map(|z| if last { Complex64::from(z.re) } else { z } / n as f64).collect()
        })
    })
}

fn limit(dtype: DType, n: &[usize]) -> f64 {
    2.0 * n.iter().map(|&n| bound(dtype, n)).sum::<f64>()
}

/// The guises of a small array; one that is not contiguous of a large one.
fn guises(array: &Array, device: &Device, dtype: DType) -> crate::Result<Vec<(Guise, Tensor)>> {
    if array.data.len() < 500 {
        return array.guises(device, dtype);
    }
    let of = |guise| Ok((guise, array.disguised(device, dtype, guise)?));
    [Guise::Contiguous, Guise::Transposed].into_iter().map(of).collect()
}

fn low(device: &Device, dtype: DType) -> Outcome {
    for (seed, (shape, modes)) in PROBLEMS.into_iter().enumerate() {
        let x = Random::new(seed as u64).array(shape, dtype);
        let want = low_oracle(&x, modes);
        let limit = limit(dtype, &shape[shape.len() - modes.len()..]);
        for (guise, x) in guises(&x, device, dtype)? {
            let what = format!("{guise:?} {shape:?}, {modes:?} modes");
            close_l2(&what, &x.low_frequencies(modes)?, &want, limit)?;
            close_l2(format_args!("composed {what}"), &compose::low_frequencies(&x, modes)?, &want, limit)?;
        }
    }
    let none = Tensor::zeros(device, &[0, 6, 7], dtype)?.low_frequencies(&[2, 3])?;
    ensure(none.shape() == [0, 3, 3] && none.dtype() == dtype.to_complex(), || format!("{none:?}"))
}

fn back(device: &Device, dtype: DType) -> Outcome {
    for (seed, (shape, modes)) in PROBLEMS.into_iter().enumerate() {
        let first = shape.len() - modes.len();
        let lengths = &shape[first..];
        let mut kept = shape.to_vec();
        for (axis, m) in (first..).zip(modes) {
            kept[axis] = if axis + 1 == shape.len() { *m } else { 2 * m - 1 };
        }
        // Bin 0 has an imaginary part, which does not count.
        let z = Random::new(seed as u64).array(&kept, dtype);
        let want = back_oracle(&z, lengths);
        let limit = limit(dtype, lengths);
        for (guise, z) in guises(&z, device, dtype)? {
            let what = format!("{guise:?} {kept:?} to {lengths:?}");
            close_l2(&what, &z.band_limited(lengths)?, &want, limit)?;
            let composed = compose::band_limited(&z, lengths)?;
            close_l2(format_args!("composed {what}"), &composed, &want, limit)?;
        }
    }
    let none = Tensor::zeros(device, &[0, 3, 3], dtype)?.band_limited(&[6, 7])?;
    ensure(none.shape() == [0, 6, 7] && none.dtype() == dtype.to_real(), || format!("{none:?}"))
}

/// A function without other frequencies is the same after.
fn there_and_back(device: &Device) -> Outcome {
    let dtype = DType::F32;
    for (shape, modes) in [(&[3, 31][..], &[6][..]), (&[2, 12, 15], &[3, 4]), (&[9, 11], &[5, 6])] {
        let x = Random::new(1).array(shape, dtype).to(device, dtype)?;
        let lengths = &shape[shape.len() - modes.len()..];
        let smooth = x.low_frequencies(modes)?.band_limited(lengths)?;
        let again = smooth.low_frequencies(modes)?.band_limited(lengths)?;
        close_l2(format_args!("{shape:?}"), &again, &Array::from(&smooth)?, 2.0 * limit(dtype, lengths))?;
        // Finer samples are of the same function.
        let fine: Vec<usize> = lengths.iter().map(|n| 3 * n).collect();
        let mut coarse = smooth.low_frequencies(modes)?.band_limited(&fine)?;
        for axis in shape.len() - modes.len()..shape.len() {
            coarse = coarse.step(axis, 3)?;
        }
        let factor = Array::from(&smooth)?.map(|z| z / 3f64.powi(modes.len() as i32));
        close_l2(format_args!("{shape:?} by 3"), &coarse, &factor, 2.0 * limit(dtype, &fine))?;
    }
    Ok(())
}

/// Values of one line do not enter another, and frequencies that are left out leave nothing behind.
fn others(device: &Device) -> Outcome {
    let (lines, n, m) = (5, 24, 4);
    // A high frequency in one line, NaN in another.
    let x = Array::from_fn(&[lines, n], |at| match at[0] {
        1 => Complex64::from(f64::NAN),
        2 => Complex64::from(if at[1] % 2 == 0 { 1.0 } else { -1.0 }),
        i => Complex64::from((at[1] * i) as f64),
    });
    let z = Array::from(&x.to(device, DType::F32)?.low_frequencies(&[m])?)?;
    let part = |i: usize| &z.data[i * m..(i + 1) * m];
    ensure(part(2).iter().all(|z| z.norm() < 1e-5), || format!("a high frequency left {:?}", part(2)))?;
    ensure(part(1).iter().all(|z| z.re.is_nan()), || format!("of NaN came {:?}", part(1)))?;
    let finite = [0, 3, 4].into_iter().all(|i| part(i).iter().all(|z| z.re.is_finite()));
    ensure(finite, || format!("NaN of one line entered another: {:?}", z.data))?;
    let y = z.to(device, DType::C64)?.narrow(0, 3, 2)?.band_limited(&[n])?;
    ensure(y.to_vec::<f32>()?.iter().all(|y| y.is_finite()), || "NaN of one line entered another".into())
}
