//! What the backend promises beyond the conformance cases: limits, parts, reuse, accounting, threads, loss.

mod common;

use std::f64::consts::TAU;

use common::open;
use fft_core::conformance::sample::Random;
use fft_core::{
    Complex32, DType, Device, Direction, Error, FftKind, FftSpec, Norm, ScatterMode, Tensor, UnaryOp,
};
use fft_wgpu::{AdapterChoice, WgpuOptions};

fn ramp(device: &Device, shape: &[usize]) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| ((i * 7919) % 1000) as f32 - 500.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap()
}

#[test]
fn adapters_that_are_not_there_are_refused() {
    for adapter in [AdapterChoice::Index(999), AdapterChoice::Name("no such adapter".to_owned())] {
        let refused = fft_wgpu::device(WgpuOptions { adapter, ..Default::default() });
        assert!(matches!(refused, Err(Error::DeviceUnavailable { .. })), "{refused:?}");
    }
    for (i, adapter) in fft_wgpu::adapters().iter().enumerate() {
        assert!(
            adapter.index == i && !adapter.name.is_empty() && adapter.limits.contains("MiB"),
            "{adapter:?}"
        );
        let options = WgpuOptions { adapter: AdapterChoice::Index(i), ..Default::default() };
        assert_eq!(fft_wgpu::device(options).unwrap().info().name, adapter.name);
    }
}

#[test]
fn the_memory_limit_is_hard() {
    let Some(device) = open(WgpuOptions { memory_limit: Some(1 << 20), ..Default::default() }) else {
        return;
    };
    let half = Tensor::zeros(&device, &[1 << 17], DType::F32).unwrap();
    let refused = Tensor::zeros(&device, &[3 << 16], DType::F32);
    assert!(matches!(refused, Err(Error::MemoryLimit { limit: 1_048_576, .. })), "{refused:?}");
    // Scratch counts too: a transform in two steps needs as much again.
    let long = Tensor::zeros(&device, &[1 << 15], DType::C64).unwrap();
    let transformed = long.fft(0, None, Norm::Backward);
    assert!(matches!(transformed, Err(Error::MemoryLimit { .. })), "{transformed:?}");
    drop(half);
    assert!(long.fft(0, None, Norm::Backward).is_ok());
    drop(long);
    assert_eq!(device.memory().usage().in_use, 0);
}

#[test]
fn buffers_beyond_the_largest_are_refused() {
    let Some(device) = open(WgpuOptions { default_limits: true, ..Default::default() }) else { return };
    assert_eq!(device.info().max_buffer, 256 << 20);
    let refused = device.alloc((256 << 20) + 1);
    assert!(matches!(refused, Err(Error::BufferTooBig { max, .. }) if max == 256 << 20), "{refused:?}");
}

#[test]
fn tensors_larger_than_a_binding_are_worked_on_in_parts() {
    type Work<'a> = &'a dyn Fn(&Device) -> fft_core::Result<Tensor>;
    let options = WgpuOptions { max_binding: Some(64 << 10), validation: true, ..Default::default() };
    let Some(device) = open(options) else { return };
    let Some(whole) = open(WgpuOptions::default()) else { return };
    let both = |work: Work<'_>| {
        (work(&device).unwrap().to_bytes().unwrap(), work(&whole).unwrap().to_bytes().unwrap())
    };
    let shape = [130, 700];
    let works: [(&str, Work<'_>); 9] = [
        ("affine", &|d| ramp(d, &shape).affine(2.0, 1.0)),
        ("transposed", &|d| ramp(d, &shape).transpose(0, 1)?.contiguous()),
        ("half", &|d| ramp(d, &shape).to_dtype(DType::F16)?.add(&ramp(d, &[700]).to_dtype(DType::F16)?)),
        ("row sums", &|d| ramp(d, &shape).sum(1)),
        ("gather", &|d| {
            let index = Tensor::from_slice(d, &[5u32, 0, 69], &[3])?;
            ramp(d, &[130, 70, 10]).gather(1, &index)
        }),
        ("scatter", &|d| {
            let mut x = ramp(d, &[130, 70, 10]);
            let index = Tensor::from_slice(d, &[5u32, 5], &[2])?;
            x.scatter(1, &index, &ramp(d, &[130, 2, 10]), ScatterMode::Add)?;
            Ok(x)
        }),
        ("product", &|d| ramp(d, &[400, 70]).matmul(&ramp(d, &[70, 60]))),
        ("transform", &|d| ramp(d, &shape).rfft(1, None, Norm::Backward)),
        ("rotation of a part", &|d| {
            let (x, table) = (ramp(d, &[1, 8, 30, 128]), ramp(d, &[30, 16]));
            x.narrow(3, 32, 32)?.rope(&table.cos()?, &table.sin()?)
        }),
    ];
    for (name, work) in works {
        let (parts, one) = both(work);
        assert!(parts == one, "{name} differs in parts");
    }
    // Matrices cut along the inner axis are summed in another order.
    let products: [Work<'_>; 3] = [
        &|d| ramp(d, &[3, 700]).matmul(&ramp(d, &[700, 130])),
        &|d| {
            ramp(d, &[700, 90])
                .transpose(0, 1)?
                .to_dtype(DType::F16)?
                .matmul_to(&ramp(d, &[700, 5]), DType::F32)
        },
        &|d| {
            ramp(d, &[2, 70, 900]).to_dtype(DType::C64)?.matmul(&ramp(d, &[2, 900, 70]).to_dtype(DType::C64)?)
        },
    ];
    for work in products {
        let [parts, one] =
            [&device, &whole].map(|d| work(d).unwrap().abs().unwrap().to_vec::<f32>().unwrap());
        let off = parts.iter().zip(&one).map(|(p, o)| (p - o).abs()).fold(0.0, f32::max);
        let size = one.iter().copied().fold(0.0, f32::max);
        assert!(size > 0.0 && off <= 1e-5 * size, "{off:e} of {size:e}");
    }
    // One line that is too long for a binding cannot be cut.
    let line = Tensor::zeros(&device, &[1 << 14], DType::C64).unwrap();
    let refused = line.fft(0, None, Norm::Backward);
    assert!(matches!(refused, Err(Error::BufferTooBig { op: "fft", .. })), "{refused:?}");
}

