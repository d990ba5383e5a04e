//! The long convolution one position at a time.
//!
//! An output needs all inputs before it, so a stream that summed taps would spend `taps` operations on each. Here inputs act on
//! later outputs in blocks that double (Fischer and Stockmeyer 1974; van der Hoeven's relaxed multiplication, 2002): after position `t`, with
//! `U` the largest power of two that divides `t + 1`, the last `U` inputs are convolved with taps `1..2U` into the next `U` outputs. Every
//! pair of input and output meets in exactly one block. A block costs one transform of `2U` points each way, so a position costs
//! `O(log^2 taps)` on average; the one that ends a block of all taps costs `O(taps log taps)`.

use std::sync::Arc;

use super::{LongConvTerms, LongConvolution};
use crate::{Error, Norm, Result, Tensor};

const OP: &str = "long_conv_stream";

/// Pieces shorter than the ring by this factor are fed position by position.
const STEPS: usize = 64;
/// Blocks up to this length are a product with a matrix of taps: less work than transforms.
const DIRECT: usize = 16;

/// The taps in the forms that blocks need, shared by the streams of a kernel.
#[derive(Debug)]
pub(super) struct Blocks {
    /// `k[0] + D`, `[1, channels or 1]`.
    first: Tensor,
    /// For `U = 1, 2, 4, ..` up to the ring's length.
    of_length: Vec<Block>,
}

#[derive(Debug)]
enum Block {
    /// `[channels or 1, U, U]`: from input `j` to output `i` tap `U + i - j`.
    Matrix(Tensor),
    /// `[channels or 1, U + 1]`: the half spectrum of taps `0..2U`.
    Spectrum(Tensor),
}

impl Blocks {
    pub(super) fn new(kernel: &Tensor, skip: Option<&Tensor>) -> Result<Self> {
        let (channels, taps) = (kernel.shape()[0], kernel.shape()[1]);
        let ring = taps.next_power_of_two();
        let zeros = Tensor::zeros(kernel.device(), &[channels, 2 * ring - taps], kernel.dtype())?;
        let padded = Tensor::cat(&[kernel.clone(), zeros], 1)?;
        let mut first = padded.narrow(1, 0, 1)?.transpose(0, 1)?;
        if let Some(skip) = skip {
            first = first.add(&skip.unsqueeze(0)?)?;
        }
        let block = |length: usize| -> Result<Block> {
            if length > DIRECT {
                let taps = padded.narrow(1, 0, 2 * length)?;
                return Ok(Block::Spectrum(taps.rfft(1, None, Norm::Backward)?));
            }
            let column = |j: usize| padded.narrow(1, length - j, length)?.unsqueeze(1);
            Ok(Block::Matrix(Tensor::cat(&(0..length).map(column).collect::<Result<Vec<_>>>()?, 1)?))
        };
        let of_length = (0..=ring.ilog2()).map(|q| block(1 << q)).collect::<Result<_>>()?;
        Ok(Self { first: first.contiguous()?, of_length })
    }

    /// What `x`, `[batch, channels, U]`, adds to the next `U` outputs.
    fn act(&self, x: &Tensor) -> Result<Tensor> {
        let length = x.shape()[2];
        match &self.of_length[length.ilog2() as usize] {
            Block::Matrix(taps) if length == 1 => x.mul(&taps.squeeze(1)?),
            Block::Matrix(taps) => {
                // For each channel [batch, U] x [U, U].
                let (batch, channels) = (x.shape()[0], x.shape()[1]);
                let taps = taps.broadcast_to(&[channels, length, length])?;
                let y = x.permute(&[1, 0, 2])?.matmul(&taps)?;
                debug_assert_eq!(y.shape(), [channels, batch, length]);
                y.permute(&[1, 0, 2])
            }
            Block::Spectrum(spectrum) => {
                let x = x.rfft(2, Some(2 * length), Norm::Backward)?.mul(spectrum)?;
                x.irfft(2, Some(2 * length), Norm::Backward)?.narrow(2, length, length)
            }
        }
    }
}

