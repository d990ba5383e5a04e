//! Copies between layouts whose rows run along different axes, in square tiles: both sides then use whole cache lines.

use bytemuck::Pod;
use fft_core::{Result, View, ViewMut};

use crate::memory::{SharedMut, elements, elements_mut};
use crate::threads::Threads;
use crate::walk::Walk;

/// Side of a tile.
const SIDE: usize = 16;
/// Rows of the source's axis in a task.
const STRIP: usize = 64;

/// The axes that are contiguous in the source and in the destination, if they are two, and long enough to be worth tiles.
pub(super) fn axes(src: &View<'_>, dst: &ViewMut<'_>) -> Option<[usize; 2]> {
    let unit = |strides: &[isize]| {
        let mut long = (0..strides.len()).filter(|&a| src.layout.shape()[a] > 1);
        long.find(|&a| strides[a] == 1)
    };
    let (s, d) = (unit(src.layout.strides())?, unit(dst.layout.strides())?);
    let long = |a: usize| src.layout.shape()[a] >= SIDE / 2;
    (s != d && long(s) && long(d)).then_some([s, d])
}

/// Copies; `s` is the contiguous axis of the source, `d` that of the destination.
pub(super) fn copy<T: Pod + Send + Sync>(
    threads: &Threads,
    src: View<'_>,
    mut dst: ViewMut<'_>,
    [s, d]: [usize; 2],
) -> Result<()> {
    const OP: &str = "copy";
    let (shape, ss, sd) = (src.layout.shape(), src.layout.strides(), dst.layout.strides());
    let rest = (0..shape.len()).filter(|&a| a != s && a != d).map(|a| (shape[a], [ss[a], sd[a]]));
    let walk = Walk::from_axes(rest, [src.layout.offset() as isize, dst.layout.offset() as isize]);
    let (n, m, down, across) = (shape[s], shape[d], ss[d], sd[s]);
    let from = elements::<T>(OP, &src)?;
    let to = SharedMut::new(elements_mut::<T>(OP, &mut dst)?);
    let strips = n.div_ceil(STRIP);
    let tasks = walk.positions() * strips;
    threads.team(tasks, walk.positions() * n * m / 2).run(tasks, |task, _| {
        let (at, strip) = (task / strips, task % strips);
        let mut start = walk.row(at / walk.len);
        for (start, stride) in start.iter_mut().zip(walk.strides) {
            *start += (at % walk.len) as isize * stride;
        }
        let end = (strip * STRIP + STRIP).min(n);
        for j0 in (0..m).step_by(SIDE) {
            for i0 in (strip * STRIP..end).step_by(SIDE) {
                for i in i0..(i0 + SIDE).min(end) {
                    for j in j0..(j0 + SIDE).min(m) {
                        let (i, j) = (i as isize, j as isize);
                        // SAFETY: positions of checked layouts; each of the destination is written once.
                        unsafe {
                            let value = *from.as_ptr().offset(start[0] + i + j * down);
                            to.write(start[1] + i * across + j, value);
                        }
                    }
                }
            }
        }
    });
    Ok(())
}
