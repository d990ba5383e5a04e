//! The long convolution one position at a time.
//!
//! An output needs all inputs before it, so a stream that summed taps would spend `taps` operations on each. Here positions fall into blocks of
//! [`BASE`]. An output is the plain sum over the inputs of its own block; on those of later blocks inputs act in blocks that double
//! (Fischer and Stockmeyer 1974; van der Hoeven's relaxed multiplication, 2002): after position `t`, with `U` the largest power of two that
//! divides `t + 1`, if that is a block or more, the last `U` inputs are convolved with taps `1..2U` into the next `U` outputs. Every pair of
//! input and output meets exactly once. A block costs one transform of `2U` points each way, so a position costs `O(log^2 taps)` on
//! average; the one that ends a block of all taps costs `O(taps log taps)`.
//!
//! Positions come before channels, so that sums and transforms go along vectors of channels.

use std::sync::Arc;

use super::{LongConvTerms, LongConvolution};
use crate::{Error, Norm, Result, Tensor};

const OP: &str = "long_conv_stream";

/// Pieces shorter than the ring by this factor are fed position by position.
const STEPS: usize = 64;
/// Positions of a block whose inputs are summed tap by tap: few tensor operations for each position, and as few transforms.
const BASE: usize = 64;

/// Positions of a ring for a kernel of this many taps.
fn ring(taps: usize) -> usize {
    taps.next_power_of_two().max(BASE)
}

/// The taps in the forms that blocks need, shared by the streams of a kernel.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The first taps that there are, at most [`BASE`], last to first, `D` added to the first one: `[.., channels or 1]`.
    near: Tensor,
    /// For `U = BASE, 2 BASE, ..` up to the ring's length the half spectrum of taps `0..2U`: `[U + 1, channels or 1]`.
    far: Vec<Tensor>,
}

impl Blocks {
    pub(super) fn new(kernel: &Tensor, skip: Option<&Tensor>) -> Result<Self> {
        let (channels, taps) = (kernel.shape()[0], kernel.shape()[1]);
        let ring = ring(taps);
        let zeros = Tensor::zeros(kernel.device(), &[channels, 2 * ring - taps], kernel.dtype())?;
        let padded = Tensor::cat(&[kernel.clone(), zeros], 1)?.transpose(0, 1)?.contiguous()?;
        let mut first = padded.narrow(0, 0, 1)?;
        if let Some(skip) = skip {
            first = first.add(&skip.unsqueeze(0)?)?;
        }
        let few = taps.min(BASE);
        let near = if few == 1 {
            first.contiguous()?
        } else {
            let others = padded.narrow(0, 1, few - 1)?.step(0, -1)?;
            Tensor::cat(&[others.broadcast_to(&[few - 1, first.shape()[1]])?, first], 0)?
        };
        let lengths = std::iter::successors(Some(BASE), |length| Some(2 * length));
        let far = lengths
            .take_while(|&length| length <= ring)
            .map(|length| padded.narrow(0, 0, 2 * length)?.rfft(0, None, Norm::Backward))
            .collect::<Result<_>>()?;
        Ok(Self { near, far })
    }

    /// The output of the last of `x`, `[batch, positions, channels]`, as far as these act on it: `[batch, channels]`.
    fn sum(&self, x: &Tensor) -> Result<Tensor> {
        let taps = self.near.shape()[0];
        let count = x.shape()[1].min(taps);
        let near = self.near.narrow(0, taps - count, count)?;
        x.narrow(1, x.shape()[1] - count, count)?.mul(&near)?.sum(1)
    }

    /// What `x`, `[batch, U, channels]`, adds to the next `U` outputs.
    fn act(&self, x: &Tensor) -> Result<Tensor> {
        let length = x.shape()[1];
        let spectrum = &self.far[(length / BASE).ilog2() as usize];
        let x = x.rfft(1, Some(2 * length), Norm::Backward)?.mul(spectrum)?;
        x.irfft(1, Some(2 * length), Norm::Backward)?.narrow(1, length, length)
    }
}

