"""Dashboard "Model": what the network is asked and what it answers, against the same window a day before."""

from grafana_foundation_sdk.builders.dashboard import Row
from panels import (
    INSTANCE,
    MODEL,
    RED,
    YELLOW,
    YESTERDAY,
    bars,
    heat,
    last,
    limited,
    lines,
    number,
    or_zero,
    query,
    stacked,
    steps,
    yesterday_behind,
)

# As in compose/prometheus/rules/alerts.yml.
DRIFT, UNSURE = 0.2, 0.6
RATE = "[$__rate_interval]"
DAY = " offset 1d"
NO_HISTORY = "needs a day of history"
CONFIDENCE, INTENSITY = "kiln_prediction_confidence", "kiln_input_mean_intensity"


def both(expr, legend):
    """What `expr`, a function of the offset, says now and a day before."""
    return [query(expr(""), legend), query(expr(DAY), f"{legend}, {YESTERDAY}")]


def panels():
    """Every panel and row, in their order."""
    return [*now(), *answers(), *confidence(), *inputs(), *clients()]


def mean(metric):
    """The mean of a histogram over five minutes."""

    def expr(offset):
        return (
            f"sum(rate({metric}_sum{{{MODEL}}}[5m]{offset})) / (sum(rate({metric}_count{{{MODEL}}}[5m]{offset})) > 0)"
            + idle(offset)
        )

    return expr


def quantile(q, metric):
    """A quantile of a histogram over five minutes."""
    return lambda offset: f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{{MODEL}}}[5m]{offset})))"


def low_confidence(offset):
    low = f'kiln_prediction_confidence_bucket{{{MODEL}, le="{UNSURE}"}}'
    count = f"kiln_prediction_confidence_count{{{MODEL}}}"
    return f"sum(rate({low}[5m]{offset})) / (sum(rate({count}[5m]{offset})) > 0)" + idle(offset)


def class_shares(offset, window="[5m]", function="rate"):
    classes = f"{function}(kiln_predictions_total{{{MODEL}}}{window}{offset})"
    return f"topk(20, sum by (class) ({classes}) / on () group_left () (sum({classes}) > 0))"


def idle(offset):
    """Nothing was asked: an empty line, so that the panel stands; for the day before, none."""
    return "" if offset else " or on () vector(NaN)"


def heatmap_of(metric):
    return [query(f"sum by (le) (increase({metric}_bucket{{{MODEL}}}{RATE}))", "{{le}}")]


def now():
    return [
        number(
            "Predictions", "short", "Answers in the time range of the dashboard.",
            [query(f"sum(increase(kiln_predictions_total{{{MODEL}}}[$__range]))", "predictions")],
        ).span(4).decimals(0),
        number(
            "Mean confidence", "percentunit", "Mean score of the class that was answered. Below 60 % an alert fires.",
            [query(mean(CONFIDENCE)(""), "confidence")],
        ).thresholds(steps((0, RED), (UNSURE, YELLOW), (0.8, "green"))).span(5),
        number(
            "Low confidence", "percentunit", "Share of answers with a score of at most 60 %.",
            [query(low_confidence(""), "low confidence")],
        ).thresholds(steps((0.1, YELLOW), (0.3, RED))).span(5),
        number(
            "Class drift", "percentunit",
            "Share of the last hour's predictions that went to another class than in the same hour a day before, the model "
            "that drifts most. From 20 % on, an alert fires.",
            [query('max(model:kiln_class_drift:distance1h{job="kiln", model=~"$model"})', "drift")],
        ).thresholds(steps((DRIFT / 2, YELLOW), (DRIFT, RED))).no_value(NO_HISTORY).span(5),
        number(
            "Mean intensity", "percentunit", "Mean of the inputs' values as a share of full scale; of MNIST digits it is 13 %.",
            [query(mean(INTENSITY)(""), "intensity")],
        ).span(5),
    ]


