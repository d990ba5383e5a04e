//! What the device keeps for itself counts against the memory limit: tables of plans, and buffers for reading back.

mod common;

use fft_core::{Complex32, DType, Device, Error, Norm, Tensor};
use fft_wgpu::WgpuOptions;

/// A device, or nothing where there is no adapter, which the conformance test says loudly.
fn open(memory_limit: Option<usize>) -> Option<Device> {
    common::open(WgpuOptions { memory_limit, ..Default::default() })
}

fn own(device: &Device) -> usize {
    fft_wgpu::stats(device).unwrap().own_bytes
}

/// A transform of a prime length, which needs large tables.
fn transform(device: &Device, n: usize) -> fft_core::Result<()> {
    let x = Tensor::zeros(device, &[n], DType::C64)?;
    x.fft(0, None, Norm::Backward).map(drop)
}

#[test]
fn tables_count() {
    let Some(device) = open(None) else { return };
    transform(&device, 100_003).unwrap();
    let (peak, tables) = (device.memory().usage().peak, own(&device));
    assert!(tables > 1 << 20, "{tables} bytes of tables");
    // They do not count as in use, and can be had back.
    assert_eq!(device.memory().usage().in_use, 0);
    device.trim();
    assert_eq!(own(&device), 0);
    let enough = open(Some(peak + tables)).unwrap();
    transform(&enough, 100_003).unwrap();
    // What all of that fits into without its tables is too little with them.
    for limit in [peak, peak + tables - 1] {
        let device = open(Some(limit)).unwrap();
        let refused = transform(&device, 100_003);
        assert!(
            matches!(refused, Err(Error::MemoryLimit { requested, in_use, .. }) if requested + in_use > limit),
            "{limit} of {peak} and {tables}: {refused:?}"
        );
        assert_eq!(device.memory().usage().in_use, 0);
    }
}

/// Nothing that is kept keeps a request from the limit, and the oldest goes first.
#[test]
fn what_is_kept_gives_way() {
    let limit = 6 << 20;
    let Some(device) = open(Some(limit)) else { return };
    let plans = || device.cache_stats().plans_created;
    for n in [10_007, 20_011, 30_011, 40_009, 30_011, 50_021, 10_007] {
        transform(&device, n).unwrap();
        let used = device.memory().usage().in_use + own(&device);
        assert!(used <= limit, "{used} bytes after {n} points");
    }
    // The last ones are still there; the first had to go.
    let before = plans();
    transform(&device, 10_007).unwrap();
    assert_eq!(plans(), before);
    transform(&device, 20_011).unwrap();
    assert!(plans() > before);
    assert!(own(&device) > 0);
    let all = device.alloc(limit).unwrap();
    assert_eq!((own(&device), device.memory().usage().in_use), (0, limit));
    drop(all);
    transform(&device, 10_007).unwrap();
}

/// Results that fill the memory can be read, in small parts; where there is room, at once.
#[test]
fn reading_back_counts() {
    let limit = 8 << 20;
    let Some(device) = open(Some(limit)) else { return };
    let data: Vec<Complex32> = (0..1 << 20).map(|i| Complex32::new(i as f32, -0.5)).collect();
    let full = Tensor::from_slice(&device, &data, &[1 << 20]).unwrap();
    assert_eq!(device.memory().usage().in_use, limit);
    assert!(full.to_vec::<Complex32>().unwrap() == data);
    assert!(own(&device) <= 64 << 10, "{}", own(&device));
    drop(full);
    let half = Tensor::from_slice(&device, &data[..1 << 19], &[1 << 19]).unwrap();
    assert!(half.to_vec::<Complex32>().unwrap() == data[..1 << 19]);
    assert!(own(&device) >= 2 << 20 && own(&device) + device.memory().usage().in_use <= limit);
    // And what it was read through gives way to a tensor.
    let rest = Tensor::from_slice(&device, &data[1 << 19..], &[1 << 19]).unwrap();
    assert_eq!(own(&device), 0);
    assert!(rest.to_vec::<Complex32>().unwrap() == data[1 << 19..]);
}

/// What the queue copies of uploads does not pile up until somebody computes.
#[test]
fn uploads_are_submitted() {
    let Some(device) = open(None) else { return };
    let data: Vec<f32> = (0..10 << 20).map(|i| (i % 1000) as f32).collect();
    let before = fft_wgpu::stats(&device).unwrap().submissions;
    let kept: Vec<Tensor> =
        (0..4).map(|_| Tensor::from_slice(&device, &data, &[data.len()]).unwrap()).collect();
    let made = fft_wgpu::stats(&device).unwrap().submissions - before;
    assert!((4..=6).contains(&made), "{made} submissions of 160 MiB");
    // Many smaller ones, too.
    let parts: Vec<Tensor> =
        data.chunks(1 << 18).map(|part| Tensor::from_slice(&device, part, &[part.len()]).unwrap()).collect();
    assert!(fft_wgpu::stats(&device).unwrap().submissions - before > made);
    assert!(kept.iter().all(|x| x.to_vec::<f32>().unwrap() == data));
    assert!(Tensor::cat(&parts, 0).unwrap().to_vec::<f32>().unwrap() == data);
}
