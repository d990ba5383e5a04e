//! `loss.svg`: how the loss fell.

use plotters::prelude::*;

use super::log::Record;

/// The losses of training, smoothed, and of validation over the steps as SVG; none when no loss is finite.
pub(super) fn losses(records: &[Record]) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let steps: Vec<(f64, f64)> = records.iter().filter_map(|r| Some((r.step as f64, r.loss?))).collect();
    let judged: Vec<(f64, f64)> = records.iter().filter_map(|r| Some((r.step as f64, r.val_loss?))).collect();
    let values = || steps.iter().chain(&judged).map(|p| p.1).filter(|v| v.is_finite());
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return Ok(None);
    }
    let last = steps.iter().chain(&judged).map(|p| p.0).fold(1.0, f64::max);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (800, 480)).into_drawing_area();
        area.fill(&WHITE)?;
        let margin = 0.05 * (high - low).max(0.1);
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..last, low - margin..high + margin)?;
        chart.configure_mesh().x_desc("step").y_desc("loss, nats a token").light_line_style(WHITE).draw()?;
        let (grey, blue, red) = (RGBColor(200, 200, 200), RGBColor(31, 119, 180), RGBColor(214, 39, 40));
        chart.draw_series(LineSeries::new(steps.iter().copied(), &grey))?;
        let mut mean = None;
        let smooth = steps.iter().map(|&(step, loss)| {
            let next = mean.map_or(loss, |m: f64| 0.95 * m + 0.05 * loss);
            mean = Some(next);
            (step, next)
        });
        let line =
            |colour: RGBColor| move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2));
        chart
            .draw_series(LineSeries::new(smooth.collect::<Vec<_>>(), blue.stroke_width(2)))?
            .label("training, smoothed")
            .legend(line(blue));
        chart
            .draw_series(LineSeries::new(judged.iter().copied(), red.stroke_width(2)).point_size(3))?
            .label("validation")
            .legend(line(red));
        chart.configure_series_labels().background_style(WHITE).border_style(grey).draw()?;
        area.present()?;
    }
    Ok(Some(text))
}
