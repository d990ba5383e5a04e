//! Convolutions: the ways that we have, beside a product with the windows as the columns of a matrix, and the floor that the machine sets.
//!
//! "Planned" is the planner's choice with the kernel's spectrum from before, as a prepared `Conv` has it; "called" is `Tensor::conv`, which chooses
//! and transforms the kernel with each call.
//!
//! `cargo bench -p fft-benches --bench convolution -- --tables` prints medians and least times alone, with a further argument for the sizes whose
//! names contain it; `benches/peers/convolution.py` times torch on the same sizes and prints the same rows.

use std::time::{Duration, Instant};

use criterion::Criterion;
use fft_benches::{Contestant, measuring, numbers, tables_only};
use fft_core::convolution::{ConvGeometry, ConvPlan, ConvSpec, ConvWay};
use fft_core::{DType, Device, Result, Tensor, compose};
use fft_cpu::CpuOptions;

/// A convolution with as much padding as keeps the size.
struct Size {
    x: &'static [usize],
    w: &'static [usize],
    groups: usize,
    /// The points of tiles for the spectral way, where it is timed.
    tile: &'static [usize],
}

const fn size(x: &'static [usize], w: &'static [usize], groups: usize, tile: &'static [usize]) -> Size {
    Size { x, w, groups, tile }
}

const SIZES: &[Size] = &[
    size(&[1, 64, 56, 56], &[64, 64, 3, 3], 1, &[]),
    size(&[1, 128, 28, 28], &[128, 128, 3, 3], 1, &[]),
    size(&[1, 3, 224, 224], &[64, 3, 3, 3], 1, &[]),
    size(&[8, 16, 32, 32], &[16, 16, 3, 3], 1, &[]),
    size(&[1, 256, 56, 56], &[256, 1, 3, 3], 256, &[]),
    size(&[1, 256, 56, 56], &[256, 1, 7, 7], 256, &[]),
    size(&[1, 1, 1024, 1024], &[1, 1, 3, 3], 1, &[]),
    size(&[1, 1, 1024, 1024], &[1, 1, 7, 7], 1, &[64, 128]),
    size(&[1, 1, 1024, 1024], &[1, 1, 15, 15], 1, &[64, 128]),
    size(&[1, 1, 1024, 1024], &[1, 1, 31, 31], 1, &[128, 256]),
    size(&[1, 1, 65536], &[1, 1, 64], 1, &[1024]),
    size(&[1, 1, 65536], &[1, 1, 4096], 1, &[16384]),
    size(&[1, 64, 16384], &[64, 1, 4], 64, &[]),
    size(&[1, 64, 16384], &[64, 1, 128], 64, &[2048]),
    size(&[4, 16, 4096], &[16, 16, 64], 1, &[1024]),
    size(&[1, 16, 24, 24, 24], &[16, 16, 7, 7, 7], 1, &[30, 30, 30]),
];

impl Size {
    fn spec(&self) -> ConvSpec {
        let padding: Vec<[usize; 2]> = self.w[2..].iter().map(|k| [(k - 1) / 2, k / 2]).collect();
        ConvSpec::new(padding.len()).padding_sides(&padding).groups(self.groups)
    }

    fn geometry(&self) -> Result<ConvGeometry> {
        ConvGeometry::new("conv", self.x, self.w, &self.spec())
    }

    fn operands(&self, device: &Device) -> Result<(Tensor, Tensor)> {
        let x = Tensor::from_slice(device, &numbers(self.x.iter().product(), 1), self.x)?;
        let w = Tensor::from_slice(device, &numbers(self.w.iter().product(), 2), self.w)?;
        Ok((x, w))
    }

    fn name(&self) -> String {
        format!("{:?} by {:?}", self.x, self.w)
    }
}

/// Products of a core in a second: two vectors of 8 in a cycle or one of 16, at 3.1 GHz.
const PRODUCTS: f64 = 50e9;
/// Bytes of a core from and to memory in a second.
const BYTES: f64 = 12e9;

fn tables() -> Result<()> {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!(
        "Milliseconds: median (least). The floor: products at {:.0} G/s a core, or input and output at {:.0} GB/s.",
        PRODUCTS / 1e9,
        BYTES / 1e9
    );
    for threads in [1, 2] {
        let device = fft_cpu::device(CpuOptions { threads: Some(threads), memory_limit: None })?;
        println!(
            "\n| {threads} thread(s) | M products | MB | floor | direct | G products/s | by tiles | columns | planned | called |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        device.scope(&mut || {
            for size in
                SIZES.iter().filter(|size| only.as_ref().is_none_or(|only| size.name().contains(only)))
            {
                match row(&device, size, threads) {
                    Ok(row) => println!("{row}"),
                    Err(error) => println!("| {} | {error} |", size.name()),
                }
            }
        });
    }
    Ok(())
}

