//! A linear layer whose matrix is a few coefficients of its spectrum.

use std::sync::{Arc, Mutex};

use fft_core::spectral::{Amount, HalfSpectrum, Selection, SparseOptions, SparseSpectralMatrix, ValueFormat};
use fft_core::{Complex32, Complex64, DType, Error, Result, Tensor};

use super::expect::expect_dtype;
use super::{Init, Layer, Scope, expect_last, from_values};
use crate::autograd::ops::spectral::SparsePositions;
use crate::autograd::{Var, lock};

const OP: &str = "SpectralLinear";

/// Which frequencies of a matrix are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Positions {
    /// Drawn by the scope's seed and the layer's path.
    #[default]
    Random,
    /// The lowest.
    LowPass,
    /// Runs of neighbours along the rows' frequencies: those of most energy of a given matrix, else drawn.
    Block {
        /// The length of a run.
        block: usize,
    },
    /// The largest of a given matrix; see [`SpectralLinear::from_dense`].
    TopK,
}

/// What of a coefficient is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Learn {
    /// A real factor of a fixed phase: half of the numbers.
    Magnitude,
    /// Both parts.
    #[default]
    MagnitudeAndPhase,
}

/// The settings of a [`SpectralLinear`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralOptions {
    /// Degrees of freedom of the matrix, as a fraction of its elements, in `(0, 1]`: `density out in / 2` complex coefficients, at least 1.
    pub density: f64,
    /// Which frequencies.
    pub positions: Positions,
    /// What is trained.
    pub learn: Learn,
}

impl SpectralOptions {
    /// Random positions, magnitudes and phases.
    pub fn density(density: f64) -> Self {
        Self { density, positions: Positions::default(), learn: Learn::default() }
    }

    fn selection(&self, scope: &Scope, half: &HalfSpectrum) -> Result<Selection> {
        if !(self.density > 0.0 && self.density <= 1.0) {
            let reason = format!("layer {} needs a density in (0, 1]", scope.path());
            return Err(Error::invalid(OP, "density", self.density, reason));
        }
        // A count, so that it does not depend on how many of the positions are their own mirror images; all of them at density 1.
        let amount = match (0.5 * self.density * half.total() as f64) as usize {
            _ if self.density == 1.0 => Amount::Density(1.0),
            count => Amount::Count(count.max(1)),
        };
        Ok(match self.positions {
            Positions::Random => Selection::Random { amount, seed: scope.random("positions").bits() },
            Positions::LowPass => Selection::LowPass(amount),
            Positions::Block { block: 0 } => {
                let reason = format!("layer {} needs runs of at least 1", scope.path());
                return Err(Error::invalid(OP, "block", 0, reason));
            }
            Positions::Block { block } => Selection::Block { amount, block },
            Positions::TopK => Selection::TopK(amount),
        })
    }
}

/// `y = x W^T + b`, `[.., in]` to `[.., out]`, with `W = gain Re(1/(MN) sum_k c[k] exp(2 pi i (u_k i / M + v_k j / N)))` of few coefficients `c`, trained in this form
/// and, where that is faster, multiplied in it (see [`SparseSpectralMatrix`]).
///
/// | | | |
/// |---|---|---|
/// | `coefficients` | parameter | `c`, complex `[count]`; with [`Learn::Magnitude`] the real factors of the phases |
/// | `phases` | buffer, with [`Learn::Magnitude`] | real `[count]`, radians |
/// | `positions` | buffer | `U32 [count, 2]`: `u` and `v` of the half plane `0 <= u <= M / 2`, ascending |
/// | `bias` | parameter, if wanted | `[out]` |
///
/// The constant gain is such that real numbers of `c` (both parts, or the factors) with standard deviation `s` make a matrix whose elements have standard deviation
/// `s`: so that optimisers, whose steps do not depend on the size of gradients, take steps of the same relative size as in a dense layer.
#[derive(Debug, Clone)]
pub struct SpectralLinear {
    path: String,
    shape: [usize; 2],
    gain: f64,
    coefficients: Var,
    phases: Option<Var>,
    positions: Var,
    bias: Option<Var>,
    prepared: Arc<Mutex<Option<Prepared>>>,
}

/// What is computed of buffers, and those that it was computed of: loading a checkpoint replaces them.
#[derive(Debug, Clone)]
struct Prepared {
    buffers: Vec<Tensor>,
    positions: SparsePositions,
    /// `exp(i phase)`.
    turns: Option<Var>,
}

impl SpectralLinear {
    /// A layer whose matrix and bias have variance `1 / (3 in)`, as those of [`Linear::new`](super::Linear::new); the bias is uniform, the coefficients are normal.
    ///
    /// # Errors
    /// As [`with_std`](Self::with_std).
    pub fn new(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        bias: bool,
        options: &SpectralOptions,
    ) -> Result<Self> {
        let bound = 1.0 / (inputs as f64).sqrt();
        let bias = bias.then_some(Init::Uniform { bound });
        Self::with_std(scope, inputs, outputs, bias, bound / 3f64.sqrt(), options)
    }

