//! Memory: what is in use, what is given back, what is reused, and what is never copied.

use std::sync::Arc;

use fft_core::convolution::{ConvGeometry, ConvSpec};
use fft_core::{Complex32, DType, Device, Error, HostBytes, Norm, Tensor};
use fft_cpu::CpuOptions;

fn cpu(threads: usize, memory_limit: Option<usize>) -> Device {
    fft_cpu::device(CpuOptions { threads: Some(threads), memory_limit }).unwrap()
}

fn ramp(device: &Device, shape: &[usize]) -> Tensor {
    let data: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| (i % 97) as f32 - 48.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap()
}

#[test]
fn dropped_tensors_and_scratch_are_given_back() {
    let device = cpu(2, None);
    let x = ramp(&device, &[64, 1000]);
    let held = device.memory().usage().in_use;
    assert!(held >= x.bytes() && held <= x.bytes() + x.bytes() / 8 + 64, "{held}");
    device.memory().reset_peak();
    let s = x.rfft(1, None, Norm::Backward).unwrap();
    let t = x.transpose(0, 1).unwrap().rfft(0, None, Norm::Backward).unwrap();
    let view = s.narrow(0, 3, 2).unwrap();
    drop((s, t));
    // A view keeps its whole buffer alive.
    assert!(device.memory().usage().in_use >= held + 64 * 501 * 8);
    assert!(device.memory().usage().peak >= held + 2 * 64 * 501 * 8);
    drop(view);
    assert_eq!(device.memory().usage().in_use, held);
    drop(x);
    assert_eq!((device.memory().usage().in_use, device.memory().usage().reservations), (0, 0));
}

#[test]
fn transforms_in_place_need_no_second_tensor() {
    for threads in [1, 2] {
        let device = cpu(threads, None);
        for (shape, axes) in [
            (&[64, 96, 80][..], &[0, 1, 2][..]),
            (&[512, 1009], &[0, 1]),
            (&[1009, 512], &[0, 1]),
            (&[4096, 128], &[0]),
        ] {
            let mut x = ramp(&device, shape).to_dtype(DType::C64).unwrap();
            let bytes = x.bytes();
            device.memory().reset_peak();
            let before = device.memory().usage();
            x.fft_in_place(axes, Norm::Backward).unwrap();
            x.ifft_in_place(axes, Norm::Backward).unwrap();
            let extra = device.memory().usage().peak - before.in_use;
            assert!(
                extra <= bytes / 2 * threads,
                "{shape:?}: {extra} bytes beside the {bytes} of the tensor"
            );
            assert_eq!(device.memory().usage().in_use, before.in_use);
        }
    }
}

#[test]
fn shared_spectra_of_tiles_are_bounded() {
    let (x, w, tile) = ([1, 80, 224, 240], [2, 80, 33, 33], [256, 288]);
    let g = ConvGeometry::new("conv", &x, &w, &ConvSpec::new(2).padding(&[16, 16])).unwrap();
    // The spectra of all channels of a tile, in single precision.
    let all = 80 * 256 * (288 / 2 + 1) * 8;
    for threads in [1, 2] {
        let device = cpu(threads, None);
        let (x, w) = (ramp(&device, &x), ramp(&device, &w));
        let spectrum = device.conv_spectrum(&w, &g, &tile).unwrap();
        device.memory().reset_peak();
        let before = device.memory().usage().in_use;
        let y = device.conv_fft(&x, &spectrum, None, &g, &tile).unwrap();
        let more = device.memory().usage().peak - before - y.bytes();
        // A thread has a tile and the scratch of transforms besides, and the pool rounds up by an eighth.
        let bound = (16 << 20).max(y.bytes() / 4) + threads * (1 << 20);
        assert!(more <= bound / 8 * 9, "{threads} threads: {more} bytes of scratch, for spectra of {all}");
        assert!(more < all, "{more} bytes of scratch, for spectra of {all}");
    }
}