/// A long convolution that is fed position by position, or several at a time; see [`LongConvolution::stream`].
///
/// The outputs are those of [`LongConvolution::apply`] on all positions fed so far, to rounding, however many there are: a stream has no
/// last position. Its memory is two rings of as many numbers as the kernel has taps (rounded up to a power of two, at least 64) for each
/// sequence and channel; the kernel's blocks take about four such rings a channel, once for all its streams.
#[derive(Debug)]
pub struct LongConvStream {
    kernel: Tensor,
    skip: Option<Tensor>,
    blocks: Arc<Blocks>,
    /// The last inputs, `[batch, ring, channels]`; the next one goes to position `at`.
    inputs: Tensor,
    /// What is known of the next outputs; the next one is at position `at`.
    outputs: Tensor,
    at: usize,
    /// Positions fed.
    seen: u64,
}

impl LongConvStream {
    pub(super) fn new(convolution: &LongConvolution, batch: usize, channels: usize) -> Result<Self> {
        let kernel = convolution.kernel();
        if batch == 0 {
            return Err(Error::invalid(OP, "batch", batch, "must be at least 1"));
        }
        let own = kernel.shape()[0].max(convolution.skip().map_or(1, Tensor::len));
        if channels == 0 || (own != 1 && own != channels) {
            return Err(Error::invalid(OP, "channels", channels, format!("the kernel has {own}")));
        }
        let rings = [batch, ring(kernel.shape()[1]), channels];
        let zeros = || Tensor::zeros(kernel.device(), &rings, kernel.dtype());
        Ok(Self {
            blocks: convolution.blocks()?,
            inputs: zeros()?,
            outputs: zeros()?,
            kernel: kernel.clone(),
            skip: convolution.skip().cloned(),
            at: 0,
            seen: 0,
        })
    }

    /// Positions fed since the start.
    pub fn position(&self) -> u64 {
        self.seen
    }

    /// Forgets all inputs.
    ///
    /// # Errors
    /// Memory errors.
    pub fn reset(&mut self) -> Result<()> {
        let zeros = Tensor::zeros(self.inputs.device(), self.inputs.shape(), self.inputs.dtype())?;
        let more = Tensor::zeros(self.inputs.device(), self.inputs.shape(), self.inputs.dtype())?;
        (self.inputs, self.outputs, self.at, self.seen) = (zeros, more, 0, 0);
        Ok(())
    }

    /// The next output, for the next input `u`; both `[batch, channels]`.
    ///
    /// # Errors
    /// Mismatches of shape, dtype or device; memory and device errors. The stream stays as it was.
    pub fn step(&mut self, u: &Tensor) -> Result<Tensor> {
        self.step_gated(u, None, None)
    }

