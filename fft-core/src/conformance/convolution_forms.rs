//! Convolutions as tensors offer them: planned, prepared, padded in every mode, and transposed.
//!
//! Bound: relative L2 error at most `3 epsilon log2(points) + epsilon sqrt(terms)`, that of either way (see the cases of both).

use super::compare::{close_l2, ensure, equal};
use super::sample::{Array, Random};
use super::{Case, Operation, Outcome};
use crate::convolution::{Conv, ConvGeometry, ConvMethod, ConvPlan, ConvSpec, ConvWay, PaddingMode};
use crate::{Complex64, DType, Device, reference};

const BOTH: &[Operation] =
    &[Operation::ConvDirect, Operation::ConvFft, Operation::ConvSpectrum, Operation::ConvCosts];

pub(super) const CASES: &[Case] = &[
    Case::new("convolution::planned", BOTH, planned),
    Case::new("convolution::every_kernel_length", BOTH, every_kernel_length),
    Case::new("convolution::padding_modes", BOTH, padding_modes),
    Case::new("convolution::pads", &[Operation::Copy], pads),
    Case::new("convolution::transposed", BOTH, transposed),
    Case::new("convolution::weight_gradient", BOTH, weight_gradient),
    Case::new("convolution::prepared", BOTH, prepared),
];

fn bound(g: &ConvGeometry) -> f64 {
    let points: usize = (0..g.axes()).map(|a| 2 * g.padded(a)).product();
    let terms = (g.channels_in * g.kernel.iter().product::<usize>() + 1) as f64;
    let epsilon = DType::F32.epsilon();
    3.0 * epsilon * ((points * g.channels_in) as f64).log2().max(1.0) + epsilon * terms.sqrt()
}

struct Problem {
    x: Array,
    w: Array,
    spec: ConvSpec,
    geometry: ConvGeometry,
    want: Array,
}

impl Problem {
    /// Random operands; the geometry is that of the input with its padding, where that is not zeros.
    fn new(x: &[usize], w: &[usize], spec: ConvSpec, seed: u64) -> crate::Result<Self> {
        let mut random = Random::new(seed);
        let (x, w) = (random.array(x, DType::F32), random.array(w, DType::F32));
        let geometry = ConvGeometry::new("conv", &x.shape, &w.shape, &spec)?;
        let around = padded(&x, &geometry.padding, spec.mode);
        let bare = spec.clone().padding(&vec![0; spec.axes()]);
        let geometry = ConvGeometry::new("conv", &around.shape, &w.shape, &bare)?;
        let want = reference::convolution(&around.re(), &w.re(), &geometry);
        let want = Array::real(&geometry.output_shape(), want);
        Ok(Self { x, w, spec, geometry, want })
    }
}

fn padded(x: &Array, padding: &[[usize; 2]], mode: PaddingMode) -> Array {
    let mut shape = x.shape.clone();
    let first = shape.len() - padding.len();
    for (i, [before, after]) in padding.iter().enumerate() {
        shape[first + i] += before + after;
    }
    Array::from_fn(&shape, |at| {
        let mut from = at.to_vec();
        for (i, [before, _]) in padding.iter().enumerate() {
            let axis = first + i;
            match reference::padded_index(at[axis], *before, x.shape[axis], mode) {
                Some(index) => from[axis] = index,
                None => return Complex64::default(),
            }
        }
        x.at(&from)
    })
}

/// The planner's choice on both sides of each change of way, as kernels grow.
fn planned(device: &Device) -> Outcome {
    let costs = device.conv_costs();
    for (input, axes) in [(vec![1, 1, 3000], 1), (vec![1, 2, 900], 1), (vec![1, 1, 40, 48], 2)] {
        let weight = |taps: usize| {
            let mut shape = vec![1, input[1]];
            shape.extend(std::iter::repeat_n(taps, axes));
            shape
        };
        let way = |taps: usize| -> crate::Result<usize> {
            let g = ConvGeometry::new("conv", &input, &weight(taps), &ConvSpec::new(axes))?;
            Ok(match ConvPlan::new(&g, DType::F32, &costs, false).way {
                ConvWay::Direct => 0,
                ConvWay::Fft { tile } if (0..axes).all(|a| g.tiles(a, tile[a]) == 1) => 1,
                ConvWay::Fft { .. } => 2,
            })
        };
        let longest = input[2..].iter().copied().min().unwrap_or(1);
        let mut changes = 0;
        for taps in 2..=longest {
            // A few changes are as good as many: near a tie the choice may go to and fro.
            if way(taps)? == way(taps - 1)? || changes == 6 {
                continue;
            }
            changes += 1;
            for taps in [taps - 1, taps] {
                let p = Problem::new(&input, &weight(taps), ConvSpec::new(axes), taps as u64)?;
                let (x, w) = (p.x.to(device, DType::F32)?, p.w.to(device, DType::F32)?);
                let y = x.conv(&w, None, &p.spec)?;
                close_l2(format!("{input:?}, {taps} taps"), &y, &p.want, bound(&p.geometry))?;
            }
        }
    }
    Ok(())
}

