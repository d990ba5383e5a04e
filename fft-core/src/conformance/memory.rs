//! Buffers, transfers, accounting, limits, caches, scopes.

use std::sync::Arc;

use super::compare::ensure;
use super::sample::{Array, Random};
use super::{Case, Failure, Operation, Outcome};
use crate::backend::AttentionSpec;
use crate::{DType, Device, Error, HostBytes, KernelTime, Norm, ScatterMode, Tensor};

const TRANSFER: &[Operation] = &[Operation::Alloc, Operation::Upload, Operation::Download];

pub(super) const CASES: &[Case] = &[
    Case::new("device::info", &[Operation::Info], info),
    Case::new("device::supports", &[Operation::Supports], supports),
    Case::new("device::synchronize", &[Operation::Synchronize], synchronize),
    Case::new("device::scope", &[Operation::Scope], scope),
    Case::new("memory::transfers", TRANSFER, transfers),
    Case::new("memory::impossible_sizes", &[Operation::Alloc], impossible_sizes),
    Case::new("memory::adopts_host_bytes", &[Operation::Adopt], adopts),
    Case::new("memory::adopted_bytes_are_never_written", &[Operation::Adopt], adopted_are_read_only),
    Case::new("memory::shared_buffers_are_never_written", &[Operation::Copy], shared_are_read_only),
    Case::new("memory::accounting", &[Operation::Memory], accounting),
    Case::new("memory::limit", &[Operation::Memory, Operation::Alloc], limit),
    Case::new("memory::nothing_leaks_from_failures", &[Operation::Memory], failures_leak_nothing),
    Case::new("memory::trim", &[Operation::Trim], trim),
    Case::new("memory::kernel_times", &[Operation::KernelTimes], kernel_times),
    Case::new("memory::steady_state", &[Operation::CacheStats], steady_state),
];

fn info(device: &Device) -> Outcome {
    let info = device.info();
    ensure(!info.id.is_empty() && !info.name.is_empty(), || format!("a device without a name: {info:?}"))?;
    ensure(info.max_buffer >= 1 << 20, || format!("buffers of at most {} bytes", info.max_buffer))
}

fn supports(device: &Device) -> Outcome {
    for dtype in [DType::F32, DType::C64, DType::U8, DType::U32] {
        ensure(device.supports(dtype), || format!("every device has {dtype}, this one has not"))?;
    }
    for dtype in DType::ALL {
        let made = Tensor::full(device, &[3], dtype, 1.0);
        if device.supports(dtype) {
            let values = Array::from(&made?)?;
            ensure(values.data.iter().all(|z| z.re == 1.0), || format!("{dtype}: {values:?}"))?;
        } else {
            let refused = matches!(made, Err(Error::Unsupported { .. }));
            ensure(refused, || format!("{dtype} is not supported, and not refused either"))?;
        }
    }
    Ok(())
}

fn synchronize(device: &Device) -> Outcome {
    let mut x = Tensor::full(device, &[1000], DType::F32, 1.0)?;
    for _ in 0..50 {
        x = x.affine(1.0, 1.0)?;
    }
    device.synchronize()?;
    device.synchronize()?;
    let got = x.to_vec::<f32>()?;
    ensure(got.iter().all(|&v| v == 51.0), || format!("after 50 additions of 1 to 1: {}", got[0]))
}

fn scope(device: &Device) -> Outcome {
    let outside = Tensor::full(device, &[64, 64], DType::F32, 2.0)?;
    let (mut calls, mut inside) = (0, None);
    device.scope(&mut || {
        calls += 1;
        // Scopes nest.
        device.scope(&mut || inside = Some(outside.matmul(&outside)));
    });
    let product = inside.ok_or_else(|| Failure::new("the work was not done"))??;
    let got = product.to_vec::<f32>()?;
    ensure(calls == 1 && got.iter().all(|&v| v == 256.0), || format!("{calls} calls, {}", got[0]))
}

fn kernel_times(device: &Device) -> Outcome {
    let x = Tensor::full(device, &[1 << 10], DType::F32, 2.0)?;
    x.exp()?;
    let Some(before) = device.kernel_times()? else { return Ok(()) };
    x.exp()?;
    x.exp()?;
    let after = device.kernel_times()?.unwrap_or_default();
    let calls = |times: &[KernelTime]| times.iter().map(|t| t.calls).sum::<u64>();
    ensure(calls(&before) > 0 && calls(&after) == calls(&before) + 2, || format!("{before:?}, {after:?}"))?;
    ensure(after.iter().all(|t| t.seconds >= 0.0 && !t.name.is_empty()), || format!("{after:?}"))
}

