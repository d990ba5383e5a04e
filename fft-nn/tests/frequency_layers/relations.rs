//! Complex embeddings and scores of relations.

use fft_core::{Complex64, DType};
use fft_nn::autograd::Var;
use fft_nn::layers::{ComplexEmbedding, DistMult, Init, Rotate, Scope};

use super::{close, close_real, constant, numbers, scope, turn, values};

#[test]
fn entries_compare_by_inner_product_and_phase() {
    let layer = ComplexEmbedding::new(&scope(), 5, 6).unwrap();
    let all = numbers(layer.weight());
    let row = |id: u32| &all[id as usize * 6..][..6];
    let (a, b) = ([0u32, 3, 3], [4u32, 1, 3]);
    close(&layer.lookup(&a).unwrap(), &a.map(row).concat());
    let energy = |z: &[Complex64]| z.iter().map(Complex64::norm_sqr).sum::<f64>();
    let pairs = || a.iter().zip(&b).map(|(&a, &b)| (row(a), row(b)));
    let inner = |(a, b): (&[Complex64], &[Complex64])| {
        let sum: Complex64 = a.iter().zip(b).map(|(a, b)| a.conj() * b).sum();
        sum / (energy(a) * energy(b)).sqrt()
    };
    let expected: Vec<Complex64> = pairs().map(inner).collect();
    assert!((expected[2] - 1.0).norm() < 1e-14, "an entry is like itself");
    close(&layer.semantic_similarity(&a, &b).unwrap(), &expected);
    let angles: Vec<f64> =
        pairs().flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| (b / a).arg()).collect::<Vec<_>>()).collect();
    close_real(&layer.phase_relationship(&a, &b).unwrap(), &angles);
    let bands: Vec<f64> = a.iter().flat_map(|&a| row(a).chunks(2).map(energy).collect::<Vec<_>>()).collect();
    close_real(&layer.frequency_bands(&a, 3).unwrap(), &bands);
}

#[test]
fn a_common_rotation_shows_as_the_phase_of_the_similarity() {
    let layer = ComplexEmbedding::with_init(&scope(), 2, 3, Init::Phase).unwrap();
    let first = numbers(layer.weight())[..3].to_vec();
    let turned: Vec<Complex64> = first.iter().map(|z| z * turn(0.2)).collect();
    layer.weight().set_value(constant(&[first, turned].concat(), &[2, 3]).value()).unwrap();
    close(&layer.semantic_similarity(&[0], &[1]).unwrap(), &[turn(0.2)]);
}

#[test]
fn entries_of_any_size_compare() {
    let scope = Scope::new(&super::cpu(), DType::F32, 1).unwrap();
    for std in [1e-12, 1e12] {
        let init = Init::Normal { std };
        let layer = ComplexEmbedding::with_init(&scope.at(std), 2, 4, init).unwrap();
        let own = numbers(&layer.semantic_similarity(&[1], &[1]).unwrap())[0];
        assert!((own - 1.0).norm() < 1e-5, "{std}: {own}");
    }
}

#[test]
fn scores_are_their_sums() {
    let scope = scope();
    let (entities, width) = (5, 3);
    let rotate = Rotate::new(&scope.at("rotate"), entities, 2, width).unwrap();
    let dist = DistMult::new(&scope.at("dist"), entities, 2, width).unwrap();
    let (e, phases) = (numbers(rotate.entities().weight()), values(rotate.phases()));
    let parameters = scope.at("dist").parameters();
    let (f, r) = (values(parameters[0].var()), values(parameters[1].var()));
    let (mut by_rotation, mut by_product) = (Vec::new(), Vec::new());
    for (head, relation) in [(4, 0), (1, 1), (1, 0)] {
        for tail in 0..entities {
            let distance = |i: usize| {
                let turned = e[head * width + i] * Complex64::from_polar(1.0, phases[relation * width + i]);
                (turned - e[tail * width + i]).norm()
            };
            by_rotation.push(-(0..width).map(distance).sum::<f64>());
            let product = |i: usize| f[head * width + i] * r[relation * width + i] * f[tail * width + i];
            by_product.push((0..width).map(product).sum::<f64>());
        }
    }
    close_real(&rotate.scores(&[4, 1, 1], &[0, 1, 0]).unwrap(), &by_rotation);
    close_real(&dist.scores(&[4, 1, 1], &[0, 1, 0]).unwrap(), &by_product);
}

#[test]
fn gradients_reach_what_is_looked_up() {
    let scope = scope();
    let rotate = Rotate::new(&scope.at("rotate"), 4, 2, 3).unwrap();
    let dist = DistMult::new(&scope.at("dist"), 4, 2, 3).unwrap();
    let embedding = ComplexEmbedding::new(&scope.at("embedding"), 4, 2).unwrap();
    let sums: [Var; 5] = [
        rotate.scores(&[0, 1, 2], &[0, 1, 1]).unwrap(),
        dist.scores(&[0, 1, 2], &[0, 1, 1]).unwrap(),
        embedding.semantic_similarity(&[0, 2], &[1, 3]).unwrap().real().unwrap(),
        embedding.phase_relationship(&[0, 2], &[1, 3]).unwrap(),
        embedding.frequency_bands(&[0, 1, 2, 3], 2).unwrap(),
    ];
    for sum in sums {
        sum.sum_all().unwrap().backward().unwrap();
    }
    for parameter in scope.parameters() {
        let grad = parameter.var().grad().unwrap_or_else(|| panic!("{}", parameter.path()));
        let sizes: Vec<f64> = grad.abs().unwrap().to_dtype(DType::F64).unwrap().to_vec().unwrap();
        assert!(sizes.iter().all(|&g| g > 0.0), "{}: {sizes:?}", parameter.path());
    }
}

#[test]
fn what_is_no_entry_is_named() {
    let scope = scope().at("graph");
    let rotate = Rotate::new(&scope.at("rotate"), 4, 2, 3).unwrap();
    let dist = DistMult::new(&scope.at("dist"), 4, 2, 3).unwrap();
    let embedding = ComplexEmbedding::new(&scope.at("embedding"), 4, 2).unwrap();
    for (message, parts) in [
        (rotate.scores(&[4], &[0]).unwrap_err(), ["id = 4", "layer.graph.rotate.entities has 4"]),
        (rotate.scores(&[0], &[2]).unwrap_err(), ["relation = 2", "layer.graph.rotate has 2"]),
        (rotate.scores(&[0, 1], &[2]).unwrap_err(), ["[2]", "layer.graph.rotate takes"]),
        (dist.scores(&[9], &[0]).unwrap_err(), ["head = 9", "layer.graph.dist has 4"]),
        (dist.scores(&[0], &[5]).unwrap_err(), ["relation = 5", "layer.graph.dist has 2"]),
        (embedding.lookup(&[0, 7]).unwrap_err(), ["id = 7", "layer.graph.embedding has 4"]),
        (embedding.phase_relationship(&[0], &[]).unwrap_err(), ["[1]", "layer.graph.embedding compares"]),
        (embedding.frequency_bands(&[0], 3).unwrap_err(), ["bands = 3", "layer.graph.embedding divides"]),
    ] {
        let message = message.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}
