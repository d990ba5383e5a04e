//! Convolution by its definition.

use crate::convolution::ConvGeometry;

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
