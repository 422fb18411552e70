use super::super::tests::scene;
use super::*;
use crate::ops::ErrorCode;

fn chart(grain: Grain, of: SeriesOf) -> ChartUsage {
    ChartUsage {
        grain,
        of,
        since: None,
        until: None,
        top: None,
        sort: UsageSort::Cost,
    }
}

/// Name, whether it is the rest, cost.
fn told(chart: &UsageChart) -> Vec<(Option<&str>, bool, u64)> {
    let told = |curve: &UsageCurve| curve.line.figures.cost_micro_usd;
    let curves = chart.curves.iter();
    curves
        .map(|curve| (curve.line.name.as_deref(), curve.other, told(curve)))
        .collect()
}

fn costs(curve: &UsageCurve) -> Vec<u64> {
    let points = curve.points.iter();
    points.map(|figures| figures.cost_micro_usd).collect()
}

#[tokio::test]
async fn points_without_usage_are_zero() {
    let ops = scene().await;
    let all = chart(Grain::Day, SeriesOf::All).run(&ops).await.unwrap();
    assert_eq!(told(&all), [(None, false, 75)]);
    let costs = costs(&all.curves[0]);
    assert_eq!(costs.len(), 31);
    assert_eq!(costs[28..], [0, 40, 25]);
    assert_eq!((costs[10], costs.iter().sum::<u64>()), (10, 75));
    assert_eq!(all.step_ms, 86_400_000);
    assert_eq!(all.from_ms % all.step_ms, 0);
    let hours = chart(Grain::Hour, SeriesOf::All).run(&ops).await.unwrap();
    assert_eq!(hours.curves[0].points.len(), 721);
    assert_eq!(told(&hours), [(None, false, 75)]);
}

#[tokio::test]
async fn the_most_used_have_curves_and_the_rest_is_one() {
    let ops = scene().await;
    let of = |of, top| ChartUsage {
        top: Some(top),
        ..chart(Grain::Day, of)
    };
    let keys = of(SeriesOf::Key, 1).run(&ops).await.unwrap();
    assert_eq!(told(&keys), [(Some("filed"), false, 40), (None, true, 35)]);
    assert_eq!(costs(&keys.curves[0])[28..], [0, 40, 0]);
    assert_eq!(costs(&keys.curves[1])[28..], [0, 0, 25]);
    let rest = &keys.curves[1].line.figures;
    assert_eq!((rest.requests, rest.tokens.input), (3, 9));
    assert_eq!(rest.p50_ms, keys.curves[0].line.figures.p50_ms);
    let owners = of(SeriesOf::Owner, 5).run(&ops).await.unwrap();
    let rows = [
        (Some("ann"), false, 60),
        (None, false, 10),
        (Some("bob"), false, 5),
    ];
    assert_eq!(told(&owners), rows, "no rest, and nobody is no rest");
    let many = ChartUsage {
        since: Some("48h".into()),
        top: Some(50),
        ..chart(Grain::Minute, SeriesOf::Model)
    };
    let error = many.run(&ops).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
    let minutes = chart(Grain::Minute, SeriesOf::Status)
        .run(&ops)
        .await
        .unwrap();
    assert_eq!(told(&minutes), [(Some("200"), false, 65)]);
}