/// A long convolution that is fed position by position, or several at a time; see [`LongConvolution::stream`].
///
/// The outputs are those of [`LongConvolution::apply`] on all positions fed so far, to rounding, however many there are: a stream has no
/// last position. Its memory is two rings of as many numbers as the kernel has taps (rounded up to a power of two) for each
/// sequence and channel; the kernel's blocks take about four such rings a channel, once for all its streams.
#[derive(Debug)]
pub struct LongConvStream {
    kernel: Tensor,
    skip: Option<Tensor>,
    blocks: Arc<Blocks>,
    /// The last inputs, `[batch, channels, ring]`; the next one goes to position `at`.
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
        let rings = [batch, channels, kernel.shape()[1].next_power_of_two()];
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
        let shape = &self.inputs.shape()[..2];
        for x in [Some(u), before, after].into_iter().flatten() {
            self.check(x)?;
            if x.shape() != shape {
                return Err(Error::shapes(OP, x.shape(), shape, "a position is [batch, channels]"));
            }
        }
        let z = before.map_or_else(|| Ok(u.clone()), |gate| u.mul(gate))?;
        let y = z.mul(&self.blocks.first)?.add(&self.outputs.narrow(2, self.at, 1)?.squeeze(2)?)?;
        let y = after.map_or_else(|| Ok(y.clone()), |gate| y.mul(gate))?;
        let ring = self.inputs.shape()[2];
        let z = z.unsqueeze(2)?;
        let length = 1usize << (self.at + 1).trailing_zeros();
        let next = (self.at + 1) % ring;
        // The block before this position, and this position, which the ring does not hold yet.
        let block = match length {
            1 => z.clone(),
            _ => Tensor::cat(&[self.inputs.narrow(2, self.at + 1 - length, length - 1)?, z.clone()], 2)?,
        };
        let mut sums = self.blocks.act(&block)?;
        if length < ring {
            sums = sums.add(&self.outputs.narrow(2, next, length)?)?;
        }
        // From here on nothing fails: no view of the rings is left, so that they are written in place.
        self.inputs.assign(2, self.at, &z)?;
        self.outputs.assign(2, next, &sums)?;
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
        for x in [Some(u), before, after].into_iter().flatten() {
            self.check(x)?;
            if x.rank() != 3 || x.shape()[..2] != self.inputs.shape()[..2] || x.shape() != u.shape() {
                let expected = self.inputs.shape();
                return Err(Error::shapes(
                    OP,
                    x.shape(),
                    expected,
                    "positions are [batch, channels, length]",
                ));
            }
        }
        let length = u.shape()[2];
        if length == 0 {
            return Ok(u.clone());
        }
        if length * STEPS <= self.inputs.shape()[2] {
            return self.extend_by_steps(u, before, after);
        }
        let z = before.map_or_else(|| Ok(u.clone()), |gate| u.mul(gate))?;
        let (ring, taps) = (self.inputs.shape()[2], self.kernel.shape()[1]);
        let terms = LongConvTerms { skip: self.skip.as_ref(), ..Default::default() };
        let past = Tensor::cat(
            &[self.inputs.narrow(2, self.at, ring - self.at)?, self.inputs.narrow(2, 0, self.at)?, z.clone()],
            2,
        )?;
        // Inputs that are more than all taps ago act no more; of a fresh stream there are none.
        let reach = if self.seen == 0 { 0 } else { (taps - 1).min(ring) };
        let acting = past.narrow(2, ring - reach, reach + length)?;
        let y = acting.long_conv(&self.kernel, terms)?.narrow(2, reach, length)?;
        let y = after.map_or_else(|| y.contiguous(), |gate| y.mul(gate))?;
        let inputs = past.narrow(2, length, ring)?.contiguous()?;
        let mut silent = Tensor::zeros(u.device(), &[u.shape()[0], u.shape()[1], 2 * ring], u.dtype())?;
        silent.assign(2, 0, &inputs)?;
        let outputs =
            silent.long_conv(&self.kernel, LongConvTerms::default())?.narrow(2, ring, ring)?.contiguous()?;
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
