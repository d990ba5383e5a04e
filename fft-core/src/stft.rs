//! Options of the short-time Fourier transform.

use crate::axes::expect_addressable;
use crate::window::Window;
use crate::{DType, Device, Error, Result, Tensor, window};

/// How a signal is cut into frames, and what their spectra are scaled by. Shared by [`Tensor::stft`] and [`Tensor::istft`], which are
/// each other's inverse for equal options.
///
/// ```
/// use fft_core::stft::{Centre, StftOptions};
///
/// let speech = StftOptions { hop: 160, window_len: 400, ..StftOptions::new(512) };
/// assert_eq!(speech.centre, Centre::Reflect);
/// ```
#[derive(Debug, Clone)]
pub struct StftOptions {
    /// Points of each transform.
    pub n_fft: usize,
    /// Samples from frame to frame, at least 1 and at most `window_len`.
    pub hop: usize,
    /// Points of the window, at most `n_fft`; a shorter one lies in the middle of its frame.
    pub window_len: usize,
    /// The weights.
    pub window: StftWindow,
    /// Whether frame `t` has its middle at sample `t * hop`, and what the signal continues with so that the first one can.
    pub centre: Centre,
    /// Whether only the `n_fft / 2 + 1` bins of the half spectrum are there; always possible for real signals, never for
    /// complex ones.
    pub onesided: bool,
    /// A factor on the spectra.
    pub scaling: StftScaling,
}

impl StftOptions {
    /// Frames of `n_fft` points every `n_fft / 4` under a periodic Hann window, centred with reflection, half spectra
    /// without a factor: the defaults of `torch.stft`, which has no default window.
    pub fn new(n_fft: usize) -> Self {
        Self {
            n_fft,
            hop: (n_fft / 4).max(1),
            window_len: n_fft,
            window: StftWindow::Named(Window::Hann),
            centre: Centre::Reflect,
            onesided: true,
            scaling: StftScaling::None,
        }
    }
}

/// The weights of frames.
#[derive(Debug, Clone)]
pub enum StftWindow {
    /// A window by name, periodic.
    Named(Window),
    /// Real weights along one axis, `window_len` of them, of the signal's precision.
    Values(Tensor),
}

/// Where frames lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Centre {
    /// Frame `t` starts at sample `t * hop`.
    No,
    /// Frame `t` has its middle there; before its first and after its last sample the signal goes on as its mirror image. It must be longer
    /// than `n_fft / 2`.
    Reflect,
    /// Frame `t` has its middle there; the signal goes on with zeros.
    Zeros,
}

/// The factor on spectra; inverse transforms divide by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StftScaling {
    /// 1.
    None,
    /// `1 / sqrt(n_fft)`: `normalized=True` of `torch.stft`.
    Ortho,
    /// `1 / sum w`: a tone of amplitude 1 has a bin of 1/2. `scaling="spectrum"` of `scipy.signal.stft`.
    Spectrum,
    /// `1 / sqrt(rate * sum w^2)`: squares are a power density. `scaling="psd"` of `scipy.signal.stft`.
    Density {
        /// Samples per unit of time, above 0.
        rate: f64,
    },
}

/// The checked parts of options.
pub(crate) struct Framing {
    /// The weights of all `n_fft` points.
    pub(crate) weights: Vec<f64>,
    /// The factor on spectra.
    pub(crate) scale: f64,
}

impl StftOptions {
    /// Refuses numbers that do not fit each other.
    pub(crate) fn check(&self, op: &'static str) -> Result<()> {
        let Self { n_fft, hop, window_len, .. } = *self;
        if n_fft == 0 {
            return Err(Error::invalid(op, "n_fft", n_fft, "a transform needs at least one point"));
        }
        expect_addressable(op, "n_fft", &[n_fft], &[0], &[n_fft])?;
        if window_len == 0 || window_len > n_fft {
            let reason = format!("must be from 1 to n_fft = {n_fft}");
            return Err(Error::invalid(op, "window_len", window_len, reason));
        }
        if hop == 0 || hop > window_len {
            let reason = format!("must be from 1 to the window's length {window_len}");
            return Err(Error::invalid(op, "hop", hop, reason));
        }
        Ok(())
    }

