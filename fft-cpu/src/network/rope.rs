//! Rotary position embedding.

use fft_core::{DType, Result, Tensor, compose};

use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

/// Elements of a task.
const TASK: usize = 1 << 14;

struct Rotate<'a> {
    x: (&'a [f32], &'a [f32]),
    cos: &'a [f32],
    sin: &'a [f32],
    out: (&'a mut [f32], &'a mut [f32]),
}

impl Kernel for Rotate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let x = self.x.0.iter().zip(self.x.1);
        let out = self.out.0.iter_mut().zip(self.out.1);
        for (((p, q), (&a, &b)), (&c, &s)) in out.zip(x).zip(self.cos.iter().zip(self.sin)) {
            *p = a * c - b * s;
            *q = b * c + a * s;
        }
    }
}

/// See `SpectralBackend::rope`.
pub(crate) fn rope(threads: &Threads, x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    const OP: &str = "rope";
    if x.dtype() != DType::F32 || x.is_empty() || x.layout().strides()[3] != 1 {
        return compose::rope(x, cos, sin);
    }
    let (cos, sin) = (cos.contiguous()?, sin.contiguous()?);
    let &[batch, heads, tokens, dim] = x.shape() else { return compose::rope(x, &cos, &sin) };
    Tensor::build(x.device(), OP, x.shape(), DType::F32, |mut dst| {
        let half = dim / 2;
        let (from, strides) = (x.layout().offset() as isize, x.layout().strides());
        let src = elements::<f32>(OP, &x.view())?;
        let c = &elements::<f32>(OP, &cos.view())?[cos.layout().offset()..];
        let s = &elements::<f32>(OP, &sin.view())?[sin.layout().offset()..];
        let out = SharedMut::new(elements_mut::<f32>(OP, &mut dst)?);
        let rows = batch * heads * tokens;
        let per_task = (TASK / dim).max(1);
        let tasks = rows.div_ceil(per_task);
        threads.team(tasks, rows * dim / 4).run(tasks, |task, _| {
            for row in task * per_task..((task + 1) * per_task).min(rows) {
                let (token, head, item) = (row % tokens, row / tokens % heads, row / tokens / heads);
                let at = from
                    + token as isize * strides[2]
                    + head as isize * strides[1]
                    + item as isize * strides[0];
                let x = src[at as usize..at as usize + dim].split_at(half);
                // SAFETY: each row is written once.
                let out = unsafe { out.slice(row * dim, dim) }.split_at_mut(half);
                let table = token * half..(token + 1) * half;
                dispatch(Rotate { x, cos: &c[table.clone()], sin: &s[table], out });
            }
        });
        Ok(())
    })
}
