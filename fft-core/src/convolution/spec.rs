//! What a convolution does at its borders and between its taps.

use smallvec::SmallVec;

use crate::Dims;

/// What stands where a kernel reaches beyond its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The input again, from its other end.
    Circular,
    /// The input mirrored at its first and last element, which are not repeated; padding must be shorter than the input.
    Reflect,
    /// The first or last element.
    Replicate,
}

/// Stride, dilation, padding and groups of a convolution; one entry for each spatial axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConvSpec {
    /// From output to output, in elements of the input; at least 1.
    pub stride: Dims,
    /// From tap to tap, in elements of the input; at least 1.
    pub dilation: Dims,
    /// Elements added before and after the input.
    pub padding: SmallVec<[[usize; 2]; 4]>,
    /// What they are.
    pub mode: PaddingMode,
    /// Groups of channels that do not mix; a divisor of both numbers of channels.
    pub groups: usize,
}

impl ConvSpec {
    /// Stride 1, dilation 1, no padding, one group, for `axes` spatial axes.
    pub fn new(axes: usize) -> Self {
        Self {
            stride: Dims::from_elem(1, axes),
            dilation: Dims::from_elem(1, axes),
            padding: SmallVec::from_elem([0; 2], axes),
            mode: PaddingMode::Zeros,
            groups: 1,
        }
    }

    /// Number of spatial axes.
    pub fn axes(&self) -> usize {
        self.stride.len()
    }

    /// With this stride along each axis.
    #[must_use]
    pub fn stride(mut self, stride: &[usize]) -> Self {
        self.stride = Dims::from_slice(stride);
        self
    }

    /// With this dilation along each axis.
    #[must_use]
    pub fn dilation(mut self, dilation: &[usize]) -> Self {
        self.dilation = Dims::from_slice(dilation);
        self
    }

    /// With as much padding before as after, along each axis.
    #[must_use]
    pub fn padding(mut self, padding: &[usize]) -> Self {
        self.padding = padding.iter().map(|&p| [p; 2]).collect();
        self
    }

    /// With this padding before and after, along each axis.
    #[must_use]
    pub fn padding_sides(mut self, padding: &[[usize; 2]]) -> Self {
        self.padding = SmallVec::from_slice(padding);
        self
    }

    /// With this padding mode.
    #[must_use]
    pub fn mode(mut self, mode: PaddingMode) -> Self {
        self.mode = mode;
        self
    }

    /// With this many groups.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }
}
