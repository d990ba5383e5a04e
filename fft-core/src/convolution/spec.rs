//! What a convolution does at its borders and between its taps.

use smallvec::SmallVec;

use crate::{Dims, Error, Result};

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

/// Whether padding is given as numbers or follows from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PaddingFit {
    /// [`ConvSpec::padding`] says how much.
    #[default]
    Given,
    /// As many outputs as inputs: `dilation * (taps - 1)` elements along each axis, the odd one behind. Stride 1 only.
    Same,
    /// All of `dilation * (taps - 1)` before, so that no output depends on a later input. One dimension only.
    Causal,
}

/// Stride, dilation, padding and groups of a convolution; one entry for each spatial axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConvSpec {
    /// From output to output, in elements of the input; at least 1.
    pub stride: Dims,
    /// From tap to tap, in elements of the input; at least 1.
    pub dilation: Dims,
    /// Elements added before and after the input; not read unless `fit` is [`PaddingFit::Given`].
    pub padding: SmallVec<[[usize; 2]; 4]>,
    /// Whether `padding` says how much, or the kernel does.
    pub fit: PaddingFit,
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
            fit: PaddingFit::Given,
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
        self.fit = PaddingFit::Given;
        self
    }

    /// With this padding before and after, along each axis.
    #[must_use]
    pub fn padding_sides(mut self, padding: &[[usize; 2]]) -> Self {
        self.padding = SmallVec::from_slice(padding);
        self.fit = PaddingFit::Given;
        self
    }

    /// With as much padding as makes the output as long as the input, for any kernel and dilation; the stride must be 1.
    #[must_use]
    pub fn same(mut self) -> Self {
        self.fit = PaddingFit::Same;
        self
    }

    /// With padding before the input only, so that an output sees its own position and earlier ones; in one dimension.
    #[must_use]
    pub fn causal(mut self) -> Self {
        self.fit = PaddingFit::Causal;
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

    /// Padding before and after each axis for a kernel with this many taps along them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there is not one entry for each axis, when it would be too long to address, for
    /// [`PaddingFit::Same`] with a stride and for [`PaddingFit::Causal`] in several dimensions.
    pub fn padding_for(&self, op: &'static str, kernel: &[usize]) -> Result<SmallVec<[[usize; 2]; 4]>> {
        let axes = kernel.len();
        if self.fit == PaddingFit::Given {
            expect_entries(op, "padding", axes, &self.padding)?;
            return Ok(self.padding.clone());
        }
        expect_entries(op, "dilation", axes, &self.dilation)?;
        if self.fit == PaddingFit::Same && self.stride.iter().any(|&s| s != 1) {
            return Err(Error::invalid(
                op,
                "stride",
                &self.stride,
                "must be 1 with padding to the same length",
            ));
        }
        if self.fit == PaddingFit::Causal && axes != 1 {
            return Err(Error::invalid(op, "padding", "causal", "is for one spatial axis"));
        }
        let ends = kernel.iter().zip(&self.dilation).map(|(&taps, &dilation)| {
            let total = taps.saturating_sub(1).checked_mul(dilation);
            let total = total.ok_or_else(|| {
                Error::invalid(op, "dilation", &self.dilation, format!("reaches too far with {taps} taps"))
            })?;
            let before = if self.fit == PaddingFit::Causal { total } else { total / 2 };
            Ok([before, total - before])
        });
        ends.collect()
    }
}

/// Checks that there is one entry for each spatial axis.
pub(super) fn expect_entries<T: std::fmt::Debug>(
    op: &'static str,
    argument: &'static str,
    axes: usize,
    entries: &[T],
) -> Result<()> {
    if entries.len() == axes {
        return Ok(());
    }
    Err(Error::invalid(op, argument, entries, format!("one entry for each of {axes} spatial axes")))
}
