"""Latencies that are estimated: fitted to public measurements, with a range, or not said at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from support.optional import not_none

from tinyc.devices.board import Bank, Board
from tinyc.devices.latency import Layer, Measurements, measurements
from tinyc.devices.runtime import Runtime
from tinyc.devices.work import Work
from tinyc.measure import latency_calibration, latency_fit, latency_terms
from tinyc.measure.latency import Estimate, Unknown, estimate
from tinyc.measure.latency_calibration import WIDEST, calibrate, left_out, student
from tinyc.measure.latency_terms import CALIBRATED, KINDS, Platform, family, terms

RAM = (Bank(name="SRAM", bytes=256 * 1024),)
M4 = Board(
    name="m4", title="An M4", core="cortex-m4", clock_mhz=64, dsp=True, flash_kind="internal", ram=RAM,
    runtime="cmsis", runtimes=("cmsis",),
)  # fmt: skip
M33 = M4.model_copy(update={"core": "cortex-m33", "clock_mhz": 150.0})
ESP32 = M4.model_copy(update={"core": "xtensa-lx6", "clock_mhz": 240.0, "flash_kind": "serial", "dsp": False})
CMSIS = Runtime(name="cmsis", title="TFLM with CMSIS-NN", operators={"CONV_2D": ("int8",)}, kernels="cmsis-nn")
ESP_NN = CMSIS.model_copy(update={"title": "TFLM with ESP-NN", "kernels": "esp-nn"})
SHOWN: dict[Any, tuple[int, int]] = {
    ("cortex-m4", "cmsis-nn"): (11, 12),
    ("cortex-m33", "cmsis-nn"): (9, 9),
    ("cortex-m7", "cmsis-nn"): (5, 6),
    ("xtensa-lx6", "esp-nn"): (5, 6),
}


def conv(filters: int = 16, side: int = 3, channels: int = 16, out: int = 32) -> Work:
    """A convolution over 32 x 32 places, unless another side of the output is given."""
    weights = (filters, side, side, channels)
    output = (1, out, out, filters)
    return Work(
        operator="CONV_2D",
        where=f"op 0 CONV_2D, {filters} filters",
        values="int8",
        weights="int8",
        inputs=((1, out, out, channels), weights, (filters,)),
        weight_shape=weights,
        output=output,
        is_per_channel=True,
        macs=out * out * filters * side * side * channels,
        weight_bytes=filters * side * side * channels + 4 * filters,
        value_bytes=out * out * (channels + filters),
    )


def dense(features: int = 128, units: int = 128) -> Work:
    shapes = ((1, features), (units, features))
    return replace(
        conv(), operator="FULLY_CONNECTED", where="op 1 FULLY_CONNECTED", inputs=shapes, weight_shape=shapes[1],
        output=(1, units), macs=features * units, weight_bytes=features * units + 4 * units,
    )  # fmt: skip


def elementwise(operator: str, shape: tuple[int, ...] = (1, 32, 32, 16)) -> Work:
    return replace(
        conv(), operator=operator, where=f"op 2 {operator}", weights=None, inputs=(shape,), weight_shape=None,
        output=shape, macs=0, weight_bytes=0,
    )  # fmt: skip


def ms(*works: Work, board: Board = M4, runtime: Runtime = CMSIS, **options: Any) -> Estimate:
    found = estimate(works, board, runtime, **options)
    assert isinstance(found, Estimate), found
    return found


def why(*works: Work, board: Board = M4, runtime: Runtime = CMSIS, **options: Any) -> str:
    found = estimate(works, board, runtime, **options)
    assert isinstance(found, Unknown), found
    assert found.sentence == f"no estimate: {found.why}"
    return found.why


@pytest.fixture
def other_measurements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Put other measurements in the place of those that tinyc ships."""

    def put(known: Measurements) -> None:
        for module in (latency_fit, latency_calibration):
            monkeypatch.setattr(module, "measurements", lambda: known)
        forget()

    yield put
    monkeypatch.undo()
    forget()


def forget() -> None:
    latency_fit.points.cache_clear()
    calibrate.cache_clear()


def with_ms(network: str, factor: float) -> Measurements:
    """The measurements, with those of one network multiplied."""
    known = measurements()
    setups = tuple(
        setup.model_copy(
            update={"ms": {name: ms * (factor if name == network else 1) for name, ms in setup.ms.items()}}
        )
        for setup in known.setups
    )
    return known.model_copy(update={"setups": setups})


