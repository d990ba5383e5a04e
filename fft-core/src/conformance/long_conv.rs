//! Long convolutions, whole and streamed, against the sum over taps.
//!
//! Bound: relative to three transforms, `3 epsilon log2(points)`, plus an epsilon for each of the terms around them.

use super::compare::{close_l2, ensure};
use super::sample::{Array, Random};
use super::{Case, Operation, Outcome};
use crate::convolution::{LongConvPlan, LongConvTerms, LongConvolution};
use crate::{Complex64, DType, Device, Tensor};

const COVERS: &[Operation] = &[Operation::LongConv, Operation::LongConvSpectrum];
const WIDE: &[DType] = &[DType::F64, DType::C128];

pub(super) const CASES: &[Case] = &[
    Case::new("long_conv::every_length", COVERS, |d| every_length(d, DType::F32)),
    Case::new("long_conv::every_length_f64", COVERS, |d| every_length(d, DType::F64)).needing(WIDE),
    Case::new("long_conv::terms_and_layouts", COVERS, |d| terms_and_layouts(d, DType::F32)),
    Case::new("long_conv::terms_and_layouts_f64", COVERS, |d| terms_and_layouts(d, DType::F64)).needing(WIDE),
    Case::new("long_conv::tiles", COVERS, |d| tiles(d, DType::F32)),
    Case::new("long_conv::tiles_f64", COVERS, |d| tiles(d, DType::F64)).needing(WIDE),
    Case::new("long_conv::stream", COVERS, |d| stream(d, DType::F32)),
    Case::new("long_conv::stream_f64", COVERS, |d| stream(d, DType::F64)).needing(WIDE),
    Case::new("long_conv::nan_stays_in_its_line", COVERS, nan_stays_in_its_line),
];

/// `sum_s kernel[s] z[t - s] + D z[t]`, gated.
struct Problem {
    u: Array,
    kernel: Array,
    skip: Option<Array>,
    before: Option<Array>,
    after: Option<Array>,
}

impl Problem {
    fn new(seed: u64, shape: [usize; 3], kernel: [usize; 2], dtype: DType, terms: [bool; 3]) -> Self {
        let mut random = Random::new(seed);
        let u = random.array(&shape, dtype);
        let kernel = random.array(&kernel, dtype);
        let skip = terms[0].then(|| random.array(&[shape[1]], dtype));
        let before = terms[1].then(|| random.array(&shape, dtype));
        let after = terms[2].then(|| random.array(&shape, dtype));
        Self { u, kernel, skip, before, after }
    }

    fn oracle(&self) -> Array {
        let z = Array::from_fn(&self.u.shape, |i| {
            self.u.at(i) * self.before.as_ref().map_or(Complex64::from(1.0), |gate| gate.at(i))
        });
        let shared = self.kernel.shape[0] == 1;
        Array::from_fn(&self.u.shape, |i| {
            let channel = if shared { 0 } else { i[1] };
            let taps = self.kernel.shape[1].min(i[2] + 1);
            let mut sum: Complex64 =
                (0..taps).map(|s| self.kernel.at(&[channel, s]) * z.at(&[i[0], i[1], i[2] - s])).sum();
            if let Some(skip) = &self.skip {
                sum += skip.data[i[1]] * z.at(i);
            }
            sum * self.after.as_ref().map_or(Complex64::from(1.0), |gate| gate.at(i))
        })
    }

    fn tensors(&self, device: &Device, dtype: DType) -> crate::Result<[Option<Tensor>; 3]> {
        let to = |array: &Option<Array>| array.as_ref().map(|a| a.to(device, dtype)).transpose();
        Ok([to(&self.skip)?, to(&self.before)?, to(&self.after)?])
    }
}

fn bound(dtype: DType, plan: LongConvPlan) -> f64 {
    dtype.epsilon() * (3.0 * (plan.points as f64).log2() + 3.0)
}

fn every_length(device: &Device, dtype: DType) -> Outcome {
    for length in (1..40).chain([63, 64, 65, 127, 200]) {
        for taps in [1, 2, 3, 7, 16, 33, 64, 128, 300] {
            let seed = (length * 1000 + taps) as u64;
            let p = Problem::new(seed, [1, 2, length], [2, taps], dtype, [false; 3]);
            let y =
                p.u.to(device, dtype)?.long_conv(&p.kernel.to(device, dtype)?, LongConvTerms::default())?;
            let limit = bound(dtype, LongConvPlan::new(length, taps));
            close_l2(format_args!("length {length}, {taps} taps"), &y, &p.oracle(), limit)?;
        }
    }
    Ok(())
}

