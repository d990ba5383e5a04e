//! The lowest frequencies of real functions, and functions that have no others.

use fft_core::{Device, Dims, Result, Tensor};

use crate::autograd::Var;
use crate::autograd::check::{complex, real};
use crate::autograd::operation::{Context, Needs, Operation};
use crate::autograd::registry::{Sample, Samples};
use crate::layers::from_values;

/// [`Tensor::low_frequencies`] with so many modes along the last axes.
#[derive(Debug, Clone)]
pub struct LowFrequencies(pub Dims);

/// [`Tensor::band_limited`] with so many points along the last axes.
#[derive(Debug, Clone)]
pub struct BandLimited(pub Dims);

/// Bin 0 of the last axis times one factor, and the others, which stand for their mirror images too, times another.
fn weigh(spectrum: &Tensor, single: f64, paired: f64) -> Result<Tensor> {
    let last = spectrum.rank() - 1;
    let weights: Vec<f64> =
        (0..spectrum.shape()[last]).map(|k| if k == 0 { single } else { paired }).collect();
    spectrum.mul(&from_values(spectrum.device(), &weights, &[weights.len()], spectrum.dtype())?)
}

/// The points of the last `axes` axes.
fn points(shape: &[usize], axes: usize) -> (&[usize], f64) {
    let lengths = &shape[shape.len() - axes..];
    (lengths, lengths.iter().map(|&n| n as f64).product())
}

impl Operation for LowFrequencies {
    fn name(&self) -> &'static str {
        "low_frequencies"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].low_frequencies(&self.0)
    }

    /// The adjoint: the way back without its factors, which counts a bin with a mirror image twice.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (lengths, all) = points(context.shape(0), self.0.len());
        Ok(vec![Some(weigh(grad, all, 0.5 * all)?.band_limited(lengths)?)])
    }
}

impl Operation for BandLimited {
    fn name(&self) -> &'static str {
        "band_limited"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        inputs[0].band_limited(&self.0)
    }

    /// The adjoint: the way there with the factors of the way back, and twice for a bin with a mirror image.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let shape = context.shape(0);
        let first = shape.len() - self.0.len();
        let modes =
            (first..shape.len()).map(|a| if a + 1 == shape.len() { shape[a] } else { shape[a] / 2 + 1 });
        let (_, all) = points(grad.shape(), self.0.len());
        Ok(vec![Some(weigh(&grad.low_frequencies(&modes.collect::<Dims>())?, 1.0 / all, 2.0 / all)?)])
    }
}

/// Lengths and modes of one to three axes: some of the modes that a length has, and all of them.
const PROBLEMS: [(&[usize], &[usize]); 7] = [
    (&[1], &[1]),
    (&[6], &[3]),
    (&[9], &[2]),
    (&[5, 6], &[3, 2]),
    (&[6, 3], &[2, 2]),
    (&[7, 5], &[1, 3]),
    (&[3, 4, 5], &[2, 2, 2]),
];

impl Samples for LowFrequencies {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let sample = |(n, modes): (&[usize], &[usize])| {
            Ok(Sample::new(LowFrequencies(Dims::from_slice(modes)), [real(device, &[&[2], n].concat(), 1)?]))
        };
        PROBLEMS.into_iter().map(sample).collect()
    }
}

impl Samples for BandLimited {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let sample = |(n, modes): (&[usize], &[usize])| {
            let mut shape = vec![2];
            shape
                .extend(modes.iter().enumerate().map(|(a, m)| if a + 1 == n.len() { *m } else { 2 * m - 1 }));
            Ok(Sample::new(BandLimited(Dims::from_slice(n)), [complex(device, &shape, 1)?]))
        };
        PROBLEMS.into_iter().map(sample).collect()
    }
}

impl Var {
    /// The lowest frequencies along the last axes; see [`Tensor::low_frequencies`].
    ///
    /// # Errors
    /// As [`Tensor::low_frequencies`].
    pub fn low_frequencies(&self, modes: &[usize]) -> Result<Self> {
        Var::apply(LowFrequencies(Dims::from_slice(modes)), &[self])
    }

    /// The real function of `lengths` points with these frequencies and no others; see [`Tensor::band_limited`].
    ///
    /// # Errors
    /// As [`Tensor::band_limited`].
    pub fn band_limited(&self, lengths: &[usize]) -> Result<Self> {
        Var::apply(BandLimited(Dims::from_slice(lengths)), &[self])
    }
}