def test_of_each_core_it_is_counted_how_many_networks_lie_inside_when_left_out() -> None:
    found: dict[Any, list[bool]] = {}
    for row in left_out():
        found.setdefault((row.setup.core, row.setup.kernels), []).append(row.is_inside)
    counted = {key: (sum(each), len(each)) for key, each in found.items()}
    assert {key: counted[key] for key in SHOWN} == SHOWN
    assert counted["xtensa-lx7", "esp-nn"] == (2, 3)


def test_estimates_are_shown_where_the_ends_are_within_a_factor_of_three() -> None:
    pairs = {(setup.core, setup.kernels) for setup in measurements().setups if setup.kernels}
    found = {(core, kernels): calibrate(family(core, kernels), core) for core, kernels in pairs}
    assert {pair for pair, each in found.items() if each and each.factor <= WIDEST} == set(SHOWN)


def test_a_network_that_is_left_out_has_no_say(other_measurements: Any) -> None:
    before = {(row.setup.name, row.network): row.mid_ms for row in left_out()}
    other_measurements(with_ms("ad", 7.0))
    after = {(row.setup.name, row.network): row.mid_ms for row in left_out()}
    assert {key: value for key, value in after.items() if key[1] == "ad"} == {
        key: value for key, value in before.items() if key[1] == "ad"
    }
    assert after["nrf5340-dk", "kws"] != before["nrf5340-dk", "kws"]


def test_a_network_that_fits_badly_widens_the_range(other_measurements: Any) -> None:
    before = not_none(calibrate(family("cortex-m33", "cmsis-nn"), "cortex-m33"))
    other_measurements(with_ms("ad", 7.0))
    after = not_none(calibrate(family("cortex-m33", "cmsis-nn"), "cortex-m33"))
    assert before.factor < WIDEST < after.factor
    assert "tell it to a factor of" in why(conv(), board=M33)


def test_the_stated_range_reaches_over_every_error_on_its_core() -> None:
    for core, kernels in SHOWN:
        found = not_none(calibrate(family(core, kernels), core))
        errors = latency_calibration.left_out_errors(latency_fit.points(family(core, kernels)), core)
        assert len(errors) == SHOWN[core, kernels][1]
        assert all(found.low <= 2.718281828459045**error <= found.high for error in errors)


def test_runtimes_of_vendors_and_excluded_runs_calibrate_nothing() -> None:
    known = measurements()
    families = {family(setup.core, setup.kernels) for setup in known.setups if setup.kernels}
    taken = {point.setup.name for each in families for point in latency_fit.points(each)}
    left = {setup.name for setup in known.setups} - taken
    assert {"nucleo-l4r5zi-x-cube-ai", "disco-f746ng-plumerai", "rp2350-float", "esp32-readme"} <= left
    assert ("arduino-nano-esp32", "vww") not in {
        (point.setup.name, point.network) for each in families for point in latency_fit.points(each)
    }


def test_quantiles_are_those_of_the_tables() -> None:
    assert [student(freedom) for freedom in (3, 5, 10, 24)] == pytest.approx([2.353, 2.015, 1.812, 1.711], rel=0.004)


def test_more_work_takes_longer() -> None:
    found = [ms(conv(filters=filters)) for filters in (4, 8, 16, 32, 64)]
    for less, more in pairwise(found):
        assert less.low_ms < more.low_ms
        assert less.mid_ms < more.mid_ms
        assert less.high_ms < more.high_ms


def test_an_estimate_is_in_milliseconds_and_says_what_it_is() -> None:
    found = ms(conv(), dense(), elementwise("ADD"), elementwise("RESHAPE"))
    assert found.low_ms < found.mid_ms < found.high_ms <= WIDEST * found.low_ms
    macs = not_none(conv().macs)
    assert 2 < found.mid_ms * 64_000 / macs < 9  # cycles a multiply-accumulate on a Cortex-M4
    assert sum(row.share for row in found.operators) == pytest.approx(1)
    assert sum(row.ms for row in found.operators) == pytest.approx(found.mid_ms)
    assert [row.operator for row in found.operators] == ["CONV_2D", "FULLY_CONNECTED", "ADD", "RESHAPE"]
    assert found.operators[0].share == max(row.share for row in found.operators)
    assert "an estimate fitted to 12 public measurements of 5 networks on cortex-m4" in found.sentence
    assert "mlcommons/tiny_results_v1.1" in found.calibrated_on


