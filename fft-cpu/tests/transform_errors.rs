//! Transforms and convolutions of sequences with input that they must refuse: the right error, never a panic.

mod refused;

use fft_core::stft::{Centre, StftOptions, StftScaling, StftWindow};
use fft_core::window::Window;
use fft_core::{
    Complex32, ConvolveMode, DType, DctSpec, DctType, Direction, Error, FftKind, FftSpec, Norm, Tensor, Wave,
};
use refused::{device, refused, typed, zeros};

#[test]
fn transforms() {
    let d = device();
    let (x, z) = (zeros(&d, &[2, 6]), typed(&d, &[2, 4], DType::C64));
    let norm = Norm::Backward;
    refused!(x.fft(2, None, norm), InvalidArgument, "fft");
    refused!(zeros(&d, &[]).fft(0, None, norm), InvalidArgument);
    refused!(x.fft(1, Some(0), norm), InvalidArgument);
    refused!(zeros(&d, &[2, 0]).rfft(1, None, norm), InvalidArgument, "at least one point");
    refused!(x.fft(1, Some(1 << 40), norm), MemoryLimit);
    refused!(typed(&d, &[2, 1], DType::C64).irfft(1, None, norm), InvalidArgument);
    refused!(typed(&d, &[4], DType::F16).fft(0, None, norm), DTypeMismatch);
    refused!(typed(&d, &[4], DType::I64).ifft(0, None, norm), DTypeMismatch, "ifft");
    refused!(z.rfft(1, None, norm), DTypeMismatch, "rfft");
    refused!(x.irfft(1, None, norm), DTypeMismatch, "irfft");
    refused!(x.fftn(&[0, 0], None, norm), InvalidArgument, "repeated");
    refused!(x.fftn(&[0, 3], None, norm), InvalidArgument);
    refused!(x.ifftn(&[0, 1], Some(&[2]), norm), InvalidArgument);
    refused!(x.rfftn(&[], None, norm), InvalidArgument);
    refused!(z.irfftn(&[], Some(&[]), norm), InvalidArgument);
    refused!(x.rfftn(&[0, 1], Some(&[0, 4]), norm), InvalidArgument);
    // Four bins are those of 6 or 7 points; what lies beside is a mistake of parity, other lengths crop or pad.
    refused!(z.irfft(1, Some(8), norm), InvalidArgument, "irfft: n = 8: 4 bins belong to 6 or 7 points");
    refused!(z.irfft(1, Some(5), norm), InvalidArgument, "irfft: n = 5");
    refused!(z.irfftn(&[0, 1], Some(&[2, 8]), norm), InvalidArgument, "irfftn: n = 8");
    refused!(z.hfft(1, Some(5), norm), InvalidArgument, "hfft: n = 5");
    refused!(typed(&d, &[1], DType::C64).irfft(0, Some(2), norm), InvalidArgument, "irfft: n = 2");
    refused!(typed(&d, &[2], DType::C64).irfft(0, Some(1), norm), InvalidArgument, "irfft: n = 1");
    for n in [1, 3, 4, 6, 7, 9, 10] {
        assert_eq!(z.irfft(1, Some(n), norm).expect("crops or pads").shape(), [2, n]);
    }
    assert_eq!(z.resize(1, 5).and_then(|z| z.irfft(1, Some(8), norm)).expect("resized").shape(), [2, 8]);
    refused!(x.hfft(1, None, norm), DTypeMismatch, "hfft");
    refused!(z.hfft(2, None, norm), InvalidArgument, "hfft");
    refused!(z.hfft(1, Some(0), norm), InvalidArgument, "hfft: n = 0");
    refused!(typed(&d, &[2, 1], DType::C64).hfft(1, None, norm), InvalidArgument, "hfft: n = 0");
    refused!(z.ihfft(1, None, norm), DTypeMismatch, "ihfft");
    refused!(zeros(&d, &[2, 0]).ihfft(1, None, norm), InvalidArgument, "ihfft: n = 0");
    refused!(z.hfft2([1, 1], None, norm), InvalidArgument, "repeated");
    refused!(x.ihfft2([0, 2], None, norm), InvalidArgument, "ihfft2: axis = 2");
    refused!(x.fft2([1, 1], None, norm), InvalidArgument, "repeated");
    refused!(x.rfft2([0, 2], None, norm), InvalidArgument, "rfft2: axis = 2");
    refused!(x.ifft2([0, 1], Some([0, 4]), norm), InvalidArgument, "ifft2: n = 0");
    refused!(z.irfft2([0, 1], Some([2, 8]), norm), InvalidArgument, "irfft2: n = 8");
    let spec = |kind, direction, n| FftSpec { kind, direction, axis: 1, n, scale: 1.0 };
    let (forward, inverse) = (Direction::Forward, Direction::Inverse);
    refused!(x.fft_primitive(spec(FftKind::C2C, forward, 6)), DTypeMismatch);
    refused!(z.fft_primitive(spec(FftKind::R2C, forward, 6)), DTypeMismatch);
    refused!(x.fft_primitive(spec(FftKind::C2R, inverse, 6)), DTypeMismatch);
    refused!(x.fft_primitive(spec(FftKind::R2C, inverse, 6)), InvalidArgument);
    refused!(z.fft_primitive(spec(FftKind::C2R, forward, 6)), InvalidArgument);
    refused!(z.fft_primitive(spec(FftKind::C2C, forward, 0)), InvalidArgument);
    refused!(z.fft_primitive(FftSpec { axis: 9, ..spec(FftKind::C2C, forward, 4) }), InvalidArgument);
    refused!(z.fft_primitive(spec(FftKind::C2C, forward, usize::MAX)), InvalidArgument);
    refused!(x.low_frequencies(&[]), InvalidArgument, "low_frequencies: modes = []");
    refused!(x.low_frequencies(&[1, 1, 1]), InvalidArgument, "1 to 2 axes");
    refused!(x.low_frequencies(&[0]), InvalidArgument);
    refused!(x.low_frequencies(&[4]), InvalidArgument, "axis 1 of 6 points has 1 to 3 modes");
    refused!(x.low_frequencies(&[2, 1]), InvalidArgument, "axis 0 of 2 points");
    refused!(zeros(&d, &[2, 0]).low_frequencies(&[1]), InvalidArgument);
    refused!(z.low_frequencies(&[1]), DTypeMismatch, "low_frequencies");
    refused!(z.band_limited(&[6]), InvalidArgument, "4 modes of axis 1 need at least 7 points");
    refused!(z.band_limited(&[]), InvalidArgument, "band_limited: lengths = []");
    refused!(z.band_limited(&[2, 7]), ShapeMismatch, "axis 0 has 2 bins");
    refused!(typed(&d, &[3, 4], DType::C64).band_limited(&[2, 7]), InvalidArgument);
    refused!(typed(&d, &[3, 0], DType::C64).band_limited(&[7]), ShapeMismatch);
    refused!(z.band_limited(&[usize::MAX]), InvalidArgument, "addressed");
    refused!(z.band_limited(&[1 << 40]), MemoryLimit);
    refused!(x.band_limited(&[6]), DTypeMismatch, "band_limited");
    refused!(x.spectral_conv(&zeros(&d, &[5])), ShapeMismatch, "spectral_conv");
    refused!(x.spectral_conv(&zeros(&d, &[3, 6])), ShapeMismatch);
    refused!(x.spectral_conv(&zeros(&d, &[])), ShapeMismatch);
    refused!(zeros(&d, &[0]).spectral_conv(&zeros(&d, &[0])), InvalidArgument);
    refused!(z.spectral_conv(&z), DTypeMismatch);
    refused!(x.spectral_conv(&typed(&d, &[6], DType::F64)), DTypeMismatch);
    refused!(x.spectral_conv(&zeros(&device(), &[6])), DeviceMismatch);
    let nothing = typed(&d, &[0, 4], DType::C64).irfft(1, Some(6), norm).expect("an empty batch");
    assert_eq!((nothing.shape(), nothing.to_vec::<f32>().expect("nothing").len()), (&[0, 6][..], 0));
    let padded = typed(&d, &[3, 0], DType::C64).fft(1, Some(2), norm).expect("only padding");
    assert_eq!(padded.to_vec::<Complex32>().expect("zeros"), [Complex32::default(); 6]);
}

