//! What a device does besides computing: measuring its kernels, keeping them from run to run.

use fft_core::{Device, Error, Tensor};
use fft_wgpu::WgpuOptions;

/// A device, or nothing where there is no adapter, which the conformance test says loudly, or where it lacks a feature.
fn open(options: &WgpuOptions, feature: &str) -> Option<Device> {
    let adapters = fft_wgpu::adapters();
    let Some(first) = adapters.first() else {
        eprintln!("*** no adapter: this wgpu test DID NOT RUN ***");
        return None;
    };
    if !first.features.split(' ').any(|f| f == feature) {
        eprintln!("*** {} has no {feature}: this wgpu test DID NOT RUN ***", first.name);
        let refused = fft_wgpu::device(WgpuOptions { profile: true, ..Default::default() });
        assert!(feature != "timestamps" || matches!(refused, Err(Error::DeviceUnavailable { .. })));
        return None;
    }
    Some(fft_wgpu::device(options.clone()).unwrap())
}

fn exponentials(device: &Device) -> Vec<f32> {
    let x = Tensor::from_slice(device, &[0.0f32, 1.0, -2.0], &[3]).unwrap();
    x.exp().unwrap().to_vec().unwrap()
}

#[test]
fn kernels_are_measured() {
    let plain = WgpuOptions::default();
    let options = WgpuOptions { profile: true, ..plain.clone() };
    let Some(device) = open(&options, "timestamps") else { return };
    assert_eq!(device.kernel_times().unwrap().unwrap(), []);
    // More kernels than one submission holds.
    let mut x = Tensor::full(&device, &[1 << 16], fft_core::DType::F32, 0.0).unwrap();
    for _ in 0..600 {
        x = x.affine(0.5, 1.0).unwrap();
    }
    let times = device.kernel_times().unwrap().unwrap();
    let (affine, others): (Vec<_>, Vec<_>) = times.iter().partition(|t| t.calls == 600);
    assert_eq!((affine.len(), others.iter().map(|t| t.calls).sum::<u64>()), (1, 1), "{times:?}");
    assert!(affine[0].seconds > 0.0 && affine[0].name.contains("Affine"), "{times:?}");
    // Halves and ones come to two, exactly.
    assert!(x.to_vec::<f32>().unwrap().iter().all(|&v| v == 2.0));
    let unmeasured = fft_wgpu::device(plain).unwrap();
    exponentials(&unmeasured);
    assert!(unmeasured.kernel_times().unwrap().is_none());
}

#[test]
fn compiled_kernels_are_kept_in_a_file() {
    let folder = std::env::temp_dir().join(format!("fft-wgpu-cache-{}", std::process::id()));
    let options = WgpuOptions { pipeline_cache: Some(folder.join("deeper")), ..Default::default() };
    let Some(device) = open(&options, "pipeline-cache") else { return };
    let want = exponentials(&device);
    drop(device);
    let files = || std::fs::read_dir(folder.join("deeper")).unwrap().map(|f| f.unwrap().path()).collect();
    let kept: Vec<_> = files();
    assert!(kept.len() == 1 && std::fs::metadata(&kept[0]).unwrap().len() > 8, "{kept:?}");
    // Used again; and written anew where it was damaged.
    for damage in [false, true] {
        if damage {
            std::fs::write(&kept[0], b"no kernels").unwrap();
        }
        let device = fft_wgpu::device(options.clone()).unwrap();
        assert_eq!(exponentials(&device), want);
        drop(device);
        assert_eq!(kept, files() as Vec<_>);
        assert!(std::fs::metadata(&kept[0]).unwrap().len() > 20);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    // A folder that cannot be made is told at once.
    std::fs::write(&folder, b"a file").unwrap();
    let refused = fft_wgpu::device(options);
    assert!(
        matches!(&refused, Err(Error::DeviceUnavailable { reason, .. }) if reason.contains("cache")),
        "{refused:?}"
    );
    std::fs::remove_file(&folder).unwrap();
}
