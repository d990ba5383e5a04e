//! Convolution and correlation of sequences as in NumPy and SciPy. The convolutions of neural networks are another module's:
//! see [`crate::convolution`].

use crate::axes::expect_axes;
use crate::convolution::{ConvMethod, ConvSpec};
use crate::frequencies::next_fast_len;
use crate::layout::broadcast_shapes;
use crate::{DType, Dims, Error, Norm, Result, Tensor};

/// Which part of a convolution is returned, along each axis, of sequences of `n` and `m` elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConvolveMode {
    /// All `n + m - 1` sums, also those in which only parts of the sequences meet.
    Full,
    /// `max(n, m)` sums from the middle of the full ones, as in `numpy.convolve`; `scipy.signal` returns as many as the first
    /// sequence has.
    Same,
    /// The `max(n, m) - min(n, m) + 1` sums in which all of the shorter sequence takes part.
    Valid,
}

/// The kind of sum.
#[derive(Clone, Copy, PartialEq)]
enum Sums {
    Convolution,
    Correlation,
}

/// Up to so many elements of the shorter of two batches of sequences, or complex sequences, the sums are added up directly.
const SHORT: usize = 16;

impl Tensor {
    /// `y[k] = sum_j self[j] other[k - j]` along the last axis; leading axes broadcast. As `numpy.convolve`, but of batches.
    ///
    /// A single real line goes the way that the planner of convolutions chooses. Long sequences are multiplied as spectra, whose rounding errors are relative to the largest sums, and where an element that is not
    /// finite spreads over its line.
    ///
    /// ```
    /// # fn smooth(x: &fft_core::Tensor) -> fft_core::Result<fft_core::Tensor> {
    /// use fft_core::{ConvolveMode, Tensor};
    ///
    /// let kernel = Tensor::from_slice(x.device(), &[0.25f32, 0.5, 0.25], &[3])?;
    /// x.convolve(&kernel, ConvolveMode::Same)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a sequence is empty; [`Error::DTypeMismatch`] when one is not `F32`, `F64`, `C64` or `C128`, or their
    /// precisions differ (real with complex is complex); mismatches of shape or device.
    pub fn convolve(&self, other: &Tensor, mode: ConvolveMode) -> Result<Self> {
        self.one_axis("convolve", other, mode, Sums::Convolution)
    }

    /// `y[k] = sum_j self[j + k] conj(other[j])` along the last axis, `k` from `1 - m` when full; leading axes broadcast. As
    /// `numpy.correlate`, whose default mode is valid.
    ///
    /// # Errors
    /// As [`convolve`](Self::convolve).
    pub fn correlate(&self, other: &Tensor, mode: ConvolveMode) -> Result<Self> {
        self.one_axis("correlate", other, mode, Sums::Correlation)
    }

    /// [`convolve`](Self::convolve) along several axes of tensors of the same rank; the others broadcast.
    ///
    /// # Errors
    /// As [`convolve`](Self::convolve), and [`Error::InvalidArgument`] for axes that do not exist or are repeated, and in mode valid when
    /// neither tensor is at least as long along all of them.
    pub fn convolve_nd(&self, other: &Tensor, axes: &[usize], mode: ConvolveMode) -> Result<Self> {
        self.sums("convolve_nd", other, axes, mode, Sums::Convolution)
    }

    /// [`correlate`](Self::correlate) along several axes of tensors of the same rank; the others broadcast.
    ///
    /// # Errors
    /// As [`convolve_nd`](Self::convolve_nd).
    pub fn correlate_nd(&self, other: &Tensor, axes: &[usize], mode: ConvolveMode) -> Result<Self> {
        self.sums("correlate_nd", other, axes, mode, Sums::Correlation)
    }

