//! Which positions of a real tensor's spectrum are stored: one of each mirror pair.

use num_complex::{Complex32, Complex64};

use crate::{Device, Direction, Error, FftKind, FftSpec, Result, Tensor};

/// The most axes that a spectral tensor may have.
pub const MAX_RANK: usize = 8;

/// The positions of the spectrum of a real tensor that a sparse representation may store.
///
/// The spectrum `S` of a real tensor of shape `[n0, n1, ..]` obeys `S[-k] = conj(S[k])` (indices modulo the lengths), so
/// one of each mirror pair `{k, -k}` is enough. A position is the row-major flat index of `k`; the one stored is the
/// smaller of the pair's two, which lies in the half spectrum `k0 <= n0 / 2`, a prefix of the whole. A pair is stored as
/// `c = 2 S[k]`, a self-mirrored position (`k = -k`) as `c = S[k]`, which is real; then
///
/// `W[i] = Re( 1/T * sum over stored k of c[k] exp(2 pi i sum_a k_a i_a / n_a) )`, with `T` the number of elements.
///
/// A pair carries 2 real degrees of freedom, a self-mirrored position 1; together they are `T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HalfSpectrum {
    shape: Vec<usize>,
    /// Elements of one plane `k0 = const`.
    rest: usize,
}

impl HalfSpectrum {
    /// The half spectrum of tensors of `shape`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there are no axes or more than [`MAX_RANK`], a length is 0, or the half spectrum has
    /// more than `u32::MAX` positions.
    pub fn new(op: &'static str, shape: &[usize]) -> Result<Self> {
        if shape.is_empty() || shape.len() > MAX_RANK {
            return Err(Error::invalid(op, "shape", shape, format!("must have 1 to {MAX_RANK} axes")));
        }
        if shape.contains(&0) {
            return Err(Error::invalid(op, "shape", shape, "a length is 0"));
        }
        let rest = shape[1..].iter().try_fold(1usize, |len, &n| len.checked_mul(n));
        let fits = rest
            .and_then(|rest| rest.checked_mul(shape[0] / 2 + 1))
            .is_some_and(|len| u32::try_from(len).is_ok());
        match rest {
            Some(rest) if fits => Ok(Self { shape: shape.to_vec(), rest }),
            _ => {
                Err(Error::invalid(op, "shape", shape, "the half spectrum has more than 2^32 - 1 positions"))
            }
        }
    }

    /// The shape of the real tensor.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements of the real tensor, and of real degrees of freedom of its spectrum.
    pub fn total(&self) -> usize {
        self.shape[0] * self.rest
    }

    /// Planes `k0 = 0..=n0 / 2` of the half spectrum.
    pub fn planes(&self) -> usize {
        self.shape[0] / 2 + 1
    }

    /// Positions of one plane.
    pub fn plane_len(&self) -> usize {
        self.rest
    }

    /// Positions of the half spectrum, stored or not.
    pub fn len(&self) -> usize {
        self.planes() * self.rest
    }

    /// Never: every length is at least 1.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Shape of the half spectrum, `[n0 / 2 + 1, n1, ..]`.
    pub fn half_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[0] = self.planes();
        shape
    }

    /// Whether a plane holds both members of its mirror pairs: `k0 = 0` and, for even `n0`, `k0 = n0 / 2`.
    pub fn is_own_mirror(&self, plane: usize) -> bool {
        plane == 0 || 2 * plane == self.shape[0]
    }

    /// The mirror of a flat index of the whole spectrum.
    pub fn mirror(&self, position: usize) -> usize {
        let (plane, within) = (position / self.rest, position % self.rest);
        let mirrored = (self.shape[0] - plane) % self.shape[0];
        mirrored * self.rest + self.mirror_within(within)
    }

    fn mirror_within(&self, mut within: usize) -> usize {
        let (mut out, mut step) = (0, 1);
        for &n in self.shape[1..].iter().rev() {
            let k = within % n;
            within /= n;
            out += (n - k) % n * step;
            step *= n;
        }
        out
    }

    /// The real degrees of freedom of a position of the half spectrum: 2 for a pair, 1 when self-mirrored, 0 when its
    /// mirror is the one stored.
    pub fn freedom(&self, position: usize) -> usize {
        let plane = position / self.rest;
        if !self.is_own_mirror(plane) {
            return 2;
        }
        let within = position % self.rest;
        match within.cmp(&self.mirror_within(within)) {
            std::cmp::Ordering::Less => 2,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Greater => 0,
        }
    }

    /// The index along every axis of a flat index.
    pub fn unravel(&self, mut position: usize) -> [usize; MAX_RANK] {
        let mut index = [0; MAX_RANK];
        for axis in (0..self.shape.len()).rev() {
            index[axis] = position % self.shape[axis];
            position /= self.shape[axis];
        }
        index
    }

    /// Brings coefficients at any positions of the whole spectrum, meaning `Re(1/T sum c exp(..))`, to stored positions:
    /// sorted, mirrored where needed (`Re(c e) = Re(conj(c) conj(e))`), equal ones summed, imaginary parts without effect
    /// dropped.
    pub(crate) fn canonical(&self, coefficients: &mut Vec<(u32, Complex64)>, at: impl Fn(usize) -> usize) {
        for (slot, c) in coefficients.iter_mut() {
            let position = at(*slot as usize);
            let mirror = self.mirror(position);
            if mirror < position {
                (*slot, *c) = (mirror as u32, c.conj());
            } else {
                *slot = position as u32;
                if mirror == position {
                    c.im = 0.0;
                }
            }
        }
        // A stable sort, so that equal positions are summed in the order given.
        coefficients.sort_by_key(|&(position, _)| position);
        coefficients.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
    }
}