#[test]
fn a_limit_refuses_what_would_pass_it_and_idle_blocks_do_not_count() {
    let device = cpu(1, Some(1 << 20));
    let fits = |bytes: usize| Tensor::zeros(&device, &[bytes], DType::U8);
    // Each of these sizes leaves an idle block behind; together they would pass the limit.
    for bytes in [600_000, 700_000, 800_000, 900_000, 1_000_000] {
        fits(bytes).unwrap();
    }
    let first = fits(600_000).unwrap();
    match fits(600_000) {
        Err(Error::MemoryLimit { requested, in_use, limit }) => {
            assert_eq!(limit, 1 << 20);
            assert!(requested >= 600_000 && in_use >= 600_000);
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    fits(600_000).unwrap();
    assert!(matches!(Tensor::zeros(&device, &[1 << 62], DType::U8), Err(Error::MemoryLimit { .. })));
    // An operation whose result does not fit fails, and leaves nothing in use.
    let x = ramp(&device, &[100_000]);
    let held = device.memory().usage();
    assert!(matches!(x.fft(0, None, Norm::Backward), Err(Error::MemoryLimit { .. })));
    assert_eq!(device.memory().usage().in_use, held.in_use);
    device.memory().set_limit(None);
    x.fft(0, None, Norm::Backward).unwrap();
}

#[test]
fn repeated_work_makes_no_plan_and_no_block() {
    for threads in [1, 2] {
        let device = cpu(threads, None);
        let x = ramp(&device, &[40, 1200]);
        let w = ramp(&device, &[300, 1200]).to_dtype(DType::BF16).unwrap();
        let norm = ramp(&device, &[1200]);
        let work = || {
            let s = x.rfft(1, None, Norm::Backward).unwrap();
            let back = s.irfft(1, Some(1200), Norm::Backward).unwrap();
            let columns = back.fft(0, None, Norm::Ortho).unwrap().abs().unwrap().sum_all().unwrap();
            let y = back.matmul(&w.transpose(0, 1).unwrap()).unwrap();
            let few = back.narrow(0, 0, 3).unwrap().matmul(&w.transpose(0, 1).unwrap()).unwrap();
            let z = back.rms_norm(&norm, 1e-5).unwrap().silu().unwrap().softmax(1).unwrap();
            (columns, y, few, z.transpose(0, 1).unwrap().contiguous().unwrap())
        };
        work();
        work();
        let before = device.cache_stats();
        assert!(before.plans_created >= 3 && before.blocks_allocated > 0);
        for _ in 0..100 {
            work();
        }
        assert_eq!(device.cache_stats(), before, "{threads} threads");
    }
}

/// Bytes whose address a test knows.
#[repr(align(64))]
struct Aligned([u8; 64]);

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn host_bytes_are_read_in_place_and_never_written() {
    let device = cpu(1, None);
    let mut bytes = [0; 64];
    for i in 0..15 {
        bytes[4 * i..4 * i + 4].copy_from_slice(&(i as f32).to_le_bytes());
    }
    let owner = Arc::new(Aligned(bytes));
    let adopt = |from: usize, count: usize| {
        let bytes = HostBytes::new(Arc::clone(&owner) as Arc<_>, from..from + 4 * count).unwrap();
        Tensor::from_host(&device, bytes, &[count], DType::F32).unwrap()
    };
    let mut x = adopt(4, 14);
    assert_eq!(device.memory().usage().in_use, 0, "nothing was copied");
    assert_eq!(x.to_vec::<f32>().unwrap(), (1..15).map(|i| i as f32).collect::<Vec<_>>());
    // Bytes that do not lie as elements must are copied.
    let shifted = adopt(1, 4);
    assert!(device.memory().usage().in_use >= 16);
    assert_eq!(shifted.to_bytes().unwrap(), bytes[1..17]);
    // Writing leaves the owner's bytes alone.
    x.assign(0, 2, &ramp(&device, &[3])).unwrap();
    assert_eq!(x.to_vec::<f32>().unwrap()[..6], [1.0, 2.0, -48.0, -47.0, -46.0, 6.0]);
    assert_eq!(owner.0, bytes);
    drop((x, shifted));
    assert_eq!(device.memory().usage().in_use, 0);
}

#[test]
fn empty_and_single_element_tensors() {
    let device = cpu(2, None);
    let none = Tensor::zeros(&device, &[0, 5], DType::F32).unwrap();
    assert_eq!(none.rfft(1, None, Norm::Backward).unwrap().shape(), &[0, 3]);
    assert_eq!(none.exp().unwrap().to_vec::<f32>().unwrap(), [0f32; 0]);
    assert_eq!(none.sum(0).unwrap().to_vec::<f32>().unwrap(), [0.0; 5]);
    assert_eq!(none.matmul(&ramp(&device, &[5, 2])).unwrap().shape(), &[0, 2]);
    let no_inner = ramp(&device, &[3, 1]).narrow(1, 0, 0).unwrap();
    let product = no_inner.matmul(&Tensor::zeros(&device, &[0, 4], DType::F32).unwrap()).unwrap();
    assert_eq!(product.to_vec::<f32>().unwrap(), [0.0; 12]);
    let one = Tensor::from_slice(&device, &[3f32], &[1, 1]).unwrap();
    assert_eq!(
        one.fft(1, None, Norm::Backward).unwrap().to_vec::<Complex32>().unwrap(),
        [Complex32::new(3.0, 0.0)]
    );
    assert_eq!(one.matmul(&one).unwrap().to_vec::<f32>().unwrap(), [9.0]);
    assert_eq!(one.softmax(1).unwrap().to_vec::<f32>().unwrap(), [1.0]);
}
