//! Fourier transforms.

use fft_core::axes::fft_specs;
use fft_core::{DType, Device, Dims, Direction, FftKind, FftSpec, Norm, Result, Tensor, ViewMut};

use crate::autograd::Var;
use crate::autograd::check::{complex, real};
use crate::autograd::operation::{Context, Needs, Operation};
use crate::autograd::registry::{Sample, Samples};
use crate::layers::from_values;

/// A transform along several axes, as `Tensor::fftn` and its kin; the last of the axes is the real one of R2C and C2R.
#[derive(Debug, Clone)]
pub struct Fft {
    /// Kind of the transform along the last of `axes`; C2C along the others.
    pub kind: FftKind,
    /// Sign of the exponent.
    pub direction: Direction,
    /// The axes.
    pub axes: Dims,
    /// Points along each; the axis is cropped or padded to them.
    pub n: Dims,
    /// Where the factor goes.
    pub norm: Norm,
}

impl Fft {
    fn specs(&self, kind: FftKind, direction: Direction) -> Vec<FftSpec> {
        let last = self.axes.len() - 1;
        let spec = |i: usize| FftSpec {
            kind: if i == last { kind } else { FftKind::C2C },
            direction,
            axis: self.axes[i],
            n: self.n[i],
            scale: self.norm.scale(self.direction, self.n[i]),
        };
        (0..=last).map(spec).collect()
    }

    /// [`weigh_pairs`] along the real axis.
    fn weigh_pairs(&self, spectrum: &Tensor, factor: f64) -> Result<Tensor> {
        match (self.axes.last(), self.n.last()) {
            (Some(&axis), Some(&n)) => weigh_pairs(spectrum, axis, n, factor),
            _ => Ok(spectrum.clone()),
        }
    }
}

/// Multiplies the bins along `axis` of a half spectrum of `points` that stand for two, since they have a mirror image.
pub(super) fn weigh_pairs(spectrum: &Tensor, axis: usize, points: usize, factor: f64) -> Result<Tensor> {
    let single = |k: usize| k == 0 || 2 * k == points;
    let weights: Vec<f64> = (0..points / 2 + 1).map(|k| if single(k) { 1.0 } else { factor }).collect();
    let mut shape = Dims::from_elem(1, spectrum.rank());
    shape[axis] = weights.len();
    spectrum.mul(&from_values(spectrum.device(), &weights, &shape, spectrum.dtype())?)
}

/// `x` cropped, or with zeros at the ends of its axes, to `shape`.
fn resize(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let mut x = x.clone();
    for (axis, &len) in shape.iter().enumerate() {
        if x.shape()[axis] > len {
            x = x.narrow(axis, 0, len)?;
        }
    }
    if x.shape() == shape {
        return Ok(x);
    }
    Tensor::build(x.device(), "fft", shape, x.dtype(), |dst| {
        x.device().fill(
            0.0,
            0.0,
            ViewMut { buffer: &mut *dst.buffer, layout: dst.layout, dtype: dst.dtype },
        )?;
        let mut inner = dst.layout.clone();
        for (axis, &len) in x.shape().iter().enumerate() {
            inner = inner.narrowed(axis, 0, len);
        }
        x.device().copy(x.view(), ViewMut { buffer: dst.buffer, layout: &inner, dtype: dst.dtype })
    })
}

impl Operation for Fft {
    fn name(&self) -> &'static str {
        "fft"
    }

    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let (x, axes, n) = (&inputs[0], &self.axes[..], Some(&self.n[..]));
        match (self.kind, self.direction) {
            (FftKind::C2C, Direction::Forward) => x.fftn(axes, n, self.norm),
            (FftKind::C2C, Direction::Inverse) => x.ifftn(axes, n, self.norm),
            (FftKind::R2C, _) => x.rfftn(axes, n, self.norm),
            (FftKind::C2R, _) => x.irfftn(axes, n, self.norm),
        }
    }

    /// The adjoint: the transform of the other sign with the same factor, then the adjoint of padding, which is cropping. A half spectrum
    /// lists one bin of each mirror pair, which C2R counts twice.
    fn backward(&self, context: &Context, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let back = match self.direction {
            Direction::Forward => Direction::Inverse,
            Direction::Inverse => Direction::Forward,
        };
        let device = grad.device();
        let grad = match self.kind {
            FftKind::C2C => device.fft_nd(&self.specs(FftKind::C2C, back), grad)?,
            FftKind::R2C => device.fft_nd(&self.specs(FftKind::C2R, back), &self.weigh_pairs(grad, 0.5)?)?,
            FftKind::C2R => self.weigh_pairs(&device.fft_nd(&self.specs(FftKind::R2C, back), grad)?, 2.0)?,
        };
        Ok(vec![Some(resize(&grad, context.shape(0))?)])
    }
}

