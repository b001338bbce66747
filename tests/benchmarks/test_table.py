from benchmarks.table import render

ONE = {
    "bare.objects": 30.0,
    "bare.objects_per_s": 123.456,
    "first_sync.steady_cpu_s_per_1000": 2.5,
    "eso.first_sync.steady_cpu_s_per_1000": 5.0,
}
TEN = ONE | {"bare.objects": 300.0, "first_sync.steady_cpu_s_per_1000": 2.75}


def cells(text: str, name: str) -> list[str]:
    [found] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return found.split()[1:]


def test_a_figure_has_its_unit_and_is_rounded() -> None:
    assert cells(render([ONE]), "bare.objects_per_s") == ["1/s", "123.5"]


def test_others_stand_beside_ours_and_have_no_bare_client() -> None:
    text = render([ONE], ["eso"])

    assert text.splitlines()[0].split() == ["unit", "ours", "N=30", "eso", "N=30"]
    assert cells(text, "first_sync.steady_cpu_s_per_1000") == ["s", "2.5", "5"]
    assert cells(text, "bare.objects_per_s") == ["1/s", "123.5", "-"]


def test_several_sizes_show_what_grows() -> None:
    text = render([ONE, TEN])

    row = cells(text, "first_sync.steady_cpu_s_per_1000")
    assert row == ["s", "2.5", "2.75", "x", "1.10"]


def test_the_phases_stand_in_the_order_in_which_they_are_told() -> None:
    run = {"rest.calls": 0.0, "first_sync.ratio": 0.8, "bare.objects": 1.0}

    names = [line.split()[0] for line in render([run]).splitlines()[1:]]

    assert names == ["bare.objects", "first_sync.ratio", "rest.calls"]