fn trim(device: &Device) -> Outcome {
    let live = Tensor::full(device, &[300, 7], DType::F32, 2.0)?;
    let before = device.memory().usage();
    drop(Tensor::full(device, &[1 << 16], DType::F32, 1.0)?);
    device.trim();
    let after = device.memory().usage();
    ensure(before.in_use == after.in_use, || {
        format!("{} bytes in use became {}", before.in_use, after.in_use)
    })?;
    let got = live.add(&live)?.to_vec::<f32>()?;
    ensure(got.iter().all(|&v| v == 4.0), || format!("2 + 2 is {} after the call", got[0]))
}

fn transfers(device: &Device) -> Outcome {
    let mut random = Random::new(3);
    for size in [1, 3, 16, 1000, 4096, 3_000_001] {
        let bytes: Vec<u8> = (0..size).map(|_| random.bits() as u8).collect();
        let mut buffer = device.alloc(size)?;
        ensure(buffer.size() >= size, || format!("{} bytes instead of {size}", buffer.size()))?;
        device.upload(&bytes, &mut buffer, 0)?;
        let mut back = vec![0; size];
        device.download(&buffer, 0, &mut back)?;
        ensure(back == bytes, || format!("{size} bytes changed on their way"))?;
        if size < 16 {
            continue;
        }
        // A part, at an offset that is a multiple of 8.
        let (at, part) = (size / 2 / 8 * 8, [1, 2, 3, 4, 5, 6, 7, 8]);
        let part = &part[..8.min(size - at)];
        device.upload(part, &mut buffer, at)?;
        let mut want = bytes.clone();
        want[at..at + part.len()].copy_from_slice(part);
        device.download(&buffer, 0, &mut back)?;
        ensure(back == want, || format!("8 bytes at {at} of {size}: written elsewhere too"))?;
        let mut few = vec![0; part.len()];
        device.download(&buffer, at, &mut few)?;
        ensure(few == part, || format!("8 bytes at {at} of {size}: read {few:?}"))?;
    }
    Ok(())
}

fn impossible_sizes(device: &Device) -> Outcome {
    let before = device.memory().usage();
    for bytes in [usize::MAX, isize::MAX as usize, isize::MAX as usize - 4095, 1 << 60, 1 << 50] {
        match device.alloc(bytes) {
            Err(Error::MemoryLimit { .. } | Error::BufferTooBig { .. } | Error::OutOfMemory { .. }) => {}
            other => return Err(Failure::new(format!("a buffer of {bytes} bytes: {other:?}"))),
        }
    }
    let after = device.memory().usage();
    ensure(before.in_use == after.in_use, || format!("{before:?} became {after:?}"))?;
    drop(device.alloc(0)?);
    Ok(())
}

fn adopts(device: &Device) -> Outcome {
    let values: Vec<f32> = (0..1000).map(|i| i as f32 * 0.5 - 100.0).collect();
    // Offsets that are and are not multiples of the element size.
    for offset in [0, 4, 1, 2, 3, 64, 4097] {
        let mut bytes = vec![0xa5; offset];
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let end = bytes.len();
        let host = HostBytes::new(Arc::new(bytes), offset..end)?;
        let x = Tensor::from_host(device, host, &[10, 100], DType::F32)?;
        ensure(x.to_vec::<f32>()? == values, || format!("at offset {offset}: other values"))?;
        let sum = x.transpose(0, 1)?.affine(2.0, 0.0)?.narrow(0, 3, 1)?.to_vec::<f32>()?;
        let want: Vec<f32> = (0..10).map(|i| values[i * 100 + 3] * 2.0).collect();
        ensure(sum == want, || format!("at offset {offset}: a view computes {sum:?}"))?;
    }
    let none = Tensor::from_host(device, HostBytes::from(Vec::new()), &[0, 4], DType::F32)?;
    ensure(none.to_vec::<f32>()?.is_empty(), || "nothing became something".into())
}

/// Every way of writing in place, on a tensor that is the only one over its bytes.
fn written_in_place(x: &mut Tensor) -> crate::Result<()> {
    let device = x.device().clone();
    x.assign(0, 1, &Tensor::full(&device, &[2], DType::F32, 9.0)?)?;
    let index = Tensor::from_slice(&device, &[3u32], &[1])?;
    x.scatter(0, &index, &Tensor::full(&device, &[1], DType::F32, 5.0)?, ScatterMode::Add)?;
    let dst = x.view_mut()?;
    let first = dst.layout.narrowed(0, 0, 1);
    device.fill(7.0, 0.0, crate::ViewMut { buffer: dst.buffer, layout: &first, dtype: dst.dtype })
}