fn terms_and_layouts(device: &Device, dtype: DType) -> Outcome {
    for mask in 0..8u64 {
        let terms = [mask & 1 != 0, mask & 2 != 0, mask & 4 != 0];
        for (shape, kernel) in [([3, 5, 50], [5, 50]), ([2, 3, 97], [1, 20]), ([1, 1, 8], [1, 9])] {
            let p = Problem::new(mask, shape, kernel, dtype, terms);
            let want = p.oracle();
            let kernel = p.kernel.to(device, dtype)?;
            let [skip, before, after] = p.tensors(device, dtype)?;
            let kept = LongConvolution::new(kernel.clone(), skip.clone())?;
            let limit = bound(dtype, LongConvPlan::new(shape[2], kernel.shape()[1]));
            for (guise, u) in p.u.guises(device, dtype)? {
                let what = format!("{guise:?} {shape:?}, kernel {:?}, terms {terms:?}", kernel.shape());
                let own =
                    LongConvTerms { skip: skip.as_ref(), before: before.as_ref(), after: after.as_ref() };
                close_l2(&what, &u.long_conv(&kernel, own)?, &want, limit)?;
                let y = kept.apply_gated(&u, before.as_ref(), after.as_ref())?;
                close_l2(format!("{what}, kept spectrum"), &y, &want, limit)?;
            }
        }
    }
    Ok(())
}

/// Plans other than the planner's.
fn tiles(device: &Device, dtype: DType) -> Outcome {
    for (length, taps) in [(100, 9), (64, 64), (257, 30), (31, 2)] {
        let p = Problem::new(length as u64, [2, 3, length], [3, taps], dtype, [true; 3]);
        let (want, u, kernel) = (p.oracle(), p.u.to(device, dtype)?, p.kernel.to(device, dtype)?);
        let [skip, before, after] = p.tensors(device, dtype)?;
        let terms = LongConvTerms { skip: skip.as_ref(), before: before.as_ref(), after: after.as_ref() };
        for points in [taps + 1, taps + 2, taps + 9, 2 * taps, 4 * taps, length + taps, 2 * length + 2 * taps]
        {
            let plan = LongConvPlan { taps, points: points.next_multiple_of(2) };
            let spectrum = device.long_conv_spectrum(&kernel, plan)?;
            for spectrum in [None, Some(&spectrum)] {
                let y = device.long_conv(&u, &kernel, spectrum, terms, plan)?;
                close_l2(format_args!("length {length}, {plan:?}"), &y, &want, bound(dtype, plan))?;
            }
        }
    }
    Ok(())
}

/// Position by position, by pieces, and both mixed.
fn stream(device: &Device, dtype: DType) -> Outcome {
    for (taps, length) in [(1, 9), (2, 20), (7, 50), (33, 150), (128, 300), (200, 100)] {
        let p = Problem::new(taps as u64, [2, 3, length], [3, taps], dtype, [true; 3]);
        let (want, u) = (p.oracle(), p.u.to(device, dtype)?);
        let [skip, before, after] = p.tensors(device, dtype)?;
        let (before, after) = (before.as_ref(), after.as_ref());
        let kept = LongConvolution::new(p.kernel.to(device, dtype)?, skip)?;
        // A pending output is the sum of one block of each length.
        let limit = bound(dtype, LongConvPlan::new(length, 2 * taps));
        for pieces in [vec![], vec![length], vec![length / 3, 1, 1, 1, 1, 1, 2, 3], vec![5, 0, 4, 1, 1, 1]] {
            let mut stream = kept.stream(2, 3)?;
            let (mut outputs, mut at) = (Vec::new(), 0);
            // Then position by position to the end.
            for piece in pieces.iter().copied().chain(vec![1; length]) {
                let piece: usize = piece.min(length - at);
                let part = |x: &Tensor| x.narrow(2, at, piece);
                let gates = (before.map(part).transpose()?, after.map(part).transpose()?);
                if piece == 1 {
                    let one = |x: &Tensor| x.squeeze(2);
                    let gates =
                        (gates.0.as_ref().map(one).transpose()?, gates.1.as_ref().map(one).transpose()?);
                    let y = stream.step_gated(&one(&part(&u)?)?, gates.0.as_ref(), gates.1.as_ref())?;
                    outputs.push(y.unsqueeze(2)?);
                } else {
                    outputs.push(stream.extend_gated(&part(&u)?, gates.0.as_ref(), gates.1.as_ref())?);
                }
                at += piece;
            }
            ensure(stream.position() == length as u64, || format!("position {}", stream.position()))?;
            let y = Tensor::cat(&outputs, 2)?;
            close_l2(format_args!("{taps} taps, pieces {pieces:?}"), &y, &want, limit)?;
            stream.reset()?;
            let y = stream.extend_gated(&u, before, after)?;
            close_l2(format_args!("{taps} taps, after a reset"), &y, &want, limit)?;
        }
    }
    Ok(())
}

fn nan_stays_in_its_line(device: &Device) -> Outcome {
    let mut p = Problem::new(1, [2, 3, 70], [3, 70], DType::F32, [false; 3]);
    let want = p.oracle();
    p.u.data[70] = Complex64::from(f64::NAN);
    let y =
        p.u.to(device, DType::F32)?.long_conv(&p.kernel.to(device, DType::F32)?, LongConvTerms::default())?;
    let got = Array::from(&y)?;
    for line in [0, 2, 3, 4, 5] {
        let own = |a: &Array| Array { shape: vec![70], data: a.data[line * 70..(line + 1) * 70].to_vec() };
        let got = own(&got).to(device, DType::F32)?;
        close_l2(
            format_args!("line {line}"),
            &got,
            &own(&want),
            bound(DType::F32, LongConvPlan::new(70, 70)),
        )?;
    }
    ensure(got.data[70..140].iter().any(|z| z.re.is_nan()), || "NaN was lost".to_owned())
}
