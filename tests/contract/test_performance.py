"""The page on performance is made of what the benchmarks found, with nothing left out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks import measure, results, scaling, throughput
from benchmarks.results import Row, Section
from tools import performance

SVG = "{http://www.w3.org/2000/svg}"


def test_every_row_is_in_the_table() -> None:
    sections = results.load()
    assert set(sections) == {"messages", "footprint", "scaling", "throughput"}
    table = performance.goals_table(sections)
    told = re.findall(r"^   \* - (.*)$", table, re.MULTILINE)[1:]
    assert told == [row.what for section in sections.values() for row in section.rows]


def test_every_point_is_drawn() -> None:
    series = results.load()["scaling"].series
    drawn = ET.fromstring(performance.drawing(series))  # noqa: S314  # written by us
    assert len(list(drawn.iter(f"{SVG}circle"))) == sum(map(len, series.values()))


def test_results_are_kept_by_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    row = Row(what="a ratio", value=1.5, at_most=2, note="against nothing")
    first = Section(rows=[row], series={"curve": [(1, 2.0), (2, 4.0)]})
    second = Section(rows=[], microseconds={"work": {"median": 1.0}})
    for name, section in (("one", second), ("two", second), ("one", first)):
        results.save(name, section, path)
    found = results.load(path)
    assert found["one"].rows == [row]
    assert found["two"].microseconds == {"work": {"median": 1.0}}
    assert list(json.loads(path.read_text())["one"]["series"]) == ["curve"]
    (machine,) = results.machines(path)
    assert performance.machine_table([machine]).count("   * - ") == len(machine) + 1


def test_goals_are_met_or_not() -> None:
    assert Row(what="", value=2).met
    assert Row(what="", value=2, at_most=2).met
    assert not Row(what="", value=2.1, at_most=2).met
    assert Row(what="", value=2, at_least=2).met
    assert not Row(what="", value=1.9, at_least=2).met
    assert "MISSED" in results.table([Row(what="", value=3, at_most=2)])
    assert "**no**" in performance.goals_table(
        {"": Section(rows=[Row(what="", value=3, at_most=2)])}
    )


def test_ratios_are_taken_round_by_round() -> None:
    # The third round was disturbed, for both alike.
    samples = measure.Samples({"one": [2.0, 2.0, 20.0], "other": [1.0, 1.0, 10.0]})
    assert samples.ratio("one", "other") == 2
    assert samples.median("one") == 2


def test_all_contenders_have_all_their_turns() -> None:
    done = {"one": 0, "other": 0}

    def turn(name: str) -> measure.Turn:
        def turn(count: int) -> float:
            done[name] += count
            return 0.01 * count

        return turn

    samples = measure.interleave({name: turn(name) for name in done}, rounds=7)
    assert {name: len(seconds) for name, seconds in samples.seconds.items()} == dict.fromkeys(
        done, 7
    )
    # Two repetitions fit into a turn; ten went before to find that out.
    assert done == dict.fromkeys(done, 7 * 2 + 10)


def test_a_line_is_straight_or_not() -> None:
    assert scaling.slope([(1, 3.0), (2, 5.0), (3, 7.0)]) == 2
    assert scaling.straightness([(1, 3.0), (2, 5.0), (3, 7.0)]) > 0.999
    assert scaling.straightness([(1, 1.0), (2, 0.0), (3, 1.0)]) < 0.1


def test_the_share_of_http_is_a_share() -> None:
    with throughput.scep_server() as (watched, turn):
        # The server waits for the client and the client for the server: nothing is counted twice.
        assert turn(3) > 0
        assert 0 < watched.share_of_waiting < 1