    /// Samples of a frame before the first of the signal, and after the last.
    pub(crate) fn pad(&self) -> usize {
        if self.centre == Centre::No { 0 } else { self.n_fft / 2 }
    }

    /// Weights and factor of checked options, for a signal on `device` with parts of type `real`.
    pub(crate) fn framing(&self, op: &'static str, device: &Device, real: DType) -> Result<Framing> {
        let Self { n_fft, window_len, .. } = *self;
        let window = match &self.window {
            StftWindow::Named(window) => window.values_for(op, window_len, true)?,
            StftWindow::Values(values) => self.own_weights(op, device, real, values)?,
        };
        let squares: f64 = window.iter().map(|w| w * w).sum();
        let scale = match self.scaling {
            StftScaling::None => 1.0,
            StftScaling::Ortho => (n_fft as f64).sqrt().recip(),
            StftScaling::Spectrum => window.iter().sum::<f64>().recip(),
            StftScaling::Density { rate } if rate > 0.0 && rate.is_finite() => {
                (rate * squares).sqrt().recip()
            }
            StftScaling::Density { rate } => {
                return Err(Error::invalid(op, "rate", rate, "must be finite and above 0"));
            }
        };
        if !scale.is_finite() {
            let reason = "the window's weights do not allow it";
            return Err(Error::invalid(op, "scaling", self.scaling, reason));
        }
        let mut weights = Vec::new();
        let memory = |_| Error::invalid(op, "n_fft", n_fft, "has more points than memory holds");
        weights.try_reserve_exact(n_fft).map_err(memory)?;
        weights.resize((n_fft - window_len) / 2, 0.0);
        weights.extend_from_slice(&window);
        weights.resize(n_fft, 0.0);
        Ok(Framing { weights, scale })
    }

    fn own_weights(
        &self,
        op: &'static str,
        device: &Device,
        real: DType,
        values: &Tensor,
    ) -> Result<Vec<f64>> {
        if values.device() != device {
            let (lhs, rhs) = (device.info().id.clone(), values.device().info().id.clone());
            return Err(Error::DeviceMismatch { op, lhs, rhs });
        }
        values.expect_dtype(op, real)?;
        if values.shape() != [self.window_len] {
            let reason = "the window has one axis of window_len weights";
            return Err(Error::shapes(op, values.shape(), &[self.window_len], reason));
        }
        if real == DType::F64 {
            return values.to_vec();
        }
        Ok(values.to_vec::<f32>()?.into_iter().map(f64::from).collect())
    }
}

impl Framing {
    /// The weights as a tensor.
    pub(crate) fn window(&self, device: &Device, dtype: DType) -> Result<Tensor> {
        window::weights(device, &self.weights, dtype)
    }

    /// The sum of the squared weights of `frames` frames at each sample that they cover.
    pub(crate) fn envelope(&self, hop: usize, frames: usize) -> Result<Vec<f64>> {
        let squares: Vec<f64> = self.weights.iter().map(|w| w * w).collect();
        let blocks = squares.len().div_ceil(hop);
        // Stretches of `hop` samples: stretch b of the signal takes part j of frame b - j.
        let stretch = |b: usize| -> Vec<f64> {
            let mut sum = vec![0.0; hop];
            for j in (0..blocks).filter(|&j| j <= b && b - j < frames) {
                sum.iter_mut().zip(&squares[j * hop..]).for_each(|(sum, w)| *sum += w);
            }
            sum
        };
        let whole = stretch_range(blocks, frames).map(|at| stretch(at.start)).unwrap_or_default();
        let mut out = Vec::new();
        let samples = (frames + blocks - 1) * hop;
        out.try_reserve_exact(samples).map_err(|_| Error::OutOfMemory {
            device: "host".to_owned(),
            requested: samples.saturating_mul(size_of::<f64>()),
        })?;
        for b in 0..frames + blocks - 1 {
            match stretch_range(blocks, frames) {
                Some(same) if same.contains(&b) => out.extend_from_slice(&whole),
                _ => out.extend(stretch(b)),
            }
        }
        out.truncate(squares.len() + hop * (frames - 1));
        Ok(out)
    }
}

/// The stretches that every part of a frame reaches: their sums are equal.
fn stretch_range(blocks: usize, frames: usize) -> Option<std::ops::Range<usize>> {
    (frames >= blocks).then_some(blocks - 1..frames)
}
