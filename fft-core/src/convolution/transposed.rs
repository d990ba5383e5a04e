//! The sizes of a transposed convolution, and how it falls apart into ordinary ones.

use super::geometry::{check_not_empty, check_steps};
use super::spec::expect_entries;
use super::{ConvSpec, PaddingFit, PaddingMode};
use crate::{Dims, Error, Result};

/// Along one axis, the outputs `first, first + stride, ..` of a transposed convolution: a stride-1 convolution of the input with some of
/// the taps, last to first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    /// The first output.
    pub(crate) first: usize,
    /// How many outputs there are.
    pub(crate) outputs: usize,
    /// The first tap used; every `tap_step`-th after it is, up to `taps` in all, which may be none.
    pub(crate) tap: usize,
    /// From one tap used to the next.
    pub(crate) tap_step: usize,
    /// Taps used.
    pub(crate) taps: usize,
    /// From one tap used to the next, in elements of the input.
    pub(crate) dilation: usize,
    /// The element of the input, perhaps before its start, that the first output multiplies with the last tap used.
    pub(crate) start: isize,
}

/// One axis of a transposed convolution: output `i * stride + k * dilation - padding` gets element `i` times tap `k`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransposedAxis {
    taps: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    /// Outputs.
    pub(crate) output: usize,
}

impl TransposedAxis {
    /// From one output of a phase to the next; no longer than the axis.
    pub(crate) fn step(&self) -> isize {
        self.phases() as isize
    }

    /// How many phases there are: the outputs from 0 to here are the first of theirs.
    pub(crate) fn phases(&self) -> usize {
        self.stride.min(self.output)
    }

    /// The phases that some tap reaches, no more than there are taps however long the stride is.
    pub(crate) fn reached(&self) -> Vec<Phase> {
        let tap_step = self.stride / greatest_common_divisor(self.stride, self.dilation);
        let before = self.before % self.stride;
        (0..tap_step.min(self.taps))
            .map(|tap| {
                let target = multiply_mod(tap, self.dilation, self.stride);
                if target >= before { target - before } else { target + (self.stride - before) }
            })
            .filter(|&first| first < self.output)
            .map(|first| self.phase(first))
            .collect()
    }

