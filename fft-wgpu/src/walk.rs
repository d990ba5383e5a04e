//! A strided walk over several operands at once, in as few axes as their layouts allow.

use fft_core::{Error, Layout, Result};

use crate::context::Context;
use crate::memory::{Block, GpuBuffer};
use crate::params::{MAX_RANK, Params};
use crate::pipelines::Binding;

/// Elements of a buffer along the axes of a walk.
#[derive(Debug, Clone)]
pub(crate) struct Operand<'a> {
    pub(crate) block: &'a Block,
    /// Bytes of an element.
    pub(crate) bytes: usize,
    /// The first element, in elements of the buffer.
    pub(crate) offset: i64,
    /// A stride for each axis.
    pub(crate) strides: Vec<i64>,
    /// How far below and above its places the kernel goes, in elements.
    pub(crate) slack: (i64, i64),
}

impl<'a> Operand<'a> {
    /// All of a layout.
    pub(crate) fn new(block: &'a Block, bytes: usize, layout: &Layout) -> Self {
        let strides = layout.strides().iter().map(|&s| s as i64).collect();
        Self { block, bytes, offset: layout.offset() as i64, strides, slack: (0, 0) }
    }

    /// How far below and above its first element an operand goes over `shape`.
    pub(crate) fn span(&self, shape: &[usize]) -> (i64, i64) {
        let steps = || shape.iter().zip(&self.strides).map(|(&n, &s)| (n as i64 - 1) * s);
        (
            steps().filter(|s| *s < 0).sum::<i64>() + self.slack.0,
            steps().filter(|s| *s > 0).sum::<i64>() + self.slack.1,
        )
    }

    /// The part of the buffer that a kernel needs, and its first element there; nothing when it is too large for one binding.
    pub(crate) fn window(
        &self,
        context: &Context,
        shape: &[usize],
        write: bool,
    ) -> Option<(Binding<'a>, i32)> {
        let most = context.limits.binding;
        if self.block.size() <= most {
            return Some((Binding::whole(self.block, write), self.offset as i32));
        }
        let (below, above) = self.span(shape);
        let (low, high) = (self.offset + below, self.offset + above + 1);
        let start = low as u64 * self.bytes as u64 / 256 * 256;
        let end = (high as u64 * self.bytes as u64).next_multiple_of(8).min(self.block.size());
        let binding = Binding { block: self.block, offset: start, size: end - start, write };
        (binding.size <= most).then(|| (binding, (self.offset - (start / self.bytes as u64) as i64) as i32))
    }
}

/// The storage of a view on this device; nothing for a buffer without bytes.
pub(crate) fn block_of<'a>(
    context: &Context,
    op: &'static str,
    buffer: &'a fft_core::Buffer,
) -> Result<&'a Block> {
    let foreign = || Error::invalid(op, "buffer", "of another device", "must be a buffer of this device");
    let gpu = buffer.downcast_ref::<GpuBuffer>().ok_or_else(foreign)?;
    if !std::ptr::eq(&*gpu.context, context) {
        return Err(foreign());
    }
    gpu.block.as_ref().ok_or_else(|| Error::invalid(op, "buffer", "of 0 bytes", "must hold the elements"))
}

/// The same elements of several operands; the first is written, the others are read.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'a> {
    pub(crate) shape: Vec<usize>,
    pub(crate) operands: Vec<Operand<'a>>,
}

impl<'a> Walk<'a> {
    /// A walk in the order of the destination's memory, neighbouring axes joined where every operand allows it.
    pub(crate) fn new(shape: &[usize], operands: Vec<Operand<'a>>) -> Self {
        Self::ordered(shape, operands, 0)
    }