def test_twice_the_clock_halves_it() -> None:
    fast = M4.model_copy(update={"clock_mhz": 128.0})
    assert ms(conv(), board=fast).mid_ms == pytest.approx(ms(conv()).mid_ms / 2)


def test_weights_from_serial_flash_cost_their_bytes() -> None:
    serial = M33.model_copy(update={"flash_kind": "serial"})
    more = [ms(dense(128, units), board=serial).mid_ms - ms(dense(128, units), board=M33).mid_ms for units in (64, 112)]
    assert more[1] - more[0] == pytest.approx(48 * 132 / 25e6 * 1000)


def test_weights_that_the_cache_cannot_hold_are_read_again_and_again() -> None:
    serial = M33.model_copy(update={"flash_kind": "serial"})
    fits, spills = conv(64, 1, 192, out=8), conv(64, 1, 320, out=8)
    cost = {work.weight_bytes: ms(work, board=serial).mid_ms - ms(work, board=M33).mid_ms for work in (fits, spills)}
    assert cost[fits.weight_bytes] == pytest.approx((fits.weight_bytes + 2500) / 25e6 * 1000)
    assert cost[spills.weight_bytes] == pytest.approx((spills.weight_bytes * 32 + 2500) / 25e6 * 1000)


def test_a_dense_layer_on_an_esp32_is_mostly_flash() -> None:
    """MLPerf Tiny's autoencoder was 6 to 11 times as slow as by its multiply-accumulates alone."""
    found = ms(*[dense(256, 256)] * 4, board=ESP32, runtime=ESP_NN)
    flash_ms = 4 * dense(256, 256).weight_bytes / 10e6 * 1000
    assert flash_ms > found.mid_ms / 2


def test_scalar_operators_can_outweigh_convolutions() -> None:
    found = ms(conv(side=1, channels=4), elementwise("TANH"))
    assert found.operators[1].share > 0.8


def test_an_operator_that_nobody_has_measured_widens_the_range() -> None:
    narrow, wide = ms(conv()), ms(conv(), elementwise("CUMSUM", (1, 32, 32, 1)))
    assert wide.high_ms / wide.low_ms > narrow.high_ms / narrow.low_ms
    assert why(conv(), elementwise("CUMSUM")) == "too much of it is CUMSUM, of which there is no public figure"


@pytest.mark.parametrize("core", ["cortex-m0+", "cortex-m3", "cortex-m55", "riscv"])
def test_cores_that_nobody_has_measured_are_refused(core: str) -> None:
    board = M4.model_copy(update={"core": core})
    assert why(conv(), board=board) == (
        f"fewer than 3 networks have public measurements on {core} with cmsis-nn kernels"
    )


@pytest.mark.parametrize(
    ("board", "runtime", "said"),
    [
        (M4, CMSIS.model_copy(update={"kernels": "helia"}), "fewer than 3 networks have public measurements"),
        (M4, CMSIS.model_copy(update={"kernels": None}), "no source tells the kernels of TFLM with CMSIS-NN"),
        (M4, CMSIS.model_copy(update={"kind": "interpreter"}), "no public measurement is of TFLM with CMSIS-NN"),
        (M4.model_copy(update={"dsp": False}), CMSIS, "An M4 has no DSP instructions"),
        (M4.model_copy(update={"clock_mhz": None}), CMSIS, "no source tells the clock of An M4"),
        (M4.model_copy(update={"flash_kind": None}), CMSIS, "no source tells whether An M4 reads weights over a"),
        (M4.model_copy(update={"flash_kind": "serial"}), CMSIS, "no source tells how fast An M4 reads weights"),
        (M4.model_copy(update={"core": "xtensa-lx7"}), ESP_NN, "esp-nn kernels tell it to a factor of"),
        (M4.model_copy(update={"core": "cortex-m85"}), CMSIS, "cmsis-nn kernels tell it to a factor of"),
        (M4.model_copy(update={"ram": (RAM[0].model_copy(update={"external": True}),)}), CMSIS, "in external RAM"),
    ],
)  # fmt: skip
def test_what_no_source_tells_is_not_estimated(board: Board, runtime: Runtime, said: str) -> None:
    assert said in why(conv(), board=board, runtime=runtime)


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (replace(conv(), values="float32", weights="float32"), "has float32"),
        (replace(conv(), values="int16"), "has int8"),
        (replace(conv(), weights="int4"), "has int4"),
        (replace(conv(), macs=None), "nothing counts the multiply-accumulates of op 0"),
        (replace(dense(), operator="BATCH_MATMUL", weights=None), "BATCH_MATMUL, which has 100% of the MACs"),
    ],
)
def test_networks_that_no_measurement_is_of_are_not_estimated(work: Work, said: str) -> None:
    assert said in why(work)