/// Every method, for each length of kernel.
fn every_kernel_length(device: &Device) -> Outcome {
    for taps in 1..=64 {
        let p = Problem::new(&[2, 2, 97], &[2, 1, taps], ConvSpec::new(1).groups(2).same(), taps as u64)?;
        let (x, w) = (p.x.to(device, DType::F32)?, p.w.to(device, DType::F32)?);
        let tiles = [taps, taps + 1, 2 * taps + 3, 128].map(|points| ConvMethod::tiles(&[points.max(2)]));
        for method in [ConvMethod::Auto, ConvMethod::Direct, ConvMethod::Fft].iter().chain(&tiles) {
            let y = x.conv_with(&w, None, &p.spec, method)?;
            close_l2(format!("{taps} taps, {method:?}"), &y, &p.want, bound(&p.geometry))?;
        }
    }
    Ok(())
}

const MODES: [PaddingMode; 4] =
    [PaddingMode::Zeros, PaddingMode::Circular, PaddingMode::Reflect, PaddingMode::Replicate];

fn padding_modes(device: &Device) -> Outcome {
    for (seed, mode) in MODES.into_iter().enumerate() {
        for (x, w, spec) in [
            (
                vec![2, 2, 30],
                vec![4, 1, 7],
                ConvSpec::new(1).groups(2).padding_sides(&[[5, 29]]).stride(&[3]),
            ),
            (
                vec![1, 3, 9, 8],
                vec![2, 3, 4, 3],
                ConvSpec::new(2).padding_sides(&[[0, 8], [7, 2]]).dilation(&[2, 1]),
            ),
            (vec![2, 1, 4, 5, 6], vec![1, 1, 3, 2, 3], ConvSpec::new(3).padding(&[3, 0, 2])),
            (vec![1, 2, 12, 7], vec![2, 2, 5, 4], ConvSpec::new(2).same()),
        ] {
            let p = Problem::new(&x, &w, spec.mode(mode), seed as u64)?;
            let (x, w) = (p.x.to(device, DType::F32)?, p.w.to(device, DType::F32)?);
            for method in [ConvMethod::Auto, ConvMethod::Direct, ConvMethod::Fft] {
                let y = x.conv_with(&w, None, &p.spec, &method)?;
                close_l2(format!("{method:?}, {:?}", p.spec), &y, &p.want, bound(&p.geometry))?;
            }
        }
    }
    Ok(())
}

/// Padding moves elements and changes none; of integers and complex numbers too.
fn pads(device: &Device) -> Outcome {
    for dtype in [DType::F32, DType::U8, DType::C64].into_iter().filter(|&d| device.supports(d)) {
        for mode in MODES {
            for padding in
                [vec![], vec![[0, 0]], vec![[4, 1]], vec![[2, 0], [0, 4]], vec![[1, 1], [0, 0], [3, 2]]]
            {
                let x = Random::new(7).array(&[2, 3, 5], dtype);
                let want = padded(&x, &padding, mode);
                for (guise, x) in x.guises(device, dtype)? {
                    equal(
                        format!("{mode:?} {padding:?} of {dtype} {guise:?}"),
                        &x.pad(&padding, mode)?,
                        &want,
                    )?;
                }
            }
        }
    }
    Ok(())
}