fn adopted_are_read_only(device: &Device) -> Outcome {
    // As a mapped file: bytes that others read, and that may lie in pages without write permission.
    let bytes: Arc<Vec<u8>> = Arc::new([1f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect());
    let host = HostBytes::new(bytes.clone(), 0..16)?;
    let mut x = Tensor::from_host(device, host, &[4], DType::F32)?;
    written_in_place(&mut x)?;
    ensure(x.to_vec::<f32>()? == [7.0, 9.0, 9.0, 9.0], || format!("written: {:?}", x.to_vec::<f32>()))?;
    let kept: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    ensure(kept == [1.0, 2.0, 3.0, 4.0], || format!("the owner's bytes became {kept:?}"))
}

fn shared_are_read_only(device: &Device) -> Outcome {
    let whole = Tensor::from_slice(device, &[0f32, 1.0, 2.0, 3.0, 4.0, 5.0], &[6])?;
    let mut part = whole.narrow(0, 1, 4)?;
    written_in_place(&mut part)?;
    ensure(part.to_vec::<f32>()? == [7.0, 9.0, 9.0, 9.0], || format!("written: {:?}", part.to_vec::<f32>()))?;
    let kept = whole.to_vec::<f32>()?;
    ensure(kept == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], || format!("another tensor became {kept:?}"))?;
    let mut repeated = Tensor::full(device, &[1], DType::F32, 4.0)?.broadcast_to(&[4])?;
    written_in_place(&mut repeated)?;
    let got = repeated.to_vec::<f32>()?;
    ensure(got == [7.0, 9.0, 9.0, 9.0], || format!("a repeated element written: {got:?}"))
}

fn accounting(device: &Device) -> Outcome {
    let start = device.memory().usage();
    {
        let x = Tensor::zeros(device, &[100, 100], DType::F32)?;
        let one = device.memory().usage();
        ensure(one.in_use >= start.in_use + 40_000 && one.reservations > start.reservations, || {
            format!("40000 bytes more: {start:?} became {one:?}")
        })?;
        // Clones and views count nothing, and keep the buffer.
        let (clone, view) = (x.clone(), x.narrow(0, 5, 1)?);
        ensure(device.memory().usage().in_use == one.in_use, || "a view or clone is counted".into())?;
        drop((x, clone));
        ensure(device.memory().usage().in_use == one.in_use, || {
            "the buffer of a view was given back".into()
        })?;
        ensure(view.to_vec::<f32>()?.iter().all(|&v| v == 0.0), || "a view lost its elements".into())?;
    }
    let end = device.memory().usage();
    ensure((end.in_use, end.reservations) == (start.in_use, start.reservations), || {
        format!("after all is dropped, {start:?} became {end:?}")
    })?;
    device.memory().reset_peak();
    let low = device.memory().usage();
    ensure(low.peak == low.in_use, || format!("the peak was not reset: {low:?}"))?;
    drop(device.alloc(1 << 20)?);
    let high = device.memory().usage();
    ensure(high.peak >= low.in_use + (1 << 20) && high.in_use == low.in_use, || {
        format!("the peak of a buffer of 2^20 bytes: {low:?} became {high:?}")
    })?;
    workload(device)?;
    let end = device.memory().usage();
    ensure((end.in_use, end.reservations) == (start.in_use, start.reservations), || {
        format!("after a workload, {start:?} became {end:?}")
    })
}

/// Runs `work` under a limit of `room` bytes above what is in use, and takes the limit away again.
fn limited<T>(device: &Device, room: usize, work: impl FnOnce() -> T) -> T {
    let usage = device.memory().usage();
    device.memory().set_limit(Some(usage.in_use + room));
    let out = work();
    device.memory().set_limit(Some(usage.limit).filter(|&limit| limit != usize::MAX));
    out
}

