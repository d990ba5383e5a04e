//! Values that NumPy, SciPy and PyTorch computed; `fixtures/transforms.py` says how.

use fft_core::stft::{Centre, StftOptions, StftScaling, StftWindow};
use fft_core::window::Window;
use fft_core::{Complex64, ConvolveMode, DctType, Device, Norm, Tensor, frequencies};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/transforms.json")).expect("the fixture is JSON")
}

fn device() -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(1), ..Default::default() })
        .expect("a processor opens")
}

/// The entries under a name.
fn entries<'a>(fixture: &'a Value, name: &str) -> &'a [Value] {
    fixture[name].as_array().expect("a list of cases")
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

fn norm(value: &Value) -> Norm {
    match value.as_str().expect("a norm") {
        "backward" => Norm::Backward,
        "ortho" => Norm::Ortho,
        _ => Norm::Forward,
    }
}

/// The signal of the script.
fn signal(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|j| ((j * j * 7 + 3 * j + seed * 5) % 31) as f64 / 16.0 - 1.0).collect()
}

fn real(device: &Device, n: usize, seed: usize) -> Tensor {
    Tensor::from_slice(device, &signal(n, seed), &[n]).expect("a small tensor")
}

fn complex(device: &Device, n: usize, seeds: [usize; 2]) -> Tensor {
    real(device, n, seeds[0]).complex(&real(device, n, seeds[1])).expect("a small tensor")
}

/// Parts of the elements in turn, as the script writes them.
fn parts(x: &Tensor) -> Vec<f64> {
    if x.dtype().is_complex() {
        return x.to_vec::<Complex64>().expect("values").iter().flat_map(|z| [z.re, z.im]).collect();
    }
    x.to_vec().expect("values")
}

/// The fixture holds 11 digits.
fn same(what: &Value, got: &[f64], want: &Value) {
    let want: Vec<f64> =
        want.as_array().expect("values").iter().map(|v| v.as_f64().expect("a number")).collect();
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(&want).enumerate() {
        assert!((g - w).abs() <= 2e-10 * w.abs().max(1.0), "{what}: element {i} is {g} instead of {w}");
    }
}

#[test]
fn cosine_and_sine_transforms() {
    let (fixture, d) = (fixture(), device());
    for case in entries(&fixture, "dct") {
        let kind = DctType::ALL[number(&case["type"]) - 1];
        let x = real(&d, number(&case["n"]), number(&case["type"]));
        let call = match case["wave"].as_str() {
            Some("dct") => Tensor::dct,
            Some("idct") => Tensor::idct,
            Some("dst") => Tensor::dst,
            _ => Tensor::idst,
        };
        let y = call(&x, kind, 0, None, norm(&case["norm"])).expect("a transform");
        same(case, &parts(&y), &case["y"]);
    }
}

#[test]
fn hermitian_transforms() {
    let (fixture, d) = (fixture(), device());
    let half = complex(&d, 4, [1, 2]);
    for case in entries(&fixture, "hfft") {
        let (n, norm) = (number(&case["n"]), norm(&case["norm"]));
        same(case, &parts(&half.hfft(0, Some(n), norm).expect("a transform")), &case["y"]);
        same(case, &parts(&real(&d, n, 3).ihfft(0, None, norm).expect("a transform")), &case["back"]);
    }
    let (case, shape) = (&fixture["hfftn"], [2, 3, 4]);
    let z = complex(&d, 24, [4, 5]).reshape(&shape).expect("a box");
    let y = z.hfftn(&[0, 1, 2], Some(&[2, 3, 7]), Norm::Backward).expect("a transform");
    same(case, &parts(&y), &case["y"]);
    let x = real(&d, 24, 4).reshape(&shape).expect("a box");
    same(case, &parts(&x.ihfftn(&[0, 1, 2], None, Norm::Ortho).expect("a transform")), &case["back"]);
}