#[test]
fn cosine_and_sine_transforms() {
    let d = device();
    let (x, norm) = (zeros(&d, &[2, 6]), Norm::Backward);
    for kind in DctType::ALL {
        refused!(x.dct(kind, 2, None, norm), InvalidArgument, "dct: axis = 2");
        refused!(x.dst(kind, 1, Some(0), norm), InvalidArgument, "dst: n = 0");
        refused!(zeros(&d, &[2, 0]).idct(kind, 1, None, norm), InvalidArgument, "idct: n = 0");
        refused!(zeros(&d, &[]).idst(kind, 0, None, norm), InvalidArgument, "idst: axis = 0");
        refused!(x.dctn(kind, &[1, 1], None, norm), InvalidArgument, "repeated");
        refused!(x.dstn(kind, &[0, 1], Some(&[2]), norm), InvalidArgument, "dstn: n = [2]");
        refused!(x.dct(kind, 1, Some(1 << 40), norm), MemoryLimit);
        refused!(typed(&d, &[4], DType::F16).idctn(kind, &[0], None, norm), DTypeMismatch, "idct");
        refused!(typed(&d, &[4], DType::I64).idstn(kind, &[0], None, norm), DTypeMismatch, "idst");
        assert_eq!(x.dst(kind, 1, Some(1), norm).expect("one point").shape(), [2, 1]);
    }
    refused!(x.dct(DctType::I, 1, Some(1), norm), InvalidArgument, "dct: n = 1");
    refused!(x.idct(DctType::I, 1, Some(1), norm), InvalidArgument, "idct: n = 1");
    refused!(x.dctn(DctType::I, &[0, 1], Some(&[2, 1]), norm), InvalidArgument, "dctn: n = 1");
    let spec = DctSpec { wave: Wave::Cosine, kind: DctType::I, axis: 0, scale: 1.0, orthogonal: false };
    refused!(zeros(&d, &[1]).dct_primitive(spec), InvalidArgument, "dct: n = 1");
    refused!(
        zeros(&d, &[0]).dct_primitive(DctSpec { wave: Wave::Sine, ..spec }),
        InvalidArgument,
        "dct: n = 0"
    );
    refused!(x.dct_primitive(DctSpec { axis: 2, ..spec }), InvalidArgument);
    refused!(typed(&d, &[4], DType::C64).dct_primitive(spec), DTypeMismatch);
}

