//! Transforms, a convolution, a matrix in its spectral form and a gradient, in one page.
//!
//! Run: `cargo run --release --example basic_usage`

use clap::Parser;
use fft_tensor::convolution::ConvSpec;
use fft_tensor::nn::autograd::Var;
use fft_tensor::nn::layers::Init;
use fft_tensor::nn::random::Random;
use fft_tensor::spectral::{SparseSpectralMatrix, ValueFormat};
use fft_tensor::{Complex32, DType, Norm, Result, Tensor, default_device};

/// A tour: transforms, convolution, spectral matrices, gradients.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Relative errors of four identities.
#[derive(Debug)]
pub(crate) struct Figures {
    /// A transform there and back.
    pub(crate) round_trip: f64,
    /// A convolution beside the product of spectra.
    pub(crate) convolution: f64,
    /// The product with a sparse spectral matrix beside that with the matrix written out.
    pub(crate) spectral_product: f64,
    /// The gradient of a spectrum's energy beside Parseval's `2 n x`.
    pub(crate) gradient: f64,
}

/// `|a - b| / |b|`.
fn distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    let norm = |t: &Tensor| -> Result<f64> { Ok(f64::from(t.sum_of_squares()?.to_scalar::<f32>()?).sqrt()) };
    Ok(norm(&a.sub(b)?)? / norm(b)?)
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let device = default_device()?;
    let mut random = Random::new(options.seed);
    let mut normal =
        |shape: &[usize]| Init::Normal { std: 1.0 }.tensor(&device, shape, DType::F32, &mut random);

    // Any length is the transform of that length: 1009 is prime.
    let x = normal(&[4, 1009])?;
    let spectrum = x.rfft(1, None, Norm::Backward)?;
    let back = spectrum.irfft(1, Some(1009), Norm::Backward)?;
    let round_trip = distance(&back, &x)?;
    println!("rfft of {:?} is {:?}; there and back to {round_trip:.1e}", x.shape(), spectrum.shape());

    // The frameworks' convolution; the planner says how it would go.
    let (signal, kernel) = (normal(&[1, 1, 4096])?, normal(&[1, 1, 257])?);
    let y = signal.conv1d(&kernel, None, &ConvSpec::new(1))?;
    // By hand: a correlation is a product with the conjugate spectrum.
    let points = 4096;
    let product = signal
        .rfft(2, Some(points), Norm::Backward)?
        .mul(&kernel.rfft(2, Some(points), Norm::Backward)?.conj()?)?;
    let by_hand = product.irfft(2, Some(points), Norm::Backward)?.narrow(2, 0, y.shape()[2])?;
    let convolution = distance(&y, &by_hand.contiguous()?)?;
    println!("a convolution with 257 taps is the product of spectra to {convolution:.1e}");

    // A 256 x 512 matrix of 200 frequencies, multiplied without being written out.
    let mut frequencies = Random::named(options.seed, "frequencies");
    let coefficients: Vec<(usize, usize, Complex32)> = (0..200)
        .map(|_| {
            let value = Complex32::new(frequencies.normal() as f32, frequencies.normal() as f32);
            (frequencies.below(256), frequencies.below(512), value)
        })
        .collect();
    let matrix =
        SparseSpectralMatrix::from_coefficients(&device, [256, 512], &coefficients, ValueFormat::F32)?;
    let rows = normal(&[8, 512])?;
    let dense = rows.matmul(&matrix.to_dense()?.transpose(0, 1)?)?;
    let spectral_product = distance(&matrix.apply(&rows)?, &dense)?;
    println!(
        "a spectral matrix of {} bytes multiplies as one of {} does, to {spectral_product:.1e}",
        matrix.bytes(),
        4 * 256 * 512
    );

    // Gradients flow through transforms.
    let parameter = Var::leaf(normal(&[100])?);
    parameter.rfftn(&[0], None, Norm::Backward)?.abs_squared()?.sum_all()?.backward()?;
    let whole = Var::leaf(parameter.value());
    whole.fftn(&[0], None, Norm::Backward)?.abs_squared()?.sum_all()?.backward()?;
    let Some(gradient) = whole.grad() else { unreachable!("the energy depends on every element") };
    let gradient = distance(&gradient, &parameter.value().scale(200.0)?)?;
    println!("the gradient of a spectrum's energy is 2 n x, to {gradient:.1e}");
    Ok(Figures { round_trip, convolution, spectral_product, gradient })
}

#[allow(dead_code, reason = "tests call run")]
fn main() -> Result<()> {
    let Figures { round_trip, convolution, spectral_product, gradient } = run(&Options::parse())?;
    let worst = round_trip.max(convolution).max(spectral_product).max(gradient);
    println!("all four hold to {worst:.1e}");
    Ok(())
}