/// The elements that one step of a blocked transform takes, so that its scratch stays far below the tensor.
const BLOCK_ELEMENTS: usize = 1 << 20;

/// The half spectrum `S[k0 <= n0 / 2, ..]` of a real tensor (unnormalised forward transform), on the host, row-major.
///
/// It is computed in blocks, so that the device needs little beside the tensor itself.
///
/// # Errors
/// [`Error::DTypeMismatch`] when the tensor is not float; [`Error::InvalidArgument`] when it has NaN or infinite values;
/// device errors.
pub(crate) fn half_spectrum(op: &'static str, w: &Tensor, half: &HalfSpectrum) -> Result<Vec<Complex32>> {
    if !w.dtype().is_float() {
        return Err(Error::DTypeMismatch { op, lhs: w.dtype(), rhs: crate::DType::F32 });
    }
    let (n0, planes, rest) = (half.shape[0], half.planes(), half.rest);
    let mut out = vec![Complex32::default(); half.len()];
    let columns = w.reshape(&[n0, rest])?;
    let width = (BLOCK_ELEMENTS / n0).clamp(1, rest);
    for start in (0..rest).step_by(width) {
        let width = width.min(rest - start);
        let block = columns.narrow(1, start, width)?.to_dtype(crate::DType::F32)?;
        let spec = FftSpec { kind: FftKind::R2C, direction: Direction::Forward, axis: 0, n: n0, scale: 1.0 };
        let block: Vec<Complex32> = block.fft_primitive(spec)?.to_vec()?;
        for (plane, line) in block.chunks_exact(width).enumerate() {
            out[plane * rest + start..][..width].copy_from_slice(line);
        }
    }
    if half.shape.len() > 1 {
        let height = (BLOCK_ELEMENTS / rest).clamp(1, planes);
        let axes: Vec<usize> = (1..half.shape.len()).collect();
        for block in out.chunks_mut(height * rest) {
            let mut shape = half.shape.clone();
            shape[0] = block.len() / rest;
            let planes = Tensor::from_slice(w.device(), block, &shape)?;
            planes.fftn(&axes, None, crate::Norm::Backward)?.read_into(block)?;
        }
    }
    let finite = out.iter().all(|c| c.re.is_finite() && c.im.is_finite());
    if !finite {
        let reason = "it has NaN or infinite values, or its spectrum overflows f32";
        return Err(Error::invalid(op, "tensor", format_args!("{:?}", w.shape()), reason));
    }
    Ok(out)
}

/// The real tensor of which `spectrum` is the half spectrum `[k0 <= n0 / 2, ..]`, row-major, `F32`: the inverse of [`half_spectrum`], as a C2R
/// transform along the first axis takes it (planes that are not their own mirror count twice; of the others the real part is taken).
///
/// It is computed in the given memory and in blocks: at its peak the result and the spectrum are all that is held.
///
/// # Errors
/// Memory and device errors.
pub(crate) fn dense_from_planes(
    device: &Device,
    half: &HalfSpectrum,
    mut spectrum: Vec<Complex32>,
) -> Result<Tensor> {
    let (n0, planes, rest) = (half.shape[0], half.planes(), half.rest);
    if half.shape.len() > 1 {
        let height = (BLOCK_ELEMENTS / rest).clamp(1, planes);
        let axes: Vec<usize> = (1..half.shape.len()).collect();
        for block in spectrum.chunks_mut(height * rest) {
            let mut shape = half.shape.clone();
            shape[0] = block.len() / rest;
            let planes = Tensor::from_slice(device, block, &shape)?;
            planes.ifftn(&axes, None, crate::Norm::Backward)?.read_into(block)?;
        }
    }
    let mut out = Tensor::zeros(device, &[n0, rest], crate::DType::F32)?;
    let width = (BLOCK_ELEMENTS / planes).clamp(1, rest);
    let mut block = Vec::with_capacity(planes * width);
    let scale = 1.0 / n0 as f64;
    let spec = FftSpec { kind: FftKind::C2R, direction: Direction::Inverse, axis: 0, n: n0, scale };
    for start in (0..rest).step_by(width) {
        let width = width.min(rest - start);
        block.clear();
        for plane in spectrum.chunks_exact(rest) {
            block.extend_from_slice(&plane[start..start + width]);
        }
        let columns = Tensor::from_slice(device, &block, &[planes, width])?;
        out.assign(1, start, &columns.fft_primitive(spec)?)?;
    }
    out.reshape(&half.shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_positions_carry_every_degree_of_freedom_once() {
        for shape in
            [&[1][..], &[2], &[7], &[8], &[4, 6], &[5, 3], &[1, 9], &[9, 1], &[2, 2, 2], &[3, 4, 1, 5]]
        {
            let half = HalfSpectrum::new("test", shape).unwrap();
            let freedom: usize = (0..half.len()).map(|p| half.freedom(p)).sum();
            assert_eq!(freedom, half.total(), "{shape:?}");
            for p in 0..half.total() {
                let m = half.mirror(p);
                assert_eq!(half.mirror(m), p);
                let stored = p.min(m);
                assert!(stored < half.len() && half.freedom(stored) > 0, "{shape:?} {p}");
                assert_eq!(half.freedom(stored) == 1, p == m);
                if p < half.len() && p > m {
                    assert_eq!(half.freedom(p), 0);
                }
            }
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        for shape in [&[][..], &[3, 0], &[1; 9], &[usize::MAX, 3], &[1 << 20, 1 << 20]] {
            assert!(HalfSpectrum::new("test", shape).is_err(), "{shape:?}");
        }
    }
}
