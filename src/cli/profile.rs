//! What a device's kernels cost, and where compiled kernels are kept.

use std::path::PathBuf;

use fft_tensor::{Device, KernelTime};

use super::output;

/// A device that tells at the end what its kernels cost, when it was opened to measure that.
pub(super) struct OpenedDevice(pub(super) Device);

impl std::ops::Deref for OpenedDevice {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.0
    }
}

impl Drop for OpenedDevice {
    fn drop(&mut self) {
        match self.0.kernel_times() {
            Ok(Some(times)) => report(times).iter().for_each(|line| eprintln!("{line}")),
            Ok(None) => {}
            Err(error) => eprintln!("the profile: {error}"),
        }
    }
}

/// A table of kernels, the most expensive first.
fn report(mut times: Vec<KernelTime>) -> Vec<String> {
    times.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then_with(|| a.name.cmp(&b.name)));
    let total: f64 = times.iter().map(|t| t.seconds).sum();
    let row = |t: &KernelTime| {
        vec![
            t.name.clone(),
            t.calls.to_string(),
            format!("{:.3}", t.seconds * 1e3),
            format!("{:.1}", t.seconds * 1e6 / t.calls.max(1) as f64),
            format!("{:.1} %", 100.0 * t.seconds / total.max(f64::MIN_POSITIVE)),
        ]
    };
    let rows: Vec<Vec<String>> = times.iter().map(row).collect();
    output::table(&["kernel", "calls", "ms in all", "us a call", "share"], &rows)
}

/// Where compiled kernels are kept from one run to the next: `FFT_TENSOR_CACHE`, or a folder of ours in the user's folder for what can be made
/// again.
pub(super) fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let users = || {
        let home = || set("HOME").map(|home| home.join(".cache"));
        Some(set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA")).or_else(home)?.join("fft-tensor"))
    };
    set("FFT_TENSOR_CACHE").or_else(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_expensive_kernel_is_first() {
        let time = |name: &str, calls, seconds| KernelTime { name: name.into(), calls, seconds };
        let lines = report(vec![time("copy", 4, 0.001), time("fft", 2, 0.003)]);
        let cells: Vec<Vec<&str>> = lines.iter().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(cells[2], ["fft", "2", "3.000", "1500.0", "75.0", "%"]);
        assert_eq!(cells[3], ["copy", "4", "1.000", "250.0", "25.0", "%"]);
    }
}