    /// A layer whose matrix has elements of standard deviation `std`: the coefficients are normal with as much in each part.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for sizes of 0, a density out of `(0, 1]` or [`Positions::TopK`], which only a matrix has; those of [`Scope::parameter`].
    pub fn with_std(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        bias: Option<Init>,
        std: f64,
        options: &SpectralOptions,
    ) -> Result<Self> {
        let half = half_plane(scope, inputs, outputs)?;
        let selection = options.selection(scope, &half)?;
        let spectrum: Vec<Complex32> = match options.positions {
            Positions::TopK => {
                let reason =
                    format!("layer {} starts at no matrix whose largest could be kept", scope.path());
                return Err(Error::invalid(OP, "positions", "TopK", reason));
            }
            // Of a random spectrum the runs of most energy are random ones.
            Positions::Block { .. } => {
                let mut random = scope.random("positions");
                (0..half.len())
                    .map(|_| Complex32::new(random.normal() as f32, random.normal() as f32))
                    .collect()
            }
            _ => Vec::new(),
        };
        let flat = half.select(&selection, &spectrum)?;
        let count = flat.len();
        let phases = match options.learn {
            Learn::MagnitudeAndPhase => None,
            Learn::Magnitude => {
                let mut random = scope.random("phases");
                Some((0..count).map(|_| std::f64::consts::TAU * random.uniform()).collect::<Vec<_>>())
            }
        };
        let coefficients = |scope: &Scope| match options.learn {
            Learn::Magnitude => scope.parameter("coefficients", &[count], Init::Normal { std }),
            // The variance of an Init is that of both parts together.
            Learn::MagnitudeAndPhase => {
                let std = std * std::f64::consts::SQRT_2;
                scope.complex_parameter("coefficients", &[count], Init::Normal { std })
            }
        };
        let bias = |scope: &Scope| bias.map(|init| scope.parameter("bias", &[outputs], init)).transpose();
        Self::assemble(scope, &half, &flat, phases, coefficients, bias)
    }

    /// A layer that starts at the coefficients of `weight`, `[out, in]` of any float dtype, that `options` select, and at `bias`.
    ///
    /// # Errors
    /// Those of [`SparseSpectralMatrix::from_dense`]; [`Error::InvalidArgument`] for a density out of `(0, 1]`; [`Error::ShapeMismatch`] for a bias of another length.
    pub fn from_dense(
        scope: &Scope,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &SpectralOptions,
    ) -> Result<Self> {
        let &[outputs, inputs] = weight.shape() else {
            let reason = format!("layer {} needs a matrix [out, in]", scope.path());
            return Err(Error::shapes(OP, weight.shape(), &[0, 0], reason));
        };
        let half = half_plane(scope, inputs, outputs)?;
        let kept = SparseOptions { selection: options.selection(scope, &half)?, values: ValueFormat::F32 };
        let (flat, values) = SparseSpectralMatrix::from_dense(weight, &kept)?.coefficients()?;
        let gain = gain([outputs, inputs], flat.len(), options.learn);
        let values: Vec<Complex64> =
            values.iter().map(|c| Complex64::new(f64::from(c.re), f64::from(c.im)) / gain).collect();
        let phases = (options.learn == Learn::Magnitude).then(|| values.iter().map(|c| c.arg()).collect());
        let coefficients = |scope: &Scope| {
            let (device, shape) = (scope.device(), [values.len()]);
            let value = match options.learn {
                Learn::Magnitude => {
                    let magnitudes: Vec<f64> = values.iter().map(|c| c.norm()).collect();
                    from_values(device, &magnitudes, &shape, scope.dtype())?
                }
                Learn::MagnitudeAndPhase => from_values(device, &values, &shape, scope.dtype().to_complex())?,
            };
            scope.parameter_from("coefficients", value)
        };
        let bias = |scope: &Scope| {
            let Some(bias) = bias else { return Ok(None) };
            if bias.shape() != [outputs] {
                let reason = format!("the bias of layer {} has one element an output", scope.path());
                return Err(Error::shapes(OP, bias.shape(), &[outputs], reason));
            }
            let value = bias.to_device(scope.device())?.to_dtype(scope.dtype())?;
            scope.parameter_from("bias", value).map(Some)
        };
        Self::assemble(scope, &half, &flat, phases, coefficients, bias)
    }

