//! Fits the cost model of convolutions on this machine: `cargo xtask tune`.
//!
//! `tune_convolution [FILE]` times both ways on one thread over a grid of sizes (the direct one, and the spectral one with several tiles), fits
//! nanoseconds for each step so that the squares of relative errors are least and none is negative, prints them with the residuals and with what
//! the planner would choose, and writes them to FILE as Rust source.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use fft_benches::numbers;
use fft_core::convolution::{ConvCosts, ConvGeometry, ConvPlan, ConvSpec, ConvSteps, ConvWay};
use fft_core::{DType, Device, Result, Tensor};
use fft_cpu::CpuOptions;

const STEPS: usize = ConvSteps::NAMES.len();
/// Timings that would take longer are left out, by the model's own guess.
const LONGEST: f64 = 0.05;
/// Seconds for a timing.
const EACH: f64 = 0.03;

/// One timing.
struct Sample {
    name: String,
    geometry: ConvGeometry,
    way: ConvWay,
    seconds: f64,
}

impl Sample {
    fn features(&self, costs: &ConvCosts) -> [f64; STEPS] {
        self.way.steps(&self.geometry, DType::F32, costs, true).to_array()
    }
}

fn geometry(x: &[usize], w: &[usize], groups: usize) -> Result<ConvGeometry> {
    let padding: Vec<[usize; 2]> = w[2..].iter().map(|k| [(k - 1) / 2, k / 2]).collect();
    ConvGeometry::new("conv", x, w, &ConvSpec::new(padding.len()).padding_sides(&padding).groups(groups))
}

/// The sizes that are timed: around those for which the choice is close, and some far from it.
fn grid() -> Result<Vec<ConvGeometry>> {
    let mut grid = Vec::new();
    for length in [16, 64, 256, 4096, 65_536] {
        for taps in [3, 16, 32, 64, 128, 256, 512, 1024, 4096] {
            if taps > length {
                continue;
            }
            grid.push(geometry(&[1, 1, length], &[1, 1, taps], 1)?);
            grid.push(geometry(&[1, 32, length], &[32, 1, taps], 32)?);
            for channels in [4, 16, 64] {
                if channels * length <= 1 << 20 && taps <= 512 {
                    grid.push(geometry(&[1, channels, length], &[channels, channels, taps], 1)?);
                }
            }
        }
    }
    for side in [8, 32, 64, 256, 1024] {
        for taps in [3, 5, 7, 11, 15, 21, 31, 63] {
            if taps > side {
                continue;
            }
            grid.push(geometry(&[1, 1, side, side], &[1, 1, taps, taps], 1)?);
            if side <= 256 {
                grid.push(geometry(&[1, 16, side, side], &[16, 1, taps, taps], 16)?);
                for channels in [3, 16, 64] {
                    grid.push(geometry(&[1, channels, side, side], &[channels, channels, taps, taps], 1)?);
                }
            }
        }
    }
    for side in [8, 24, 48] {
        for taps in [3, 5, 7] {
            for channels in [1, 4, 16] {
                if channels * side <= 384 {
                    let (x, w) = ([1, channels, side, side, side], [channels, channels, taps, taps, taps]);
                    grid.push(geometry(&x, &w, 1)?);
                }
            }
        }
    }
    Ok(grid)
}

/// The least time of a call, after one that is not timed.
fn least(mut run: impl FnMut() -> Result<Tensor>) -> Result<f64> {
    run()?;
    let began = Instant::now();
    let (mut least, mut rounds) = (f64::INFINITY, 0);
    while rounds < 3 || (began.elapsed().as_secs_f64() < EACH && rounds < 1000) {
        let start = Instant::now();
        run()?;
        least = least.min(start.elapsed().as_secs_f64());
        rounds += 1;
    }
    Ok(least)
}

/// The ways to time: the direct one, and tiles of several lengths.
fn ways(g: &ConvGeometry, costs: &ConvCosts) -> Vec<ConvWay> {
    let plan = ConvPlan::new(g, DType::F32, costs, true);
    let mut candidates = plan.candidates();
    let spectral = candidates.split_off(1);
    candidates.retain(|c| c.seconds <= LONGEST);
    let mut best: Vec<_> = spectral.into_iter().filter(|c| c.seconds <= LONGEST).collect();
    best.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    // The best by the model so far, and some that it finds worse, which keep it from trusting itself.
    let step = best.len().div_ceil(3).max(1);
    let chosen: Vec<_> = best.iter().take(2).chain(best.iter().skip(2).step_by(step)).cloned().collect();
    candidates.extend(chosen);
    candidates.into_iter().map(|c| c.way).collect()
}

