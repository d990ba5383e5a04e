//! Fourier transforms of tensors, named and normalised as in `numpy.fft`.

use crate::axes::fft_specs;
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
        self.complex_transform("fft", Direction::Forward, &[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Inverse of [`fft`](Self::fft).
    ///
    /// # Errors
    /// As [`fft`](Self::fft).
    pub fn ifft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.complex_transform(
            "ifft",
            Direction::Inverse,
            &[axis],
            n.as_ref().map(std::slice::from_ref),
            norm,
        )
    }

    /// Half spectrum (`n / 2 + 1` bins) of a real tensor along `axis`.
    ///
    /// # Errors
    /// As [`fft`](Self::fft); the tensor must be `F32` or `F64`.
    pub fn rfft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.real_forward("rfft", &[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Inverse of [`rfft`](Self::rfft): `n` real values from a half spectrum (default `n`: `2 (bins - 1)`; for a single
    /// bin that is 0, which is an error: one point must be said).
    ///
    /// `bins` bins are those of `2 bins - 2` or of `2 bins - 1` points. Any other `n` crops the spectrum or pads it with zeros, as
    /// in NumPy, except for the two lengths beside these: `n = 2 bins` would lack its middle bin and `n = 2 bins - 3` has none, so
    /// that an `n` that is off by one, even for odd or odd for even, is an error rather than another signal. Whoever means
    /// it [`resize`](Self::resize)s the spectrum first.
    ///
    /// # Errors
    /// As [`fft`](Self::fft), and [`Error::InvalidArgument`] for such an `n`; the tensor must be `C64` or `C128`.
    pub fn irfft(&self, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.real_inverse("irfft", &[axis], n.as_ref().map(std::slice::from_ref), norm)
    }

    /// Transform along several axes; `n` has one length an axis.
    ///
    /// # Errors
    /// As [`fft`](Self::fft), and [`Error::InvalidArgument`] when an axis is repeated.
    pub fn fftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.complex_transform("fftn", Direction::Forward, axes, n, norm)
    }

    /// Inverse of [`fftn`](Self::fftn).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn ifftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.complex_transform("ifftn", Direction::Inverse, axes, n, norm)
    }

    /// Transform of a real tensor along several axes; the last of `axes` keeps only the half spectrum.
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn); the tensor must be `F32` or `F64`.
    pub fn rfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.real_forward("rfftn", axes, n, norm)
    }

    /// Inverse of [`rfftn`](Self::rfftn).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn); the tensor must be `C64` or `C128`.
    pub fn irfftn(&self, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.real_inverse("irfftn", axes, n, norm)
    }

    /// [`fftn`](Self::fftn) along two axes, which are always named: NumPy takes the last two where they are not.
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn fft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.complex_transform(
            "fft2",
            Direction::Forward,
            &axes,
            n.as_ref().map(<[usize; 2]>::as_slice),
            norm,
        )
    }

    /// Inverse of [`fft2`](Self::fft2).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn ifft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.complex_transform(
            "ifft2",
            Direction::Inverse,
            &axes,
            n.as_ref().map(<[usize; 2]>::as_slice),
            norm,
        )
    }

    /// [`rfftn`](Self::rfftn) along two axes.
    ///
    /// # Errors
    /// As [`rfftn`](Self::rfftn).
    pub fn rfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.real_forward("rfft2", &axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
    }

    /// Inverse of [`rfft2`](Self::rfft2).
    ///
    /// # Errors
    /// As [`irfftn`](Self::irfftn).
    pub fn irfft2(&self, axes: [usize; 2], n: Option<[usize; 2]>, norm: Norm) -> Result<Self> {
        self.real_inverse("irfft2", &axes, n.as_ref().map(<[usize; 2]>::as_slice), norm)
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
        let specs = fft_specs(op, FftKind::R2C, Direction::Forward, self.shape(), axes, n, norm)?;
        self.device().fft_nd(&specs, self)
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
        let specs = fft_specs(op, FftKind::C2R, Direction::Inverse, self.shape(), axes, n, norm)?;
        self.device().fft_nd(&specs, self)
    }

    /// A complex transform under the name of `op`; real numbers are taken as complex.
    fn complex_transform(
        &self,
        op: &'static str,
        direction: Direction,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        let x = match self.dtype() {
            DType::C64 | DType::C128 => self.clone(),
            d @ (DType::F32 | DType::F64) => self.to_dtype(d.to_complex())?,
            lhs => return Err(Error::DTypeMismatch { op, lhs, rhs: DType::C64 }),
        };
        let specs = fft_specs(op, FftKind::C2C, direction, x.shape(), axes, n, norm)?;
        if specs.is_empty() { Ok(x) } else { x.device().fft_nd(&specs, &x) }
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
