//! What a dispatch is told, as `params.wgsl` lays it out.

use bytemuck::{Pod, Zeroable};

/// Bytes of the parameters of a dispatch; also the alignment of their places in the arena.
pub(crate) const PARAMS_BYTES: usize = size_of::<Params>();
/// The most axes of a strided walk.
pub(crate) const MAX_RANK: usize = 8;

/// The parameters of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    /// Items in all.
    pub(crate) count: u32,
    /// Workgroups along x; the dispatcher sets it.
    pub(crate) groups_x: u32,
    /// Axes of the walk.
    pub(crate) rank: u32,
    /// For the kernel.
    pub(crate) flags: u32,
    /// First elements of the operands, the destination first.
    pub(crate) base: [i32; 4],
    /// Axis lengths of the walk.
    pub(crate) shape: [u32; MAX_RANK],
    /// For each axis the strides of the operands.
    pub(crate) steps: [[i32; 4]; MAX_RANK],
    /// Numbers for the kernel.
    pub(crate) value: [f32; 4],
    /// Words for the kernel.
    pub(crate) more: [u32; 12],
}

const _: () = assert!(PARAMS_BYTES == 256);