fn limit(device: &Device) -> Outcome {
    let before = device.memory().usage();
    let refused = limited(device, 10_000, || Tensor::zeros(device, &[100, 100], DType::F32));
    match refused {
        Err(Error::MemoryLimit { requested, in_use, limit }) => {
            let fits = requested >= 40_000 && in_use == before.in_use && limit == before.in_use + 10_000;
            ensure(fits, || format!("requested {requested}, in use {in_use}, limit {limit}: {before:?}"))?;
        }
        other => return Err(Failure::new(format!("40000 bytes with room for 10000: {other:?}"))),
    }
    let after = device.memory().usage();
    ensure(before.in_use == after.in_use, || format!("a refusal took {before:?} to {after:?}"))?;
    // Room for the bytes and what a backend may round them up to.
    let made = limited(device, 80_000, || Tensor::zeros(device, &[100, 100], DType::F32))?;
    ensure(made.len() == 10_000, || "a tensor of another size".into())?;
    // A buffer given back makes room again, though a pool may keep it for later.
    drop(made);
    let again = limited(device, 80_000, || Tensor::zeros(device, &[70, 140], DType::F32)).map(|t| t.len());
    ensure(again.is_ok(), || format!("after a buffer of that size was given back: {again:?}"))
}

fn failures_leak_nothing(device: &Device) -> Outcome {
    let x = Random::new(5).array(&[4, 4, 32, 16], DType::F32).to(device, DType::F32)?;
    let spec = AttentionSpec { scale: 0.25, causal: true, offset: 0 };
    let ones = Tensor::full(device, &[16], DType::F32, 1.0)?;
    let start = device.memory().usage();
    type Work<'a> = (&'a str, Box<dyn Fn() -> crate::Result<Tensor> + 'a>);
    let works: Vec<Work<'_>> = vec![
        ("attention", Box::new(|| Tensor::attention(&x, &x, &x, spec))),
        ("softmax", Box::new(|| x.softmax(1))),
        ("rms_norm", Box::new(|| x.rms_norm(&ones, 1e-5))),
        ("rfftn", Box::new(|| x.rfftn(&[1, 2, 3], None, Norm::Backward))),
        ("matmul", Box::new(|| x.matmul(&x.transpose(2, 3)?))),
        ("cat", Box::new(|| Tensor::cat(&[x.clone(), x.clone()], 3))),
        ("spectral_conv", Box::new(|| x.spectral_conv(&x))),
        ("reshape", Box::new(|| x.transpose(0, 3)?.reshape(&[64, 128]))),
    ];
    for (name, work) in works {
        let mut refusals = 0;
        // Less room than the result, then more and more, so that the failure comes at each allocation in turn.
        for room in [0, 100, 40_000, 70_000, 100_000, 150_000, 200_000, 300_000] {
            match limited(device, room, &work) {
                Ok(out) => drop(out),
                Err(Error::MemoryLimit { .. }) => refusals += 1,
                Err(other) => return Err(Failure::new(format!("{name} with room for {room}: {other}"))),
            }
            let now = device.memory().usage();
            ensure((now.in_use, now.reservations) == (start.in_use, start.reservations), || {
                format!("{name} with room for {room}: {start:?} became {now:?}")
            })?;
        }
        ensure(refusals >= 2, || format!("{name} was refused {refusals} times"))?;
        work().map_err(|e| Failure::from(e).within(format_args!("{name} after refusals")))?;
    }
    Ok(())
}

/// One of each kind of work.
fn workload(device: &Device) -> Outcome {
    let mut random = Random::new(1);
    let x = random.array(&[4, 30, 64], DType::F32).to(device, DType::F32)?;
    let spectrum = x.rfftn(&[1, 2], None, Norm::Ortho)?;
    let back = spectrum.irfftn(&[1, 2], Some(&[30, 64]), Norm::Ortho)?;
    let y = back.matmul(&x.transpose(1, 2)?)?.softmax(2)?;
    let y = y.add(&y.transpose(1, 2)?)?.exp()?.sum(1)?;
    let z = y.fft(1, Some(37), Norm::Backward)?.abs()?.to_dtype(DType::F16)?;
    let conv = x.spectral_conv(&x.narrow(1, 0, 1)?)?;
    ensure(z.len() == 4 * 37 && conv.len() == x.len(), || "a workload of other shapes".into())?;
    z.to_vec::<crate::f16>()?;
    device.synchronize()?;
    Ok(())
}

fn steady_state(device: &Device) -> Outcome {
    for _ in 0..3 {
        workload(device)?;
    }
    let before = device.cache_stats();
    for _ in 0..5 {
        workload(device)?;
    }
    let after = device.cache_stats();
    ensure(before.plans_created > 0, || "no transform plan was ever counted".into())?;
    ensure(before == after, || format!("the same work again took {before:?} to {after:?}"))
}