    fn one_axis(&self, op: &'static str, other: &Tensor, mode: ConvolveMode, sums: Sums) -> Result<Self> {
        if self.rank() == 0 || other.rank() == 0 {
            return Err(Error::shapes(op, self.shape(), other.shape(), "at least one axis is needed"));
        }
        let rank = self.rank().max(other.rank());
        let lifted = |x: &Tensor| (x.rank()..rank).try_fold(x.clone(), |x, _| x.unsqueeze(0));
        lifted(self)?.sums(op, &lifted(other)?, &[rank - 1], mode, sums)
    }

    fn sums(
        &self,
        op: &'static str,
        other: &Tensor,
        axes: &[usize],
        mode: ConvolveMode,
        sums: Sums,
    ) -> Result<Self> {
        self.same_device(op, other)?;
        let (a, b) = (self.part_of(op, other)?, other.part_of(op, self)?);
        let mut lead = [Dims::from_slice(a.shape()), Dims::from_slice(b.shape())];
        let mut ranges = Vec::with_capacity(axes.len());
        expect_axes(op, a.rank(), axes)?;
        if !axes.is_empty() && a.rank() != b.rank() {
            return Err(Error::shapes(op, a.shape(), b.shape(), "the ranks must be equal"));
        }
        for &axis in axes {
            let (n, m) = (a.shape()[axis], b.shape()[axis]);
            if n == 0 || m == 0 {
                return Err(Error::shapes(op, a.shape(), b.shape(), format!("nothing along axis {axis}")));
            }
            ranges.push(part(mode, sums, n, m));
            (lead[0][axis], lead[1][axis]) = (1, 1);
        }
        let shorter = |x: &Tensor, y: &Tensor| axes.iter().all(|&i| x.shape()[i] <= y.shape()[i]);
        if mode == ConvolveMode::Valid && !shorter(&a, &b) && !shorter(&b, &a) {
            let reason = "in mode valid one must be at least as long along all axes";
            return Err(Error::shapes(op, a.shape(), b.shape(), reason));
        }
        let mut shape = broadcast_shapes(op, &lead[0], &lead[1])?;
        for (&axis, range) in axes.iter().zip(&ranges) {
            shape[axis] = range.1;
        }
        crate::tensor::checked_len(op, &shape, a.dtype())?;
        let b = match sums {
            Sums::Convolution => b,
            Sums::Correlation => axes.iter().try_fold(b, |b, &axis| b.step(axis, -1))?.conj()?,
        };
        match *axes {
            [] => a.mul(&b),
            [axis] if is_one_line(&b, axis) && is_real(&a) && !shape.contains(&0) => {
                planned(op, &a, &b, axis, ranges[0])
            }
            [axis] if is_one_line(&a, axis) && is_real(&a) && !shape.contains(&0) => {
                planned(op, &b, &a, axis, ranges[0])
            }
            [axis] if a.shape()[axis].min(b.shape()[axis]) <= SHORT && !shape.contains(&0) => {
                directly(op, &a, &b, axis, ranges[0])
            }
            _ => by_spectra(&a, &b, axes, &ranges),
        }
    }

    /// The tensor in the type of a product with `other`.
    fn part_of(&self, op: &'static str, other: &Tensor) -> Result<Self> {
        let (d, o) = (self.dtype(), other.dtype());
        for lhs in [d, o] {
            if !lhs.is_complex() && !matches!(lhs, DType::F32 | DType::F64) {
                return Err(Error::DTypeMismatch { op, lhs, rhs: DType::F32 });
            }
        }
        if d.to_real() != o.to_real() {
            return Err(Error::DTypeMismatch { op, lhs: d, rhs: o });
        }
        if o.is_complex() { self.to_dtype(d.to_complex()) } else { Ok(self.clone()) }
    }
}

/// First sum and number of sums of a mode among the `n + m - 1` full ones.
fn part(mode: ConvolveMode, sums: Sums, n: usize, m: usize) -> (usize, usize) {
    let (long, short) = (n.max(m), n.min(m));
    match mode {
        ConvolveMode::Full => (0, (long - 1).saturating_add(short)),
        // A correlation with exchanged sequences is reversed, and its middle may lie on the other side.
        ConvolveMode::Same if sums == Sums::Correlation && m > n => (short / 2, long),
        ConvolveMode::Same => ((short - 1) / 2, long),
        ConvolveMode::Valid => (short - 1, long - short + 1),
    }
}

