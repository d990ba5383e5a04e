//! Reading back without waiting: several at once, as futures, with errors of their own.

mod common;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::open;
use fft_core::{DType, Device, Error, Tensor};
use fft_wgpu::{Readback, WgpuOptions, read_back, stats};

fn full(device: &Device, len: usize, value: f64) -> Tensor {
    Tensor::full(device, &[len], DType::F32, value).unwrap()
}

/// Work that keeps a device busy for a while.
fn busy(device: &Device, n: usize) -> Tensor {
    let x = Tensor::full(device, &[n, n], DType::F32, 0.001).unwrap();
    (0..4).fold(x.clone(), |y, _| y.matmul(&x).unwrap())
}

fn all_are(bytes: &[u8], len: usize, value: f32) -> bool {
    bytes.len() == 4 * len && bytes.chunks_exact(4).all(|b| b == value.to_le_bytes())
}

#[test]
fn several_are_on_their_way() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let round = |awaited: bool| {
        let mut x = full(&device, 1000, 1.0);
        let first = read_back(&x).unwrap();
        // What is done afterwards is not seen.
        x.assign(0, 0, &full(&device, 1000, 5.0)).unwrap();
        let y = x.affine(2.0, 1.0).unwrap();
        let second = read_back(&y.narrow(0, 10, 300).unwrap()).unwrap();
        let z = y.affine(1.0, 1.0).unwrap();
        drop((x, y));
        let get = |r: Readback| if awaited { pollster::block_on(r) } else { r.wait() };
        assert!(all_are(&get(second).unwrap(), 300, 11.0));
        assert!(all_are(&get(first).unwrap(), 1000, 1.0));
        assert!(z.to_vec::<f32>().unwrap().iter().all(|&v| v == 12.0));
    };
    for i in 0..4 {
        round(i % 2 == 0);
    }
    let before = stats(&device).unwrap();
    for i in 0..20 {
        round(i % 2 == 0);
    }
    let after = stats(&device).unwrap();
    assert_eq!((before.buffers, before.bind_groups), (after.buffers, after.bind_groups));
    assert_eq!(device.memory().usage().in_use, 0);
}

#[test]
fn any_size_and_place() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let data: Vec<u8> = (0..(40 << 20) + 3).map(|i: usize| (i * 7 % 251) as u8).collect();
    let x = Tensor::from_slice(&device, &data, &[data.len()]).unwrap();
    for (from, len) in [(0, data.len()), (5, 33 << 20), (3, 2), (data.len() - 1, 1), (7, 0)] {
        let got = pollster::block_on(read_back(&x.narrow(0, from, len).unwrap()).unwrap()).unwrap();
        assert!(got == data[from..from + len], "{len} from {from}");
    }
    let square = Tensor::from_slice(&device, &[0f32, 1.0, 2.0, 3.0, 4.0, 5.0], &[2, 3]).unwrap();
    let turned = read_back(&square.transpose(0, 1).unwrap()).unwrap().wait().unwrap();
    assert_eq!(turned, [0f32, 3.0, 1.0, 4.0, 2.0, 5.0].map(f32::to_le_bytes).concat());
}

/// Futures that are polled, and whose executor is told once, in several threads; and some that nobody waits for.
#[test]
fn futures_are_woken() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let device = &device;
            scope.spawn(move || {
                for round in 0..5 {
                    let value = (10 * thread + round) as f32;
                    drop(busy(device, 128));
                    let kept = read_back(&full(device, 5000, value.into())).unwrap();
                    let mut dropped = Box::pin(read_back(&busy(device, 128)).unwrap());
                    let _ = dropped.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    drop(dropped);
                    drop(read_back(&full(device, 10, 0.0)).unwrap());
                    assert!(all_are(&pollster::block_on(kept).unwrap(), 5000, value));
                }
            });
        }
    });
    device.synchronize().unwrap();
    device.trim();
    assert_eq!((device.memory().usage().in_use, stats(&device).unwrap().own_bytes), (0, 0));
}

#[test]
fn a_result_is_handed_out_once() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut future = pin!(read_back(&full(&device, 8, 1.0)).unwrap());
    let mut task = Context::from_waker(Waker::noop());
    let got = loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(got) => break got,
            Poll::Pending => std::thread::yield_now(),
        }
    };
    assert!(all_are(&got.unwrap(), 8, 1.0));
    assert!(matches!(future.as_mut().poll(&mut task), Poll::Ready(Err(Error::InvalidArgument { .. }))));
}

#[test]
fn a_lost_device_is_told() {
    for awaited in [true, false] {
        let Some(device) = open(WgpuOptions::default()) else { return };
        let pending = read_back(&busy(&device, 512)).unwrap();
        fft_wgpu::destroy(&device);
        let outcome = if awaited { pollster::block_on(pending) } else { pending.wait() };
        assert!(matches!(outcome, Err(Error::DeviceLost { .. })), "{outcome:?}");
    }
}

/// A device that does not answer in time counts as lost, whoever waits.
#[test]
fn the_time_is_limited() {
    for awaited in [true, false] {
        let options = WgpuOptions { timeout: Duration::from_millis(1), ..Default::default() };
        let Some(device) = open(options) else { return };
        let pending = read_back(&busy(&device, 512)).unwrap();
        let outcome = if awaited { pollster::block_on(pending) } else { pending.wait() };
        let late =
            |e: &Error| matches!(e, Error::DeviceLost { reason, .. } if reason.contains("did not answer"));
        assert!(outcome.as_ref().is_err_and(late), "{outcome:?}");
    }
}

#[test]
fn the_memory_limit_holds() {
    let Some(device) = open(WgpuOptions { memory_limit: Some(8 << 20), ..Default::default() }) else {
        return;
    };
    let x = full(&device, 1 << 21, 3.0);
    let refused = read_back(&x);
    assert!(matches!(refused, Err(Error::MemoryLimit { .. })), "{refused:?}");
    drop(refused);
    assert!(x.to_vec::<f32>().unwrap().iter().all(|&v| v == 3.0));
    let part = read_back(&x.narrow(0, 5, 1000).unwrap()).unwrap();
    assert!(all_are(&part.wait().unwrap(), 1000, 3.0));
    // An error when it begins, too: of a device of another crate, or one that is lost.
    fft_wgpu::destroy(&device);
    device.synchronize().unwrap_err();
    assert!(matches!(read_back(&x), Err(Error::DeviceLost { .. })));
}
