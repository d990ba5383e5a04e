//! The checked sizes of a convolution.

use smallvec::SmallVec;

use super::ConvSpec;
use super::spec::expect_entries;
use crate::{Dims, Error, Result};

/// The sizes of one convolution, checked: output lengths are at least 1, groups divide channels, nothing overflows.
///
/// Backends see padding with zeros only: other modes are applied to the input before. Steps that are never made (the stride of a
/// single output, the dilation of a single tap) are cut to what is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Inputs in the batch.
    pub batch: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Input channels of a group.
    pub channels_in: usize,
    /// Output channels of a group.
    pub channels_out: usize,
    /// Input lengths along the spatial axes.
    pub input: Dims,
    /// Taps along them.
    pub kernel: Dims,
    /// Output lengths along them.
    pub output: Dims,
    /// From output to output.
    pub stride: Dims,
    /// From tap to tap.
    pub dilation: Dims,
    /// Zeros before and after the input.
    pub padding: SmallVec<[[usize; 2]; 4]>,
}

impl ConvGeometry {
    /// The sizes for an input of shape `x`, `[batch, channels, length..]`, and a weight of shape `w`, `[channels out, channels in / groups,
    /// taps..]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when ranks or channels do not fit; [`Error::InvalidArgument`] for a stride, dilation or number of groups of 0, an
    /// empty kernel, one larger than the padded input, no channels, no elements along a spatial axis, channels that the groups do not
    /// divide, other than one to three spatial axes, and entries of `spec` for another number of them.
    pub fn new(op: &'static str, x: &[usize], w: &[usize], spec: &ConvSpec) -> Result<Self> {
        let axes = check_steps(op, x, w, spec)?;
        let groups = spec.groups;
        for (what, channels) in [("input", x[1]), ("output", w[0])] {
            if !channels.is_multiple_of(groups) {
                let reason = format!("must divide the {channels} {what} channels");
                return Err(Error::invalid(op, "groups", groups, reason));
            }
        }
        if x[1] / groups != w[1] {
            let reason = format!("the weight must have {} / {groups} input channels", x[1]);
            return Err(Error::shapes(op, x, w, reason));
        }
        check_not_empty(op, x, w)?;
        let padding = spec.padding_for(op, &w[2..])?;
        let (mut output, mut stride, mut dilation) = (Dims::new(), Dims::new(), Dims::new());
        for axis in 0..axes {
            let (length, taps) = (x[2 + axis], w[2 + axis]);
            let [before, after] = padding[axis];
            let too_large =
                || Error::invalid(op, "padding", &padding, "the padded input has too many elements");
            let padded = length
                .checked_add(before)
                .and_then(|n| n.checked_add(after))
                .filter(|&n| n <= isize::MAX as usize / 16)
                .ok_or_else(too_large)?;
            let reach = (taps - 1).checked_mul(spec.dilation[axis]).and_then(|n| n.checked_add(1));
            let reach = reach.filter(|&reach| reach <= padded).ok_or_else(|| {
                let reason = format!(
                    "with dilation {} a kernel of {taps} taps is larger than the {padded} elements of the padded input along spatial axis {axis}",
                    spec.dilation[axis]
                );
                Error::invalid(op, "weight", w, reason)
            })?;
            output.push((padded - reach) / spec.stride[axis] + 1);
            // A step that is never made may be longer than can be computed with.
            stride.push(spec.stride[axis].min(padded - reach + 1));
            dilation.push(if taps == 1 { 1 } else { spec.dilation[axis] });
        }
        // Outputs are at most as many as the elements of the padded input for each channel.
        let padded = padding.iter().zip(&x[2..]).map(|([before, after], length)| length + before + after);
        let channels = x[1].max(w[0]);
        let elements = padded.chain([x[0].max(1), channels]).try_fold(1usize, |all, n| all.checked_mul(n));
        if elements.is_none_or(|n| n > isize::MAX as usize / 16) {
            return Err(Error::invalid(op, "padding", &padding, "the padded input has too many elements"));
        }
        Ok(Self {
            batch: x[0],
            groups,
            channels_in: w[1],
            channels_out: w[0] / groups,
            input: Dims::from_slice(&x[2..]),
            kernel: Dims::from_slice(&w[2..]),
            output,
            stride,
            dilation,
            padding,
        })
    }

    /// The same with an input that has its padding already, as with modes other than zeros; the length of every axis is the padded one.
    #[must_use]
    pub(crate) fn padded_before(mut self) -> Self {
        for axis in 0..self.axes() {
            self.input[axis] = self.padded(axis);
            self.padding[axis] = [0; 2];
        }
        self
    }

    /// Number of spatial axes.
    pub fn axes(&self) -> usize {
        self.input.len()
    }

    /// Elements of the input from the first to the last tap along a spatial axis.
    pub fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// The length of the padded input along a spatial axis.
    pub fn padded(&self, axis: usize) -> usize {
        self.input[axis] + self.padding[axis][0] + self.padding[axis][1]
    }

    /// Outputs along a spatial axis if the stride were 1.
    pub fn dense_output(&self, axis: usize) -> usize {
        self.padded(axis) - self.reach(axis) + 1
    }

    /// `[batch, channels out, length..]`.
    pub fn output_shape(&self) -> Dims {
        let mut shape = Dims::from_slice(&[self.batch, self.groups * self.channels_out]);
        shape.extend_from_slice(&self.output);
        shape
    }

    /// Of a tile of `tile` points along a spatial axis, the outputs (at stride 1) that do not wrap around, at least 1.
    pub fn useful(&self, axis: usize, tile: usize) -> usize {
        (tile + 1).saturating_sub(self.reach(axis)).max(1)
    }

    /// How many tiles of `tile` points cover the outputs along a spatial axis.
    pub fn tiles(&self, axis: usize, tile: usize) -> usize {
        self.dense_output(axis).div_ceil(self.useful(axis, tile))
    }
}

/// The number of spatial axes, after a check that the operands have them, and that there are a stride and a dilation of at least 1 for each and
/// groups. Shared by convolutions and their transposes.
pub(super) fn check_steps(op: &'static str, x: &[usize], w: &[usize], spec: &ConvSpec) -> Result<usize> {
    let axes = spec.axes();
    if !(1..=3).contains(&axes) {
        return Err(Error::invalid(
            op,
            "stride",
            &spec.stride,
            "needs an entry for each of one to three axes",
        ));
    }
    if x.len() != axes + 2 || w.len() != axes + 2 {
        let reason = format!("both need 2 + {axes} axes: batch or channels, channels, and {axes} spatial");
        return Err(Error::shapes(op, x, w, reason));
    }
    expect_entries(op, "dilation", axes, &spec.dilation)?;
    for (argument, values) in [("stride", &spec.stride), ("dilation", &spec.dilation)] {
        if values.contains(&0) {
            return Err(Error::invalid(op, argument, values, "must be at least 1 along every axis"));
        }
    }
    if spec.groups == 0 {
        return Err(Error::invalid(op, "groups", spec.groups, "must be at least 1"));
    }
    Ok(axes)
}

/// Refuses operands without channels or without elements along a spatial axis.
pub(super) fn check_not_empty(op: &'static str, x: &[usize], w: &[usize]) -> Result<()> {
    for (argument, shape, from) in [("input", x, 1), ("weight", w, 0)] {
        if shape[from..].contains(&0) {
            let reason = "needs at least one channel, and one element along every spatial axis";
            return Err(Error::invalid(op, argument, shape, reason));
        }
    }
    Ok(())
}
