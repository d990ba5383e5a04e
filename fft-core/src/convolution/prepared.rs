//! A convolution whose kernel stays while inputs come and go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::recent::Recent;
use super::{ConvExplanation, ConvGeometry, ConvMethod, ConvPlan, ConvSpec, ConvWay, PaddingMode};
use crate::tensor::convolution::{Prepared, check_operands, computed_in};
use crate::{DType, Dims, Error, Result, Tensor};

const OP: &str = "conv";

/// Spectra kept: one for each length of tiles, and inputs of many shapes share a length.
const SPECTRA: usize = 4;

/// Input shapes whose way is kept.
const WAYS: usize = 64;

/// What a [`Conv`] keeps, and how often it made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConvStats {
    /// Spectra of the kernel computed so far.
    pub spectra_computed: usize,
    /// Spectra kept now, at most 4.
    pub spectra_kept: usize,
    /// Ways planned so far.
    pub ways_planned: usize,
    /// Input shapes whose way is kept now, at most 64.
    pub ways_kept: usize,
}

/// A convolution with a kernel that stays: the way is planned once for each input shape, and the kernel's spectrum computed once for
/// each length of tiles, so plans do not count its transforms. Threads may share it.
///
/// ```
/// # use fft_core::{Device, Result, Tensor};
/// use fft_core::convolution::{Conv, ConvSpec};
///
/// # fn example(x: &Tensor, weight: Tensor) -> Result<()> {
/// let conv = Conv::new(weight, None, ConvSpec::new(1).causal())?;
/// let y = conv.apply(x)?;
/// println!("{}", conv.explain(x.shape())?); // overlap-save, 17 tiles of 8192 points: 1.2 ms; direct: ...
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Conv {
    /// In the dtype that is computed in, row-major.
    weight: Tensor,
    bias: Option<Tensor>,
    dtype: DType,
    spec: ConvSpec,
    method: ConvMethod,
    spectra: Mutex<Recent<Dims, Tensor>>,
    ways: Mutex<Recent<Dims, ConvWay>>,
    spectra_computed: AtomicUsize,
    ways_planned: AtomicUsize,
}

impl Conv {
    /// The convolution with a `weight` of `[channels out, channels in / groups, taps..]` and a `bias` of `[channels out]`, both of the dtype of the
    /// inputs to come.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] for a `spec` that suits no input.
    pub fn new(weight: Tensor, bias: Option<Tensor>, spec: ConvSpec) -> Result<Self> {
        check_operands(OP, &weight, &weight, bias.as_ref(), weight.shape().first().copied())?;
        if weight.rank() != spec.axes() + 2 {
            let reason = format!("the weight needs 2 + {} axes", spec.axes());
            return Err(Error::shapes(OP, weight.shape(), &[], reason));
        }
        let dtype = weight.dtype();
        let ready = |t: Tensor| t.to_dtype(computed_in(dtype))?.contiguous();
        Ok(Self {
            weight: ready(weight)?,
            bias: bias.map(ready).transpose()?,
            dtype,
            spec,
            method: ConvMethod::Auto,
            spectra: Mutex::new(Recent::new(SPECTRA)),
            ways: Mutex::new(Recent::new(WAYS)),
            spectra_computed: AtomicUsize::new(0),
            ways_planned: AtomicUsize::new(0),
        })
    }

    /// The same by a method of the caller's choice.
    #[must_use]
    pub fn with_method(mut self, method: ConvMethod) -> Self {
        self.method = method;
        self.ways.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self
    }

    /// The weight, in the dtype that is computed in.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// What it does at its borders and between its taps.
    pub fn spec(&self) -> &ConvSpec {
        &self.spec
    }

    /// The convolution of `x`, `[batch, channels, length..]` or without the batch; see [`Tensor::conv`].
    ///
    /// # Errors
    /// As [`Tensor::conv`].
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.same_device(OP, &self.weight)?;
        x.expect_dtype(OP, self.dtype)?;
        let (x, batched) = x.batched(OP, self.spec.axes(), &self.weight)?;
        let prepared = Prepared::new(OP, &x, self.weight.shape(), &self.spec)?;
        let y = if prepared.geometry.batch == 0 {
            Tensor::zeros(x.device(), &prepared.geometry.output_shape(), self.dtype)?
        } else {
            let way = self.way(&prepared)?;
            let spectrum = |tile: &[usize]| self.spectrum(&prepared, tile);
            prepared.run(&way, &self.weight, self.bias.as_ref(), spectrum)?.to_dtype(self.dtype)?
        };
        if batched { Ok(y) } else { y.squeeze(0) }
    }

    fn way(&self, prepared: &Prepared) -> Result<ConvWay> {
        let shape = Dims::from_slice(prepared.x.shape());
        if let Some(way) = self.ways.lock().unwrap_or_else(PoisonError::into_inner).get(&shape) {
            return Ok(way);
        }
        let costs = self.weight.device().conv_costs();
        let way = self.method.way(OP, &prepared.geometry, self.weight.dtype(), &costs, true)?;
        self.ways_planned.fetch_add(1, Ordering::Relaxed);
        self.ways.lock().unwrap_or_else(PoisonError::into_inner).put(shape, way.clone());
        Ok(way)
    }

    fn spectrum(&self, prepared: &Prepared, tile: &[usize]) -> Result<Tensor> {
        let tile = Dims::from_slice(tile);
        if let Some(spectrum) = self.spectra.lock().unwrap_or_else(PoisonError::into_inner).get(&tile) {
            return Ok(spectrum);
        }
        // Not under the lock: the device's threads may come here again while they wait. Two threads may both compute it.
        let spectrum = self.weight.device().conv_spectrum(&self.weight, &prepared.geometry, &tile)?;
        self.spectra_computed.fetch_add(1, Ordering::Relaxed);
        self.spectra.lock().unwrap_or_else(PoisonError::into_inner).put(tile, spectrum.clone());
        Ok(spectrum)
    }

    /// The plan for inputs of `shape`, `[batch, channels, length..]` or without the batch, whatever method is set.
    ///
    /// # Errors
    /// As [`apply`](Self::apply) with such an input.
    pub fn plan(&self, shape: &[usize]) -> Result<ConvPlan> {
        let mut shape = Dims::from_slice(shape);
        if shape.len() == self.spec.axes() + 1 {
            shape.insert(0, 1);
        }
        let mut geometry = ConvGeometry::new(OP, &shape, self.weight.shape(), &self.spec)?;
        if self.spec.mode != PaddingMode::Zeros {
            geometry = geometry.padded_before();
        }
        let costs = self.weight.device().conv_costs();
        Ok(ConvPlan::new(&geometry, self.weight.dtype(), &costs, true))
    }

    /// What [`apply`](Self::apply) with the automatic method does with inputs of `shape`, and the predicted time of each way. A method that was set does
    /// not count.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn explain(&self, shape: &[usize]) -> Result<ConvExplanation> {
        Ok(self.plan(shape)?.explain())
    }

    /// What is kept, and how often it was made.
    pub fn stats(&self) -> ConvStats {
        ConvStats {
            spectra_computed: self.spectra_computed.load(Ordering::Relaxed),
            spectra_kept: self.spectra.lock().unwrap_or_else(PoisonError::into_inner).len(),
            ways_planned: self.ways_planned.load(Ordering::Relaxed),
            ways_kept: self.ways.lock().unwrap_or_else(PoisonError::into_inner).len(),
        }
    }
}
