//! Shape, strides and offset of a tensor in its buffer.

use smallvec::SmallVec;

use crate::{Error, Result};

/// A list of axis lengths; up to eight without an allocation.
pub type Dims = SmallVec<[usize; 8]>;

/// How a tensor's elements lie in its buffer: element `(i, j, ..)` is at `offset + i * strides[0] + j * strides[1] + ..`
/// (in elements). A stride of 0 repeats, a negative one runs backwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    shape: Dims,
    strides: SmallVec<[isize; 8]>,
    offset: usize,
}

impl Layout {
    /// The row-major layout of `shape`, from offset 0. The number of elements must be below `2^63`, as that of every tensor
    /// is; strides saturate beyond.
    pub fn contiguous(shape: &[usize]) -> Self {
        let mut strides: SmallVec<[isize; 8]> = SmallVec::from_elem(0, shape.len());
        let mut step = 1isize;
        for axis in (0..shape.len()).rev() {
            strides[axis] = step;
            step = step.saturating_mul(isize::try_from(shape[axis].max(1)).unwrap_or(isize::MAX));
        }
        Self { shape: Dims::from_slice(shape), strides, offset: 0 }
    }

    /// A layout from its parts.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the ranks differ, an element would lie before the buffer's start, or positions or the
    /// number of elements overflow.
    pub fn from_parts(shape: &[usize], strides: &[isize], offset: usize) -> Result<Self> {
        if shape.len() != strides.len() {
            return Err(Error::invalid(
                "Layout::from_parts",
                "strides",
                strides,
                "one stride an axis is needed",
            ));
        }
        // The lowest and the highest position, and the number of elements, in numbers that cannot overflow.
        let reach = |side: fn(isize) -> bool| -> i128 {
            let steps = shape.iter().zip(strides).filter(|&(_, &s)| side(s));
            steps
                .map(|(&n, &s)| (n.max(1) as i128 - 1).saturating_mul(s as i128))
                .fold(0, i128::saturating_add)
        };
        if (offset as i128) + reach(|s| s < 0) < 0 {
            return Err(Error::invalid(
                "Layout::from_parts",
                "offset",
                offset,
                "an element lies before the buffer",
            ));
        }
        let len = shape.iter().try_fold(1usize, |len, &n| len.checked_mul(n.max(1)));
        let end = (offset as i128).saturating_add(reach(|s| s > 0));
        if end >= isize::MAX as i128 || len.is_none_or(|len| len > isize::MAX as usize) {
            let reason = "has more elements than can be addressed";
            return Err(Error::invalid("Layout::from_parts", "shape", shape, reason));
        }
        Ok(Self { shape: Dims::from_slice(shape), strides: SmallVec::from_slice(strides), offset })
    }