/// Against the definition, and as the adjoint of the convolution: `<conv(x), y> = <x, transposed(y)>`.
fn transposed(device: &Device) -> Outcome {
    let (one, two, three) = (ConvSpec::new(1), ConvSpec::new(2), ConvSpec::new(3));
    for (seed, (x, w, spec, extra)) in [
        (vec![1, 1, 1], vec![1, 1, 1], one.clone(), vec![0]),
        (vec![2, 3, 20], vec![3, 4, 5], one.clone().padding(&[2]), vec![0]),
        (
            vec![2, 4, 9],
            vec![4, 3, 4],
            one.clone().stride(&[3]).dilation(&[2]).groups(2).padding(&[1]),
            vec![2],
        ),
        (
            vec![1, 2, 6],
            vec![2, 1, 3],
            one.clone().stride(&[4]).dilation(&[6]).padding_sides(&[[3, 5]]),
            vec![5],
        ),
        (vec![1, 2, 5], vec![2, 2, 2], one.stride(&[5]), vec![1]),
        (vec![1, 2, 5, 4], vec![2, 3, 3, 4], two.clone().stride(&[2, 1]).padding(&[1, 2]), vec![1, 0]),
        // Most residues modulo the stride meet no tap.
        (vec![1, 2, 3, 3], vec![2, 2, 2, 3], two.clone().stride(&[60, 45]).padding(&[7, 3]), vec![11, 44]),
        (vec![2, 3, 4, 6], vec![3, 1, 3, 3], two.stride(&[1, 3]).dilation(&[3, 1]).groups(3), vec![2, 2]),
        (
            vec![1, 2, 3, 2, 4],
            vec![2, 2, 2, 3, 3],
            three.stride(&[2, 2, 1]).padding(&[1, 0, 2]),
            vec![0, 1, 0],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut random = Random::new(seed as u64);
        let (x, w) = (random.array(&x, DType::F32), random.array(&w, DType::F32));
        let axes = spec.axes();
        let length = |a: usize| {
            let full = (x.shape[2 + a] - 1) * spec.stride[a] + (w.shape[2 + a] - 1) * spec.dilation[a] + 1;
            full + extra[a] - spec.padding[a][0] - spec.padding[a][1]
        };
        let output: Vec<usize> = (0..axes).map(length).collect();
        let mut shape = vec![x.shape[0], w.shape[1] * spec.groups];
        shape.extend_from_slice(&output);
        let want =
            reference::transposed_convolution((&x.re(), &x.shape), (&w.re(), &w.shape), &spec, &output);
        let want = Array::real(&shape, want);
        let bias = random.array(&[shape[1]], DType::F32);
        let with_bias = Array::from_fn(&shape, |i| want.at(i) + bias.data[i[1]]);
        let (weight, offset) = (w.to(device, DType::F32)?, bias.to(device, DType::F32)?);
        let points: usize = output.iter().map(|n| 2 * n + 8).product::<usize>() * x.shape[1];
        let bound = DType::F32.epsilon() * (3.0 * (points as f64).log2() + 8.0);
        for (guise, x) in x.guises(device, DType::F32)? {
            for method in [ConvMethod::Auto, ConvMethod::Direct, ConvMethod::Fft] {
                let what =
                    format!("{guise:?}, {method:?}, {:?} x {:?}, {spec:?}, {extra:?}", x.shape(), w.shape);
                let y = x.conv_transpose_with(&weight, None, &spec, &extra, &method)?;
                close_l2(&what, &y, &want, bound)?;
                let y = x.conv_transpose_with(&weight, Some(&offset), &spec, &extra, &method)?;
                close_l2(&what, &y, &with_bias, bound)?;
            }
        }
        // The convolution of an input as long as this output gives as many outputs as this input has, unless there are more of them
        // because `output_padding` was not less than the stride.
        if extra.iter().zip(&spec.stride).all(|(e, s)| e < s) {
            let z = random.array(&shape, DType::F32);
            let back = Array::from(&z.to(device, DType::F32)?.conv(&weight, None, &spec)?)?;
            let inner =
                |a: &Array, b: &Array| -> f64 { a.data.iter().zip(&b.data).map(|(a, b)| a.re * b.re).sum() };
            let norm = |a: &Array| a.data.iter().map(|v| v.norm_sqr()).sum::<f64>().sqrt();
            let (left, right) = (inner(&back, &x), inner(&z, &want));
            let allowed = bound * norm(&back) * norm(&x);
            ensure((left - right).abs() <= allowed, || {
                format!("{left} and {right} differ by more than {allowed}: {spec:?}")
            })?;
        }
    }
    Ok(())
}

/// Against the definition: each product of an output's cotangent and an element that the output sees counts for its tap.
fn weight_gradient(device: &Device) -> Outcome {
    let (one, two) = (ConvSpec::new(1), ConvSpec::new(2));
    for (seed, (x, w, spec)) in [
        (vec![1, 1, 1], vec![1, 1, 1], one.clone()),
        (vec![2, 4, 30], vec![6, 2, 5], one.clone().groups(2).padding(&[2])),
        // The stride leaves elements behind the last window.
        (vec![3, 2, 23], vec![3, 2, 4], one.clone().stride(&[3]).dilation(&[2]).padding_sides(&[[1, 5]])),
        (vec![2, 2, 40], vec![2, 2, 9], one.causal().mode(PaddingMode::Circular)),
        (vec![2, 3, 9, 8], vec![3, 1, 3, 2], two.clone().groups(3).stride(&[2, 1]).dilation(&[1, 3])),
        (vec![1, 2, 6, 7], vec![4, 2, 3, 3], two.padding(&[2, 1]).mode(PaddingMode::Reflect)),
        (vec![2, 2, 3, 4, 5], vec![2, 2, 2, 1, 3], ConvSpec::new(3).stride(&[1, 2, 1]).padding(&[1, 0, 1])),
    ]
    .into_iter()
    .enumerate()
    {
        let p = Problem::new(&x, &w, spec, seed as u64)?;
        let dy = Random::new(seed as u64 + 100).array(&p.want.shape, DType::F32);
        let geometry = ConvGeometry::new("conv", &x, &w, &p.spec)?;
        let around = padded(&p.x, &geometry.padding, p.spec.mode);
        let outputs = &p.want.shape[2..];
        let of_group = w[0] / p.spec.groups;
        let want = Array::from_fn(&w, |tap| {
            let channel = tap[0] / of_group * w[1] + tap[1];
            let mut sum = Complex64::default();
            for b in 0..x[0] {
                for output in Array::indices(outputs) {
                    let at = |a: usize| output[a] * p.spec.stride[a] + tap[2 + a] * p.spec.dilation[a];
                    let from: Vec<usize> =
                        [b, channel].into_iter().chain((0..output.len()).map(at)).collect();
                    sum += dy.at(&[&[b, tap[0]], output.as_slice()].concat()) * around.at(&from);
                }
            }
            sum
        });
        let terms = x[0] * outputs.iter().product::<usize>();
        let bound =
            DType::F32.epsilon() * (3.0 * ((2 * around.data.len()) as f64).log2() + (terms as f64).sqrt());
        let cotangent = dy.to(device, DType::F32)?;
        for (guise, x) in p.x.guises(device, DType::F32)? {
            let got = x.conv_weight_gradient(&cotangent, &w[2..], &p.spec)?;
            close_l2(format!("{guise:?}, {:?} by {w:?}, {:?}", x.shape(), p.spec), &got, &want, bound)?;
        }
    }
    Ok(())
}

/// A prepared kernel gives what a call with it gives, and computes its spectrum once for each length of tiles.
fn prepared(device: &Device) -> Outcome {
    let mut random = Random::new(3);
    let (w, bias) = (random.array(&[4, 1, 41], DType::F32), random.array(&[4], DType::F32));
    let (weight, offset) = (w.to(device, DType::F32)?, bias.to(device, DType::F32)?);
    let spec = ConvSpec::new(1).groups(2).causal();
    for method in [ConvMethod::Auto, ConvMethod::Direct, ConvMethod::Fft, ConvMethod::tiles(&[100])] {
        let conv = Conv::new(weight.clone(), Some(offset.clone()), spec.clone())?.with_method(method.clone());
        for (batch, length) in [(1, 50), (3, 50), (1, 50), (2, 333), (1, 1), (3, 50)] {
            let x = random.array(&[batch, 2, length], DType::F32);
            let geometry = ConvGeometry::new("conv", &x.shape, &w.shape, &spec)?;
            let want = reference::convolution(&x.re(), &w.re(), &geometry);
            let want = Array::real(&geometry.output_shape(), want);
            let want = Array::from_fn(&want.shape, |i| want.at(i) + bias.data[i[1]]);
            let y = conv.apply(&x.to(device, DType::F32)?)?;
            close_l2(format!("{method:?} of {:?}", x.shape), &y, &want, bound(&geometry))?;
        }
        let stats = conv.stats();
        let tiles = match method {
            ConvMethod::Direct => 0,
            ConvMethod::Tiles(_) => 1,
            _ => stats.spectra_kept,
        };
        let sound = stats.spectra_computed == tiles && stats.ways_planned == 4 && stats.ways_kept == 4;
        ensure(sound, || format!("{method:?}: {stats:?}"))?;
    }
    Ok(())
}
