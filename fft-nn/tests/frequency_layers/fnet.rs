//! A small FNet, against the values that transformers computes with it.

use std::path::Path;

use fft_core::{Result, Tensor};
use fft_nn::autograd::Var;
use fft_nn::checkpoint::Checkpoint;
use fft_nn::layers::{Activation, FNetMixing, Layer, Scope};

use super::cpu;

/// Parameters by path.
struct Weights(Checkpoint);

impl Weights {
    fn get(&self, name: &str) -> Result<Var> {
        Ok(Var::constant(self.0.tensor(name, &cpu())?))
    }

    fn linear(&self, name: &str, x: &Var) -> Result<Var> {
        let weight = self.get(&format!("{name}.weight"))?;
        x.matmul(&weight.transpose(0, 1)?)?.add(&self.get(&format!("{name}.bias"))?)
    }

    fn norm(&self, name: &str, x: &Var) -> Result<Var> {
        x.layer_norm(&self.get(&format!("{name}.weight"))?, &self.get(&format!("{name}.bias"))?, 1e-12)
    }
}

#[test]
fn fnet_computes_what_transformers_does() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fnet");
    let weights = Weights(Checkpoint::open(folder.join("model.safetensors"))?);
    let reference = Checkpoint::open(folder.join("reference.safetensors"))?;
    let ids: Vec<i64> = reference.tensor("input_ids", &cpu())?.to_vec()?;
    let ids: Vec<u32> = ids.into_iter().map(|id| u32::try_from(id).unwrap()).collect();
    let (batch, length, width) = (2, ids.len() / 2, 48);
    let expected: Tensor = reference.tensor("last_hidden_state", &cpu())?;

    let words = weights.get("embeddings.word_embeddings.weight")?.gather(0, &ids)?;
    let positions = weights.get("embeddings.position_embeddings.weight")?.narrow(0, 0, length)?;
    let kind = weights.get("embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?;
    let x = words.reshape(&[batch, length, width])?.add(&positions)?.add(&kind)?;
    let mut x = weights.linear("embeddings.projection", &weights.norm("embeddings.LayerNorm", &x)?)?;
    let scope = Scope::new(&cpu(), fft_core::DType::F32, 0)?;
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let mixed = FNetMixing::new(&scope).forward(&x)?;
        x = weights.norm(&name("fourier.output.LayerNorm"), &x.add(&mixed)?)?;
        let inner = Activation::GeluTanh.forward(&weights.linear(&name("intermediate.dense"), &x)?)?;
        x = weights
            .norm(&name("output.LayerNorm"), &weights.linear(&name("output.dense"), &inner)?.add(&x)?)?;
    }
    let off = x.value().sub(&expected)?.square()?.sum_all()?.to_scalar::<f32>()?;
    let size = expected.square()?.sum_all()?.to_scalar::<f32>()?;
    // Two layers of sums of up to 1008 terms in single precision.
    assert!((off / size).sqrt() < 1e-5, "{}", (off / size).sqrt());
    Ok(())
}
