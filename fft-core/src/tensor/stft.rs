//! The short-time Fourier transform and its inverse.

use crate::stft::{Centre, StftOptions};
use crate::{DType, Dims, Direction, Error, FftKind, FftSpec, Layout, Result, Tensor, window};

impl Tensor {
    /// Spectra of overlapping frames of a signal along its last axis: `[.., samples]` becomes `[.., bins, frames]`, as with
    /// `torch.stft`. Bin `k` of frame `t` is `scale * sum_j w[j] x[t hop + j] exp(-2 pi i j k / n_fft)`, where `x` begins `n_fft / 2`
    /// samples before the signal when frames are centred. There are `1 + (samples - n_fft) / hop` frames, counted with those
    /// samples; what does not fill a frame is left out.
    ///
    /// ```
    /// # fn spectrogram(x: &fft_core::Tensor) -> fft_core::Result<fft_core::Tensor> {
    /// use fft_core::stft::StftOptions;
    ///
    /// let power = x.stft(&StftOptions { hop: 160, ..StftOptions::new(400) })?.abs_squared()?;
    /// # Ok(power)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for `n_fft = 0`, a window of no or more than `n_fft` points, a hop of 0 or longer than the window, a signal shorter than
    /// a frame or than its reflection, half spectra of a complex signal; [`Error::DTypeMismatch`] when not `F32`, `F64`, `C64` or `C128`, and
    /// mismatches of the window's shape, dtype or device.
    pub fn stft(&self, options: &StftOptions) -> Result<Self> {
        const OP: &str = "stft";
        let (n_fft, hop) = (options.n_fft, options.hop);
        let complex = self.dtype().is_complex();
        if !complex && !matches!(self.dtype(), DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: DType::F32 });
        }
        let Some(axis) = self.rank().checked_sub(1) else {
            return Err(Error::shapes(OP, self.shape(), &[n_fft], "at least one axis is needed"));
        };
        if complex && options.onesided {
            let reason = "the spectrum of a complex signal has no symmetry";
            return Err(Error::invalid(OP, "onesided", true, reason));
        }
        options.check(OP)?;
        let (samples, pad, x) = (self.shape()[axis], options.pad(), self);
        let x = match options.centre {
            Centre::No => x.clone(),
            Centre::Zeros => x.padded(OP, axis, pad, pad)?,
            Centre::Reflect if pad >= samples => {
                let reason = format!("a reflection of {pad} samples needs a longer signal than {samples}");
                return Err(Error::invalid(OP, "n_fft", n_fft, reason));
            }
            Centre::Reflect => {
                let before = x.narrow(axis, 1, pad)?.step(axis, -1)?;
                let after = x.narrow(axis, samples - 1 - pad, pad)?.step(axis, -1)?;
                Tensor::cat(&[before, x.clone(), after], axis)?
            }
        };
        let Some(rest) = x.shape()[axis].checked_sub(n_fft) else {
            let reason = format!("a signal of {samples} samples does not fill a frame");
            return Err(Error::invalid(OP, "n_fft", n_fft, reason));
        };
        let framing = options.framing(OP, x.device(), x.dtype().to_real())?;
        let frames = x.frames(n_fft, hop, 1 + rest / hop)?.mul(&framing.window(x.device(), x.dtype())?)?;
        let kind = if options.onesided { FftKind::R2C } else { FftKind::C2C };
        let frames = if kind == FftKind::C2C { frames.to_dtype(x.dtype().to_complex())? } else { frames };
        let spec =
            FftSpec { kind, direction: Direction::Forward, axis: axis + 1, n: n_fft, scale: framing.scale };
        frames.fft_primitive(spec)?.transpose(axis, axis + 1)
    }

    /// The signal whose [`stft`](Self::stft) with the same options is `self`: `[.., bins, frames]` becomes `[.., samples]`; of spectra that are not
    /// those of any signal, the one whose spectra are nearest (Griffin and Lim 1984). Half spectra give a real signal, whole
    /// ones a complex one.
    ///
    /// By default the signal ends with the last frame (its middle, when centred); `length` says where it ends.
    ///
    /// # Errors
    /// The errors of [`stft`](Self::stft) about options; [`Error::ShapeMismatch`] when there are not as many bins as they say or no frame;
    /// [`Error::InvalidArgument`] naming the first sample to which all windows give no weight, so that it cannot be
    /// reconstructed, and for a `length` that the frames do not reach.
    pub fn istft(&self, options: &StftOptions, length: Option<usize>) -> Result<Self> {
        const OP: &str = "istft";
        let (n_fft, hop) = (options.n_fft, options.hop);
        if !self.dtype().is_complex() {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: DType::C64 });
        }
        let real = self.dtype().to_real();
        options.check(OP)?;
        let bins = if options.onesided { n_fft / 2 + 1 } else { n_fft };
        let (axis, count) = match *self.shape() {
            [.., have, count] if have == bins && count > 0 => (self.rank() - 2, count),
            _ => {
                return Err(Error::shapes(OP, self.shape(), &[bins, 1], "the last axes are bins and frames"));
            }
        };
        let total = (count - 1).checked_mul(hop).and_then(|last| last.checked_add(n_fft));
        let too_long = || Error::invalid(OP, "frames", count, "they have more samples than can be addressed");
        let total = total.filter(|&total| total <= isize::MAX as usize).ok_or_else(too_long)?;
        let framing = options.framing(OP, self.device(), real)?;
        let pad = options.pad();
        let len = length.unwrap_or_else(|| total.saturating_sub(2 * pad));
        if len > total - pad {
            let reason = format!("{count} frames reach {} samples", total - pad);
            return Err(Error::invalid(OP, "length", len, reason));
        }
        let (kind, dtype) = match options.onesided {
            true => (FftKind::C2R, real),
            false => (FftKind::C2C, self.dtype()),
        };
        let scale = 1.0 / (n_fft as f64 * framing.scale);
        let spec = FftSpec { kind, direction: Direction::Inverse, axis: axis + 1, n: n_fft, scale };
        let frames = self.transpose(axis, axis + 1)?.fft_primitive(spec)?;
        let sum = frames.mul(&framing.window(self.device(), dtype)?)?.overlap_add(hop)?;
        // After what the device has to hold, whose memory is counted.
        let envelope = framing.envelope(hop, count)?;
        let weights = &envelope[pad..pad + len];
        let largest = envelope.iter().copied().fold(0.0, f64::max);
        if let Some(at) = weights.iter().position(|w| w.is_nan() || *w <= 1e-11 * largest) {
            let reason =
                format!("with hop {hop} all windows are 0 at sample {at}, which cannot be reconstructed");
            return Err(Error::invalid(OP, "window", WindowName(options), reason));
        }
        sum.narrow(axis, pad, len)?.div(&window::weights(self.device(), weights, dtype)?)
    }

    /// `[.., samples]` seen as `[.., count, n]`: frame `t` begins at sample `t * hop`. No copy.
    pub(super) fn frames(&self, n: usize, hop: usize, count: usize) -> Result<Self> {
        let axis = self.rank() - 1;
        let mut shape = Dims::from_slice(&self.shape()[..axis]);
        shape.extend([count, n]);
        let step = self.layout().strides()[axis];
        let mut strides = self.layout().strides().to_vec();
        // Of a single frame the stride means nothing, and a long hop could overflow it.
        strides[axis] = if count > 1 { step * hop as isize } else { 0 };
        strides.push(step);
        Ok(self.with_layout(Layout::from_parts(&shape, &strides, self.layout().offset())?))
    }

    /// The sum of frames `[.., count, n]`, each `hop` samples after the one before: `[.., n + (count - 1) hop]`.
    fn overlap_add(&self, hop: usize) -> Result<Self> {
        let axis = self.rank() - 2;
        let (count, n) = (self.shape()[axis], self.shape()[axis + 1]);
        let parts = n.div_ceil(hop);
        let stretches = count + parts - 1;
        let mut shape = Dims::from_slice(self.shape());
        (shape[axis], shape[axis + 1]) = (stretches, hop);
        let mut sum = Tensor::zeros(self.device(), &shape, self.dtype())?;
        // Part j of frame t goes to stretch t + j.
        for j in 0..parts {
            let len = hop.min(n - j * hop);
            let part = self.narrow(axis + 1, j * hop, len)?.resize(axis + 1, hop)?;
            let part = sum.narrow(axis, j, count)?.add(&part)?;
            sum.assign(axis, j, &part)?;
        }
        shape.truncate(axis);
        shape.push(stretches * hop);
        sum.reshape(&shape)?.narrow(axis, 0, n + (count - 1) * hop)
    }
}

/// How a message calls the window.
struct WindowName<'a>(&'a StftOptions);

impl std::fmt::Debug for WindowName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.window {
            crate::stft::StftWindow::Named(window) => write!(f, "{window:?}")?,
            crate::stft::StftWindow::Values(_) => f.write_str("values")?,
        }
        write!(f, " of {} points", self.0.window_len)
    }
}
