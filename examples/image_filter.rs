//! Blurs an image by a planned convolution and by its spectrum, which agree, and writes it.
//!
//! Run: `cargo run --release --example image_filter -- --input photo.pgm --output blurred.pgm`

use std::path::{Path, PathBuf};

use clap::Parser;
use fft_tensor::convolution::{Conv, ConvSpec, PaddingMode};
use fft_tensor::nn::random::Random;
use fft_tensor::{Error, Norm, Result, Tensor, default_device};

/// Blur an image with a Gaussian in space and in the frequency domain.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// A binary PGM image of at most 8 bits; without it one is made.
    #[arg(long)]
    pub(crate) input: Option<PathBuf>,
    /// Where the blurred image goes.
    #[arg(long, default_value = "blurred.pgm")]
    pub(crate) output: PathBuf,
    /// The deviation of the Gaussian in pixels.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) sigma: f64,
    /// How many times to blur.
    #[arg(long, default_value_t = 1)]
    pub(crate) steps: usize,
    /// Seed of the image that is made.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Brightness in `0..=255`, row by row.
struct Image {
    height: usize,
    width: usize,
    pixels: Vec<f32>,
}

/// Discs of random places and brightness, with noise.
fn made(seed: u64) -> Image {
    let (height, width) = (240, 320);
    let mut random = Random::named(seed, "image");
    let mut pixels = vec![40.0; height * width];
    for _ in 0..12 {
        let (row, column) = (random.below(height) as f64, random.below(width) as f64);
        let (radius, level) = (10.0 + 30.0 * random.uniform(), 80.0 + 175.0 * random.uniform());
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let (y, x) = ((i / width) as f64 - row, (i % width) as f64 - column);
            if y * y + x * x < radius * radius {
                *pixel = level as f32;
            }
        }
    }
    pixels.iter_mut().for_each(|pixel| *pixel += 20.0 * random.normal() as f32);
    Image { height, width, pixels }
}

/// The header is `P5`, width, height and the largest value, with white space between and comments from `#` to the end of a line.
fn read(path: &Path) -> Result<Image> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let mut at = 0;
    let mut word = || {
        while let Some(&byte) = bytes.get(at) {
            if byte == b'#' {
                at += bytes[at..].iter().take_while(|&&b| b != b'\n').count();
            } else if !byte.is_ascii_whitespace() {
                break;
            } else {
                at += 1;
            }
        }
        let len = bytes[at..].iter().take_while(|b| !b.is_ascii_whitespace()).count();
        at += len;
        String::from_utf8_lossy(&bytes[at - len..at]).into_owned()
    };
    if word() != "P5" {
        return Err(Error::format(path, "a binary PGM image begins with P5"));
    }
    let mut number = |what: &str, most: usize| {
        let word = word();
        let number = word.parse().ok().filter(|n| (1..=most).contains(n));
        number.ok_or_else(|| {
            Error::format(path, format!("its {what} is {word:?}, not a number of 1 to {most}"))
        })
    };
    let (width, height, top) =
        (number("width", 1 << 16)?, number("height", 1 << 16)?, number("largest value", 255)?);
    let Some(data) = bytes.get(at + 1..).filter(|data| data.len() >= width * height) else {
        return Err(Error::format(path, format!("it holds fewer than {width} x {height} pixels")));
    };
    let pixels = data[..width * height].iter().map(|&p| f32::from(p) * 255.0 / top as f32).collect();
    Ok(Image { height, width, pixels })
}

fn write(path: &Path, image: &Image) -> Result<()> {
    let mut bytes = format!("P5\n{} {}\n255\n", image.width, image.height).into_bytes();
    bytes.extend(image.pixels.iter().map(|p| p.round().clamp(0.0, 255.0) as u8));
    std::fs::write(path, bytes).map_err(|e| Error::io(path, e))
}

/// The blurred image, and the largest difference between the two ways, in levels of brightness.
pub(crate) fn run(options: &Options) -> Result<f32> {
    if !(options.sigma > 0.0 && options.sigma < 1000.0) {
        return Err(Error::invalid("image_filter", "sigma", options.sigma, "must be above 0 and below 1000"));
    }
    let device = default_device()?;
    let image = options.input.as_deref().map_or_else(|| Ok(made(options.seed)), read)?;
    let (height, width) = (image.height, image.width);
    let x = Tensor::from_slice(&device, &image.pixels, &[1, 1, height, width])?;

    // The Gaussian as far as four deviations, or half the image, around its middle tap.
    let reach = |n: usize| ((4.0 * options.sigma).ceil() as usize).min((n - 1) / 2);
    let (up, left) = (reach(height), reach(width));
    let bell = |i: usize, middle: usize| (-0.5 * ((i as f64 - middle as f64) / options.sigma).powi(2)).exp();
    let taps: Vec<f64> =
        (0..=2 * up).flat_map(|r| (0..=2 * left).map(move |c| bell(r, up) * bell(c, left))).collect();
    let total: f64 = taps.iter().sum();
    let taps: Vec<f32> = taps.iter().map(|t| (t / total) as f32).collect();
    let kernel = Tensor::from_slice(&device, &taps, &[1, 1, 2 * up + 1, 2 * left + 1])?;

    let spec = ConvSpec::new(2).same().mode(PaddingMode::Circular);
    let convolution = Conv::new(kernel.clone(), None, spec)?;
    println!("{}", convolution.explain(x.shape())?);
    let mut planned = x.clone();
    for _ in 0..options.steps {
        planned = convolution.apply(&planned)?;
    }

    // The kernel's spectrum as often as there are steps; its middle tap moves to the origin.
    let kernel = kernel.resize(2, height)?.resize(3, width)?;
    let kernel = kernel.roll(2, -(up as isize))?.roll(3, -(left as isize))?;
    let response = kernel.rfft2([2, 3], None, Norm::Backward)?;
    let mut spectrum = x.rfft2([2, 3], None, Norm::Backward)?;
    for _ in 0..options.steps {
        spectrum = spectrum.mul(&response)?;
    }
    let spectral = spectrum.irfft2([2, 3], Some([height, width]), Norm::Backward)?;

    let off: Vec<f32> = planned.sub(&spectral)?.abs()?.to_vec()?;
    let off = off.into_iter().fold(0.0, f32::max);
    println!("Largest difference between the convolution and the product of spectra: {off:.1e} of 255");
    write(&options.output, &Image { height, width, pixels: planned.to_vec()? })?;
    println!("{height} x {width} pixels in {}", options.output.display());
    Ok(off)
}

#[allow(dead_code, reason = "tests call run")]
fn main() -> Result<()> {
    run(&Options::parse()).map(drop)
}