    /// The next output of the gated form; all operands `[batch, channels]`.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn step_gated(
        &mut self,
        u: &Tensor,
        before: Option<&Tensor>,
        after: Option<&Tensor>,
    ) -> Result<Tensor> {
        let &[batch, ring, channels] = self.inputs.shape() else {
            return Err(Error::shapes(OP, self.inputs.shape(), u.shape(), "a ring has three axes"));
        };
        for x in [Some(u), before, after].into_iter().flatten() {
            self.check(x)?;
            if x.shape() != [batch, channels] {
                let expected = [batch, channels];
                return Err(Error::shapes(OP, x.shape(), &expected, "a position is [batch, channels]"));
            }
        }
        let z = before.map_or_else(|| Ok(u.clone()), |gate| u.mul(gate))?;
        // No view of the rings is left, so that they are written in place. What this overwrites acts on no output any more, so a failure from
        // here on leaves the stream as it was.
        self.inputs.assign(1, self.at, &z.unsqueeze(1)?)?;
        let inside = self.at % BASE + 1;
        let near = self.blocks.sum(&self.inputs.narrow(1, self.at + 1 - inside, inside)?)?;
        let y = near.add(&self.outputs.narrow(1, self.at, 1)?.squeeze(1)?)?;
        let y = after.map_or_else(|| Ok(y.clone()), |gate| y.mul(gate))?;
        let next = (self.at + 1) % ring;
        if inside == BASE {
            let length = 1usize << (self.at + 1).trailing_zeros();
            let mut sums = self.blocks.act(&self.inputs.narrow(1, self.at + 1 - length, length)?)?;
            if length < ring {
                sums = sums.add(&self.outputs.narrow(1, next, length)?)?;
            }
            self.outputs.assign(1, next, &sums)?;
        }
        (self.at, self.seen) = (next, self.seen + 1);
        Ok(y)
    }

    /// The outputs for the next inputs `u`, a prompt, say; both `[batch, channels, length]`.
    ///
    /// # Errors
    /// As [`step`](Self::step). Of a short piece that fails midway, the positions before are fed.
    pub fn extend(&mut self, u: &Tensor) -> Result<Tensor> {
        self.extend_gated(u, None, None)
    }

    /// The outputs of the gated form for the next inputs; all operands `[batch, channels, length]`.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn extend_gated(
        &mut self,
        u: &Tensor,
        before: Option<&Tensor>,
        after: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (batch, ring, channels) =
            (self.inputs.shape()[0], self.inputs.shape()[1], self.inputs.shape()[2]);
        for x in [Some(u), before, after].into_iter().flatten() {
            self.check(x)?;
            if x.rank() != 3 || x.shape()[..2] != [batch, channels] || x.shape() != u.shape() {
                let expected = [batch, channels, u.shape().last().copied().unwrap_or(0)];
                let reason = "positions are [batch, channels, length]";
                return Err(Error::shapes(OP, x.shape(), &expected, reason));
            }
        }
        let length = u.shape()[2];
        if length == 0 {
            return Ok(u.clone());
        }
        if length * STEPS <= ring {
            return self.extend_by_steps(u, before, after);
        }
        let z = before.map_or_else(|| Ok(u.clone()), |gate| u.mul(gate))?;
        let taps = self.kernel.shape()[1];
        let terms = LongConvTerms { skip: self.skip.as_ref(), ..Default::default() };
        let (recent, older) =
            (self.inputs.narrow(1, 0, self.at)?, self.inputs.narrow(1, self.at, ring - self.at)?);
        let past = Tensor::cat(&[older.transpose(1, 2)?, recent.transpose(1, 2)?, z.clone()], 2)?;
        // Inputs that are more than all taps ago act no more; of a fresh stream there are none.
        let reach = if self.seen == 0 { 0 } else { taps - 1 };
        let acting = past.narrow(2, ring - reach, reach + length)?;
        let y = acting.long_conv(&self.kernel, terms)?.narrow(2, reach, length)?;
        let y = after.map_or_else(|| y.contiguous(), |gate| y.mul(gate))?;
        let inputs = past.narrow(2, length, ring)?;
        let mut silent = Tensor::zeros(u.device(), &[batch, channels, 2 * ring], u.dtype())?;
        silent.assign(2, 0, &inputs)?;
        let outputs = silent.long_conv(&self.kernel, LongConvTerms::default())?.narrow(2, ring, ring)?;
        let turned = |ring: &Tensor| ring.transpose(1, 2)?.contiguous();
        let (inputs, outputs) = (turned(&inputs)?, turned(&outputs)?);
        (self.inputs, self.outputs, self.at, self.seen) = (inputs, outputs, 0, self.seen + length as u64);
        Ok(y)
    }

    /// Short pieces: a transform of the whole ring would cost more than their steps.
    fn extend_by_steps(
        &mut self,
        u: &Tensor,
        before: Option<&Tensor>,
        after: Option<&Tensor>,
    ) -> Result<Tensor> {
        let step = |t: usize| {
            let at = |x: &Tensor| x.narrow(2, t, 1)?.squeeze(2);
            let (before, after) = (before.map(at).transpose()?, after.map(at).transpose()?);
            self.step_gated(&at(u)?, before.as_ref(), after.as_ref())?.unsqueeze(2)
        };
        Tensor::cat(&(0..u.shape()[2]).map(step).collect::<Result<Vec<_>>>()?, 2)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        x.same_device(OP, &self.inputs)?;
        x.expect_dtype(OP, self.inputs.dtype())
    }
}