fn measure(device: &Device, grid: &[ConvGeometry], costs: &ConvCosts) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for g in grid {
        let channels = g.groups * g.channels_in;
        let mut x = vec![g.batch, channels];
        x.extend_from_slice(&g.input);
        let mut w = vec![g.groups * g.channels_out, g.channels_in];
        w.extend_from_slice(&g.kernel);
        let name = format!("{x:?} by {w:?}");
        let x = Tensor::from_slice(device, &numbers(x.iter().product(), 1), &x)?;
        let w = Tensor::from_slice(device, &numbers(w.iter().product(), 2), &w)?;
        for way in ways(g, costs) {
            let seconds = match &way {
                ConvWay::Direct => least(|| device.conv_direct(&x, &w, None, g))?,
                ConvWay::Fft { tile } => {
                    let spectrum = device.conv_spectrum(&w, g, tile)?;
                    least(|| device.conv_fft(&x, &spectrum, None, g, tile))?
                }
            };
            samples.push(Sample { name: name.clone(), geometry: g.clone(), way, seconds });
        }
        device.trim();
    }
    Ok(samples)
}

/// `c >= 0` for which `sum (p - t)^2 / (p t)` is least, with `p` the predicted and `t` the measured time: an error that is the same for twice
/// as long as for half as long. Least squares with weights from the predictions of the round before; and its root mean square.
fn fit(samples: &[Sample], costs: &ConvCosts) -> ([f64; STEPS], f64) {
    let rows: Vec<[f64; STEPS]> = samples
        .iter()
        .map(|s| {
            let weight = 1e-9 / s.seconds;
            s.features(costs).map(|f| f * weight)
        })
        .collect();
    let mut costs = [0.0; STEPS];
    let mut predicted = vec![1.0; rows.len()];
    for _ in 0..30 {
        let weighted: Vec<([f64; STEPS], f64)> = rows
            .iter()
            .zip(&predicted)
            .map(|(row, p): (_, &f64)| {
                let weight = p.clamp(0.05, 20.0).powf(-0.5);
                (row.map(|f| f * weight), weight)
            })
            .collect();
        costs = least_squares(&weighted, costs);
        for (p, row) in predicted.iter_mut().zip(&rows) {
            *p = row.iter().zip(costs).map(|(f, c)| f * c).sum();
        }
    }
    let error: f64 = predicted.iter().map(|p| p.max(1e-3).ln().powi(2)).sum();
    (costs, (error / rows.len() as f64).sqrt())
}

/// `c >= 0` for which `sum (row . c - want)^2` is least, by descent along one coordinate at a time.
fn least_squares(rows: &[([f64; STEPS], f64)], mut costs: [f64; STEPS]) -> [f64; STEPS] {
    let dot =
        |row: &[f64; STEPS], costs: &[f64; STEPS]| -> f64 { row.iter().zip(costs).map(|(f, c)| f * c).sum() };
    let mut residuals: Vec<f64> = rows.iter().map(|(row, want)| dot(row, &costs) - want).collect();
    for _ in 0..2000 {
        let mut largest: f64 = 0.0;
        for i in 0..STEPS {
            let square: f64 = rows.iter().map(|(r, _)| r[i] * r[i]).sum();
            if square == 0.0 {
                continue;
            }
            let slope: f64 = rows.iter().zip(&residuals).map(|((r, _), e)| r[i] * e).sum();
            let next = (costs[i] - slope / square).max(0.0);
            let change = next - costs[i];
            for ((row, _), residual) in rows.iter().zip(&mut residuals) {
                *residual += row[i] * change;
            }
            largest = largest.max(change.abs() * square.sqrt());
            costs[i] = next;
        }
        if largest < 1e-9 {
            break;
        }
    }
    costs
}

