"""Draw monitoring/grafana/dashboards/kaslite.json, the dashboard that Grafana is provisioned with: `make grafana`.

Metrics and thresholds are those of kaslite.telemetry.metrics and monitoring/alerts.yml. Not for: editing by hand in Grafana.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from kaslite.telemetry.analytics.seed_states import STATE_NUMBERS

DASHBOARD = Path(__file__).parent.parent / "monitoring" / "grafana" / "dashboards" / "kaslite.json"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="kaslite-prometheus")
RUN = '{experiment_id=~"$experiment_id"}'
SEED_LABELS = "max by (experiment_id, layer, seed) "
COLOURS = {
    "dormant": "text",
    "germinated": "light-blue",
    "training": "blue",
    "blending": "yellow",
    "shadowing": "light-orange",
    "probationary": "orange",
    "fossilized": "green",
    "culled": "red",
    "embargoed": "dark-red",
    "resetting": "purple",
}
STATES: list[models.ValueMapping] = [
    models.ValueMap(
        {
            str(number): models.ValueMappingResult(text=state, color=COLOURS[state], index=index)
            for index, (state, number) in enumerate(STATE_NUMBERS.items())
        }
    )
]

Target = tuple[str, str]  # expression, legend


def thresholds(**steps: float) -> dashboard.ThresholdsConfig:
    """Return the lines at which a colour begins; the first colour, without one, begins at the bottom."""
    first, *others = steps.items()
    lines = [models.Threshold(None, first[0]), *(models.Threshold(value, colour) for colour, value in others)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(lines)


def queries(targets: tuple[Target, ...]) -> list[Dataquery]:
    """Return what is asked over time, one after the other."""
    return [
        Dataquery().expr(expr).legend_format(legend).ref_id(letter).range()
        for letter, (expr, legend) in zip(ascii_uppercase, targets, strict=False)
    ]


def curves(title: str, description: str, *targets: Target, unit: str = "short", width: int = 12) -> timeseries.Panel:
    """Return a panel with a line for each series."""
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .targets(queries(targets))
        .unit(unit)
        .height(8)
        .span(width)
        .line_width(2)
        .fill_opacity(0)
        .show_points(kinds.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.TABLE)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull"])
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    )


def dashed() -> common.GraphThresholdsStyleConfig:
    """Return how thresholds are drawn in a panel of curves."""
    return common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)


def performance() -> stat.Panel:
    """Return the numbers of a run at a glance."""
    numbers = {
        "Best accuracy": (f"max by (experiment_id) (kaslite_best_accuracy{RUN})", "percentunit"),
        "Experiment duration": (f"max by (experiment_id) (kaslite_experiment_duration_seconds{RUN})", "s"),
        "Active seeds": (f"sum by (experiment_id) (kaslite_seed_state{RUN} >= bool 4)", "none"),
        "Live seeds": (f"sum by (experiment_id) (kaslite_seed_state{RUN} >= bool 1)", "none"),
        "Epochs": (f"sum by (experiment_id) (kaslite_epochs_total{RUN})", "none"),
        "Parameters": (f"max by (experiment_id) (kaslite_model_parameters{RUN})", "short"),
        "Training FLOPs": (f"max by (experiment_id) (kaslite_train_flops_total{RUN})", "short"),
        "Running": (f"max by (experiment_id) (kaslite_run_running{RUN})", "bool_yes_no"),
    }
    panel = (
        stat.Panel()
        .title("Performance Stats")
        .description("Active: blended in, that is shadowing, probationary or fossilized. Live: from germinated on.")
        .datasource(SOURCE)
        .targets(queries(tuple((expr, name) for name, (expr, _) in numbers.items())))
        .height(5)
        .span(24)
        .color_mode(kinds.BigValueColorMode.NONE)
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for letter, (_, unit) in zip(ascii_uppercase, numbers.values(), strict=False):
        panel = panel.override_by_query(letter, [models.DynamicConfigValue("unit", unit)])
    return panel


def seed_table() -> table.Panel:
    """Return a row for each seed: its state by name and colour, alpha and drift."""
    columns = {
        "State": "kaslite_seed_state",
        "Alpha": "kaslite_seed_alpha",
        "Drift": "kaslite_seed_drift",
        "Health": "kaslite_seed_health_signal",
        "Progress": "kaslite_seed_training_progress",
    }
    asked = [
        Dataquery().expr(f"{SEED_LABELS}({metric}{RUN})").ref_id(letter).format(PromQueryFormat.TABLE).instant()
        for letter, metric in zip(ascii_uppercase, columns.values(), strict=False)
    ]
    renamed = {f"Value #{letter}": name for letter, name in zip(ascii_uppercase, columns, strict=False)}
    renamed |= {"experiment_id": "Experiment", "layer": "Layer", "seed": "Seed"}
    shown = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": renamed}
    coloured = {"type": "color-background", "mode": "basic"}
    return (
        table.Panel()
        .title("Seed Status Table")
        .description("Every place where a seed can grow. A seed that is gone has a state and nothing else.")
        .datasource(SOURCE)
        .targets(asked)
        .transformations(
            [
                models.DataTransformerConfig(id_val="merge", options={}),
                models.DataTransformerConfig(id_val="organize", options=shown),
            ]
        )
        .height(8)
        .span(24)
        .decimals(3)
        .no_value("-")
        .override_by_name(
            "State",
            [models.DynamicConfigValue("mappings", STATES), models.DynamicConfigValue("custom.cellOptions", coloured)],
        )
        .override_by_name(
            "Drift",
            [
                models.DynamicConfigValue("unit", "percentunit"),
                models.DynamicConfigValue("thresholds", thresholds(green=0, yellow=0.15, red=0.25).build()),
                models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ],
        )
    )


def seed_states() -> statetimeline.Panel:
    """Return the life of each seed as a bar that changes its colour."""
    return (
        statetimeline.Panel()
        .title("Seed States")
        .description("The life of each seed.")
        .datasource(SOURCE)
        .targets(queries(((f"{SEED_LABELS}(kaslite_seed_state{RUN})", "{{layer}}:{{seed}} {{experiment_id}}"),)))
        .mappings(STATES)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .merge_values(merge_values=True)
        .show_value(kinds.VisibilityMode.AUTO)
        .height(8)
        .span(24)
    )


def training() -> list[timeseries.Panel]:
    """Return how the run learns."""
    phase = "{{experiment_id}} {{phase}}"
    return [
        curves(
            "Validation Accuracy Trends",
            "By phase. Alerts are below 85 % in phase 2, and below 70 %.",
            (f"kaslite_validation_accuracy{RUN}", phase),
            (f"kaslite_best_accuracy{RUN}", "{{experiment_id}} best"),
            unit="percentunit",
        )
        .max(1)
        .thresholds(thresholds(transparent=0, red=0.7, yellow=0.85))
        .thresholds_style(dashed()),
        curves(
            "Training/Validation Loss",
            "Of the last epoch. An alert is above 10.",
            (f"kaslite_training_loss{RUN}", f"{phase} training"),
            (f"kaslite_validation_loss{RUN}", f"{phase} validation"),
        ),
    ]


def seeds() -> list[timeseries.Panel]:
    """Return what is measured of live seeds over time."""
    seed = "{{layer}}:{{seed}} {{experiment_id}}"
    return [
        curves("Seed Alpha Blending", "Weight of each seed in the forward pass.", (f"kaslite_seed_alpha{RUN}", seed)).min(0),
        curves(
            "Interface Drift Monitoring",
            "How far each seed turns the feature of its layer: 1 - cosine. Alerts: 15 %, 25 %; none of fossilized seeds.",
            (f"kaslite_seed_drift{RUN}", seed),
            unit="percentunit",
        )
        .min(0)
        .axis_soft_max(0.3)
        .thresholds(thresholds(transparent=0, yellow=0.15, red=0.25))
        .thresholds_style(dashed()),
        curves(
            "Seed Health and Training Progress",
            "Variance of the layer's feature; cosine of seed and descent direction in shadow training.",
            (f"kaslite_seed_health_signal{RUN}", f"{seed} health"),
            (f"kaslite_seed_training_progress{RUN}", f"{seed} progress"),
        ),
        curves(
            "Contribution",
            "Loss that removing a seed would add, and, with evidence: twin, what it gains against a network without it.",
            (f"kaslite_seed_removal_cost{RUN}", f"{seed} removal cost"),
            (f"kaslite_seed_twin_gain{RUN}", f"{seed} gain against twin"),
        ),
    ]


def control() -> list[timeseries.Panel]:
    """Return what the controller does, and what it costs."""
    run, rate = "{{experiment_id}}", "[$__rate_interval]"
    duration = f"sum by (experiment_id, le) (rate(kaslite_epoch_duration_seconds_bucket{RUN}{rate}))"
    completed = 'kaslite_blends_total{experiment_id=~"$experiment_id", outcome="completed"}'
    return [
        curves(
            "Germination Events",
            "Seeds so far, and how many have germinated a minute.",
            (f"kaslite_germinations_total{RUN}", f"{run} germinated"),
            (f"kaslite_fossilizations_total{RUN}", f"{run} fossilized"),
            (f"kaslite_culls_total{RUN}", f"{run} culled"),
            (f"kaslite_governor_rollbacks_total{RUN}", f"{run} rolled back"),
            (f"60 * rate(kaslite_germinations_total{RUN}{rate})", f"{run} germinations a minute"),
        ).line_interpolation(kinds.LineInterpolation.STEP_AFTER),
        curves(
            "Controller Decisions",
            "A second, by kind and by whether a gate refused them; and the fraction of germinated seeds that were blended in.",
            (
                f"sum by (experiment_id, decision, outcome) (rate(kaslite_decisions_total{RUN}{rate}))",
                "{{decision}} {{outcome}} {{experiment_id}}",
            ),
            (
                f"sum by (experiment_id) ({completed}) / (sum by (experiment_id) (kaslite_germinations_total{RUN}) > 0)",
                f"{run} activated",
            ),
        ),
        curves(
            "Plateau Counter and Patience",
            "Epochs over which the loss has not surely fallen. An alert is from 80 % of the patience on.",
            (f"kaslite_kasmina_plateau_counter{RUN}", f"{run} counter"),
            (f"kaslite_kasmina_patience{RUN}", f"{run} patience"),
            (f"0.8 * kaslite_kasmina_patience{RUN}", f"{run} alert"),
        ).min(0),
        curves(
            "Epoch Duration",
            "Percentiles, from the buckets of the histogram.",
            *((f"histogram_quantile({q}, {duration})", f"{run} p{100 * q:.0f}") for q in (0.5, 0.95, 0.99)),
            unit="s",
        ),
        curves(
            "Blends by Strategy",
            "Those that are over so far, and those on their way.",
            (f"kaslite_blends_total{RUN}", "{{strategy}} {{outcome}} {{experiment_id}}"),
            (f"kaslite_blends_open{RUN}", "{{strategy}} open {{experiment_id}}"),
        ).line_interpolation(kinds.LineInterpolation.STEP_AFTER),
        curves(
            "Epochs and Phases",
            "Epochs completed so far in each phase, and how often it began.",
            (f"kaslite_epochs_total{RUN}", "{{experiment_id}} {{phase}} epochs"),
            (f"kaslite_phase_transitions_total{RUN}", "{{experiment_id}} {{phase}} began"),
        ).line_interpolation(kinds.LineInterpolation.STEP_AFTER),
    ]


def build() -> models.Dashboard:
    """Return the whole dashboard, its panels numbered in their order."""
    experiments = (
        dashboard.QueryVariable("experiment_id")
        .label("Experiment")
        .datasource(SOURCE)
        .query({"query": "label_values(kaslite_run_running, experiment_id)", "refId": "StandardVariableQuery"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )
    builder = (
        dashboard.Dashboard("kaslite")
        .uid("kaslite")
        .description("Runs of kaslite. Drawn by scripts/draw_grafana.py.")
        .tags(["kaslite"])
        .readonly()
        .refresh("5s")
        .time("now-15m", "now")
        .timezone(kinds.TimeZoneBrowser)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(experiments)
        .with_panel(performance())
    )
    for title, panels in {
        "Training": training(),
        "Seeds": [seed_table(), seed_states(), *seeds()],
        "Control": control(),
    }.items():
        builder = builder.with_row(dashboard.Row(title))
        for panel in panels:
            builder = builder.with_panel(panel)
    built = builder.build()
    for number, panel in enumerate(built.panels or (), start=1):
        panel.id_val = number
    return built


def drawn() -> str:
    """Return the content of the file."""
    return json.dumps(build(), cls=JSONEncoder, indent=2, sort_keys=True, allow_nan=False) + "\n"


def main() -> None:
    """Write the file."""
    DASHBOARD.write_text(drawn(), encoding="utf-8")
    print(f"drew {DASHBOARD}")


if __name__ == "__main__":
    main()
