//! Convolution by its definition.

use crate::convolution::{ConvGeometry, ConvSpec, PaddingMode};

/// `y[b, co, o] = sum_{ci, k} w[co, ci, k] x[b, ci, o * stride + k * dilation - padding]` over the input with zeros around; row-major.
pub fn convolution(x: &[f64], w: &[f64], g: &ConvGeometry) -> Vec<f64> {
    let axes = g.axes();
    let length: usize = g.input.iter().product();
    let taps: usize = g.kernel.iter().product();
    let outputs: usize = g.output.iter().product();
    let index = |mut flat: usize, shape: &[usize]| {
        let mut at = vec![0; axes];
        for a in (0..axes).rev() {
            at[a] = flat % shape[a];
            flat /= shape[a];
        }
        at
    };
    let mut y = Vec::with_capacity(g.output_shape().iter().product());
    for b in 0..g.batch {
        for co in 0..g.groups * g.channels_out {
            let group = co / g.channels_out;
            for o in 0..outputs {
                let out = index(o, &g.output);
                let mut sum = 0.0;
                for k in 0..taps {
                    let tap = index(k, &g.kernel);
                    let place = |a: usize| {
                        (out[a] * g.stride[a] + tap[a] * g.dilation[a])
                            .checked_sub(g.padding[a][0])
                            .filter(|&i| i < g.input[a])
                    };
                    let Some(at) = (0..axes).try_fold(0, |at, a| Some(at * g.input[a] + place(a)?)) else {
                        continue;
                    };
                    for ci in 0..g.channels_in {
                        let channel = (b * g.groups + group) * g.channels_in + ci;
                        sum += w[(co * g.channels_in + ci) * taps + k] * x[channel * length + at];
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

/// `y[b, co, i * stride + k * dilation - padding] += w[ci, co, k] x[b, ci, i]`, row-major; `x` and `w` with their shapes `[batch, channels, length..]` and
/// `[channels, channels out / groups, taps..]`, `output` the lengths of the result.
pub fn transposed_convolution(
    (x, x_shape): (&[f64], &[usize]),
    (w, w_shape): (&[f64], &[usize]),
    spec: &ConvSpec,
    output: &[usize],
) -> Vec<f64> {
    let index = |mut flat: usize, shape: &[usize]| {
        let mut at = vec![0; shape.len()];
        for a in (0..shape.len()).rev() {
            at[a] = flat % shape[a];
            flat /= shape[a];
        }
        at
    };
    let (per_group, outputs) = (w_shape[1], output.iter().product::<usize>());
    let channels_out = per_group * spec.groups;
    let inputs_per_group = x_shape[1] / spec.groups;
    let mut y = vec![0.0; x_shape[0] * channels_out * outputs];
    for (flat, x) in x.iter().enumerate() {
        let from = index(flat, x_shape);
        for co in 0..per_group {
            let channel = from[1] / inputs_per_group * per_group + co;
            let taps: usize = w_shape[2..].iter().product();
            for k in 0..taps {
                let tap = index(k, &w_shape[2..]);
                let place = |a: usize| {
                    (from[2 + a] * spec.stride[a] + tap[a] * spec.dilation[a])
                        .checked_sub(spec.padding[a][0])
                        .filter(|&o| o < output[a])
                };
                if let Some(at) = (0..output.len()).try_fold(0, |at, a| Some(at * output[a] + place(a)?)) {
                    y[(from[0] * channels_out + channel) * outputs + at] +=
                        w[(from[1] * per_group + co) * taps + k] * x;
                }
            }
        }
    }
    y
}

/// The element of an axis of `length` that stands at `position` of the padded axis; `None` for a zero.
pub fn padded_index(position: usize, before: usize, length: usize, mode: PaddingMode) -> Option<usize> {
    let (i, n) = (position as isize - before as isize, length as isize);
    let inside = match mode {
        _ if (0..n).contains(&i) => i,
        PaddingMode::Zeros => return None,
        PaddingMode::Circular => i.rem_euclid(n),
        PaddingMode::Reflect if i < 0 => -i,
        PaddingMode::Reflect => 2 * (n - 1) - i,
        PaddingMode::Replicate => i.clamp(0, n - 1),
    };
    Some(inside as usize)
}