/// Longer than the loops of software adapters go, which end without a word.
#[test]
fn long_sums_are_whole() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let ones = |shape: &[usize]| Tensor::full(&device, shape, DType::F32, 1.0).unwrap();
    let wide = |shape: &[usize]| ones(&[1]).broadcast_to(shape).unwrap();
    let read = |t: Tensor| t.to_vec::<f32>().unwrap();
    // Many sources of one place, and of some.
    for places in [1, 3] {
        let index: Vec<u32> = (0..100_000).map(|i| i % places).collect();
        let index = Tensor::from_slice(&device, &index, &[100_000]).unwrap();
        let mut x = Tensor::zeros(&device, &[places as usize], DType::F32).unwrap();
        x.scatter(0, &index, &ones(&[100_000]), ScatterMode::Add).unwrap();
        let sum: f32 = read(x).iter().sum();
        assert_eq!(sum, 100_000.0);
    }
    for (rows, columns) in [(300, 3), (3, 300), (2, 130), (70, 70), (1, 1)] {
        let product = wide(&[rows, 300_000]).matmul(&wide(&[300_000, columns])).unwrap();
        assert!(read(product).iter().all(|&v| v == 300_000.0), "{rows} x {columns}");
    }
    for shape in [[100_000, 5000], [80_000, 3]] {
        assert!(read(wide(&shape).sum(0).unwrap()).iter().all(|&v| v == shape[0] as f32), "{shape:?}");
    }
    assert_eq!(read(wide(&[1 << 30]).sum(0).unwrap()), [(1u64 << 30) as f32]);
    let refused = wide(&[(1 << 32) + 5]).sum(0);
    assert!(matches!(refused, Err(Error::Unsupported { op: "reduce", .. })), "{refused:?}");
    // Half of the keys have the value 1.
    let values: Vec<f32> = (0..100_000).map(|i| (i % 2) as f32).collect();
    let v = Tensor::from_slice(&device, &values, &[1, 1, 100_000, 1]).unwrap();
    for queries in [1, 64] {
        let spec = fft_core::backend::AttentionSpec { scale: 1.0, causal: false, offset: 0 };
        let (q, k) = (wide(&[1, 1, queries, 4]), wide(&[1, 1, 100_000, 4]));
        let y = Tensor::attention(&q, &k, &v, spec).unwrap();
        assert!(read(y).iter().all(|y| (y - 0.5).abs() < 1e-5), "{queries} queries");
    }
}

/// Scratch that is too large for a binding is told, and loses nothing.
#[test]
fn a_scatter_into_too_many_places_is_refused() {
    let Some(device) = open(WgpuOptions { default_limits: true, ..Default::default() }) else { return };
    let mut x = Tensor::zeros(&device, &[40_000_000], DType::U8).unwrap();
    let index = Tensor::from_slice(&device, &[7u32], &[1]).unwrap();
    let one = Tensor::full(&device, &[1], DType::U8, 1.0).unwrap();
    let refused = x.scatter(0, &index, &one, ScatterMode::Set);
    assert!(matches!(refused, Err(Error::BufferTooBig { .. })), "{refused:?}");
    assert_eq!(one.to_vec::<u8>().unwrap(), [1]);
}

