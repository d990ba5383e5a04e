//! Decoding log8 codes.

use fft_core::{DType, Error, Result, Tensor, compose};

use crate::memory::{SharedMut, elements, elements_mut};
use crate::simd::{Kernel, Level, dispatch};
use crate::threads::Threads;

const OP: &str = "log8_decode";
/// Codes of a task, about.
const TASK: usize = 1 << 15;

/// See `SpectralBackend::log8_decode`.
pub(crate) fn decode(threads: &Threads, codes: &Tensor, ranges: &Tensor, group: usize) -> Result<Tensor> {
    let n = codes.shape().last().copied().unwrap_or(0);
    let mut expected = fft_core::Dims::from_slice(codes.shape());
    if let Some(last) = expected.last_mut() {
        *last = if group == 0 { 0 } else { n.div_ceil(group) };
    }
    expected.push(2);
    let types = codes.dtype() == DType::U8 && ranges.dtype() == DType::F32;
    if group == 0 || n == 0 || !types || ranges.shape() != &expected[..] || codes.device() != ranges.device()
    {
        // The composition says what is wrong.
        return compose::log8_decode(codes, ranges, group);
    }
    let (codes, ranges) = (codes.contiguous()?, ranges.contiguous()?);
    Tensor::build(codes.device(), OP, codes.shape(), DType::F32, |mut dst| {
        let from = &elements::<u8>(OP, &codes.view())?[codes.layout().offset()..][..codes.len()];
        let ranges = &elements::<f32>(OP, &ranges.view())?[ranges.layout().offset()..][..ranges.len()];
        let (offset, len) = (dst.layout.offset(), dst.layout.len());
        let out = &mut elements_mut::<f32>(OP, &mut dst)?[offset..][..len];
        if out.len() != from.len() {
            return Err(Error::shapes(OP, &[from.len()], &[out.len()], "one number for each code"));
        }
        let per_row = 2 * n.div_ceil(group);
        let rows = (TASK / n).max(1);
        let tasks = (from.len() / n).div_ceil(rows);
        let shared = SharedMut::new(out);
        threads.team(tasks, from.len() / 2).run(tasks, |task, _| {
            let first = task * rows;
            let count = rows.min(from.len() / n - first);
            for row in first..first + count {
                let codes = from[row * n..][..n].chunks(group);
                // SAFETY: a task's rows are its own.
                let out = unsafe { shared.slice(row * n, n) }.chunks_mut(group);
                let ranges = ranges[row * per_row..][..per_row].chunks_exact(2);
                for ((codes, out), range) in codes.zip(out).zip(ranges) {
                    dispatch(Group { codes, max: range[0], step: range[1], out });
                }
            }
        });
        Ok(())
    })
}

struct Group<'a, 'b> {
    codes: &'a [u8],
    max: f32,
    step: f32,
    out: &'b mut [f32],
}

impl Kernel for Group<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { codes, max, step, out } = self;
        // 2^(-(127 - m) step) for m = 16 a + b is coarse[a] * fine[b]: 24 powers a group instead of one a code.
        let power = |steps: usize| (-(steps as f64) * f64::from(step)).exp2();
        let coarse: [f32; 8] = std::array::from_fn(|a| (f64::from(max) * power(16 * (7 - a))) as f32);
        let fine: [f32; 16] = std::array::from_fn(|b| power(15 - b) as f32);
        for (out, &code) in out.iter_mut().zip(codes) {
            let m = usize::from(code & 0x7f);
            let magnitude = if m == 0 { 0.0 } else { coarse[m >> 4] * fine[m & 15] };
            *out = f32::from_bits(magnitude.to_bits() | u32::from(code & 0x80) << 24);
        }
    }
}
