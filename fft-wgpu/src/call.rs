//! A call of a kernel of its own: whole tensors in, whole tensors out.

use std::ops::Range;

use fft_core::{Result, Tensor, View, ViewMut};

use crate::context::Context;
use crate::params::Params;
use crate::pipelines::Binding;
use crate::store::Store;
use crate::walk::{Operand, block_of};

/// Operands that `P.base` has room for; those behind have their first elements in the last `P.steps`.
const BASES: usize = 4;

/// The operands and parameters of a dispatch, in the order of the kernel's bindings.
///
/// The first element of operand `i` is `P.base[i]`, and `P.steps[7][i - 4]` from the fifth on. What else a kernel must know goes into
/// [`params`](Self::params).
pub(crate) struct Call<'a> {
    context: &'a Context,
    op: &'static str,
    bindings: Vec<Binding<'a>>,
    pub(crate) params: Params,
}

/// Whether a binding can hold each of these tensors. What a kernel refuses for that, a composition does in parts.
pub(crate) fn fits(context: &Context, tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|t| fits_bytes(context, t.len() * t.dtype().size()))
}

/// Whether a binding can hold so many bytes, wherever they begin.
pub(crate) fn fits_bytes(context: &Context, bytes: usize) -> bool {
    bytes as u64 + 512 <= context.limits.binding
}

/// The declarations of a kernel's parameters and storage: a name and an element's type for each operand, and whether it is written.
pub(crate) fn declare(operands: &[(&str, &str, bool)]) -> String {
    let mut out = String::from("@group(0) @binding(0) var<uniform> P: Params;\n");
    for (i, (name, element, written)) in operands.iter().enumerate() {
        let access = if *written { "read_write" } else { "read" };
        out += &format!("@group(0) @binding({}) var<storage, {access}> {name}: array<{element}>;\n", i + 1);
    }
    out
}

impl<'a> Call<'a> {
    pub(crate) fn new(context: &'a Context, op: &'static str) -> Self {
        Self { context, op, bindings: Vec::with_capacity(8), params: bytemuck::Zeroable::zeroed() }
    }

    /// The next operand, read.
    pub(crate) fn read(&mut self, x: View<'a>) -> Result<()> {
        let operand = Operand::new(block_of(self.context, self.op, x.buffer)?, x.dtype.size(), x.layout);
        self.operand(operand, x.layout.shape(), false)
    }

    /// The next operand, written or changed.
    pub(crate) fn write(&mut self, x: ViewMut<'a>) -> Result<()> {
        let operand = Operand::new(block_of(self.context, self.op, x.buffer)?, x.dtype.size(), x.layout);
        self.operand(operand, x.layout.shape(), true)
    }

    /// The next operand: so many of the elements of a tensor, which follow one another.
    pub(crate) fn part(&mut self, x: View<'a>, elements: Range<usize>, write: bool) -> Result<()> {
        let mut operand = Operand::new(block_of(self.context, self.op, x.buffer)?, x.dtype.size(), x.layout);
        operand.offset += elements.start as i64;
        operand.strides = vec![1];
        self.operand(operand, &[elements.len()], write)
    }

    /// The next operand, of the caller's own memory.
    pub(crate) fn bind(&mut self, binding: Binding<'a>, first: i32) {
        let at = self.bindings.len();
        match at.checked_sub(BASES) {
            None => self.params.base[at] = first,
            Some(at) => self.params.steps[7][at] = first,
        }
        self.bindings.push(binding);
    }

    fn operand(&mut self, operand: Operand<'a>, shape: &[usize], write: bool) -> Result<()> {
        let found = operand.window(self.context, shape, write);
        let (binding, first) = found.ok_or_else(|| {
            let (low, high) = operand.span(shape);
            let requested = (high - low + 1) as usize * operand.bytes;
            self.context.too_big(self.op, requested)
        })?;
        self.bind(binding, first);
        Ok(())
    }

    /// Runs `groups` workgroups of the kernel that `name` stands for.
    pub(crate) fn run(self, name: &str, groups: usize, source: impl FnOnce() -> String) -> Result<()> {
        self.context.dispatch(name, &self.bindings, &self.params, groups, source)
    }
}

/// The storage of a floating-point type that kernels read and compute in `f32`.
pub(crate) fn real(x: &Tensor) -> Option<Store> {
    Store::of(x.dtype()).filter(|s| matches!(s, Store::F32 | Store::F16 | Store::BF16))
}
