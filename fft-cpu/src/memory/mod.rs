//! Host memory: aligned blocks, their pool, and the buffers that tensors hold.

mod access;
mod block;
mod buffer;
#[cfg(target_os = "linux")]
mod huge;
mod pool;
mod shared;

pub(crate) use access::{elements, elements_mut};
pub(crate) use buffer::HostBuffer;
pub(crate) use pool::BlockPool;
pub(crate) use shared::SharedMut;
