//! Dropout and activations.

use fft_core::Complex64;
use fft_nn::autograd::{Var, checkpoint};
use fft_nn::layers::{Activation, Dropout, Layer};

use super::{close_real, constant, numbers, scope, values};

#[test]
fn dropout_drops_in_training_only_and_keeps_the_mean() {
    let scope = scope();
    let layer = Dropout::new(&scope, 0.3).unwrap();
    let n = 100_001;
    let x = constant(&vec![1.0f64; n], &[n]);
    assert_eq!(values(&layer.forward(&x).unwrap()), vec![1.0; n]);
    scope.mode().train();
    let (first, second) = (values(&layer.forward(&x).unwrap()), values(&layer.forward(&x).unwrap()));
    assert_ne!(first, second);
    let dropped = first.iter().filter(|&&y| y == 0.0).count();
    // Three standard deviations of the count are 435.
    assert!(dropped.abs_diff(30_000) < 450, "{dropped}");
    assert!(first.iter().all(|&y| y == 0.0 || y == 1.0 / 0.7));
    scope.mode().eval();
    assert_eq!(values(&layer.forward(&x).unwrap()), vec![1.0; n]);
}

#[test]
fn dropout_drops_complex_numbers_whole() {
    let scope = scope();
    scope.mode().train();
    let layer = Dropout::new(&scope, 0.5).unwrap();
    let x = constant(&[Complex64::new(1.0, 2.0); 200], &[200]);
    let y = numbers(&layer.forward(&x).unwrap());
    assert!(y.iter().all(|&z| z == Complex64::ZERO || z == Complex64::new(2.0, 4.0)));
    assert!(y.contains(&Complex64::ZERO) && y.contains(&Complex64::new(2.0, 4.0)));
}

#[test]
fn dropout_repeats_in_what_is_computed_again() {
    let run = |checkpointed: bool| {
        let scope = scope();
        scope.mode().train();
        let layer = Dropout::new(&scope, 0.5).unwrap();
        let x = Var::leaf(super::real(&[64], 1).value());
        let part = move |v: &[Var]| layer.forward(&v[0].square()?)?.sin();
        let y = if checkpointed { checkpoint(part, &[&x]) } else { part(std::slice::from_ref(&x)) };
        y.unwrap().sum_all().unwrap().backward().unwrap();
        x.grad().unwrap().to_vec::<f64>().unwrap()
    };
    let grad = run(true);
    assert_eq!(grad, run(false));
    assert!(grad.contains(&0.0) && grad.iter().any(|&g| g != 0.0));
}

#[test]
fn probabilities_are_checked() {
    for p in [-0.1, 1.0, 2.0, f64::NAN] {
        let message = Dropout::new(&scope(), p).unwrap_err().to_string();
        assert!(message.contains("Dropout: p = ") && message.contains("layer layer"), "{message}");
    }
}

#[test]
fn activations_are_their_formulas() {
    let x = super::real(&[30], 1);
    // The normal distribution function at some points (Abramowitz and Stegun, table 26.1).
    let at = constant(&[0.0, 0.5, 1.0, -2.0], &[4]);
    let found = values(&Activation::Gelu.forward(&at).unwrap());
    let expected = [0.0, 0.5 * 0.691_462_461_274_013, 0.841_344_746_068_543, -2.0 * 0.022_750_131_948_179];
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{found:?}");
    let each = |f: fn(f64) -> f64| values(&x).into_iter().map(f).collect::<Vec<f64>>();
    close_real(&Activation::Silu.forward(&x).unwrap(), &each(|x| x / (1.0 + (-x).exp())));
    close_real(&Activation::Relu.forward(&x).unwrap(), &each(|x| x.max(0.0)));
    let gelu_tanh = |x: f64| {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        0.5 * x * (1.0 + inner.tanh())
    };
    close_real(&Activation::GeluTanh.forward(&x).unwrap(), &each(gelu_tanh));
}