/// How many times as long things take in `F64`: the geometric mean over a few sizes, both ways.
fn double(device: &Device) -> Result<f64> {
    let (mut logs, mut count) = (0.0, 0.0);
    for (x, w, tile) in [
        (vec![1, 1, 65_536], vec![1, 1, 256], vec![2048]),
        (vec![1, 1, 256, 256], vec![1, 1, 15, 15], vec![64, 64]),
        (vec![1, 16, 64, 64], vec![16, 16, 3, 3], vec![32, 32]),
    ] {
        let g = geometry(&x, &w, 1)?;
        let mut times = Vec::new();
        for dtype in [DType::F32, DType::F64] {
            let x = Tensor::from_slice(device, &numbers(x.iter().product(), 1), &x)?.to_dtype(dtype)?;
            let w = Tensor::from_slice(device, &numbers(w.iter().product(), 2), &w)?.to_dtype(dtype)?;
            let spectrum = device.conv_spectrum(&w, &g, &tile)?;
            times.push([
                least(|| device.conv_direct(&x, &w, None, &g))?,
                least(|| device.conv_fft(&x, &spectrum, None, &g, &tile))?,
            ]);
        }
        for (double, single) in times[1].iter().zip(&times[0]) {
            logs += (double / single).ln();
            count += 1.0;
        }
    }
    Ok(f64::exp(logs / count))
}

fn machine(device: &Device) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    format!("{model}, {}", device.info().driver)
}

/// Days since 1970 as year, month and day (Hinnant 2013, days_from_civil reversed).
fn date() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let days = now.map_or(0, |d| d.as_secs() / 86_400) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let rest = day - (365 * year + year / 4 - year / 100);
    let month = (5 * rest + 2) / 153;
    let day = rest - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

fn source(costs: &ConvCosts, error: f64, samples: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "//! The measured costs of convolutions. Written by `cargo xtask tune`; do not edit.\n"
    );
    let _ = writeln!(out, "use std::borrow::Cow;\n\nuse fft_core::convolution::{{ConvCosts, ConvSteps}};\n");
    let _ = writeln!(
        out,
        "/// Fitted to {samples} timings with a logarithmic error of {:.2} (root mean square).",
        error
    );
    let _ = writeln!(out, "pub(super) const COSTS: ConvCosts = ConvCosts {{");
    let _ = writeln!(out, "    machine: Cow::Borrowed({:?}),", costs.machine);
    let _ = writeln!(out, "    near_bytes: {},", costs.near_bytes);
    let _ = writeln!(out, "    lanes: {},", costs.lanes);
    let _ = writeln!(out, "    double: {:.2},", costs.double);
    let _ = writeln!(out, "    nanoseconds: ConvSteps {{");
    for (name, value) in ConvSteps::NAMES.iter().zip(costs.nanoseconds.to_array()) {
        let _ = writeln!(out, "        {name}: {value:.4},");
    }
    let _ = writeln!(out, "    }},\n}};");
    out
}

/// Of the timings of one size, that of the way which the planner would choose, and the best.
fn choice<'a>(group: &'a [Sample], costs: &ConvCosts) -> Option<(&'a Sample, &'a Sample)> {
    let predicted =
        |s: &Sample| costs.seconds(&s.way.steps(&s.geometry, DType::F32, costs, true), DType::F32);
    let least = group.iter().min_by(|a, b| predicted(a).total_cmp(&predicted(b)))?;
    // The planner may prefer the direct way; tiles of its choice that were not timed are those predicted best of what was.
    let way = ConvPlan::new(&least.geometry, DType::F32, costs, true).way;
    let chosen = group.iter().find(|s| s.way == way).unwrap_or(least);
    Some((chosen, group.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds))?))
}

/// The mean logarithm of how many times as long the planner's choices take as the best.
fn loss(samples: &[Sample], costs: &ConvCosts) -> f64 {
    let groups = samples.chunk_by(|a, b| a.geometry == b.geometry);
    let logs: Vec<f64> = groups
        .filter_map(|g| choice(g, costs))
        .map(|(chosen, best)| (chosen.seconds / best.seconds).ln())
        .collect();
    logs.iter().sum::<f64>() / logs.len().max(1) as f64
}