/// The convolution by the convolution theorem, at the next fast length.
fn by_spectra(a: &Tensor, b: &Tensor, axes: &[usize], ranges: &[(usize, usize)]) -> Result<Tensor> {
    let real = !a.dtype().is_complex();
    let mut lengths = Dims::new();
    for (i, &axis) in axes.iter().enumerate() {
        let half = real && i + 1 == axes.len();
        lengths.push(next_fast_len((a.shape()[axis] - 1).saturating_add(b.shape()[axis]), half)?);
    }
    let n = Some(lengths.as_slice());
    let product = if real {
        a.rfftn(axes, n, Norm::Backward)?.mul(&b.rfftn(axes, n, Norm::Backward)?)?
    } else {
        a.fftn(axes, n, Norm::Backward)?.mul(&b.fftn(axes, n, Norm::Backward)?)?
    };
    let whole = match real {
        true => product.irfftn(axes, n, Norm::Backward)?,
        false => product.ifftn(axes, n, Norm::Backward)?,
    };
    axes.iter().zip(ranges).try_fold(whole, |y, (&axis, &(start, len))| y.narrow(axis, start, len))
}

fn is_real(x: &Tensor) -> bool {
    !x.dtype().is_complex()
}

/// Whether all axes but one have length 1.
fn is_one_line(x: &Tensor, axis: usize) -> bool {
    x.len() == x.shape()[axis]
}

/// The convolution of lines along one axis with a single line: that of a neural network with one channel and the line reversed, computed
/// in the way that its planner chooses.
fn planned(
    op: &'static str,
    lines: &Tensor,
    line: &Tensor,
    axis: usize,
    range: (usize, usize),
) -> Result<Tensor> {
    let last = lines.rank() - 1;
    let lines = lines.transpose(axis, last)?;
    let (n, m) = (lines.shape()[last], line.len());
    let (start, len) = range;
    // Sum k takes the elements k + 1 - m ..= k.
    let before = (m - 1).saturating_sub(start);
    let after = (start + len).saturating_sub(n);
    let taken = len + m - 1 - before - after;
    let x = lines.narrow(last, start + before + 1 - m, taken)?;
    let x = x.reshape(&[x.len() / taken, 1, taken])?;
    let kernel = line.flatten()?.step(0, -1)?.reshape(&[1, 1, m])?;
    let spec = ConvSpec::new(1).padding_sides(&[[before, after]]);
    let y = x.convolved(op, Some(1), &kernel, None, &spec, &ConvMethod::Auto)?;
    let mut shape = Dims::from_slice(lines.shape());
    shape[last] = len;
    y.reshape(&shape)?.transpose(axis, last)
}

/// The convolution along one axis by a product of the longer sequence, seen as overlapping frames, with the shorter one.
fn directly(op: &'static str, a: &Tensor, b: &Tensor, axis: usize, range: (usize, usize)) -> Result<Tensor> {
    let last = a.rank() - 1;
    let (a, b) = (a.transpose(axis, last)?, b.transpose(axis, last)?);
    let (long, short) = if a.shape()[last] >= b.shape()[last] { (a, b) } else { (b, a) };
    let (n, m) = (long.shape()[last], short.shape()[last]);
    let (start, len) = range;
    // Sum k takes the elements k + 1 - m ..= k.
    let before = (m - 1).saturating_sub(start);
    let after = (start + len).saturating_sub(n);
    let from = start + before + 1 - m;
    let padded = if before + after == 0 { long } else { long.padded(op, last, before, after)? };
    let frames = padded.narrow(last, from, len + m - 1)?.frames(m, 1, len)?;
    let column = short.step(last, -1)?.unsqueeze(last + 1)?;
    frames.matmul(&column)?.squeeze(last + 1)?.transpose(axis, last)
}