def answers():
    def of_range(offset):
        return class_shares(offset, window="[$__range]", function="increase")

    return [
        Row("Answers"),
        stacked(lines(
            "Digits predicted", "reqps", "Predictions a second by class, the 20 most frequent.",
            [query(f"topk(20, sum by (class) (rate(kiln_predictions_total{{{MODEL}}}{RATE})))", "{{class}}")],
        )).span(12),
        bars(
            "Shares now", "percentunit", "Share of each class among the predictions of the time range.",
            [last(or_zero(of_range(""), "class"), "{{class}}")],
        ).span(6),
        bars(
            "Shares a day before", "percentunit", "The same range a day earlier. Compare with the left: another shape is drift.",
            [last(of_range(DAY), "{{class}}, " + YESTERDAY)],
        ).no_value(NO_HISTORY).span(6),
        yesterday_behind(lines(
            "Share by class", "percentunit", "Share of each class in the last five minutes; grey is a day before.",
            [query(or_zero(class_shares(""), "class"), "{{class}}"), query(class_shares(DAY), "{{class}}, " + YESTERDAY)],
        )).fill_opacity(0).span(12),
        limited(lines(
            "Class drift", "percentunit",
            "Total variation distance between the classes of the last hour and those of the same hour a day before: the share "
            "of predictions that moved. Nothing for the first day.",
            [query('model:kiln_class_drift:distance1h{job="kiln", model=~"$model"}', "{{model}}")],
        ), (DRIFT, RED)).no_value(NO_HISTORY).span(12),
    ]


def confidence():
    return [
        Row("Confidence"),
        heat("Confidence distribution", "percentunit", "How many answers had which score.", heatmap_of(CONFIDENCE)),
        yesterday_behind(lines(
            "Mean confidence", "percentunit", "Mean score of the class that was answered; grey is a day before.",
            both(mean(CONFIDENCE), "confidence"),
        )).max(1),
        limited(yesterday_behind(lines(
            "Share of low confidence", "percentunit", "Answers with a score of at most 60 %; grey is a day before.",
            both(low_confidence, "at most 60 %"),
        )), (0.3, RED)),
    ]


def inputs():
    # All reasons but those that lie with the server: also ones that are added later.
    refused = f'kiln_rejections_total{{{INSTANCE}, reason!~"queue_full|deadline|cancelled|loading|draining|unknown_model"}}'
    return [
        Row("Inputs"),
        heat(
            "Input intensity", "percentunit",
            "Mean of an input's values as a share of full scale: 0 is empty, 1 all ink. Digits lie about 13 %; 50 % is noise or "
            "a picture that was not turned light on dark.",
            heatmap_of(INTENSITY),
        ).span(6),
        yesterday_behind(lines(
            "Mean intensity", "percentunit", "Mean of the inputs; grey is a day before.", both(mean(INTENSITY), "intensity"),
        )).span(6),
        yesterday_behind(lines(
            "Intensity, tenth and nine tenths", "percentunit", "Four fifths of the inputs lie between the lines; grey is a day before.",
            [*both(quantile(0.1, INTENSITY), "p10"), *both(quantile(0.9, INTENSITY), "p90")],
        )).span(6),
        lines(
            "Refused inputs", "reqps",
            "What was refused a second for what it is, of any model. invalid: it cannot be read, or has the wrong size. no_digit: the "
            "picture shows no digit. An alert fires if it is more than 30 % of what is sent. docs/metrics.md has every reason.",
            [query(f"sum by (reason) (rate({refused}{RATE}))", "{{reason}}")],
        ).span(6),
    ]


def clients():
    by_client = f"sum by (client_ip) (rate(api_requests_total{{{INSTANCE}}}{RATE}))"

    def predictions(offset):
        return f"sum(rate(kiln_predictions_total{{{MODEL}}}[5m]{offset}))"

    return [
        Row("Clients"),
        stacked(lines(
            "Requests by client", "reqps", "Predictions a second by the client's address; a hundred are told apart, the rest is `other`.",
            [query(or_zero(by_client, "client_ip"), "{{client_ip}}")],
        )).span(12),
        yesterday_behind(lines(
            "Predictions", "reqps", "All predictions a second; grey is a day before.", both(predictions, "predictions"),
        )).span(12),
    ]