/// What the planner would choose, beside the best of what was timed: a row for each size where it loses more than a tenth.
fn report(samples: &[Sample], costs: &ConvCosts) {
    let (mut sizes, mut within, mut worst) = (0, 0, 1.0f64);
    println!(
        "\n| size | chosen, predicted ms | its time | best | its time | ratio |\n|---|---|---|---|---|---|"
    );
    let predicted =
        |s: &Sample| costs.seconds(&s.way.steps(&s.geometry, DType::F32, costs, true), DType::F32);
    for group in samples.chunk_by(|a, b| a.geometry == b.geometry) {
        let Some((chosen, best)) = choice(group, costs) else { continue };
        let ratio = chosen.seconds / best.seconds;
        sizes += 1;
        within += usize::from(ratio <= 1.3);
        worst = worst.max(ratio);
        if ratio > 1.1 {
            println!(
                "| {} | {:?}, {:.3} | {:.3} | {:?} | {:.3} | {ratio:.2} |",
                chosen.name,
                chosen.way,
                predicted(chosen) * 1e3,
                chosen.seconds * 1e3,
                best.way,
                best.seconds * 1e3
            );
        }
    }
    println!("\n{within} of {sizes} choices within 1.3 of the best timed; the worst {worst:.2}.");
}

/// The fitted costs, their logarithmic error, and the number of timings.
fn tune() -> Result<(ConvCosts, f64, usize)> {
    let device = fft_cpu::device(CpuOptions { threads: Some(1), memory_limit: None })?;
    let grid = grid()?;
    let mut costs = ConvCosts::GENERIC;
    let mut samples = Vec::new();
    let mut error = 0.0;
    // Twice: the tiles that the first fit finds best are timed for the second.
    for round in 0..2 {
        let more = measure(&device, &grid, &costs)?;
        println!("round {round}: {} timings", more.len());
        for sample in more {
            let same = |s: &&mut Sample| s.geometry == sample.geometry && s.way == sample.way;
            match samples.iter_mut().find(same) {
                Some(known) => known.seconds = known.seconds.min(sample.seconds),
                None => samples.push(sample),
            }
        }
        samples.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut least, mut best) = (f64::INFINITY, costs.clone());
        for lanes in [1, 4, 8, 16] {
            for near_bytes in [1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21] {
                let sizes = ConvCosts { near_bytes, lanes, ..costs.clone() };
                let (fitted, now) = fit(&samples, &sizes);
                let fitted = ConvCosts { nanoseconds: ConvSteps::from_array(fitted), ..sizes };
                // What counts in the end is what the choices cost.
                let lost = loss(&samples, &fitted);
                if lost < least {
                    (least, error, best) = (lost, now, fitted);
                }
            }
        }
        costs = best;
        let (near, lanes) = (costs.near_bytes >> 10, costs.lanes);
        println!(
            "choices {:.1} % over the best timed; logarithmic error {error:.3}, tiles of up to {near} KiB near, {lanes} lanes",
            100.0 * (least.exp() - 1.0)
        );
    }
    costs.machine = format!("{}, {}", machine(&device), date()).into();
    costs.double = double(&device)?;
    for (name, value) in ConvSteps::NAMES.iter().zip(costs.nanoseconds.to_array()) {
        println!("{name:<16} {value:.4} ns");
    }
    let mut residuals: Vec<(f64, &Sample)> = samples
        .iter()
        .map(|s| {
            let steps = s.way.steps(&s.geometry, DType::F32, &costs, true);
            (costs.seconds(&steps, DType::F32) / s.seconds, s)
        })
        .collect();
    residuals.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!("\npredicted / timed: the least, every eighth, and the largest");
    let every = residuals.len().div_ceil(8).max(1);
    for (ratio, s) in residuals.iter().step_by(every).chain(residuals.last()) {
        println!("{ratio:.2}  {} {:?} {:.3} ms", s.name, s.way, s.seconds * 1e3);
    }
    report(&samples, &costs);
    Ok((costs, error, samples.len()))
}

fn main() -> ExitCode {
    let (costs, error, count) = match tune() {
        Ok(tuned) => tuned,
        Err(error) => {
            eprintln!("tune_convolution: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(path) = std::env::args().nth(1) {
        if let Err(error) = std::fs::write(&path, source(&costs, error, count)) {
            eprintln!("tune_convolution: {path}: {error}");
            return ExitCode::FAILURE;
        }
        println!("written to {path}");
    }
    ExitCode::SUCCESS
}
