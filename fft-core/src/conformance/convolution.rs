//! Convolutions in one to three dimensions, both ways, against the definition.
//!
//! Bound of the direct way: relative L2 error at most `epsilon sqrt(terms)`, the error of a sum whose roundings are independent. Bound of
//! the spectral way: relative to the error of three transforms, `3 epsilon log2(points)`, times the ratio by which outputs may be
//! smaller than the spectra that they come from, which random operands keep near 1.

use super::compare::{close_l2, ensure};
use super::sample::{Array, Random};
use super::{Case, Operation, Outcome};
use crate::convolution::{ConvGeometry, ConvPlan, ConvSpec};
use crate::{DType, Device, reference};

const DIRECT: &[Operation] = &[Operation::ConvDirect];
const SPECTRAL: &[Operation] = &[Operation::ConvFft, Operation::ConvSpectrum];

pub(super) const CASES: &[Case] = &[
    Case::new("convolution::direct", DIRECT, |d| every(d, DType::F32, direct)),
    Case::new("convolution::direct_f64", DIRECT, |d| every(d, DType::F64, direct))
        .needing(&[DType::F64, DType::C128]),
    Case::new("convolution::spectral", SPECTRAL, |d| every(d, DType::F32, spectral)),
    Case::new("convolution::spectral_f64", SPECTRAL, |d| every(d, DType::F64, spectral))
        .needing(&[DType::F64, DType::C128]),
    Case::new("convolution::costs", &[Operation::ConvCosts], costs),
];

/// Shapes of input and weight, and what is asked.
fn problems() -> Vec<(Vec<usize>, Vec<usize>, ConvSpec)> {
    let one = ConvSpec::new(1);
    let two = ConvSpec::new(2);
    let three = ConvSpec::new(3);
    vec![
        (vec![1, 1, 1], vec![1, 1, 1], one.clone()),
        (vec![2, 3, 40], vec![4, 3, 5], one.clone().padding(&[2])),
        (vec![1, 1, 300], vec![1, 1, 37], one.clone().padding_sides(&[[36, 0]])),
        (
            vec![3, 4, 50],
            vec![6, 2, 4],
            one.clone().groups(2).stride(&[3]).dilation(&[5]).padding_sides(&[[1, 7]]),
        ),
        (vec![2, 5, 33], vec![5, 1, 3], one.groups(5).padding(&[1])),
        (vec![1, 1, 20, 31], vec![1, 1, 7, 7], two.clone().padding(&[3, 3])),
        (vec![2, 3, 13, 14], vec![4, 3, 7, 5], two.clone().stride(&[2, 1]).padding(&[3, 2])),
        (vec![2, 6, 17, 40], vec![6, 1, 3, 3], two.clone().groups(6).dilation(&[2, 3])),
        (
            vec![1, 4, 9, 35],
            vec![10, 2, 1, 6],
            two.groups(2).stride(&[1, 2]).padding_sides(&[[0, 1], [2, 0]]),
        ),
        (vec![1, 2, 6, 7, 5], vec![3, 2, 3, 3, 3], three.clone().padding(&[1, 1, 1])),
        (vec![2, 2, 5, 8, 9], vec![4, 1, 2, 4, 3], three.groups(2).stride(&[2, 1, 3]).dilation(&[1, 2, 1])),
    ]
}

fn every(device: &Device, dtype: DType, check: fn(&Device, DType, &Problem) -> Outcome) -> Outcome {
    for (seed, (x, w, spec)) in problems().into_iter().enumerate() {
        let mut random = Random::new(seed as u64);
        let geometry = ConvGeometry::new("conv", &x, &w, &spec)?;
        let (x, w) = (random.array(&x, dtype), random.array(&w, dtype));
        let want = Array::real(&geometry.output_shape(), reference::convolution(&x.re(), &w.re(), &geometry));
        let bias = random.array(&[w.shape[0]], dtype);
        check(device, dtype, &Problem { x, w, bias, want, geometry })?;
    }
    Ok(())
}

struct Problem {
    x: Array,
    w: Array,
    bias: Array,
    /// Without the bias.
    want: Array,
    geometry: ConvGeometry,
}

impl Problem {
    fn with_bias(&self) -> Array {
        Array::from_fn(&self.want.shape, |i| self.want.at(i) + self.bias.data[i[1]])
    }
}

fn direct(device: &Device, dtype: DType, p: &Problem) -> Outcome {
    let g = &p.geometry;
    let (w, bias) = (p.w.to(device, dtype)?, p.bias.to(device, dtype)?);
    let terms = g.channels_in * g.kernel.iter().product::<usize>() + 1;
    let bound = dtype.epsilon() * (terms as f64).sqrt().max(1.0);
    for (guise, x) in p.x.guises(device, dtype)? {
        let what = format!("{guise:?}, {g:?}");
        close_l2(&what, &device.conv_direct(&x, &w, None, g)?, &p.want, bound)?;
        close_l2(&what, &device.conv_direct(&x, &w, Some(&bias), g)?, &p.with_bias(), bound)?;
    }
    Ok(())
}

/// Costs are finite and not negative, and predict a time for every way.
fn costs(device: &Device) -> Outcome {
    let costs = device.conv_costs();
    let numbers = costs.nanoseconds.to_array();
    let sound = numbers.iter().all(|n| n.is_finite() && *n >= 0.0) && costs.double.is_finite();
    ensure(sound && !costs.machine.is_empty(), || format!("{costs:?}"))?;
    for (x, w, spec) in problems() {
        let geometry = ConvGeometry::new("conv", &x, &w, &spec)?;
        let plan = ConvPlan::new(&geometry, DType::F32, &costs, true);
        let candidates = plan.candidates();
        let direct = candidates[0].seconds;
        let least = candidates[1..].iter().map(|c| c.seconds).fold(f64::INFINITY, f64::min);
        let enough = geometry.kernel.iter().product::<usize>() >= ConvPlan::FEWEST_TAPS;
        let spectral = enough && least < ConvPlan::WORTH * direct;
        let seconds = if spectral { least } else { direct };
        let sound = direct > 0.0 && least > 0.0 && plan.seconds == seconds;
        ensure(sound, || format!("chosen was {}", plan.explain()))?;
    }
    Ok(())
}

fn spectral(device: &Device, dtype: DType, p: &Problem) -> Outcome {
    let g = &p.geometry;
    let (w, bias) = (p.w.to(device, dtype)?, p.bias.to(device, dtype)?);
    for extra in [0, 1, 2, 6, 100] {
        if extra == 100 && g.axes() > 1 {
            continue;
        }
        let tile: Vec<usize> = (0..g.axes()).map(|a| (g.reach(a) + extra).max(2)).collect();
        let spectrum = device.conv_spectrum(&w, g, &tile)?;
        let points = tile.iter().product::<usize>() * g.channels_in;
        let bound = 3.0 * dtype.epsilon() * (points as f64).log2().max(1.0);
        for (guise, x) in p.x.guises(device, dtype)? {
            let what = format!("{guise:?}, tiles of {tile:?}, {g:?}");
            close_l2(&what, &device.conv_fft(&x, &spectrum, None, g, &tile)?, &p.want, bound)?;
            close_l2(&what, &device.conv_fft(&x, &spectrum, Some(&bias), g, &tile)?, &p.with_bias(), bound)?;
        }
    }
    Ok(())
}