def test_an_arena_that_internal_ram_cannot_hold_is_not_estimated() -> None:
    assert ms(conv(), arena_bytes=256 * 1024)
    assert "external RAM" in why(conv(), arena_bytes=256 * 1024 + 1)
    assert why() == "there is no operator"


def test_a_float_end_and_a_few_uncalibrated_products_do_not_stop_it() -> None:
    ends = replace(elementwise("QUANTIZE", (1, 8, 8, 1)), values="float32")
    assert ms(ends, conv(64), replace(dense(64, 64), operator="BATCH_MATMUL", weights=None))


def test_the_terms_of_a_network_are_its_kinds_and_what_stands_beside() -> None:
    platform = Platform("cortex-m4", "cmsis-nn", 64e6)
    made = terms(measurements().network("kws").layers, platform, measurements())
    by_kind: dict[str, int] = {}
    for each in made:
        by_kind[str(each.kind)] = by_kind.get(str(each.kind), 0) + each.macs
    assert by_kind == {"convolution": 320_000, "depthwise": 288_000, "product": 2_048_768, "None": 0}
    assert all(each.low <= each.middle * 1.000001 and each.middle <= each.high * 1.000001 for each in made)
    assert {layer.operator for layer in measurements().network("kws").layers if layer.macs} == CALIBRATED


def test_the_figures_of_a_core_go_before_those_of_others() -> None:
    add = Layer(operator="ADD", input=(1, 100), output=(1, 100), macs=0, weight_bytes=0, value_bytes=300)
    known = measurements()
    pairs: Any = (("cortex-m4", "cmsis-nn"), ("cortex-m7", "cmsis-nn"), ("xtensa-lx6", "esp-nn"))
    cost = {
        core: latency_terms.elementwise(add, Platform(core, kernels, 1e6), known)[1]
        for core, kernels in pairs
    }  # fmt: skip
    assert cost["cortex-m4"] == cost["cortex-m7"] == pytest.approx(100 * 53809 * 64 / 28672)
    assert cost["xtensa-lx6"] == pytest.approx(100 * 24932 * 240 / 28672)


def test_a_range_reaches_to_the_worst_error_and_over_the_interval_of_students_t() -> None:
    here = [0.0] * 9 + [-1.0]
    low, high = latency_calibration.ends(here, [here])
    assert low == -1.0
    assert high == pytest.approx(-0.1 + 1.833 * (0.1 * 1.1) ** 0.5, rel=0.002)
    calm = [[0.01, -0.01], [0.02, -0.02]]
    assert latency_calibration.ends(here, [here, *calm])[1] < high


@pytest.mark.parametrize(("core", "kernels"), [("cortex-m4", "cmsis-nn"), ("xtensa-lx6", "esp-nn")])
def test_costs_fitted_to_whole_networks_are_those_that_were_measured_of_single_operators(
    core: Any, kernels: Any
) -> None:
    """The profiles of single operators enter no fit; an ESP32 also reads each weight of a dense layer from flash."""
    found, known = not_none(calibrate(family(core, kernels), core)), measurements()
    cycles = dict(zip(KINDS, found.cycles, strict=True))
    products = [each for each in known.products if (each.core, each.kernels) == (core, kernels)]
    assert len(products) == 5
    for each in products:
        flash = 240 / 10 if (core, each.operator) == ("xtensa-lx6", "FULLY_CONNECTED") else 0
        assert 1 / 1.5 < each.each / (cycles[each.kind] + flash) < 1.5, each


def test_a_depthwise_product_is_expected_to_cost_what_it_does_in_plain_c() -> None:
    ratios = dict(zip(KINDS, latency_fit.expected_ratios(measurements()), strict=True))
    s3, p4 = (1159831 / 36864) / (4712500 / 409600), (962834 / 28224) / (4005512 / 409600)
    assert ratios == {"convolution": 1.0, "product": 1.0, "depthwise": pytest.approx((s3 * p4) ** 0.5)}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(158.9, 434.2, "150 to 440 ms"), (12345.0, 23456.0, "12,000 to 24,000 ms"), (0.0123, 0.0311, "0.012 to 0.032 ms")],
)
def test_a_range_is_written_no_narrower_than_it_is(low: float, high: float, said: str) -> None:
    assert Estimate(low, low, high, (), "an estimate").sentence == f"{said}, an estimate"