/// What a contestant runs before a call is timed, so that it finds the caches as it left them itself.
const TURN: Duration = Duration::from_millis(1);

/// The median and the least time of a call of each contestant in milliseconds, in turns: on a machine that others use, the least says what the call
/// needs.
fn times(contestants: &mut [Contestant<'_>], time: Duration) -> Vec<[f64; 2]> {
    let mut all = vec![Vec::new(); contestants.len()];
    let started = Instant::now();
    while all[0].len() < 9 || started.elapsed() < time {
        for (contestant, times) in contestants.iter_mut().zip(&mut all) {
            let turn = Instant::now();
            while turn.elapsed() < TURN {
                (contestant.run)();
            }
            let turn = Instant::now();
            (contestant.run)();
            times.push(turn.elapsed().as_secs_f64() * 1e3);
        }
    }
    all.into_iter()
        .map(|mut times| {
            times.sort_unstable_by(f64::total_cmp);
            [times[times.len() / 2], times[0]]
        })
        .collect()
}

fn row(device: &Device, size: &Size, threads: usize) -> Result<String> {
    let spec = size.spec();
    let g = size.geometry()?;
    let (x, w) = size.operands(device)?;
    let outputs: usize = g.output_shape().iter().product();
    let products = (outputs * g.channels_in * g.kernel.iter().product::<usize>()) as f64;
    let bytes = 4.0 * (x.len() + outputs) as f64;
    let floor = (products / PRODUCTS).max(bytes / BYTES) / threads as f64;
    let spectrum = if size.tile.is_empty() { None } else { Some(device.conv_spectrum(&w, &g, size.tile)?) };
    let way = ConvPlan::new(&g, DType::F32, &device.conv_costs(), true).way;
    let planned = match &way {
        ConvWay::Fft { tile } => Some(device.conv_spectrum(&w, &g, tile)?),
        ConvWay::Direct => None,
    };
    let mut contestants = vec![Contestant::new("direct", || device.conv_direct(&x, &w, None, &g))];
    if let Some(spectrum) = &spectrum {
        contestants.push(Contestant::new("tiles", || device.conv_fft(&x, spectrum, None, &g, size.tile)));
    }
    contestants.push(Contestant::new("planned", || match (&way, &planned) {
        (ConvWay::Fft { tile }, Some(spectrum)) => device.conv_fft(&x, spectrum, None, &g, tile),
        _ => device.conv_direct(&x, &w, None, &g),
    }));
    // The matrix of windows within 1 GB.
    let columns = products / g.channels_out as f64 * 4.0 < 1e9;
    if columns {
        contestants.push(Contestant::new("columns", || compose::conv_direct(&x, &w, None, &g)));
    }
    contestants.push(Contestant::new("called", || x.conv(&w, None, &spec)));
    let mut times = times(&mut contestants, Duration::from_millis(300)).into_iter();
    let direct = times.next().unwrap_or([f64::NAN; 2]);
    let tiles = spectrum.as_ref().and_then(|_| times.next());
    let chosen = times.next();
    let columns = columns.then(|| times.next()).flatten();
    let called = times.next();
    let show =
        |t: Option<[f64; 2]>| t.map_or_else(|| "-".to_owned(), |[t, least]| format!("{t:.3} ({least:.3})"));
    Ok(format!(
        "| {} | {:.1} | {:.1} | {:.3} | {} | {:.1} | {} | {} | {} {} | {} |",
        size.name(),
        products / 1e6,
        bytes / 1e6,
        floor * 1e3,
        show(Some(direct)),
        products / direct[1] / 1e6,
        show(tiles),
        show(columns),
        match &way {
            ConvWay::Direct => "direct".to_owned(),
            ConvWay::Fft { tile } => format!("tiles of {tile:?}"),
        },
        show(chosen),
        show(called)
    ))
}

fn main() -> Result<()> {
    if measuring() {
        tables()?;
    }
    if tables_only() {
        return Ok(());
    }
    let device = fft_cpu::device(CpuOptions { threads: Some(1), memory_limit: None })?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("convolution");
    group.sample_size(20).measurement_time(Duration::from_secs(1));
    for size in SIZES {
        let g = size.geometry()?;
        let (x, w) = size.operands(&device)?;
        group.bench_function(format!("direct {}", size.name()), |b| {
            b.iter(|| device.conv_direct(&x, &w, None, &g));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