#[test]
fn short_time_transforms() {
    let d = device();
    let x = zeros(&d, &[2, 64]);
    let good = StftOptions::new(16);
    let with = |change: fn(&mut StftOptions)| {
        let mut options = good.clone();
        change(&mut options);
        options
    };
    let z = x.stft(&good).expect("a spectrum");
    assert_eq!((z.shape(), z.istft(&good, None).expect("a signal").shape()), (&[2, 9, 17][..], &[2, 64][..]));
    for (options, message) in [
        (with(|o| o.n_fft = 0), "n_fft = 0"),
        (with(|o| o.hop = 0), "hop = 0: must be from 1 to the window's length 16"),
        (with(|o| o.hop = 17), "hop = 17"),
        (with(|o| (o.hop, o.window_len) = (9, 8)), "hop = 9"),
        (with(|o| o.window_len = 0), "window_len = 0"),
        (with(|o| o.window_len = 17), "window_len = 17"),
        (with(|o| o.window = StftWindow::Named(Window::Kaiser { beta: -1.0 })), "beta = -1"),
        (with(|o| o.scaling = StftScaling::Density { rate: 0.0 }), "rate = 0"),
    ] {
        for result in [x.stft(&options), z.istft(&options, None)] {
            match result {
                Err(error @ Error::InvalidArgument { .. }) => {
                    assert!(error.to_string().contains(message), "{message}: {error}");
                }
                other => panic!("{message}: {:?}", other.map(|_| "no error")),
            }
        }
    }
    // Too short for its reflection, or for one frame.
    refused!(zeros(&d, &[8]).stft(&good), InvalidArgument, "stft: n_fft = 16");
    refused!(zeros(&d, &[0]).stft(&good), InvalidArgument, "stft: n_fft = 16");
    refused!(
        zeros(&d, &[15]).stft(&with(|o| o.centre = Centre::No)),
        InvalidArgument,
        "does not fill a frame"
    );
    refused!(zeros(&d, &[]).stft(&good), ShapeMismatch, "stft");
    let huge = |o: &mut StftOptions| (o.n_fft, o.window_len, o.centre) = (1 << 40, 1 << 40, Centre::Zeros);
    refused!(x.stft(&with(huge)), MemoryLimit);
    // Types.
    refused!(typed(&d, &[64], DType::F16).stft(&good), DTypeMismatch, "stft");
    refused!(typed(&d, &[64], DType::I64).stft(&good), DTypeMismatch);
    refused!(typed(&d, &[64], DType::C64).stft(&good), InvalidArgument, "onesided = true");
    refused!(x.istft(&good, None), DTypeMismatch, "istft");
    // Bins, frames, lengths.
    refused!(typed(&d, &[8, 3], DType::C64).istft(&good, None), ShapeMismatch, "istft");
    refused!(typed(&d, &[9, 0], DType::C64).istft(&good, None), ShapeMismatch);
    refused!(typed(&d, &[9], DType::C64).istft(&good, None), ShapeMismatch);
    refused!(z.istft(&with(|o| o.onesided = false), None), ShapeMismatch);
    refused!(z.istft(&good, Some(73)), InvalidArgument, "istft: length = 73: 17 frames reach 72 samples");
    let long = typed(&d, &[9, 1], DType::C64).broadcast_to(&[9, 1 << 44]).expect("a view");
    refused!(long.istft(&good, None), MemoryLimit);
    refused!(
        long.istft(&with(|o| (o.hop, o.window_len) = (16, 16)), Some(usize::MAX)),
        InvalidArgument,
        "length"
    );
    let long = zeros(&d, &[1]).broadcast_to(&[1 << 44]).expect("a view");
    refused!(long.stft(&good), MemoryLimit);
    // Windows that do not cover the signal.
    let gap = with(|o| (o.centre, o.hop) = (Centre::No, 16));
    refused!(z.istft(&gap, None), InvalidArgument, "istft: window = Hann of 16 points");
    refused!(z.istft(&gap, None), InvalidArgument, "all windows are 0 at sample 0");
    let values = |w: Tensor| StftOptions { window: StftWindow::Values(w), ..StftOptions::new(16) };
    refused!(z.istft(&values(zeros(&d, &[16])), None), InvalidArgument, "sample 0");
    let nan = Tensor::full(&d, &[16], DType::F32, f64::NAN).expect("a tensor");
    refused!(z.istft(&values(nan), None), InvalidArgument, "sample 0");
    refused!(x.stft(&values(zeros(&d, &[15]))), ShapeMismatch, "stft");
    refused!(x.stft(&values(zeros(&d, &[16, 1]))), ShapeMismatch);
    refused!(x.stft(&values(typed(&d, &[16], DType::F64))), DTypeMismatch, "stft");
    refused!(x.stft(&values(zeros(&device(), &[16]))), DeviceMismatch, "stft");
    let spectrum = StftOptions { scaling: StftScaling::Spectrum, ..values(zeros(&d, &[16])) };
    refused!(x.stft(&spectrum), InvalidArgument, "scaling = Spectrum");
    refused!(Window::Hann.tensor(&d, 4, true, DType::U8), DTypeMismatch, "window");
}