    fn assemble(
        scope: &Scope,
        half: &HalfSpectrum,
        flat: &[u32],
        phases: Option<Vec<f64>>,
        coefficients: impl FnOnce(&Scope) -> Result<Var>,
        bias: impl FnOnce(&Scope) -> Result<Option<Var>>,
    ) -> Result<Self> {
        let shape = [half.shape()[0], half.shape()[1]];
        let n = shape[1] as u32;
        let positions: Vec<u32> = flat.iter().flat_map(|&p| [p / n, p % n]).collect();
        let positions = Tensor::from_slice(scope.device(), &positions, &[flat.len(), 2])?;
        let learn = if phases.is_some() { Learn::Magnitude } else { Learn::MagnitudeAndPhase };
        let coefficients = coefficients(scope)?;
        let phases =
            phases.map(|p| from_values(scope.device(), &p, &[p.len()], scope.dtype())).transpose()?;
        let phases = phases.map(|p| scope.buffer("phases", p)).transpose()?;
        Ok(Self {
            path: scope.path().to_owned(),
            shape,
            gain: gain(shape, flat.len(), learn),
            coefficients,
            phases,
            positions: scope.buffer("positions", positions)?,
            bias: bias(scope)?,
            prepared: Arc::default(),
        })
    }

    /// The parameter: complex `[count]`, or the real factors of fixed phases.
    pub fn coefficients(&self) -> &Var {
        &self.coefficients
    }

    /// The fixed phases, real `[count]`, of [`Learn::Magnitude`].
    pub fn phases(&self) -> Option<&Var> {
        self.phases.as_ref()
    }

    /// `U32 [count, 2]`.
    pub fn positions(&self) -> &Var {
        &self.positions
    }

    /// `[out]`.
    pub fn bias(&self) -> Option<&Var> {
        self.bias.as_ref()
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// By what the parameters are multiplied to be coefficients of `W`.
    pub fn gain(&self) -> f64 {
        self.gain
    }

    /// The matrix as it is now, with `F32` values, for saving and for inference.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a coefficient is not finite; memory and device errors.
    pub fn matrix(&self) -> Result<SparseSpectralMatrix> {
        let prepared = self.prepared()?;
        let values = self.coefficients_of(&prepared)?.value().to_dtype(DType::C64)?.to_vec::<Complex32>()?;
        let positions = self.positions.value().to_vec::<u32>()?;
        let coefficients: Vec<_> =
            positions.chunks_exact(2).zip(values).map(|(p, c)| (p[0] as usize, p[1] as usize, c)).collect();
        let device = self.coefficients.device();
        SparseSpectralMatrix::from_coefficients(&device, self.shape, &coefficients, ValueFormat::F32)
    }

    /// The coefficients of `W`, complex `[count]`.
    fn coefficients_of(&self, prepared: &Prepared) -> Result<Var> {
        match &prepared.turns {
            None => self.coefficients.scale(self.gain),
            Some(turns) => self.coefficients.scale(self.gain)?.to_dtype(turns.dtype())?.mul(turns),
        }
    }

    fn prepared(&self) -> Result<Prepared> {
        let buffers: Vec<Tensor> =
            std::iter::once(&self.positions).chain(&self.phases).map(Var::value).collect();
        // A tensor that is kept here is not written to, so the same memory has the same content.
        let same =
            |(a, b): (&Tensor, &Tensor)| std::ptr::eq(a.buffer(), b.buffer()) && a.layout() == b.layout();
        let mut prepared = lock(&self.prepared);
        if let Some(prepared) = &*prepared
            && prepared.buffers.iter().zip(&buffers).all(same)
        {
            return Ok(prepared.clone());
        }
        let device = self.positions.device();
        let positions: Vec<[u32; 2]> =
            buffers[0].to_vec::<u32>()?.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
        let positions = SparsePositions::new(&device, self.shape, &positions)?;
        let turns = match buffers.get(1) {
            None => None,
            Some(phases) => {
                let unit = Tensor::full(&device, phases.shape(), phases.dtype(), 1.0)?;
                Some(Var::constant(unit.binary(fft_core::BinaryOp::Polar, phases)?))
            }
        };
        Ok(prepared.insert(Prepared { buffers, positions, turns }).clone())
    }
}

impl Layer for SpectralLinear {
    fn forward(&self, x: &Var) -> Result<Var> {
        expect_dtype(OP, &self.path, x, self.coefficients.dtype().to_real())?;
        expect_last(OP, &self.path, x, self.shape[1])?;
        let prepared = self.prepared()?;
        let y = self.coefficients_of(&prepared)?.sparse_spectral(&prepared.positions, x)?;
        match &self.bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }
}

/// Numbers of standard deviation 1 in `count` coefficients, in both parts or in factors of phases, make elements of variance `(gain / MN)^2 count E|c|^2 / 2`.
fn gain([m, n]: [usize; 2], count: usize, learn: Learn) -> f64 {
    let numbers = match learn {
        Learn::MagnitudeAndPhase => 2.0,
        Learn::Magnitude => 1.0,
    };
    m as f64 * n as f64 / (0.5 * numbers * count as f64).sqrt()
}

fn half_plane(scope: &Scope, inputs: usize, outputs: usize) -> Result<HalfSpectrum> {
    if inputs == 0 || outputs == 0 {
        let reason = format!("layer {} needs inputs and outputs", scope.path());
        return Err(Error::invalid(OP, "shape", [outputs, inputs], reason));
    }
    HalfSpectrum::new(OP, &[outputs, inputs])
}
