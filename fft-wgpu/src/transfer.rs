//! Bytes between host and device.

use std::sync::Arc;

use fft_core::{Buffer, Error, Result};

use crate::context::Context;
use crate::elementwise::Map;
use crate::memory::GpuBuffer;
use crate::store::Store;
use crate::walk::{Operand, Walk};

fn own<'a>(context: &Context, op: &'static str, buffer: &'a Buffer) -> Result<&'a GpuBuffer> {
    let found = buffer.downcast_ref::<GpuBuffer>().filter(|b| std::ptr::eq(&*b.context, context));
    found.ok_or_else(|| Error::invalid(op, "buffer", "of another device", "must be a buffer of this device"))
}

/// The part of a buffer that a host copy touches lies within it.
fn check(op: &'static str, offset: usize, len: usize, size: usize) -> Result<()> {
    if offset.checked_add(len).is_some_and(|end| end <= size) {
        return Ok(());
    }
    let reason = format!("with {len} bytes it passes the {size} bytes of the buffer");
    Err(Error::invalid(op, "offset", offset, reason))
}

/// See `SpectralBackend::alloc`.
pub(crate) fn alloc(context: &Arc<Context>, bytes: usize) -> Result<Buffer> {
    let (raw, reservation) = GpuBuffer::new(context, bytes)?;
    Ok(Buffer::new(Box::new(raw), Some(reservation)))
}

/// See `SpectralBackend::upload`.
pub(crate) fn upload(context: &Context, bytes: &[u8], dst: &mut Buffer, offset: usize) -> Result<()> {
    const OP: &str = "upload";
    let size = dst.size();
    let gpu = own(context, OP, dst)?;
    check(OP, offset, bytes.len(), size)?;
    context.check()?;
    let Some(block) = gpu.block.as_ref().filter(|_| !bytes.is_empty()) else { return Ok(()) };
    // The device writes whole words; the bytes behind the end of the buffer are nobody's.
    if offset.is_multiple_of(4) && (bytes.len().is_multiple_of(4) || offset + bytes.len() == size) {
        return context.write(bytes, block, offset as u64);
    }
    let scratch = context.scratch(bytes.len())?;
    context.write(bytes, &scratch, 0)?;
    let operand = |block, offset: usize| Operand {
        block,
        bytes: 1,
        offset: offset as i64,
        strides: vec![1],
        slack: (0, 0),
    };
    let walk = Walk::new(&[bytes.len()], vec![operand(block, offset), operand(&scratch, 0)]);
    Map::new("move".to_owned(), Store::Raw1, vec![Store::Raw1], "a".to_owned()).run(context, &walk, [0.0; 4])
}

/// See `SpectralBackend::download`.
pub(crate) fn download(context: &Context, src: &Buffer, offset: usize, out: &mut [u8]) -> Result<()> {
    const OP: &str = "download";
    let gpu = own(context, OP, src)?;
    check(OP, offset, out.len(), src.size())?;
    match &gpu.block {
        Some(block) => context.read(block, offset as u64, out),
        None => context.check(),
    }
}
