"""The pages of the reference that are made of the code say all that the code has."""

from __future__ import annotations

import inspect
import re
from xml.etree import ElementTree as ET

import pyscep
from pyscep import errors
from pyscep.errors import HttpError, LimitExceeded
from pyscep.inspection.findings import Departure, Level
from pyscep.survey.rules import RULES
from pyscep.transaction import TRANSITIONS, TransactionState
from tools import conformance, reference


def rows(page: str) -> list[str]:
    return re.findall(r"^   \* - (.*)$", page, re.MULTILINE)[1:]


def test_every_name_leads_to_its_module() -> None:
    links = rows(reference.names_page())
    assert len(links) == len(pyscep.__all__)
    for name, link in zip(pyscep.__all__, links, strict=True):
        assert re.fullmatch(rf":(class|exc|func|data):`~pyscep\.[\w.]+\.{name}`", link)
    assert ":data:`~pyscep.transaction.Reply`" in links


def test_every_error_is_in_the_table_and_in_the_drawing() -> None:
    page = reference.errors_page()
    public = {name for name, kind in vars(errors).items() if inspect.isclass(kind)} - {"Any"}
    assert {re.sub(r".*\.(\w+)`", r"\1", row) for row in rows(page)} == public
    for name in public:
        assert re.search(rf"^    [│├└─ ]*{name}\b", page, re.MULTILINE)


def test_facts_are_those_of_the_bases_and_its_own() -> None:
    assert reference.facts_of(LimitExceeded) == ("reference", "offset", "limit", "value")
    assert set(reference.facts_of(HttpError)) == set(vars(HttpError("text", status=404)))


def test_every_state_and_transition_is_drawn() -> None:
    drawing = ET.fromstring(reference.states_drawing())  # noqa: S314  # written by us
    texts = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:3] == [state.value for state in TransactionState]
    assert sorted(map(str, texts[3:])) == ["FAILURE", "PENDING", "SUCCESS", "request sent"]
    assert len(rows(reference.states_page())) == len(TRANSITIONS) + 1


def test_every_finding_and_rule_is_on_its_page() -> None:
    page = reference.findings_page()
    for each in Departure:
        assert f"{each.about[:1].upper()}{each.about[1:]}." in page
    for rule in RULES.values():
        assert rule.rule in page
        assert rule.rule.endswith(".")
        assert rule.advice.endswith(".")
    assert all(f"- {level.value}\n" in page for level in Level)


def test_only_what_the_checklist_demands_is_a_must() -> None:
    levels = {
        item.identifier: item.level for section in conformance.checklist() for item in section.items
    }
    weights = [
        *((each.id, each.level) for each in Departure),
        *((identifier, rule.level) for identifier, rule in RULES.items()),
    ]
    for identifier, level in weights:
        if level in (Level.MUST, Level.SHOULD):
            assert level.value in levels[identifier], identifier
