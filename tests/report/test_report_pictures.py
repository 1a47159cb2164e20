"""The chart of t and the map of the tasks: places, jumps, names that do not overlap."""

import re
from dataclasses import replace

import numpy as np
import pytest
from report_cases import case, explained
from test_report_why import THIN, ids, with_explanation

from mishran.explanation import Explanation, MapFile
from mishran.report import render_html
from mishran.report.dial import dial, find_cuts
from mishran.report.taskmap import LAYOUTS, LETTER, LINE, PADDING, map_view


def test_lines_stand_at_t_and_not_at_the_index_of_t():
    data = explained()
    keep = np.array([0, 10, 20, 30, 40, 50, 60, 70, 100])
    path = data.explanation.path.model_copy(update={"t": tuple(map(float, data.t_values[keep]))})
    uneven = replace(
        data,
        t_values=data.t_values[keep],
        t_weights=data.t_weights[keep],
        explanation=data.explanation.model_copy(update={"path": path}),
    )
    shown = dial(uneven)
    assert shown.exact and shown.pieces == 9 and shown.steps == 200
    xs = {float(x) for line in shown.lines for x in re.findall(r"[ML]([\d.]+),", line)}
    assert sorted(xs) == [0, 10, 20, 30, 40, 50, 60, 70, 100]
    assert shown.at == pytest.approx(30)
    assert [tick.at for tick in shown.x_ticks] == pytest.approx([0, 25, 50, 75, 100])
    assert shown.breaks.count("M") == 9
    assert not shown.apart
    lacking = replace(uneven, t_values=data.t_values[keep] + np.where(keep == 30, 1e-3, 0))
    assert not dial(lacking).exact
    grid = dial(case(16))
    assert (grid.exact, grid.breaks, grid.steps) == (False, "", 100)


def test_a_robust_mixture_is_not_on_the_lines_and_the_page_says_so():
    data = explained()
    tasks = [t.model_copy(update={"weight": 1 / 16}) for t in data.mixture.tasks]
    moved = replace(data, mixture=data.mixture.model_copy(update={"tasks": tuple(tasks)}))
    assert dial(moved).apart
    assert "the chosen mixture is not one of them" in render_html(moved)
    assert "is not one of them" not in render_html(data)


def jumping():
    """Weights that stand still but for one jump at t = 0.5, whose t stands twice."""
    data = explained(4)
    weights = np.array([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0]])
    path = data.explanation.path.model_copy(update={"t": (0.0, 0.5, 0.5, 2.0), "jumps": (0.5,)})
    return replace(
        data,
        t_values=np.array([0.0, 0.5, 0.5, 2.0]),
        t_weights=weights,
        explanation=data.explanation.model_copy(update={"path": path}),
    )


def test_no_line_crosses_a_jump():
    shown = dial(jumping())
    assert shown.jumps == (25.0,)
    assert shown.json["cuts"] == [1]
    assert all(line.count("M") == 2 for line in shown.lines)
    first = shown.lines[list(name for name, *_ in shown.rows).index(case(4).names[0])]
    assert re.fullmatch(r"M0\.00,([\d.]+)L25\.00,\1M25\.00,100\.00L100\.00,100\.00", first)
    assert shown.effective.count("M") == 2
    text = render_html(jumping())
    assert text.count('class="jump"') == 2
    assert "Dashed: where the mixture jumps." in text


def test_a_jump_that_stands_once_or_not_among_the_values_cuts_what_touches_it():
    values = np.array([0.0, 0.4, 0.5, 0.6, 1.0])
    assert find_cuts(values, [0.5]) == (1, 2)
    assert find_cuts(values, [0.45]) == (1,)
    assert find_cuts(values, []) == ()
    assert find_cuts(np.array([0.0, 1.0, 1.0, 1.0, 2.0]), [1.0]) == (1, 2)


def test_t_may_stand_twice_but_not_fall():
    data = jumping()
    with pytest.raises(ValueError, match="ascending"):
        replace(data, t_values=np.array([0.0, 0.5, 0.4, 2.0]))
    with pytest.raises(ValueError, match="at least two"):
        replace(data, t_values=np.array([1.0, 1.0]), t_weights=data.t_weights[:2])


def boxes(view, kind):
    """Boxes of the names at the smallest width of a layout, in pixels."""
    width = LAYOUTS[kind][0]
    out = []
    for label in view.labels[kind]:
        w, h = LETTER * len(label.text) + PADDING, LINE
        x = label.left / 100 * width + (label.across - 1) * w / 2
        y = label.top / 100 * view.height / 100 * width + (label.down - 1) * h / 2
        out.append((x, y, x + w, y + h))
    return out


@pytest.mark.parametrize("kind", LAYOUTS)
def test_names_on_the_map_do_not_overlap_and_stay_inside(kind):
    view = map_view(explained(40))
    width = LAYOUTS[kind][0]
    placed = boxes(view, kind)
    assert len(placed) >= 6
    for i, a in enumerate(placed):
        assert a[0] >= -1e-6 and a[2] <= width + 1e-6
        assert a[1] >= -1e-6 and a[3] <= view.height * width / 100 + 1e-6
        for b in placed[:i]:
            overlap = a[0] < b[2] - 1e-6 and b[0] < a[2] - 1e-6
            assert not (overlap and a[1] < b[3] - 1e-6 and b[1] < a[3] - 1e-6)
        for dot in view.dots:  # no name hides another dot's middle
            x, y = dot.x * width / 100, dot.y * width / 100
            assert not (a[0] < x < a[2] and a[1] < y < a[3])


def test_the_area_of_a_dot_is_its_weight_and_distances_keep_their_proportion():
    data = explained()
    view = map_view(data)
    dots = {dot.name: dot for dot in view.dots}
    big = [dot for dot in view.dots if dot.r > 1]
    ratios = [dot.r**2 / dot.weight for dot in big]
    assert len(big) > 5 and max(ratios) == pytest.approx(min(ratios))
    assert {dot.r for dot in view.dots if dot.weight <= 0} == {0.5}
    points = data.explanation.map.points
    a, b, c = data.names[:3]

    def drawn(first, second):
        return np.hypot(dots[first].x - dots[second].x, dots[first].y - dots[second].y)

    def true(first, second):
        return np.hypot(*np.subtract(points[first], points[second]))

    assert drawn(a, b) / drawn(a, c) == pytest.approx(true(a, b) / true(a, c))
    text = render_html(data)
    assert f"Two axes show 41{THIN}% of the variance" in text
    assert len(re.findall(r"<circle", text)) == 16
    assert len(re.findall(r"<circle[^>]*><title>[^<]+: [\d.]+\u202f%</title>", text)) == 16


def test_a_map_on_which_all_tasks_are_one_point_is_left_out():
    data = explained()
    same = with_explanation(data, map=MapFile(points=dict.fromkeys(data.names, (0, 0)), shown=1.0))
    assert map_view(same) is None
    assert "map" not in ids(render_html(same))
    alone = Explanation(map=MapFile(points={case(1).names[0]: (0.0, 0.0)}, shown=1.0))
    assert map_view(replace(case(1), explanation=alone)) is None


def test_the_map_tells_in_words_who_is_near():
    view = map_view(explained())
    first = view.dots[0]
    near = min(view.dots[1:], key=lambda dot: np.hypot(dot.x - first.x, dot.y - first.y))
    assert view.told.startswith(f"{first.name} is nearest to {near.name}; ")
    assert view.told.count("nearest") == 5
