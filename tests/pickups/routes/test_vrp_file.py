import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from pickups.routes.vrp_file import cost, format_sol, parse_vrp, solve_vrp

DATA = Path(__file__).parents[4] / "shared" / "data" / "vrp"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the benchmark files are not there: {DATA}")

SQUARE = """NAME : square
COMMENT : four corners, 3-4-5 triangles from the depot in the middle
TYPE : CVRP
DIMENSION : 5
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 2
NODE_COORD_SECTION
1 0 0
2 3 4
3 3 -4
4 -3 4
5 -3 -4
DEMAND_SECTION
1 0
2 1
3 1
4 1
5 1
DEPOT_SECTION
 1
 -1
EOF
"""


def test_a_problem_to_solve_by_hand() -> None:
    """Pairs at a distance of 6 are better than pairs at 8: 2 x (5 + 6 + 5)."""
    routes, total = solve_vrp(SQUARE, time_limit_s=0.1)
    assert sorted(map(sorted, routes)) == [[1, 3], [2, 4]]
    assert total == 32


def test_explicit_weights_and_a_number_of_vehicles() -> None:
    text = """NAME : triangle
TYPE : CVRP
DIMENSION : 3
VEHICLES : 1
EDGE_WEIGHT_TYPE : EXPLICIT
EDGE_WEIGHT_FORMAT : LOWER_ROW
CAPACITY : 10
EDGE_WEIGHT_SECTION
7
5 9
DEMAND_SECTION
1 0
2 5
3 5
DEPOT_SECTION
1
-1
EOF
"""
    routes, total = solve_vrp(text, time_limit_s=0.1)
    assert (sorted(routes[0]), len(routes), total) == ([1, 2], 1, 7 + 9 + 5)


def test_distances_are_rounded_half_up() -> None:
    """TSPLIB 95 "nint" is floor(x + 0.5): 2.5 becomes 3, where rounding to even would say 2."""
    assert parse_vrp(SQUARE.replace("2 3 4", "2 0 2.5")).distances[0, 1] == 3
    assert parse_vrp(SQUARE.replace("2 3 4", "2 1 1")).distances[0, 1] == 1
    assert parse_vrp(SQUARE.replace("2 3 4", "2 1 1").replace("EUC_2D", "CEIL_2D")).distances[0, 1] == 2


def test_the_answer_is_written_as_cvrplib_does() -> None:
    assert format_sol([[3, 5], [1]], 27591) == "Route #1: 3 5\nRoute #2: 1\nCost 27591\n"


def test_windows_line_ends_are_read() -> None:
    assert parse_vrp(SQUARE.replace("\n", "\r\n")).demands == (0, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "DIMENSION is missing", id="empty"),
        pytest.param("hello", "not a CVRPLIB file", id="prose"),
        pytest.param(SQUARE.replace("CAPACITY : 2", "CAPACITY : two"), "CAPACITY is missing or not", id="capacity"),
        pytest.param(SQUARE.replace("CAPACITY : 2", "CAPACITY : inf"), "CAPACITY is missing or not", id="infinite"),
        pytest.param(SQUARE.replace("DIMENSION : 5", "DIMENSION : 6"), "DEMAND_SECTION: expected 6 rows", id="rows"),
        pytest.param(SQUARE.replace("DIMENSION : 5", "DIMENSION : 1e9"), "DIMENSION 1e+09 is outside", id="huge"),
        pytest.param(SQUARE.replace("2 3 4", "2 3 north"), "NODE_COORD_SECTION: expected 5 rows of 2", id="text"),
        pytest.param(SQUARE.replace("2 3 4", "2 3 nan"), "NODE_COORD_SECTION", id="nan"),
        pytest.param(SQUARE.replace("2 1\n", "2 -1\n"), "expected whole numbers not below 0", id="negative demand"),
        pytest.param(SQUARE.replace("2 1\n", "2 3\n"), "node 2 asks for 3, more than CAPACITY 2", id="too much"),
        pytest.param(SQUARE.replace("1 0\n2", "1 1\n2"), "the depot, node 1, must have demand 0", id="depot demand"),
        pytest.param(SQUARE.replace("\n 1\n -1", "\n 2\n -1"), "expected node 1 as the only depot", id="depot"),
        pytest.param(SQUARE.replace("EUC_2D", "GEO"), "EDGE_WEIGHT_TYPE GEO is not supported", id="weights"),
        pytest.param(SQUARE.replace("TYPE : CVRP", "TYPE : TSP", 1), "TYPE TSP is not supported", id="type"),
    ],
)
def test_what_is_wrong_is_said(text: str, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(sentence)):
        parse_vrp(text)


@given(st.text(max_size=300) | st.integers(0, len(SQUARE)).map(lambda cut: SQUARE[:cut]))
def test_any_text_is_a_problem_or_an_invalid_input(text: str) -> None:
    try:
        parse_vrp(text)
    except InvalidInputError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


@needs_data
@pytest.mark.parametrize(("name", "best_known"), [("X-n101-k25", 27591), ("X-n200-k36", 58578)])
def test_the_published_solutions_cost_what_is_published(name: str, best_known: int) -> None:
    """Our distances and costs are those of CVRPLIB."""
    solution = (DATA / f"{name}.sol").read_text()
    routes = [[int(node) for node in line.split(":")[1].split()] for line in solution.splitlines() if "#" in line]
    assert cost(parse_vrp((DATA / f"{name}.vrp").read_text()), routes) == best_known


@needs_data
def test_a_benchmark_is_solved_feasibly_and_its_cost_is_right() -> None:
    """Checked without our parser: demands and coordinates are read from the file here."""
    text = (DATA / "X-n101-k25.vrp").read_text()
    routes, total = solve_vrp(text, time_limit_s=2)
    sections = re.split(r"[A-Z_]+_SECTION\s*\n", text)
    points = [tuple(map(float, line.split()[1:])) for line in sections[1].splitlines() if line.strip()]
    demands = [int(line.split()[1]) for line in sections[2].splitlines() if line.strip()]
    assert sorted(node for route in routes for node in route) == list(range(1, 101))
    assert all(sum(demands[node] for node in route) <= 206 for route in routes)
    ways = [[0, *route, 0] for route in routes]
    driven = sum(math.floor(math.dist(points[a], points[b]) + 0.5) for way in ways for a, b in zip(way, way[1:]))  # noqa: B905, RUF007
    assert total == driven
    assert 27591 <= total <= 27591 * 1.1