    /// The same in the order of another operand's memory.
    pub(crate) fn ordered(shape: &[usize], operands: Vec<Operand<'a>>, by: usize) -> Self {
        let mut axes: Vec<usize> = (0..shape.len()).filter(|&a| shape[a] != 1).collect();
        if let Some(leader) = operands.get(by) {
            axes.sort_by_key(|&a| std::cmp::Reverse(leader.strides[a].abs()));
        }
        let mut walk = Self { shape: Vec::new(), operands };
        let mut strides: Vec<Vec<i64>> = vec![Vec::new(); walk.operands.len()];
        for axis in axes {
            let n = shape[axis];
            let joins = walk.shape.last().is_some()
                && walk
                    .operands
                    .iter()
                    .zip(&strides)
                    .all(|(o, s)| s.last().is_some_and(|&outer| outer == o.strides[axis] * n as i64));
            if joins {
                if let Some(last) = walk.shape.last_mut() {
                    *last *= n;
                }
                for (o, s) in walk.operands.iter().zip(&mut strides) {
                    if let Some(last) = s.last_mut() {
                        *last = o.strides[axis];
                    }
                }
            } else {
                walk.shape.push(n);
                for (o, s) in walk.operands.iter().zip(&mut strides) {
                    s.push(o.strides[axis]);
                }
            }
        }
        for (o, s) in walk.operands.iter_mut().zip(strides) {
            o.strides = s;
        }
        walk
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the operand's elements follow one another in the order of the walk.
    pub(crate) fn contiguous(&self, operand: usize) -> bool {
        let mut step = 1;
        for (&n, &s) in self.shape.iter().zip(&self.operands[operand].strides).rev() {
            if s != step {
                return false;
            }
            step *= n as i64;
        }
        true
    }

    /// The parameters of a kernel over the walk, and the bindings of its first `bound` operands, of which the first is written; nothing
    /// when one does not fit. The others have strides, and no storage.
    pub(crate) fn params(&self, context: &Context, bound: usize) -> Option<(Params, Vec<Binding<'a>>)> {
        let mut params: Params = bytemuck::Zeroable::zeroed();
        params.count = self.len() as u32;
        params.rank = self.shape.len() as u32;
        for (d, &n) in self.shape.iter().enumerate() {
            params.shape[d] = n as u32;
        }
        let mut bindings = Vec::with_capacity(bound);
        for (i, operand) in self.operands.iter().enumerate() {
            for (d, &stride) in operand.strides.iter().enumerate() {
                params.steps[d][i] = stride as i32;
            }
            if i < bound {
                let (binding, base) = operand.window(context, &self.shape, i == 0)?;
                params.base[i] = base;
                bindings.push(binding);
            }
        }
        Some((params, bindings))
    }

    /// Whether a kernel can do it in one go.
    fn fits(&self, context: &Context) -> bool {
        self.shape.len() <= MAX_RANK
            && self.operands.iter().enumerate().all(|(i, o)| o.window(context, &self.shape, i == 0).is_some())
    }

    /// Calls `work` with this walk, or with its parts along the outermost axis when a binding cannot hold an operand or there are too
    /// many axes.
    pub(crate) fn parts(
        &self,
        context: &Context,
        op: &'static str,
        work: &mut dyn FnMut(&Walk<'a>) -> Result<()>,
    ) -> Result<()> {
        if self.len() == 0 {
            return Ok(());
        }
        if self.fits(context) {
            return work(self);
        }
        if self.shape.is_empty() {
            let needs = |o: &Operand<'_>| {
                let (low, high) = o.span(&[]);
                (high - low + 1) as usize * o.bytes
            };
            return Err(context.too_big(op, self.operands.iter().map(needs).max().unwrap_or(0)));
        }
        let n = self.shape[0];
        // Too many axes: one by one; too many bytes: halves, at elements that begin a word.
        let ranges: Vec<_> = if self.shape.len() > MAX_RANK {
            (0..n).map(|i| i..i + 1).collect()
        } else {
            let half = (n / 2).next_multiple_of(4).min(n - 1).max(1);
            vec![0..half, half..n]
        };
        for range in ranges {
            self.part(range).parts(context, op, work)?;
        }
        Ok(())
    }

    /// The positions `range` of the first axis, which goes when only one is left.
    pub(crate) fn part(&self, range: std::ops::Range<usize>) -> Self {
        let mut part = self.clone();
        for o in &mut part.operands {
            o.offset += range.start as i64 * o.strides[0];
        }
        part.shape[0] = range.len();
        if range.len() == 1 {
            part.shape.remove(0);
            for o in &mut part.operands {
                o.strides.remove(0);
            }
        }
        part
    }
}