    /// Axis lengths.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Steps between neighbours along each axis, in elements.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The position of the first element, in elements.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether elements are row-major without gaps (from any offset).
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1isize;
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 && s != step {
                return self.is_empty();
            }
            step *= n as isize;
        }
        true
    }

    /// One past the highest element position used, in elements; 0 when there are no elements.
    pub fn extent(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let highest: isize =
            self.shape.iter().zip(&self.strides).map(|(&n, &s)| (n as isize - 1) * s.max(0)).sum();
        (self.offset as isize + highest) as usize + 1
    }

    /// The layout with its axes in the order `axes`, which must be a permutation (checked by the caller).
    pub fn permuted(&self, axes: &[usize]) -> Self {
        Self {
            shape: axes.iter().map(|&a| self.shape[a]).collect(),
            strides: axes.iter().map(|&a| self.strides[a]).collect(),
            offset: self.offset,
        }
    }

    /// Elements `start..start + len` with step 1 along `axis` (checked by the caller).
    pub fn narrowed(&self, axis: usize, start: usize, len: usize) -> Self {
        let mut out = self.clone();
        if len > 0 {
            out.offset = (out.offset as isize + start as isize * self.strides[axis]) as usize;
        }
        out.shape[axis] = len;
        out
    }

    /// Every `step`-th element along `axis`; a negative step starts at the end.
    pub fn stepped(&self, axis: usize, step: isize) -> Self {
        let n = self.shape[axis];
        let mut out = self.clone();
        if step < 0 && n > 0 {
            out.offset = (out.offset as isize + (n as isize - 1) * self.strides[axis]) as usize;
        }
        out.shape[axis] = n.div_ceil(step.unsigned_abs().max(1));
        // Of one element at most the stride means nothing, and a long step would overflow it.
        if out.shape[axis] > 1 {
            out.strides[axis] = self.strides[axis] * step;
        }
        out
    }

    /// The layout with a new axis of length 1 before `axis`.
    pub fn unsqueezed(&self, axis: usize) -> Self {
        let mut out = self.clone();
        out.shape.insert(axis, 1);
        out.strides.insert(axis, 0);
        out
    }

    /// The layout without `axis`, which must have length 1 (checked by the caller).
    pub fn squeezed(&self, axis: usize) -> Self {
        let mut out = self.clone();
        out.shape.remove(axis);
        out.strides.remove(axis);
        out
    }

    /// The layout repeated to `shape` by strides of 0, aligned at the last axis.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when a length is neither equal nor 1.
    pub fn broadcast_to(&self, op: &'static str, shape: &[usize]) -> Result<Self> {
        let fits = self.rank() <= shape.len()
            && self.shape.iter().rev().zip(shape.iter().rev()).all(|(&a, &b)| a == b || a == 1);
        if !fits {
            return Err(Error::shapes(op, &self.shape, shape, "the first cannot be broadcast to the second"));
        }
        let lead = shape.len() - self.rank();
        let strides = (0..shape.len())
            .map(|axis| match axis.checked_sub(lead) {
                Some(a) if self.shape[a] == shape[axis] => self.strides[a],
                _ => 0,
            })
            .collect();
        Ok(Self { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }

    /// A view of the same elements in another shape of the same length, when strides allow it without a copy. `None` also
    /// when the lengths differ.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        let len = shape.iter().try_fold(1usize, |len, &n| len.checked_mul(n));
        if len != Some(self.len()) {
            return None;
        }
        if self.is_contiguous() {
            let mut out = Self::contiguous(shape);
            out.offset = self.offset;
            return Some(out);
        }
        // Walk both shapes from the left, matching groups of axes with equal products.
        let old: Vec<(usize, isize)> =
            self.shape.iter().copied().zip(self.strides.iter().copied()).filter(|&(n, _)| n != 1).collect();
        let mut strides: SmallVec<[isize; 8]> = SmallVec::from_elem(0, shape.len());
        let (mut at, mut new) = (0, 0);
        while new < shape.len() {
            if shape[new] == 1 {
                new += 1;
                continue;
            }
            let (from, begin) = (at, new);
            let (mut have, mut want) = (old.get(at)?.0, shape[new]);
            while have != want {
                if have < want {
                    at += 1;
                    have *= old.get(at)?.0;
                } else {
                    new += 1;
                    want *= shape.get(new)?;
                }
            }
            if old[from..at].iter().zip(&old[from + 1..=at]).any(|(a, b)| a.1 != b.1 * b.0 as isize) {
                return None;
            }
            let mut step = old[at].1;
            for axis in (begin..=new).rev() {
                strides[axis] = step;
                step *= shape[axis] as isize;
            }
            at += 1;
            new += 1;
        }
        Some(Self { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }
}

/// The shape that two shapes broadcast to, aligned at the last axis.
///
/// # Errors
/// [`Error::ShapeMismatch`] when two lengths differ and neither is 1.
pub fn broadcast_shapes(op: &'static str, a: &[usize], b: &[usize]) -> Result<Dims> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(Error::shapes(op, a, b, "lengths must be equal or 1 to broadcast")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_of_views() {
        let base = Layout::contiguous(&[4, 6, 5]);
        assert_eq!(base.reshaped(&[24, 5]).unwrap().strides(), &[5, 1]);
        let narrowed = base.narrowed(0, 1, 2);
        assert_eq!((narrowed.offset(), narrowed.extent()), (30, 90));
        let inner = base.narrowed(2, 1, 3);
        assert_eq!(inner.reshaped(&[24, 3]).unwrap().strides(), &[5, 1]);
        assert_eq!(inner.reshaped(&[4, 2, 3, 3]).unwrap().strides(), &[30, 15, 5, 1]);
        assert!(inner.reshaped(&[4, 18]).is_none());
        assert!(base.permuted(&[1, 0, 2]).reshaped(&[24, 5]).is_none());
        assert_eq!(
            base.permuted(&[1, 0, 2]).reshaped(&[3, 2, 4, 5, 1]).unwrap().strides()[..4],
            [10, 5, 30, 1]
        );
    }

    #[test]
    fn broadcasting_and_steps() {
        assert_eq!(broadcast_shapes("t", &[3, 1], &[2, 1, 4]).unwrap().as_slice(), &[2, 3, 4]);
        assert!(broadcast_shapes("t", &[3], &[2]).is_err());
        assert_eq!(Layout::contiguous(&[3, 1]).broadcast_to("t", &[2, 3, 4]).unwrap().strides(), &[0, 1, 0]);
        let back = Layout::contiguous(&[5]).stepped(0, -2);
        assert_eq!((back.shape(), back.strides(), back.offset()), (&[3][..], &[-2][..], 4));
        assert!(Layout::from_parts(&[3], &[-1], 1).is_err());
        assert_eq!(Layout::contiguous(&[4, 3]).stepped(0, isize::MAX).shape(), &[1, 3]);
    }

    #[test]
    fn overflowing_parts_are_refused() {
        for (shape, strides, offset) in [
            (&[2, 2][..], &[isize::MAX, isize::MAX][..], 0),
            (&[usize::MAX, usize::MAX], &[isize::MIN, isize::MIN], 0),
            (&[usize::MAX, usize::MAX], &[0, 0], 0),
            (&[1], &[1], usize::MAX),
            (&[3, 3], &[-1, 1], 1),
            (&[2], &[1, 1], 0),
        ] {
            assert!(Layout::from_parts(shape, strides, offset).is_err(), "{shape:?} {strides:?} {offset}");
        }
        assert_eq!(Layout::from_parts(&[3, 3], &[-1, 1], 2).unwrap().extent(), 5);
        assert!(Layout::contiguous(&[6]).reshaped(&[7]).is_none());
        assert!(Layout::contiguous(&[6]).reshaped(&[usize::MAX, 2]).is_none());
    }
}