    /// The phase of the outputs `first, first + stride, ..`.
    ///
    /// The taps `k` that reach output `o` are those with `k dilation = o + padding (mod stride)`: with `g` the greatest common divisor of
    /// stride and dilation, none, or one residue modulo `stride / g`; from one to the next the input steps back by `dilation / g`.
    pub(crate) fn phase(&self, first: usize) -> Phase {
        let place = first + self.before;
        let common = greatest_common_divisor(self.stride, self.dilation);
        let tap_step = self.stride / common;
        let target = place % self.stride;
        // Fewer steps than there are taps: each is met at most once before residues repeat.
        let tap =
            (0..tap_step.min(self.taps)).find(|&k| multiply_mod(k, self.dilation, self.stride) == target);
        let taps = tap.map_or(0, |tap| (self.taps - tap).div_ceil(tap_step));
        let tap = tap.unwrap_or(0);
        let last = tap + taps.saturating_sub(1) * tap_step;
        Phase {
            first,
            outputs: (self.output - first).div_ceil(self.stride),
            tap,
            tap_step,
            taps,
            dilation: self.dilation / common,
            // Exact, and within the lengths; the stride alone may be too long for an isize.
            start: ((place as i128 - last as i128 * self.dilation as i128) / self.stride as i128) as isize,
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn multiply_mod(a: usize, b: usize, modulus: usize) -> usize {
    (a as u128 * b as u128 % modulus as u128) as usize
}

/// The axes of a transposed convolution of `x`, `[batch, channels, length..]`, with `w`, `[channels, channels out / groups, taps..]`, checked.
pub(crate) fn transposed_axes(
    op: &'static str,
    x: &[usize],
    w: &[usize],
    spec: &ConvSpec,
    output_padding: &[usize],
) -> Result<Vec<TransposedAxis>> {
    let axes = check_steps(op, x, w, spec)?;
    if spec.mode != PaddingMode::Zeros {
        return Err(Error::invalid(
            op,
            "mode",
            spec.mode,
            "a transposed convolution is padded with zeros only",
        ));
    }
    if spec.fit != PaddingFit::Given {
        return Err(Error::invalid(op, "padding", spec.fit, "a transposed convolution needs numbers"));
    }
    expect_entries(op, "padding", axes, &spec.padding)?;
    expect_entries(op, "output_padding", axes, output_padding)?;
    let groups = spec.groups;
    if !x[1].is_multiple_of(groups) {
        return Err(Error::invalid(op, "groups", groups, format!("must divide the {} input channels", x[1])));
    }
    if x[1] != w[0] {
        return Err(Error::shapes(op, x, w, "the weight's first axis must be the input's channels"));
    }
    check_not_empty(op, x, w)?;
    let axis = |a: usize| {
        let (stride, dilation, extra) = (spec.stride[a], spec.dilation[a], output_padding[a]);
        if extra >= stride && extra >= dilation {
            let reason = format!("must be smaller than the stride or the dilation ({stride}, {dilation})");
            return Err(Error::invalid(op, "output_padding", output_padding, reason));
        }
        let [before, after] = spec.padding[a];
        let full = (x[2 + a] - 1)
            .checked_mul(stride)
            .zip((w[2 + a] - 1).checked_mul(dilation))
            .and_then(|(spread, reach)| spread.checked_add(reach)?.checked_add(extra)?.checked_add(1))
            .filter(|&full| full <= isize::MAX as usize / 16)
            .ok_or_else(|| Error::invalid(op, "stride", &spec.stride, "the output has too many elements"))?;
        let cut = before.checked_add(after).filter(|&cut| cut < full).ok_or_else(|| {
            let reason = format!("leaves nothing of the {full} outputs along spatial axis {a}");
            Error::invalid(op, "padding", &spec.padding, reason)
        })?;
        Ok(TransposedAxis { taps: w[2 + a], stride, dilation, before, output: full - cut })
    };
    (0..axes).map(axis).collect()
}

/// `[batch, channels out, length..]`.
pub(crate) fn transposed_shape(x: &[usize], w: &[usize], groups: usize, axes: &[TransposedAxis]) -> Dims {
    let mut shape = Dims::from_slice(&[x[0], w[1].saturating_mul(groups)]);
    shape.extend(axes.iter().map(|axis| axis.output));
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_hold_every_product_once() {
        for (input, taps) in [(1, 1), (4, 3), (7, 2), (3, 6), (5, 5)] {
            for (stride, dilation) in [(1, 1), (2, 1), (3, 2), (2, 2), (4, 6), (6, 4), (1, 3), (5, 1)] {
                for (padding, extra) in [(0, 0), (1, 0), (2, 1), (0, 1)] {
                    let spec = ConvSpec::new(1).stride(&[stride]).dilation(&[dilation]).padding(&[padding]);
                    let made = transposed_axes("t", &[1, 1, input], &[1, 1, taps], &spec, &[extra]);
                    let Ok(axes) = made else { continue };
                    let axis = axes[0];
                    // For each output the pairs of element and tap that reach it.
                    let mut want = vec![Vec::new(); axis.output];
                    for i in 0..input {
                        for k in 0..taps {
                            if let Some(o) = (i * stride + k * dilation).checked_sub(padding)
                                && o < axis.output
                            {
                                want[o].push((i, k));
                            }
                        }
                    }
                    let mut got = vec![Vec::new(); axis.output];
                    for first in 0..axis.phases() {
                        let p = axis.phase(first);
                        for m in 0..p.outputs {
                            for j in 0..p.taps {
                                let tap = p.tap + (p.taps - 1 - j) * p.tap_step;
                                let at = p.start + (m + j * p.dilation) as isize;
                                if (0..input as isize).contains(&at) {
                                    got[first + m * stride].push((at as usize, tap));
                                }
                            }
                        }
                    }
                    let mut reached: Vec<usize> = axis.reached().iter().map(|phase| phase.first).collect();
                    reached.sort_unstable();
                    let with_taps: Vec<usize> =
                        (0..axis.phases()).filter(|&first| axis.phase(first).taps > 0).collect();
                    assert_eq!(reached, with_taps, "{input} {taps} {spec:?} {extra}");
                    got.iter_mut().for_each(|pairs| pairs.sort_unstable());
                    assert_eq!(got, want, "{input} {taps} {spec:?} {extra}");
                }
            }
        }
    }
}
