//! What a device makes when the same work comes again: nothing.

use fft_core::Device;

/// Repeated work has the bits of its first call; after `settled` calls it compiles nothing and makes no buffers or sets of them.
pub(crate) fn makes_nothing_new<T: PartialEq>(device: &Device, settled: usize, work: impl Fn() -> T) {
    let first = work();
    for _ in 1..settled {
        work();
    }
    let before = fft_wgpu::stats(device).unwrap();
    for _ in 0..5 {
        assert!(work() == first, "other bits than at the first call");
    }
    let after = fft_wgpu::stats(device).unwrap();
    assert_eq!(
        (before.pipelines, before.bind_groups, before.buffers),
        (after.pipelines, after.bind_groups, after.buffers)
    );
}