#[test]
fn convolutions_of_sequences() {
    let d = device();
    let (x, v, none) = (zeros(&d, &[2, 6]), zeros(&d, &[3]), zeros(&d, &[0]));
    for mode in [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid] {
        refused!(x.convolve(&none, mode), ShapeMismatch, "convolve: shapes [2, 6] and [1, 0]");
        refused!(none.correlate(&x, mode), ShapeMismatch, "correlate");
        refused!(zeros(&d, &[]).convolve(&v, mode), ShapeMismatch, "convolve");
        refused!(x.convolve(&zeros(&d, &[3, 4]), mode), ShapeMismatch, "convolve");
        refused!(x.convolve(&typed(&d, &[3], DType::F64), mode), DTypeMismatch, "convolve");
        refused!(typed(&d, &[3], DType::C128).convolve(&v, mode), DTypeMismatch);
        refused!(x.correlate(&typed(&d, &[3], DType::F16), mode), DTypeMismatch, "correlate");
        refused!(typed(&d, &[3], DType::I64).convolve(&v, mode), DTypeMismatch);
        refused!(x.convolve(&zeros(&device(), &[3]), mode), DeviceMismatch, "convolve");
        refused!(x.convolve_nd(&x, &[0, 0], mode), InvalidArgument, "convolve_nd: axes = [0, 0]");
        refused!(x.convolve_nd(&x, &[2], mode), InvalidArgument, "convolve_nd: axis = 2");
        refused!(x.correlate_nd(&v, &[0], mode), ShapeMismatch, "ranks");
    }
    refused!(
        zeros(&d, &[3, 5]).convolve_nd(&zeros(&d, &[4, 4]), &[0, 1], ConvolveMode::Valid),
        ShapeMismatch,
        "valid"
    );
    let long = zeros(&d, &[1]).broadcast_to(&[1 << 56]).expect("a view");
    refused!(long.convolve(&v, ConvolveMode::Full), MemoryLimit);
    let longer = zeros(&d, &[1]).broadcast_to(&[1 << 60]).expect("a view");
    refused!(longer.convolve(&v, ConvolveMode::Full), InvalidArgument, "convolve: padding");
    refused!(longer.convolve(&longer, ConvolveMode::Full), InvalidArgument, "convolve");
}

