//! Fourier transforms of tensors, named and normalised as in `numpy.fft`.

use crate::layout::broadcast_shapes;
use crate::{DType, Dims, Direction, Error, FftKind, FftSpec, Norm, Result, Tensor};

impl Tensor {
    /// Discrete Fourier transform along `axis`; a real tensor is taken as complex. `n` crops or zero-pads the axis first
    /// (default: its length).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis that does not exist or `n = 0`; [`Error::DTypeMismatch`] when not `F32`,
    /// `F64`, `C64` or `C128`.
    pub fn fft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.fftn(&[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Inverse of [`fft`](Self::fft).
    ///
    /// # Errors
    /// As [`fft`](Self::fft).
    pub fn ifft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.ifftn(&[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Half spectrum (`n / 2 + 1` bins) of a real tensor along `axis`.
    ///
    /// # Errors
    /// As [`fft`](Self::fft); the tensor must be `F32` or `F64`.
    pub fn rfft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.rfftn(&[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Inverse of [`rfft`](Self::rfft): `n` real values from a half spectrum (default `n`: `2 (bins - 1)`).
    ///
    /// `bins` bins are those of `2 bins - 2` or of `2 bins - 1` points. Any other `n` crops the spectrum or pads it with zeros, as
    /// in NumPy, except for the two lengths beside these: `n = 2 bins` would lack its middle bin and `n = 2 bins - 3` has none, so
    /// that an `n` that is off by one, even for odd or odd for even, is an error rather than another signal. Whoever means
    /// it [`resize`](Self::resize)s the spectrum first.
    ///
    /// # Errors
    /// As [`fft`](Self::fft), and [`Error::InvalidArgument`] for such an `n`; the tensor must be `C64` or `C128`.
    pub fn irfft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.irfftn(&[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Transform along several axes; `n` has one length an axis.
    ///
    /// # Errors
    /// As [`fft`](Self::fft), and [`Error::InvalidArgument`] when an axis is repeated.
    pub fn fftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        const OP: &str = "fft";
        self.complex_input(OP)?.transform(OP, FftKind::C2C, Direction::Forward, axes, n, norm)
    }

    /// Inverse of [`fftn`](Self::fftn).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn ifftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        const OP: &str = "ifft";
        self.complex_input(OP)?.transform(OP, FftKind::C2C, Direction::Inverse, axes, n, norm)
    }

    /// Transform of a real tensor along several axes; the last of `axes` keeps only the half spectrum.
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn); the tensor must be `F32` or `F64`.
    pub fn rfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.real_forward("rfft", axes, n, norm)
    }

    /// Inverse of [`rfftn`](Self::rfftn).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn); the tensor must be `C64` or `C128`.
    pub fn irfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.real_inverse("irfft", axes, n, norm)
    }

    /// [`fftn`](Self::fftn) along two axes, which are always named: NumPy takes the last two where they are not.
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn fft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.fftn(&axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// Inverse of [`fft2`](Self::fft2).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn ifft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.ifftn(&axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// [`rfftn`](Self::rfftn) along two axes.
    ///
    /// # Errors
    /// As [`rfftn`](Self::rfftn).
    pub fn rfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.rfftn(&axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// Inverse of [`rfft2`](Self::rfft2).
    ///
    /// # Errors
    /// As [`irfftn`](Self::irfftn).
    pub fn irfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.irfftn(&axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// Circular convolution along the last axis by the convolution theorem:
    /// `y[.., t] = sum_s kernel[.., s] self[.., (t - s) mod n]`. Both are `F32` or both `F64`, with the same length along
    /// the last axis; leading axes broadcast.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; [`Error::InvalidArgument`] when the last axis is empty.
    pub fn spectral_conv(&self, kernel: &Tensor) -> Result<Self> {
        const OP: &str = "spectral_conv";
        self.same_device(OP, kernel)?;
        if !matches!(self.dtype(), DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: DType::F32 });
        }
        kernel.expect_dtype(OP, self.dtype())?;
        let (Some(&n), Some(&taps)) = (self.shape().last(), kernel.shape().last()) else {
            return Err(Error::shapes(OP, self.shape(), kernel.shape(), "at least one axis is needed"));
        };
        if n != taps {
            return Err(Error::shapes(OP, self.shape(), kernel.shape(), "the last axes must be equal"));
        }
        if n == 0 {
            return Err(Error::invalid(OP, "n", n, "a transform needs at least one point"));
        }
        broadcast_shapes(OP, self.shape(), kernel.shape())?;
        self.device().spectral_conv(self, kernel)
    }

    /// A half spectrum of real input under the name of `op`.
    pub(super) fn real_forward(
        &self,
        op: &'static str,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        if !matches!(self.dtype(), DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op, lhs: self.dtype(), rhs: DType::F32 });
        }
        self.transform(op, FftKind::R2C, Direction::Forward, axes, n, norm)
    }

    /// Real values from a half spectrum under the name of `op`.
    pub(super) fn real_inverse(
        &self,
        op: &'static str,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        if !self.dtype().is_complex() {
            return Err(Error::DTypeMismatch { op, lhs: self.dtype(), rhs: DType::C64 });
        }
        self.transform(op, FftKind::C2R, Direction::Inverse, axes, n, norm)
    }

    fn complex_input(&self, op: &'static str) -> Result<Self> {
        match self.dtype() {
            DType::C64 | DType::C128 => Ok(self.clone()),
            d @ (DType::F32 | DType::F64) => self.to_dtype(d.to_complex()),
            lhs => Err(Error::DTypeMismatch { op, lhs, rhs: DType::C64 }),
        }
    }

    fn transform(
        &self,
        op: &'static str,
        kind: FftKind,
        direction: Direction,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        if let Some(n) = n.filter(|n| n.len() != axes.len()) {
            return Err(Error::invalid(op, "n", n, format!("one length for each of {} axes", axes.len())));
        }
        if axes.is_empty() {
            if kind == FftKind::C2C {
                return Ok(self.clone());
            }
            return Err(Error::invalid(op, "axes", axes, "at least one axis is needed"));
        }
        let mut specs: smallvec::SmallVec<[FftSpec; 8]> = smallvec::SmallVec::new();
        for (i, &axis) in axes.iter().enumerate() {
            self.expect_axis(op, axis)?;
            if axes[..i].contains(&axis) {
                return Err(Error::invalid(op, "axes", axes, "an axis is repeated"));
            }
            let half = kind == FftKind::C2R && i + 1 == axes.len();
            let own = self.shape()[axis];
            let points = n.map_or(if half { 2 * own.saturating_sub(1) } else { own }, |n| n[i]);
            if points == 0 {
                return Err(Error::invalid(op, "n", points, "a transform needs at least one point"));
            }
            if half {
                expect_parity(op, own, points)?;
            }
            let last = i + 1 == axes.len();
            let kind = if last { kind } else { FftKind::C2C };
            specs.push(FftSpec { kind, direction, axis, n: points, scale: norm.scale(direction, points) });
        }
        self.device().fft_nd(&specs, self)
    }

    /// One transform along one axis, by the backend's primitive. For compositions and backends.
    ///
    /// # Errors
    /// As [`fft`](Self::fft).
    pub fn fft_primitive(&self, spec: FftSpec) -> Result<Self> {
        const OP: &str = "fft";
        self.expect_axis(OP, spec.axis)?;
        if spec.n == 0 {
            return Err(Error::invalid(OP, "n", spec.n, "a transform needs at least one point"));
        }
        let d = self.dtype();
        let (fits, dtype) = match spec.kind {
            FftKind::C2C => (d.is_complex(), d),
            FftKind::R2C => (matches!(d, DType::F32 | DType::F64), d.to_complex()),
            FftKind::C2R => (d.is_complex(), d.to_real()),
        };
        let forced = match spec.kind {
            FftKind::C2C => true,
            FftKind::R2C => spec.direction == Direction::Forward,
            FftKind::C2R => spec.direction == Direction::Inverse,
        };
        if !fits {
            let rhs = if spec.kind == FftKind::R2C { DType::F32 } else { DType::C64 };
            return Err(Error::DTypeMismatch { op: OP, lhs: d, rhs });
        }
        if !forced {
            return Err(Error::invalid(OP, "direction", spec.direction, "R2C is forward, C2R is inverse"));
        }
        let mut shape = Dims::from_slice(self.shape());
        shape[spec.axis] = if spec.kind == FftKind::R2C { spec.n / 2 + 1 } else { spec.n };
        if self.shape()[spec.axis] == 0 {
            return Tensor::zeros(self.device(), &shape, dtype);
        }
        Tensor::build(self.device(), OP, &shape, dtype, |dst| self.device().fft(spec, self.view(), dst))
    }
}

/// Refuses a number of points that is one off those to which a half spectrum of `bins` bins belongs.
fn expect_parity(op: &'static str, bins: usize, n: usize) -> Result<()> {
    let twice = bins.saturating_mul(2);
    if bins == 0 || (n != twice && n.saturating_add(3) != twice) {
        return Ok(());
    }
    let (even, odd) = (twice - 2, twice - 1);
    let kind = if n.is_multiple_of(2) {
        "an even length has a middle bin more"
    } else {
        "an odd length has no middle bin"
    };
    let reason =
        format!("{bins} bins belong to {even} or {odd} points, and {kind}; resize the spectrum to mean that");
    Err(Error::invalid(op, "n", n, reason))
}