/// The same work again makes nothing new.
#[test]
fn a_steady_state_creates_nothing() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let x = ramp(&device, &[12, 96]);
    let w = ramp(&device, &[96, 40]);
    let work = || {
        let spectrum = x.rfft(1, None, Norm::Ortho).unwrap();
        let back = spectrum.irfft(1, Some(96), Norm::Ortho).unwrap();
        let y = back.matmul(&w).unwrap().softmax(1).unwrap();
        y.to_dtype(DType::BF16).unwrap().sum(0).unwrap().to_bytes().unwrap()
    };
    let first = work();
    for _ in 0..5 {
        work();
    }
    let before = fft_wgpu::stats(&device).unwrap();
    for _ in 0..100 {
        assert_eq!(work(), first);
    }
    let after = fft_wgpu::stats(&device).unwrap();
    assert_eq!(
        (before.pipelines, before.bind_groups, before.buffers),
        (after.pipelines, after.bind_groups, after.buffers)
    );
    // Each round is handed over once, when its result is read.
    assert_eq!(after.submissions - before.submissions, 100, "{before:?} to {after:?}");
}

#[test]
fn random_operations_leave_nothing_behind() {
    let Some(device) = open(WgpuOptions { validation: true, ..Default::default() }) else { return };
    let mut random = Random::new(17);
    {
        let mut kept: Vec<Tensor> = vec![ramp(&device, &[8, 12])];
        for _ in 0..10_000 {
            let x = kept[random.below(kept.len())].clone();
            let made = match random.below(9) {
                0 => x.affine(0.5, 0.25),
                1 => x.transpose(0, 1),
                2 => x.add(&x),
                3 => x.sum(random.below(2)).and_then(|s| s.unsqueeze(0)),
                4 => x.matmul(&x.transpose(0, 1).unwrap()),
                5 => x.rfft(1, None, Norm::Ortho).and_then(|z| z.abs()),
                6 => x.unary(UnaryOp::Tanh),
                7 => Ok(ramp(&device, &[1 + random.below(20), 1 + random.below(30)])),
                _ => x.narrow(0, 0, 1 + random.below(x.shape()[0])),
            };
            let made = made.unwrap();
            if made.len() > 4096 {
                kept.clear();
                kept.push(ramp(&device, &[8, 12]));
            } else if kept.len() > 20 {
                let at = random.below(kept.len());
                kept[at] = made;
            } else {
                kept.push(made);
            }
        }
        assert!(device.memory().usage().in_use > 0);
    }
    let usage = device.memory().usage();
    assert_eq!((usage.in_use, usage.reservations), (0, 0));
}

#[test]
fn several_threads_use_one_device() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let device = device.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let start = (thread * 100 + round) as f32;
                    let mut x = Tensor::full(&device, &[1000], DType::F32, start.into()).unwrap();
                    for _ in 0..10 {
                        x = x.affine(1.0, 1.0).unwrap();
                    }
                    let got = x.to_vec::<f32>().unwrap();
                    assert!(got.iter().all(|&v| v == start + 10.0), "thread {thread}: {}", got[0]);
                }
            });
        }
    });
    assert_eq!(device.memory().usage().in_use, 0);
}

#[test]
fn a_lost_device_fails_every_call() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let x = ramp(&device, &[100]);
    let pending = x.affine(2.0, 0.0).unwrap();
    fft_wgpu::destroy(&device);
    for outcome in [
        pending.to_bytes().map(drop),
        x.add(&x).map(drop),
        device.synchronize(),
        Tensor::zeros(&device, &[10], DType::F32).map(drop),
    ] {
        assert!(matches!(outcome, Err(Error::DeviceLost { .. })), "{outcome:?}");
    }
    drop((x, pending));
    assert_eq!(device.memory().usage().in_use, 0);
}

/// `2^24` points: a tone and an impulse, whose transform is known.
#[test]
fn a_line_of_sixteen_million_points() {
    for default_limits in [false, true] {
        let Some(device) = open(WgpuOptions { default_limits, ..Default::default() }) else { return };
        let (n, tone, impulse) = (1usize << 24, 1_234_567, 7_654_321);
        let mut data: Vec<Complex32> = (0..n)
            .map(|i| {
                let angle = TAU * ((i as u64 * tone as u64) % n as u64) as f64 / n as f64;
                Complex32::new(angle.cos() as f32, angle.sin() as f32)
            })
            .collect();
        data[impulse] += Complex32::new(4096.0, 0.0);
        let x = Tensor::from_slice(&device, &data, &[n]).unwrap();
        let spec = FftSpec { kind: FftKind::C2C, direction: Direction::Forward, axis: 0, n, scale: 1.0 };
        let got = x.fft_primitive(spec).unwrap().to_vec::<Complex32>().unwrap();
        let (mut error, mut norm) = (0.0, 0.0);
        for (k, z) in got.iter().enumerate() {
            let angle = -TAU * ((k as u64 * impulse as u64) % n as u64) as f64 / n as f64;
            let (mut re, im) = (4096.0 * angle.cos(), 4096.0 * angle.sin());
            if k == tone {
                re += n as f64;
            }
            error += (f64::from(z.re) - re).powi(2) + (f64::from(z.im) - im).powi(2);
            norm += re * re + im * im;
        }
        let relative = (error / norm).sqrt();
        assert!(
            relative <= f64::from(f32::EPSILON) * 24.0,
            "{relative:e} with default limits: {default_limits}"
        );
    }
}