#[test]
fn windows_and_frequencies() {
    let fixture = fixture();
    for case in entries(&fixture, "window") {
        let parameter = case["parameter"].as_f64().unwrap_or_default();
        let window = match case["name"].as_str() {
            Some("boxcar") => Window::Rectangular,
            Some("bartlett") => Window::Bartlett,
            Some("hann") => Window::Hann,
            Some("hamming") => Window::Hamming,
            Some("blackman") => Window::Blackman,
            Some("blackmanharris") => Window::BlackmanHarris,
            Some("kaiser") => Window::Kaiser { beta: parameter },
            Some("gaussian") => Window::Gaussian { deviation: parameter },
            _ => Window::Tukey { taper: parameter },
        };
        let periodic = case["periodic"].as_bool().expect("a flag");
        let w = window.values(number(&case["n"]), periodic).expect("a window");
        same(case, &w, &case["w"]);
    }
    for case in entries(&fixture, "frequencies") {
        let (n, spacing) = (number(&case["n"]), case["spacing"].as_f64().expect("a number"));
        same(case, &frequencies::fftfreq(n, spacing).expect("frequencies"), &case["fft"]);
        same(case, &frequencies::rfftfreq(n, spacing).expect("frequencies"), &case["rfft"]);
    }
}

#[test]
fn short_time_transforms() {
    let (fixture, d) = (fixture(), device());
    let x = real(&d, 29, 6);
    for case in entries(&fixture, "stft") {
        let flag = |name: &str| case[name].as_bool().expect("a flag");
        let options = StftOptions {
            hop: number(&case["hop"]),
            window_len: number(&case["window"]),
            window: StftWindow::Named(Window::Hamming),
            centre: match (flag("centre"), case["pad"].as_str()) {
                (false, _) => Centre::No,
                (true, Some("reflect")) => Centre::Reflect,
                _ => Centre::Zeros,
            },
            onesided: flag("onesided"),
            scaling: if flag("normalized") { StftScaling::Ortho } else { StftScaling::None },
            ..StftOptions::new(number(&case["n_fft"]))
        };
        let [bins, frames] = [0, 1].map(|i| number(&case["shape"][i]));
        let z = x.stft(&options).and_then(|z| z.narrow(1, 0, frames)).expect("spectra");
        assert_eq!(z.shape(), [bins, frames], "{case}");
        same(case, &parts(&z), &case["z"]);
        // Spectra that are not those of a signal.
        let noise = complex(&d, bins * frames, [7, 8]).reshape(&[bins, frames]).expect("spectra");
        same(case, &parts(&noise.istft(&options, None).expect("a signal")), &case["back"]);
    }
    for (name, scaling) in
        [("stft_spectrum", StftScaling::Spectrum), ("stft_psd", StftScaling::Density { rate: 4.0 })]
    {
        let z = x.stft(&StftOptions { scaling, ..StftOptions::new(8) }).and_then(|z| z.narrow(1, 0, 5));
        same(&Value::from(name), &parts(&z.expect("spectra")), &fixture[name]);
    }
}

#[test]
fn convolutions() {
    let (fixture, d) = (fixture(), device());
    for case in entries(&fixture, "convolve") {
        let (n, m) = (number(&case["n"]), number(&case["m"]));
        let (a, v) = match case["complex"].as_bool() {
            Some(true) => (complex(&d, n, [1, 2]), complex(&d, m, [3, 4])),
            _ => (real(&d, n, 1), real(&d, m, 3)),
        };
        let mode = match case["mode"].as_str() {
            Some("full") => ConvolveMode::Full,
            Some("same") => ConvolveMode::Same,
            _ => ConvolveMode::Valid,
        };
        same(case, &parts(&a.convolve(&v, mode).expect("sums")), &case["convolve"]);
        same(case, &parts(&a.correlate(&v, mode).expect("sums")), &case["correlate"]);
    }
}