#[test]
fn shifts() {
    let d = device();
    let x = zeros(&d, &[2, 6]);
    refused!(x.roll(2, 1), InvalidArgument, "roll: axis = 2");
    refused!(x.fftshift(&[0, 0]), InvalidArgument, "fftshift: axes = [0, 0]");
    refused!(x.fftshift(&[5]), InvalidArgument, "fftshift: axis = 5");
    refused!(x.ifftshift(&[1, 1]), InvalidArgument, "ifftshift");
    refused!(x.resize(2, 3), InvalidArgument, "resize: axis = 2");
    refused!(x.resize(1, usize::MAX), InvalidArgument, "resize");
    refused!(x.resize(1, 1 << 40), MemoryLimit);
    let none = zeros(&d, &[3, 0]);
    assert_eq!(none.roll(1, 7).expect("nothing to move").shape(), [3, 0]);
    assert_eq!(none.fftshift(&[0, 1]).expect("nothing to move").shape(), [3, 0]);
    assert_eq!(none.resize(1, 2).expect("zeros").to_vec::<f32>().expect("zeros"), [0.0; 6]);
    for shift in [isize::MIN, isize::MAX, -1, 0, 6] {
        assert_eq!(x.roll(1, shift).expect("any shift").shape(), [2, 6]);
    }
}

/// Each method names itself, the argument and its value, whatever it is made of.
#[test]
fn lengths_beyond_what_can_be_addressed() {
    let d = device();
    let (x, z, norm) = (zeros(&d, &[2, 6]), typed(&d, &[2, 4], DType::C64), Norm::Backward);
    for n in [usize::MAX, usize::MAX / 2, isize::MAX as usize, 1 << 60] {
        let one = [
            ("fft", x.fft(1, Some(n), norm)),
            ("ifft", z.ifft(1, Some(n), norm)),
            ("rfft", x.rfft(1, Some(n), norm)),
            ("irfft", z.irfft(1, Some(n), norm)),
            ("hfft", z.hfft(1, Some(n), norm)),
            ("ihfft", x.ihfft(1, Some(n), norm)),
            ("dct", x.dct(DctType::II, 1, Some(n), norm)),
            ("idct", x.idct(DctType::I, 1, Some(n), norm)),
            ("dst", z.dst(DctType::IV, 1, Some(n), norm)),
            ("idst", x.idst(DctType::III, 1, Some(n), norm)),
        ];
        let (two, axes, several) = ([2, n], [0, 1], Some(&[2, n][..]));
        let more = [
            ("fftn", x.fftn(&axes, several, norm)),
            ("ifftn", z.ifftn(&axes, several, norm)),
            ("rfftn", x.rfftn(&axes, several, norm)),
            ("irfftn", z.irfftn(&axes, several, norm)),
            ("hfftn", z.hfftn(&axes, several, norm)),
            ("ihfftn", x.ihfftn(&axes, several, norm)),
            ("fft2", x.fft2(axes, Some(two), norm)),
            ("ifft2", z.ifft2(axes, Some(two), norm)),
            ("rfft2", x.rfft2(axes, Some(two), norm)),
            ("irfft2", z.irfft2(axes, Some(two), norm)),
            ("hfft2", z.hfft2(axes, Some(two), norm)),
            ("ihfft2", x.ihfft2(axes, Some(two), norm)),
            ("dctn", x.dctn(DctType::II, &axes, several, norm)),
            ("idctn", x.idctn(DctType::II, &axes, several, norm)),
            ("dstn", x.dstn(DctType::II, &axes, several, norm)),
            ("idstn", x.idstn(DctType::II, &axes, several, norm)),
        ];
        for (op, result) in one.into_iter().chain(more) {
            refused!(result, InvalidArgument, format!("{op}: n = {n}: ").as_str());
        }
        for centre in [Centre::No, Centre::Reflect, Centre::Zeros] {
            let options = StftOptions { centre, ..StftOptions::new(n) };
            refused!(x.stft(&options), InvalidArgument, format!("stft: n_fft = {n}: ").as_str());
            refused!(z.istft(&options, None), InvalidArgument, format!("istft: n_fft = {n}: ").as_str());
        }
    }
    // Each length alone would do.
    refused!(x.fftn(&[0, 1], Some(&[1 << 31, 1 << 30]), norm), InvalidArgument, "fftn: n = 2147483648: ");
    refused!(x.dctn(DctType::II, &[0, 1], Some(&[1 << 31, 1 << 30]), norm), InvalidArgument, "dctn: n = ");
}
