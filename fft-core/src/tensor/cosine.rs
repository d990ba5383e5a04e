//! Cosine and sine transforms of tensors, named and normalised as in `scipy.fft`.

use crate::axes::{expect_addressable, expect_axes, expect_one_each};
use crate::{DType, DctSpec, DctType, Dims, Direction, Error, Norm, Result, Tensor, Wave};

impl Tensor {
    /// Discrete cosine transform of a [type](DctType) along `axis`. `n` crops or zero-pads the axis first (default: its
    /// length). [`Norm::Ortho`] makes the matrix orthogonal, which also weighs the first and last terms, as
    /// SciPy does by default ([`DctSpec::orthogonal`]). Of complex numbers both parts are transformed.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an axis that does not exist, `n = 0`, or `n = 1` with type I; [`Error::DTypeMismatch`] when
    /// not `F32`, `F64`, `C64` or `C128`.
    pub fn dct(&self, kind: DctType, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.trigonometric(
            "dct",
            Wave::Cosine,
            kind,
            Direction::Forward,
            &[axis],
            n.as_ref().map(std::slice::from_ref),
            norm,
        )
    }

    /// Inverse of [`dct`](Self::dct) of the same type and norm.
    ///
    /// # Errors
    /// As [`dct`](Self::dct).
    pub fn idct(&self, kind: DctType, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.trigonometric(
            "idct",
            Wave::Cosine,
            kind,
            Direction::Inverse,
            &[axis],
            n.as_ref().map(std::slice::from_ref),
            norm,
        )
    }

    /// Discrete sine transform of a [type](DctType) along `axis`; see [`dct`](Self::dct).
    ///
    /// # Errors
    /// As [`dct`](Self::dct); type I takes one point.
    pub fn dst(&self, kind: DctType, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.trigonometric(
            "dst",
            Wave::Sine,
            kind,
            Direction::Forward,
            &[axis],
            n.as_ref().map(std::slice::from_ref),
            norm,
        )
    }

    /// Inverse of [`dst`](Self::dst) of the same type and norm.
    ///
    /// # Errors
    /// As [`dst`](Self::dst).
    pub fn idst(&self, kind: DctType, axis: usize, n: Option<usize>, norm: Norm) -> Result<Self> {
        self.trigonometric(
            "idst",
            Wave::Sine,
            kind,
            Direction::Inverse,
            &[axis],
            n.as_ref().map(std::slice::from_ref),
            norm,
        )
    }

    /// [`dct`](Self::dct) along several axes; `n` has one length an axis.
    ///
    /// # Errors
    /// As [`dct`](Self::dct), and [`Error::InvalidArgument`] when an axis is repeated.
    pub fn dctn(&self, kind: DctType, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.trigonometric("dctn", Wave::Cosine, kind, Direction::Forward, axes, n, norm)
    }

    /// Inverse of [`dctn`](Self::dctn).
    ///
    /// # Errors
    /// As [`dctn`](Self::dctn).
    pub fn idctn(&self, kind: DctType, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.trigonometric("idctn", Wave::Cosine, kind, Direction::Inverse, axes, n, norm)
    }

    /// [`dst`](Self::dst) along several axes; `n` has one length an axis.
    ///
    /// # Errors
    /// As [`dst`](Self::dst), and [`Error::InvalidArgument`] when an axis is repeated.
    pub fn dstn(&self, kind: DctType, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.trigonometric("dstn", Wave::Sine, kind, Direction::Forward, axes, n, norm)
    }

    /// Inverse of [`dstn`](Self::dstn).
    ///
    /// # Errors
    /// As [`dstn`](Self::dstn).
    pub fn idstn(&self, kind: DctType, axes: &[usize], n: Option<&[usize]>, norm: Norm) -> Result<Self> {
        self.trigonometric("idstn", Wave::Sine, kind, Direction::Inverse, axes, n, norm)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the arguments of eight public methods and what tells them apart"
    )]
    fn trigonometric(
        &self,
        op: &'static str,
        wave: Wave,
        kind: DctType,
        direction: Direction,
        axes: &[usize],
        n: Option<&[usize]>,
        norm: Norm,
    ) -> Result<Self> {
        match self.dtype() {
            DType::F32 | DType::F64 => {}
            DType::C64 | DType::C128 => {
                let part = |x: Tensor| x.trigonometric(op, wave, kind, direction, axes, n, norm);
                return part(self.real()?)?.complex(&part(self.imag()?)?);
            }
            lhs => return Err(Error::DTypeMismatch { op, lhs, rhs: DType::F32 }),
        }
        expect_one_each(op, axes, n)?;
        expect_axes(op, self.rank(), axes)?;
        let lengths: Dims = match n {
            Some(n) => Dims::from_slice(n),
            None => axes.iter().map(|&axis| self.shape()[axis]).collect(),
        };
        let least = if (wave, kind) == (Wave::Cosine, DctType::I) { 2 } else { 1 };
        if let Some(points) = lengths.iter().find(|&&points| points < least) {
            let reason = format!("type {kind:?} needs at least {least} points");
            return Err(Error::invalid(op, "n", points, reason));
        }
        expect_addressable(op, "n", self.shape(), axes, &lengths)?;
        let kind = if direction == Direction::Forward { kind } else { kind.inverse() };
        let mut out = self.clone();
        for (&axis, &points) in axes.iter().zip(&lengths) {
            out = out.resize(axis, points)?;
            let period = DctSpec::period(wave, kind, points);
            let orthogonal = norm == Norm::Ortho;
            let spec = DctSpec { wave, kind, axis, scale: norm.scale(direction, period), orthogonal };
            out = out.dct_primitive(spec)?;
        }
        Ok(out)
    }

    /// One cosine or sine transform along one axis as the backend does it. For compositions and backends.
    ///
    /// # Errors
    /// As [`dct`](Self::dct); the tensor must be `F32` or `F64`.
    pub fn dct_primitive(&self, spec: DctSpec) -> Result<Self> {
        const OP: &str = "dct";
        if !matches!(self.dtype(), DType::F32 | DType::F64) {
            return Err(Error::DTypeMismatch { op: OP, lhs: self.dtype(), rhs: DType::F32 });
        }
        self.expect_axis(OP, spec.axis)?;
        let n = self.shape()[spec.axis];
        if DctSpec::period(spec.wave, spec.kind, n) == 0 || n == 0 {
            return Err(Error::invalid(OP, "n", n, format!("has too few points for type {:?}", spec.kind)));
        }
        if self.is_empty() {
            return Ok(self.clone());
        }
        self.device().dct(self, spec)
    }
}