impl Samples for Fft {
    fn samples(device: &Device) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        let ways = [
            (FftKind::C2C, Direction::Forward),
            (FftKind::C2C, Direction::Inverse),
            (FftKind::R2C, Direction::Forward),
            (FftKind::C2R, Direction::Inverse),
        ];
        let one = |axes: &[usize], n: &[usize]| (Dims::from_slice(axes), Dims::from_slice(n));
        for (kind, direction) in ways {
            for norm in [Norm::Backward, Norm::Ortho, Norm::Forward] {
                // Even and odd, cropped and padded, one axis and several, the last axis first.
                for (axes, n) in [
                    one(&[2], &[6]),
                    one(&[2], &[7]),
                    one(&[1], &[9]),
                    one(&[0], &[1]),
                    one(&[1, 2], &[5, 6]),
                    one(&[2, 0], &[7, 4]),
                    one(&[0, 1, 2], &[2, 3, 5]),
                ] {
                    let mut shape = [2, 5, 6];
                    if kind == FftKind::C2R {
                        let real = *axes.last().unwrap_or(&0);
                        // A half spectrum has its own length; padding and cropping are those of the other axes.
                        shape[real] = n[n.len() - 1] / 2 + 1;
                    }
                    let x = if kind == FftKind::R2C {
                        real(device, &shape, 1)?
                    } else {
                        complex(device, &shape, 1)?
                    };
                    samples.push(Sample::new(Fft { kind, direction, axes, n, norm }, [x]));
                }
            }
        }
        Ok(samples)
    }
}

impl Var {
    fn transform(
        &self,
        op: &'static str,
        kind: FftKind,
        direction: Direction,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        let specs = fft_specs(op, kind, direction, &self.shape(), axes, n, norm)?;
        let complex_input = matches!(self.dtype(), DType::F32 | DType::F64) && kind != FftKind::R2C;
        let x = if complex_input { self.to_dtype(self.dtype().to_complex())? } else { self.clone() };
        if specs.is_empty() {
            return Ok(x);
        }
        let n = specs.iter().map(|spec| spec.n).collect();
        Var::apply(Fft { kind, direction, axes: Dims::from_slice(axes), n, norm }, &[&x])
    }

    /// Discrete Fourier transform along axes; see [`Tensor::fftn`].
    ///
    /// # Errors
    /// As [`Tensor::fftn`].
    pub fn fftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.transform("fftn", FftKind::C2C, Direction::Forward, axes, n, norm)
    }

    /// Inverse of [`fftn`](Self::fftn); see [`Tensor::ifftn`].
    ///
    /// # Errors
    /// As [`Tensor::ifftn`].
    pub fn ifftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.transform("ifftn", FftKind::C2C, Direction::Inverse, axes, n, norm)
    }

    /// Half spectrum of a real variable; see [`Tensor::rfftn`].
    ///
    /// # Errors
    /// As [`Tensor::rfftn`].
    pub fn rfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.transform("rfftn", FftKind::R2C, Direction::Forward, axes, n, norm)
    }

    /// Inverse of [`rfftn`](Self::rfftn); see [`Tensor::irfftn`].
    ///
    /// # Errors
    /// As [`Tensor::irfftn`].
    pub fn irfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.transform("irfftn", FftKind::C2R, Direction::Inverse, axes, n, norm)
    }
}
