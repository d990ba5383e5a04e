//! Relations as rotations of phases: embeddings learn inversion, symmetry and composition on a family graph.
//!
//! Families of several generations, in each an heir, the heir's spouse and the heir's sibling. Half of what follows from other facts is held out: the parent from the child, the
//! way back of a symmetric relation, the grandchild from two children. A real-valued product (DistMult) of as many numbers is the control.
//! Run: `cargo run --release --example phase_relations`

use clap::Parser;
use fft_tensor::Result;
use fft_tensor::nn::autograd::{Var, no_grad};
use fft_tensor::nn::layers::{DistMult, Rotate, Scope};
use fft_tensor::nn::random::Random;

#[path = "common/mod.rs"]
mod common;

/// Learn relations of a family graph by rotations, and by a real-valued control.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Steps of training.
    #[arg(long, default_value_t = 400)]
    pub(crate) steps: usize,
    /// Seed of the held-out facts and first values.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Shares of held-out facts whose tail scored best of all people: inversion, symmetry, composition.
#[derive(Debug)]
pub(crate) struct Figures {
    /// By rotations.
    pub(crate) rotate: [f64; 3],
    /// By the real-valued product.
    pub(crate) dist_mult: [f64; 3],
}

const FAMILIES: u32 = 8;
const GENERATIONS: u32 = 6;
/// The heir, the spouse and the sibling.
const ROLES: u32 = 3;
const PEOPLE: u32 = FAMILIES * GENERATIONS * ROLES;
const WIDTH: usize = 16;
const BATCH: usize = 128;
const PATTERNS: [&str; 3] = ["inversion", "symmetry", "composition"];

/// Relations: child and parent are inverse, spouse and sibling symmetric, grandchild is the child's child.
const CHILD: u32 = 0;
const PARENT: u32 = 1;
const SPOUSE: u32 = 2;
const SIBLING: u32 = 3;
const GRANDCHILD: u32 = 4;
const RELATIONS: usize = 5;

/// `[head, relation, tail]`.
type Fact = [u32; 3];

/// Facts to learn from, and those held out, by pattern.
fn family_graph(random: &mut Random) -> (Vec<Fact>, [Vec<Fact>; 3]) {
    let person = |family: u32, generation: u32, role: u32| (family * GENERATIONS + generation) * ROLES + role;
    let (mut train, mut held) = (Vec::new(), [vec![], vec![], vec![]]);
    for family in 0..FAMILIES {
        for generation in 0..GENERATIONS {
            let heir = person(family, generation, 0);
            // Facts that follow from others go to either side.
            let mut follows = |pattern: usize, fact: Fact, train: &mut Vec<Fact>| {
                if random.below(2) == 0 { held[pattern].push(fact) } else { train.push(fact) }
            };
            for (role, relation) in [(1, SPOUSE), (2, SIBLING)] {
                let other = person(family, generation, role);
                train.push([heir, relation, other]);
                follows(1, [other, relation, heir], &mut train);
            }
            if generation + 1 < GENERATIONS {
                let child = person(family, generation + 1, 0);
                train.push([heir, CHILD, child]);
                follows(0, [child, PARENT, heir], &mut train);
            }
            if generation + 2 < GENERATIONS {
                follows(2, [heir, GRANDCHILD, person(family, generation + 2, 0)], &mut train);
            }
        }
    }
    (train, held)
}

/// Scores of all people as tails, `[facts, people]`.
type Scores<'a> = &'a dyn Fn(&[u32], &[u32]) -> Result<Var>;

fn columns(facts: &[Fact]) -> [Vec<u32>; 3] {
    [0, 1, 2].map(|i| facts.iter().map(|fact| fact[i]).collect())
}

/// The share of facts whose tail scores best.
fn hits(scores: Scores<'_>, facts: &[Fact]) -> Result<f64> {
    let [heads, relations, tails] = columns(facts);
    let best: Vec<i64> = no_grad(|| scores(&heads, &relations))?.value().argmax(1)?.to_vec()?;
    let right = best.iter().zip(&tails).filter(|(best, tail)| **best == i64::from(**tail)).count();
    Ok(right as f64 / facts.len().max(1) as f64)
}

/// Trains by the cross-entropy of the tail among all people, less `pull` times its score: of a distance, which is at most 0, that makes facts hold exactly, and what holds
/// exactly can be composed and inverted. A product has no such limit.
fn learn(name: &str, scope: &Scope, scores: Scores<'_>, pull: f64, options: &Options) -> Result<[f64; 3]> {
    let mut random = Random::named(options.seed, "family graph");
    let (train, held) = family_graph(&mut random);
    println!("Training {name} on {} facts about {PEOPLE} people", train.len());
    common::train(scope, 5e-2, options.steps, |_| {
        let batch: Vec<Fact> = (0..BATCH).map(|_| train[random.below(train.len())]).collect();
        let [heads, relations, tails] = columns(&batch);
        let scores = scores(&heads, &relations)?;
        let loss = scores.cross_entropy(&tails)?;
        if pull == 0.0 {
            return Ok(loss);
        }
        let places: Vec<u32> = tails.iter().enumerate().map(|(i, t)| i as u32 * PEOPLE + t).collect();
        let own = scores.reshape(&[BATCH * PEOPLE as usize])?.gather(0, &places)?;
        loss.sub(&own.mean_all()?.scale(pull)?)
    })?;
    println!("  facts learned: {:.1}%", 100.0 * hits(scores, &train)?);
    let [a, b, c] = held.each_ref().map(|facts| hits(scores, facts));
    Ok([a?, b?, c?])
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let scope = common::model(options.seed)?;
    let (turning, product) = (scope.at("rotate"), scope.at("dist_mult"));
    let rotate = Rotate::new(&turning, PEOPLE as usize, RELATIONS, WIDTH)?;
    let dist_mult = DistMult::new(&product, PEOPLE as usize, RELATIONS, 2 * WIDTH)?;
    let figures = Figures {
        rotate: learn("rotations", &turning, &|h, r| rotate.scores(h, r), 1.0, options)?,
        dist_mult: learn("real products", &product, &|h, r| dist_mult.scores(h, r), 0.0, options)?,
    };
    println!("Held-out facts whose tail scores best of all (hits@1)");
    println!("  {:<12} {:>9} {:>9}", "", "rotations", "DistMult");
    for (i, pattern) in PATTERNS.iter().enumerate() {
        let percent = |share: f64| format!("{:.1}%", 100.0 * share);
        println!("  {pattern:<12} {:>9} {:>9}", percent(figures.rotate[i]), percent(figures.dist_mult[i]));
    }
    Ok(figures)
}

#[allow(dead_code, reason = "tests call run")]
fn main() -> Result<()> {
    run(&Options::parse()).map(drop)
}
