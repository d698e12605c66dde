"""Files of cases are YAML, JSON or CSV; what is wrong with one is said with its file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from convgraph import Limits, evaluate, read_cases
from convgraph.errors import InputError
from convgraph.evaluation import json_schema

YAML = """\
graph: graphs.py:essay
judge: {model: small}
repeat: 2
cases:
- name: approves
  input: Write.
  tags: [quick]
  weight: 2
  limits: {turns: 5}
  script:
    writer: [a draft]
    critic: [APPROVED]
  expect:
    contains: APPROVED
    path: [writer, critic]
- name: loops
  input:
  - {sender: user, role: user, content: Write.}
  script: {writer: [a, b], critic: [again, APPROVED]}
"""


def written(text: str, name: str = "cases.yaml") -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def test_yaml_and_json_say_the_same(project: Path, graphs: Any) -> None:
    import yaml

    from_yaml = read_cases(written(YAML))
    from_json = read_cases(written(json.dumps(yaml.safe_load(YAML), indent=1), "cases.json"))

    assert from_yaml.cases == from_json.cases
    assert (from_yaml.graph, from_yaml.judge, from_yaml.repeat) == ("graphs.py:essay", {"model": "small"}, 2)
    approves = from_yaml.cases[0]
    assert (approves.limits, approves.tags, approves.weight, approves.where) == (Limits(turns=5), ("quick",), 2, "cases.yaml:5")
    assert evaluate(graphs.essay, from_yaml.cases).passed


def test_the_schema_accepts_the_file_and_is_one(project: Path) -> None:
    import yaml

    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(YAML))


def test_a_graphs_file_is_found_from_the_file_of_cases(project: Path) -> None:
    (project / "cases").mkdir()
    for target, found in (("../graphs.py:essay", "cases/../graphs.py:essay"), ("graphs:essay", "graphs:essay"), ("/a/b.yaml", "/a/b.yaml")):
        assert read_cases(written(f"graph: {target}\ncases: [{{name: c}}]\n", "cases/cases.yaml")).graph == found


def test_csv_has_a_row_a_case(project: Path, graphs: Any) -> None:
    text = (
        "name,input,contains,path,edges,expect.state,state,tags,weight,holds\n"
        'one,"Hello, you",noted Hello,note,note -> END,"{""notes"": 3}","{""notes"": 2}",a b,2,turn == 1\n'
        "\n"
        'two,"two\nlines",noted two,,,,,,,\n'
    )
    read = read_cases(written(text, "cases.csv"))

    assert [case.where for case in read.cases] == ["cases.csv:2", "cases.csv:4"]
    assert (read.cases[0].tags, read.cases[0].weight, read.cases[1].input) == (("a", "b"), 2, "two\nlines")
    assert evaluate(graphs.notes, read.cases).passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- name: a\n", "cases.yaml:1: a file of cases is a mapping with 'cases'"),
        ("", "cases.yaml:1: a file of cases is a mapping"),
        ("cases: []\n", "cases.yaml:1: cases"),
        ("graph: g.py\n", "'cases' is missing"),
        ("cases:\n- name: a\n- nme: b\n", "cases.yaml:3: case 2:"),
        (
            "cases:\n- name: a\n  expect:\n    contans: x\n",
            "cases.yaml:3: case 'a': expect: 'contans' is not known here; known are contains",
        ),
        ("cases:\n- name: a\n  expect:\n    status: done\n", "cases.yaml:4: case 'a': expect.status: 'done' is not one of"),
        ("cases:\n- name: a\n  repeat: 0\n", "cases.yaml:3: case 'a': repeat: 0 is less than 1"),
        ("cases:\n- name: a\n  script:\n    w:\n    - ok\n    - {content: 5}\n", "cases.yaml:6: case 'a': script.w[1]:"),
        ("cases:\n- name: a\n- name: a\n", "cases.yaml:3: case 'a': there is another case of this name at cases.yaml:2"),
        ("cases:\n- name: a/b\n", "cases.yaml:2: case: a case is called by"),
        ("cases:\n- name: a\n  limits: {turns: 1, trns: 2}\n", "'trns' is not known here"),
        ("cases:\n- name: a\n  name: b\n", "cases.yaml:3: the key 'name' is there twice"),
        ("cases:\n- name: !!python/object:os.system a\n", "cases.yaml:2: the tag"),
        ("cases:\n- {name: a\n", "cases.yaml:3:"),
        ("cases:\n- name: 5\n", "cases.yaml:2: case 5: name: 5 is not a text; put it in quotes"),
    ],
)
def test_yaml_that_cannot_be_used_is_refused_with_its_line(project: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        read_cases(written(text))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"cases": [\n', "cases.json:2: this is not JSON"),
        ('{"cases": [{"name": "a"},\n\t{"name": "b",\n\t"expect": {"x": 1}}]}', "cases.json:3: case 'b': expect: 'x' is not known"),
        ('{"cases": [{"name": "a", "name": "b"}]}', "the key 'name' is there twice"),
        ('[{"name": "a"}]', "cases.json:1:"),
    ],
)
def test_json_that_cannot_be_used_is_refused_with_its_line(project: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        read_cases(written(text, "cases.json"))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("input,contains\nx,y\n", "cases.csv:1: there is no column 'name'"),
        ("name,contans\na,b\n", "cases.csv:1: the column 'contans' is not known"),
        ("name,name\na,b\n", "cases.csv:1: the column 'name' is there twice"),
        ("name,input\na,b,c\n", "cases.csv:2: the row has 3 cells"),
        ("name,weight\na,heavy\n", "cases.csv:2: weight is a number, not 'heavy'"),
        ("name,state\na,open\n", "cases.csv:2: state is JSON"),
        ("name,status\nfine,finished\na,done\n", "cases.csv:3: case 'a': expect.status: 'done' is not one of"),
        ('name,input\na,"x\n', "this is not CSV"),
        ("name\n", "there are no cases"),
        ("name,input\n,x\n", "cases.csv:2:"),
    ],
)
def test_csv_that_cannot_be_used_is_refused_with_its_line(project: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        read_cases(written(text, "cases.csv"))
    assert said in str(raised.value)


def test_files_that_are_none_are_refused(project: Path) -> None:
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, said in (("missing.yaml", "cannot be read"), ("cases.txt", "is one of .yaml"), ("binary.yaml", "cannot be read")):
        with pytest.raises(InputError, match=said):
            read_cases(name)
